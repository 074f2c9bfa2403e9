"""The identity service, assembled."""

from monostack.identity import (
    account,
    application_credentials,
    assignments,
    auth,
    bootstrap,
    credentials,
    domains,
    endpoints,
    groups,
    limits,
    policies,
    project_tags,
    projects,
    regions,
    role_assignments,
    roles,
    services,
    tables,
    tokens,
    trusts,
    users,
    versions,
)
from monostack.identity.wire import IdentityWire
from monostack.kit.resource import Service

ROOMS = (
    versions,
    auth,
    account,
    domains,
    projects,
    project_tags,
    users,
    application_credentials,
    credentials,
    groups,
    roles,
    assignments,
    role_assignments,
    services,
    endpoints,
    regions,
    limits,
    policies,
    trusts,
)

SERVICE = Service(
    name="identity",
    type="identity",
    title="keystone",
    ports=(5000, 35357),
    mount="identity",
    wire=IdentityWire(),
    prefixes=("/v3",),
    endpoint="/v3",
    routes=tuple(route for room in ROOMS for route in room.ROUTES),
    tables=(*tables.TABLES, policies.POLICIES),
    loops=(tokens.FORGETTING,),
    bootstrap=bootstrap.bootstrap,
    overview=(
        ("projects", tables.PROJECTS, ("id", "name", "domain_id", "enabled")),
        ("users", tables.USERS, ("id", "name", "domain_id", "enabled")),
    ),
)
