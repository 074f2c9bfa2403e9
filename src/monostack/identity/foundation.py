"""What every cloud stands on, laid piece by piece: each piece is made if it is missing and left if it is
there.

The first start lays all of it, and `monostack identity bootstrap` lays again what somebody took away: the
way back in for an operator who locked himself out. `done` tells in words what was.

Source: identity administration guide, "Bootstrapping Identity"."""

from __future__ import annotations

from dataclasses import dataclass, field

from monostack.identity.authentication import naming
from monostack.identity.roles import grants
from monostack.identity.tables import (
    ASSIGNMENTS,
    ENDPOINTS,
    IMPLIED_ROLES,
    PROJECTS,
    REGIONS,
    ROLES,
    SERVICES,
    USERS,
)
from monostack.identity.tokens import tokens
from monostack.identity.users import password_rules, standing
from monostack.kit.db import Row, Tx, Values

DEFAULT_DOMAIN = "default"
ROLE_CHAIN = ("admin", "manager", "member", "reader")
"""Each implies the next."""
SERVICE_ROLE = "service"
OPERATORS = {"ignore_change_password_upon_first_use": True}
"""A password that an operator sets here is for himself: it need not be changed at once."""
INTERFACES = ("public", "internal", "admin")


@dataclass
class Foundation:
    """The pieces, in one transaction."""

    tx: Tx
    done: list[str] = field(default_factory=list)

    def domain(self) -> None:
        row = self.tx.one(PROJECTS, id=DEFAULT_DOMAIN)
        if row is None:
            words = "The default domain"
            self._project(id=DEFAULT_DOMAIN, name="Default", domain_id="", is_domain=True, description=words)
            self.done.append("made the domain Default")
        elif not row["enabled"]:
            self.tx.set(row, enabled=True)
            self.tx.ends_tokens()
            self.done.append("enabled the domain Default")

    def project(self, name: str, description: str = "", id: str | None = None) -> str:  # noqa: A002
        """A project in the default domain; its id, which may be chosen for a new one."""
        row = self.tx.one(PROJECTS, name=name, domain_id=DEFAULT_DOMAIN, is_domain=False)
        if row is None:
            home = {"domain_id": DEFAULT_DOMAIN, "parent_id": DEFAULT_DOMAIN}
            row = self._project(name=name, is_domain=False, description=description, **home, **_chosen(id))
            self.done.append(f"made the project {name}")
        elif not row["enabled"]:
            self.tx.set(row, enabled=True)
            self.tx.ends_tokens()
            self.done.append(f"enabled the project {name}")
        return row["id"]

    def _project(self, **values) -> Row:
        return self.tx.insert(PROJECTS, enabled=True, tags=[], options={}, extra={}, **values)

    def roles(self, admin: str = "admin", *, immutable: bool = True) -> dict[str, str]:
        """The roles that all services' rules speak of, name -> id; `admin` implies the others in their
        order."""
        chain = (admin, *ROLE_CHAIN[1:])
        found = {name: self._role(name, immutable) for name in (*chain, SERVICE_ROLE)}
        for prior, implied in zip(chain, chain[1:], strict=False):
            pair: Values = {"prior_role_id": found[prior], "implied_role_id": found[implied]}
            if self.tx.one(IMPLIED_ROLES, **pair) is None:
                self.tx.insert(IMPLIED_ROLES, **pair)
                self.tx.ends_tokens()
                self.done.append(f"made the role {prior} imply {implied}")
        return found

    def _role(self, name: str, immutable: bool) -> str:
        row = self.tx.one(ROLES, name=name, domain_id="")
        if row is None:
            options = {"immutable": True} if immutable else {}
            row = self.tx.insert(ROLES, name=name, domain_id="", options=options, extra={})
            self.done.append(f"made the role {name}")
        return row["id"]

    def user(self, name: str, stored: str | None, id: str | None = None) -> str:  # noqa: A002
        """A user in the default domain who can log in; his id, which may be chosen for a new one. A hash of a
        password that he has not already is his new password, and ends his tokens."""
        row = naming.own_user(self.tx, name, DEFAULT_DOMAIN)
        if row is None:
            home: Values = {"name": name, "domain_id": DEFAULT_DOMAIN} | _chosen(id)
            password = password_rules.columns(self.tx, stored, OPERATORS, by_himself=False)
            row = self.tx.insert(USERS, enabled=True, options={}, extra={}, **home, **password)
            self.done.append(f"made the user {name}")
            return row["id"]
        if stored is not None and stored != row["password_hash"]:
            options = OPERATORS | (row["options"] or {})
            password = password_rules.columns(self.tx, stored, options, by_himself=False)
            password_rules.remember(self.tx, row)
            self.tx.set(row, **password)
            tokens.end_all(self.tx, row)
            self.done.append(f"set the password of the user {name}")
        if not row["enabled"] or standing.locked(self.tx.cloud, row):
            self.tx.set(row, enabled=True, **standing.enabling(self.tx))
            self.tx.ends_tokens()
            self.done.append(f"enabled the user {name}")
        return row["id"]

    def assign(self, user_id: str, kind: str, target_id: str, role_id: str) -> None:
        assignment: Values = {
            "actor_kind": "user",
            "actor_id": user_id,
            "target_kind": kind,
            "target_id": target_id,
            "role_id": role_id,
            "inherited": False,
        }
        if self.tx.one(ASSIGNMENTS, **assignment) is None:
            self.tx.insert(ASSIGNMENTS, **assignment)
            self.tx.ends_tokens()
            where = "the system" if kind == "system" else f"the {kind} {target_id}"
            self.done.append(f"gave a role to the user {user_id} on {where}")

    def administer(self, user_id: str, project_id: str, role_id: str) -> None:
        """A role on a project and on the system."""
        self.assign(user_id, "project", project_id, role_id)
        self.assign(user_id, "system", grants.SYSTEM, role_id)

    def region(self, region: str) -> None:
        if self.tx.one(REGIONS, id=region) is None:
            self.tx.insert(REGIONS, id=region, description="", extra={})
            self.done.append(f"made the region {region}")

    def service(self, name: str, kind: str) -> str:
        """A service of that name and type; its id."""
        row = self.tx.one(SERVICES, name=name, type=kind)
        if row is None:
            row = self.tx.insert(SERVICES, name=name, type=kind, enabled=True, extra={})
            self.tx.ends_tokens()
            self.done.append(f"made the service {name}")
        return row["id"]

    def endpoint(self, service_id: str, interface: str, region: str | None, url: str) -> None:
        place: Values = {"service_id": service_id, "interface": interface, "region_id": region}
        row = self.tx.one(ENDPOINTS, **place)
        if row is None:
            self.tx.insert(ENDPOINTS, url=url, enabled=True, extra={}, **place)
            self.done.append(f"made the {interface} endpoint {url}")
        elif row["url"] != url:
            self.tx.set(row, url=url)
            self.done.append(f"set the {interface} endpoint to {url}")
        else:
            return
        self.tx.ends_tokens()


def _chosen(id: str | None) -> dict[str, str]:  # noqa: A002 - the field's word
    """The id of a new row, if somebody chose it."""
    return {} if id is None else {"id": id}
