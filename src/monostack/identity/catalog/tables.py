"""What is kept of the catalogue beside services, endpoints and regions: who is given which endpoints, and
which policy is meant for whom. Rows that refer to others end with them; see monostack.identity.removal."""

from monostack.kit import ids
from monostack.kit.db import JSON, Column, String, Table, Text, Unique, stamps

ENDPOINT_GROUPS = Table(
    "identity_endpoint_groups",
    Column("name", String(255)),
    Column("description", Text),
    Column("filters", JSON),
    *stamps(),
    id=ids.new_hex,
)

PROJECT_ENDPOINTS = Table(
    "identity_project_endpoints",
    Column("project_id", String(64), nullable=False),
    Column("endpoint_id", String(64), nullable=False, index=True),
    Unique("project_id", "endpoint_id"),
)

PROJECT_ENDPOINT_GROUPS = Table(
    "identity_project_endpoint_groups",
    Column("project_id", String(64), nullable=False),
    Column("endpoint_group_id", String(64), nullable=False, index=True),
    Unique("project_id", "endpoint_group_id"),
)

POLICY_ASSOCIATIONS = Table(
    "identity_policy_associations",
    Column("policy_id", String(64), nullable=False, index=True),
    Column("endpoint_id", String(64), nullable=False),
    Column("service_id", String(64), nullable=False),
    Column("region_id", String(255), nullable=False),
    Unique("endpoint_id", "service_id", "region_id"),
)
"""What an association does not name is the empty text, which unique indexes do not ignore."""

TABLES = (ENDPOINT_GROUPS, PROJECT_ENDPOINTS, PROJECT_ENDPOINT_GROUPS, POLICY_ASSOCIATIONS)
