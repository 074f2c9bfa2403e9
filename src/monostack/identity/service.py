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
)

SERVICE = Service(
    name="identity",
    type="identity",
    title="keystone",
    ports=(5000,),
    mount="identity",
    wire=IdentityWire(),
    prefixes=("/v3",),
    endpoint="/v3",
    routes=tuple(route for room in ROOMS for route in room.ROUTES),
    tables=(*tables.TABLES, policies.POLICIES),
    loops=(tokens.FORGETTING,),
    bootstrap=bootstrap.bootstrap,
)
