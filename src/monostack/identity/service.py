"""The identity service, assembled."""

from monostack.identity import bootstrap, limits, tables, versions
from monostack.identity.authentication import account, login, oauth2, version_2
from monostack.identity.catalog import (
    endpoint_groups,
    endpoints,
    policies,
    policy_associations,
    project_endpoints,
    regions,
    services,
)
from monostack.identity.catalog import tables as catalog_tables
from monostack.identity.credentials import credentials, ec2_tokens
from monostack.identity.delegation import access_rules, application_credentials, trusts
from monostack.identity.domains import configuration, domains
from monostack.identity.federation import (
    doors,
    identity_providers,
    mappings,
    once,
    partners,
    people,
    protocols,
    service_providers,
)
from monostack.identity.federation import tables as federation_tables
from monostack.identity.oauth1 import access_tokens, consumers, request_tokens
from monostack.identity.oauth1 import tables as oauth1_tables
from monostack.identity.projects import leaving, projects, tags
from monostack.identity.roles import assignments, role_assignments, roles
from monostack.identity.tokens import revocations, tokens
from monostack.identity.users import groups, password, sources, users
from monostack.identity.wire import IdentityWire
from monostack.kit.resource import Service

ROOMS = (
    versions,
    login,
    oauth2,
    version_2,
    account,
    domains,
    configuration,
    projects,
    tags,
    users,
    password,
    application_credentials,
    access_rules,
    consumers,
    request_tokens,
    access_tokens,
    credentials,
    ec2_tokens,
    revocations,
    groups,
    roles,
    assignments,
    role_assignments,
    services,
    endpoints,
    regions,
    limits,
    policies,
    policy_associations,
    endpoint_groups,
    project_endpoints,
    trusts,
    identity_providers,
    protocols,
    mappings,
    service_providers,
    doors,
    partners,
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
    tables=(
        *tables.TABLES,
        *catalog_tables.TABLES,
        *oauth1_tables.TABLES,
        *federation_tables.TABLES,
        policies.POLICIES,
        leaving.LEFT,
    ),
    loops=(
        tokens.FORGETTING,
        access_tokens.FORGETTING,
        people.FORGETTING,
        once.FORGETTING,
        sources.WATCHING,
        leaving.LOOP,
    ),
    hooks=(
        ("identity.domain.delete", identity_providers.domain_gone),
        ("identity.domain.configured", sources.configured),
    ),
    bootstrap=bootstrap.bootstrap,
    overview=(
        ("projects", tables.PROJECTS, ("id", "name", "domain_id", "enabled")),
        ("users", tables.USERS, ("id", "name", "domain_id", "enabled")),
        ("left by deleted projects", leaving.LEFT, ("project_id", "name", "wish", "left", "cause")),
    ),
)
