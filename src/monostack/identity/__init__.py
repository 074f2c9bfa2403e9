"""Identity: who may do what where. Domains, projects, users, groups, roles, their assignments, tokens, the
catalogue.

Every other service knows its callers through the token validation that this one registers, and asks here for
what it must know of a project or a user."""

from monostack.identity.tables import LIMITS, PROJECTS, REGISTERED_LIMITS, SERVICES, USERS
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


def endpoints(db: Db, user_id: str | None, project_id: str | None) -> list[dict]:
    """The services with their endpoints, as a user of a project sees them."""
    from monostack.identity.catalog import catalog

    return catalog.of(db, user_id, project_id)


def limit(db: Db, service_type: str, resource: str, project_id: str) -> int:
    """What a project is limited to of a service's resource; 0 when no limit is registered, -1 when there is
    none.

    A limit of the cloud's own region goes before one of no region, and the project's before the registered.
    """
    services = [row["id"] for row in db.all(SERVICES, type=service_type)]
    regions = ["", db.cloud.settings.region]
    where: dict = {"service_id": services, "resource_name": resource, "region_id": regions}
    if not services:
        return 0
    own = db.all(LIMITS, order="-region_id", project_id=project_id, **where)
    if own:
        return own[0]["resource_limit"]
    registered = db.all(REGISTERED_LIMITS, order="-region_id", **where)
    return registered[0]["default_limit"] if registered else 0


__all__ = ["domain", "endpoints", "limit", "project", "project_named", "user"]
