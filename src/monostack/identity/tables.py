"""What identity keeps. In one place, because a token is good only if many rows say so together.

A domain is a project that owns itself, as clients see it: GET /v3/projects/{domain's id} answers. Unique
indexes ignore NULL, so "no domain" is the empty text in `domain_id` of domains and global roles, and is shown
as null. Attributes that a client invents are kept in `extra`.

Source: identity API reference, v3.
"""

from monostack.kit import ids
from monostack.kit.db import JSON, Boolean, Column, Index, Integer, String, Table, Text, Time, Unique, stamps

PROJECTS = Table(
    "identity_projects",
    Column("name", String(64)),
    Column("domain_id", String(64), nullable=False),
    Column("parent_id", String(64), index=True),
    Column("is_domain", Boolean, nullable=False),
    Column("description", Text),
    Column("enabled", Boolean, nullable=False),
    Column("tags", JSON),
    Column("options", JSON),
    Column("extra", JSON),
    Column("epoch", Integer, default=lambda: 0),
    *stamps(),
    Unique("domain_id", "name"),
    id=ids.new_hex,
)
"""`epoch` counts what ends all tokens for a project, a domain or a user: tokens carry the epochs of their
making."""

USERS = Table(
    "identity_users",
    Column("name", String(255)),
    Column("domain_id", String(64), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("default_project_id", String(64)),
    Column("password_hash", Text),
    Column("password_expires_at", Time),
    Column("password_changed_at", Time),
    Column("password_self_service", Boolean),
    Column("failed_logins", Integer),
    Column("failed_login_at", Time),
    Column("last_active_at", Time),
    Column("options", JSON),
    Column("extra", JSON),
    Column("epoch", Integer, default=lambda: 0),
    Column("origin", String(64), default=lambda: ""),
    Column("directory_id", String(255)),
    Column("directory_dn", Text),
    Column("seen_at", Time, index=True),
    Column("watched_until", Time),
    *stamps(),
    Unique("domain_id", "name", "origin"),
    id=ids.new_hex,
)
"""`origin` is empty for a user of our own. One for whom an identity provider vouches has his own id there:
names of such are the provider's affair and need not be unique.

A user who lives in a directory is mirrored here: `seen_at` says when he was seen there last, and is null
for a user of our own. While he may have a token (`watched_until`) the directory is asked again and again."""

OLD_PASSWORDS = Table(
    "identity_old_passwords",
    Column("user_id", String(64), nullable=False, index=True),
    Column("password_hash", Text),
    Column("set_at", Time),
)

PASSCODES = Table(
    "identity_passcodes",
    Column("credential_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False, index=True),
    Column("step", Integer, nullable=False),
    Unique("credential_id", "step"),
)
"""The one-time codes that were used lately."""

GROUPS = Table(
    "identity_groups",
    Column("name", String(64)),
    Column("domain_id", String(64), nullable=False),
    Column("description", Text),
    Column("extra", JSON),
    Column("directory_id", String(255)),
    Column("directory_dn", Text),
    Column("seen_at", Time),
    *stamps(),
    Unique("domain_id", "name"),
    id=ids.new_hex,
)

MEMBERSHIPS = Table(
    "identity_memberships",
    Column("group_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False, index=True),
    Unique("group_id", "user_id"),
)

ROLES = Table(
    "identity_roles",
    Column("name", String(255)),
    Column("domain_id", String(64), nullable=False),
    Column("description", Text),
    Column("options", JSON),
    Column("extra", JSON),
    *stamps(),
    Unique("domain_id", "name"),
    id=ids.new_hex,
)

IMPLIED_ROLES = Table(
    "identity_implied_roles",
    Column("prior_role_id", String(64), nullable=False),
    Column("implied_role_id", String(64), nullable=False, index=True),
    Unique("prior_role_id", "implied_role_id"),
)

ASSIGNMENTS = Table(
    "identity_assignments",
    Column("actor_kind", String(8), nullable=False),
    Column("actor_id", String(64), nullable=False),
    Column("target_kind", String(8), nullable=False),
    Column("target_id", String(64), nullable=False),
    Column("role_id", String(64), nullable=False, index=True),
    Column("inherited", Boolean, nullable=False),
    Unique("actor_id", "actor_kind", "target_id", "target_kind", "role_id", "inherited"),
    Index("identity_assignments_target", "target_id", "target_kind"),
)
"""actor_kind is user or group; target_kind is project, domain or system (target_id "system")."""

REGIONS = Table(
    "identity_regions",
    Column("id", String(255), primary_key=True),
    Column("description", Text),
    Column("parent_region_id", String(255), index=True),
    Column("extra", JSON),
    *stamps(),
)

SERVICES = Table(
    "identity_services",
    Column("name", String(255)),
    Column("type", String(255)),
    Column("enabled", Boolean, nullable=False),
    Column("extra", JSON),
    *stamps(),
    id=ids.new_hex,
)

ENDPOINTS = Table(
    "identity_endpoints",
    Column("service_id", String(64), index=True),
    Column("interface", String(8)),
    Column("region_id", String(255), index=True),
    Column("url", Text),
    Column("enabled", Boolean, nullable=False),
    Column("extra", JSON),
    *stamps(),
    id=ids.new_hex,
)

APPLICATION_CREDENTIALS = Table(
    "identity_application_credentials",
    Column("name", String(255), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("project_id", String(64), nullable=False, index=True),
    Column("description", Text),
    Column("secret_hash", Text),
    Column("roles", JSON),
    Column("unrestricted", Boolean),
    Column("system", String(64)),
    Column("access_rules", JSON),
    Column("expires_at", Time),
    *stamps(),
    Unique("user_id", "name"),
    id=ids.new_hex,
)

ACCESS_RULES = Table(
    "identity_access_rules",
    Column("user_id", String(64), nullable=False),
    Column("service", String(64), nullable=False),
    Column("path", String(255), nullable=False),
    Column("method", String(16), nullable=False),
    Unique("user_id", "service", "path", "method"),
    id=ids.new_hex,
)

CREDENTIALS = Table(
    "identity_credentials",
    Column("user_id", String(64), nullable=False, index=True),
    Column("project_id", String(64), index=True),
    Column("type", String(255)),
    Column("sealed_blob", Text),
    Column("extra", JSON),
    *stamps(),
    id=ids.new_hex,
)

REGISTERED_LIMITS = Table(
    "identity_registered_limits",
    Column("service_id", String(64), nullable=False),
    Column("region_id", String(255), nullable=False),
    Column("resource_name", String(255), nullable=False),
    Column("default_limit", Integer, nullable=False),
    Column("description", Text),
    *stamps(),
    Unique("service_id", "region_id", "resource_name"),
    id=ids.new_hex,
)

LIMITS = Table(
    "identity_limits",
    Column("service_id", String(64), nullable=False),
    Column("region_id", String(255), nullable=False),
    Column("resource_name", String(255), nullable=False),
    Column("owner_id", String(64), nullable=False),
    Column("project_id", String(64), index=True),
    Column("domain_id", String(64), index=True),
    Column("resource_limit", Integer, nullable=False),
    Column("description", Text),
    *stamps(),
    Unique("owner_id", "service_id", "region_id", "resource_name"),
    id=ids.new_hex,
)

TRUSTS = Table(
    "identity_trusts",
    Column("trustor_user_id", String(64), nullable=False, index=True),
    Column("trustee_user_id", String(64), nullable=False, index=True),
    Column("project_id", String(64), index=True),
    Column("impersonation", Boolean, nullable=False),
    Column("roles", JSON),
    Column("expires_at", Time),
    Column("remaining_uses", Integer),
    Column("redelegated_trust_id", String(64), index=True),
    Column("redelegation_count", Integer, default=lambda: 0),
    *stamps(),
    id=ids.new_hex,
)

DOMAIN_OPTIONS = Table(
    "identity_domain_options",
    Column("domain_id", String(64), nullable=False),
    Column("group_name", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("value", JSON),
    Column("sealed_value", Text),
    *stamps(),
    Unique("domain_id", "group_name", "name"),
)
"""A sensitive option has its value in `sealed_value` alone."""

REVOCATIONS = Table(
    "identity_revocations",
    Column("audit_id", String(32), index=True),
    Column("chain_id", String(32), index=True),
    Column("user_id", String(64)),
    Column("project_id", String(64)),
    Column("domain_id", String(64)),
    Column("trust_id", String(64)),
    Column("revoked_at", Time),
    Column("forget_at", Time, index=True),
)
"""A row revokes one token (audit_id), or a token with all that were made from it (chain_id too); or it
tells that all tokens of a user, project, domain or trust were ended, which their own rows know. It may be
forgotten when nobody may ask about such a token any more, and outlives what it speaks of."""

TABLES = (
    PROJECTS,
    USERS,
    OLD_PASSWORDS,
    PASSCODES,
    GROUPS,
    MEMBERSHIPS,
    ROLES,
    IMPLIED_ROLES,
    ASSIGNMENTS,
    REGIONS,
    SERVICES,
    ENDPOINTS,
    APPLICATION_CREDENTIALS,
    ACCESS_RULES,
    CREDENTIALS,
    REGISTERED_LIMITS,
    LIMITS,
    TRUSTS,
    DOMAIN_OPTIONS,
    REVOCATIONS,
)
