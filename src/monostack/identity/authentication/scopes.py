"""What a login is for: the scope asked for, the one that a method dictates, or the user's own habit.

Source: identity API reference, "Authentication and token management", "OS-TRUST"."""

from __future__ import annotations

from monostack.identity.authentication import naming
from monostack.identity.authentication.bodies import Login
from monostack.identity.authentication.methods.method import Proof
from monostack.identity.authentication.verifying import refused
from monostack.identity.delegation import borrowed, pedigree
from monostack.identity.tables import PROJECTS, TRUSTS, USERS
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error


def wanted(db: Db, login: Login, proofs: list[Proof], trust: Row | None) -> list[tuple[str, str | None]]:
    """The scopes to try, best first. Without a word about scope: the user's default project, then none."""
    for proof in proofs:
        if proof.scope is not None:
            return [proof.scope]
    if trust is not None:
        project_id = trust["project_id"]
        return [("project", project_id) if project_id else ("unscoped", None)]
    if login.scope is None:
        user = db.one(USERS, id=proofs[0].user_id)
        default = user and user["default_project_id"]
        if default and all(proof.default_project for proof in proofs):
            return [("project", default), ("unscoped", None)]
        return [("unscoped", None)]
    if login.scope == "project":
        if "id" in login.target:
            return [("project", login.target["id"])]
        naming.must_be_said(db.cloud.settings.identity.project_name_url_safe, login.target["name"])
        domain_id = naming.domain(db, login.target["domain"])
        project = domain_id and db.one(PROJECTS, name=login.target["name"], domain_id=domain_id)
        return [("project", project["id"])] if project else []
    if login.scope == "domain":
        domain_id = naming.domain(db, login.target)
        return [("domain", domain_id)] if domain_id else []
    return [(login.scope, None)]


def use_trust(tx: Tx, user_id: str, trust_id: str) -> Row:
    """The trust that a trustee logs in with, counted as used once more; raises the refusal."""
    trust, chain = tx.one(TRUSTS, id=trust_id), pedigree.of(tx, trust_id)
    if trust is None or chain is None:
        raise refused()
    if trust["trustee_user_id"] != user_id:
        raise Error(403, "Forbidden", f"{borrowed.FORBIDDEN}.")
    project = tx.one(PROJECTS, id=trust["project_id"], lock=False)
    if project is not None and pedigree.roles(tx, chain, project) is None:
        raise borrowed.forbidden("the trustor does not have all roles of the trust any more")
    if trust["remaining_uses"] == 0:
        raise refused()
    if trust["remaining_uses"] is not None:
        tx.set(trust, remaining_uses=trust["remaining_uses"] - 1)
    return trust
