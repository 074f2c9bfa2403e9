"""Identity: who may do what where. Domains, projects, users, groups, roles, their assignments, tokens, the
catalogue.

Every other service knows its callers through the token validation that this one registers, and asks here for
what it must know of a project or a user."""

from monostack.identity.tables import PROJECTS, USERS
from monostack.kit.db import Db, Row


def project(db: Db, id: str) -> Row | None:  # noqa: A002 - the field's word
    """The project of the id."""
    return db.one(PROJECTS, id=id, is_domain=False, lock=False)


def project_named(db: Db, name: str, domain_id: str = "default") -> Row | None:
    """The project of the name in a domain."""
    return db.one(PROJECTS, name=name, domain_id=domain_id, is_domain=False, lock=False)


def domain(db: Db, id: str) -> Row | None:  # noqa: A002
    """The domain of the id."""
    return db.one(PROJECTS, id=id, is_domain=True, lock=False)


def user(db: Db, id: str) -> Row | None:  # noqa: A002
    """The user of the id."""
    return db.one(USERS, id=id, lock=False)


__all__ = ["domain", "project", "project_named", "user"]
