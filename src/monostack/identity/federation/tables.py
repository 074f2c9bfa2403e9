"""What federation keeps: who may vouch for whom, and for whom it was done.

Identity providers, protocols, mappings and service providers have the ids that an operator gives them. A
federated user is a row of users as any other; the rows here say under which name which provider knows him.
An assertion that was used is kept until it is void by itself, so that nobody uses it twice.

Source: identity API reference, "OS-FEDERATION"."""

from monostack.kit.db import JSON, Boolean, Column, Integer, String, Table, Text, Time, Unique, stamps

IDENTITY_PROVIDERS = Table(
    "identity_providers",
    Column("id", String(64), primary_key=True),
    Column("domain_id", String(64), nullable=False, index=True),
    Column("enabled", Boolean, nullable=False),
    Column("description", Text),
    Column("authorization_ttl", Integer),
    *stamps(),
)

REMOTE_IDS = Table(
    "identity_provider_remote_ids",
    Column("id", String(255), primary_key=True),
    Column("idp_id", String(64), nullable=False, index=True),
)
"""What an identity provider calls itself; no two may have the same."""

PROTOCOLS = Table(
    "identity_federation_protocols",
    Column("idp_id", String(64), primary_key=True, nullable=False),
    Column("id", String(64), primary_key=True, nullable=False),
    Column("mapping_id", String(64), nullable=False),
    Column("remote_id_attribute", String(64)),
    *stamps(),
)

MAPPINGS = Table(
    "identity_federation_mappings",
    Column("id", String(64), primary_key=True),
    Column("rules", JSON, nullable=False),
    Column("schema_version", String(5), nullable=False),
    *stamps(),
)

SERVICE_PROVIDERS = Table(
    "identity_service_providers",
    Column("id", String(64), primary_key=True),
    Column("auth_url", String(256), nullable=False),
    Column("sp_url", String(256), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("description", Text),
    Column("relay_state_prefix", String(256), nullable=False),
    *stamps(),
)

FEDERATED_USERS = Table(
    "identity_federated_users",
    Column("user_id", String(64), nullable=False, index=True),
    Column("idp_id", String(64), nullable=False),
    Column("protocol_id", String(64), nullable=False),
    Column("unique_id", String(255), nullable=False),
    Unique("idp_id", "protocol_id", "unique_id"),
)

EXPIRING_MEMBERSHIPS = Table(
    "identity_expiring_memberships",
    Column("user_id", String(64), nullable=False),
    Column("group_id", String(64), nullable=False, index=True),
    Column("idp_id", String(64), nullable=False, index=True),
    Column("expires_at", Time, nullable=False, index=True),
    Unique("user_id", "group_id", "idp_id"),
)
"""Groups that an identity provider said a user is in: so for a while (authorization_ttl) after each login."""

USED_ASSERTIONS = Table(
    "identity_used_assertions",
    Column("id", String(64), primary_key=True),
    Column("forget_at", Time, nullable=False, index=True),
)

TABLES = (
    IDENTITY_PROVIDERS,
    REMOTE_IDS,
    PROTOCOLS,
    MAPPINGS,
    SERVICE_PROVIDERS,
    FEDERATED_USERS,
    EXPIRING_MEMBERSHIPS,
    USED_ASSERTIONS,
)
