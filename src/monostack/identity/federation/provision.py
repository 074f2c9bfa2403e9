"""Projects that a mapping gives to people: made where they are missing, with the roles it names.

Everything is checked before anything is made. Up to schema 2.0 what somebody was given stays his; from 3.0 on
his roles on projects are exactly what his identity provider says at each login.

Source: federation guide, "Auto-provisioning"; what a current identity service makes of mappings."""

from __future__ import annotations

from typing import Any

from monostack.identity.attributes import missing
from monostack.identity.federation import people
from monostack.identity.projects import projects
from monostack.identity.tables import ASSIGNMENTS, PROJECTS, ROLES
from monostack.kit.db import Row, Tx
from monostack.kit.errors import Error

IN_STEP = "3.0"


def give(tx: Tx, user: Row, provider: Row, asked: tuple[dict[str, Any], ...], version: str) -> None:
    """Give the user the projects with the roles; raises Error 404 or 403 for what is not there."""
    wanted = [(people.domain_id(tx, each.get("domain"), provider), each["name"], each) for each in asked]
    roles = [_roles(tx, each, user, provider) for each in asked]
    held = tx.all(ASSIGNMENTS, actor_kind="user", actor_id=user["id"], target_kind="project", inherited=False)
    before = {(row["target_id"], row["role_id"]): row for row in held}
    given = set()
    for (domain_id, name, _), role_ids in zip(wanted, roles, strict=True):
        project = tx.one(PROJECTS, name=name, domain_id=domain_id, is_domain=False)
        if project is None:
            project = projects.insert(tx, {"name": name}, domain_id, domain_id)
        given |= {(project["id"], role_id) for role_id in role_ids}
    for project_id, role_id in sorted(given - before.keys()):
        tx.insert(
            ASSIGNMENTS,
            actor_kind="user",
            actor_id=user["id"],
            target_kind="project",
            target_id=project_id,
            role_id=role_id,
            inherited=False,
        )
    if version == IN_STEP:
        for key in before.keys() - given:
            tx.delete(before[key])
    tx.ends_tokens()


def _roles(tx: Tx, project: dict[str, Any], user: Row, provider: Row) -> list[str]:
    out = []
    for asked in project["roles"]:
        found = tx.all(ROLES, name=asked["name"])
        fitting = [row for row in found if row["domain_id"] in ("", user["domain_id"])]
        if not found:
            raise missing("role", asked["name"])
        if not fitting:
            words = (
                f"Role {asked['name']} is a domain-specific role and cannot be assigned within the domain of "
                f"the identity provider {provider['id']}."
            )
            raise Error(403, "Forbidden", words)
        out.append(fitting[0]["id"])
    return out
