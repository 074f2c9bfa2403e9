"""What placement keeps.

`used` and `capacity` stand in the inventory itself: whether an amount fits is then a condition of the one
UPDATE that takes it, and two claims for the last unit cannot both pass on any database. Everything else about
usage could be summed from the allocations, and a test does sum it.

A generation counts the changes of a provider or consumer; who writes says which one he has read. Standard
classes and traits are names in code; only the operator's own (CUSTOM_...) are rows.
"""

from monostack.kit.db import Column, Float, Index, Integer, String, Table, stamps

PROVIDERS = Table(
    "placement_providers",
    Column("name", String(200), unique=True),
    Column("generation", Integer),
    Column("parent_id", String(64), index=True),
    Column("root_id", String(64), index=True),
    *stamps(),
)

INVENTORIES = Table(
    "placement_inventories",
    Column("provider_id", String(64), primary_key=True, nullable=False),
    Column("resource_class", String(255), primary_key=True, nullable=False),
    Column("total", Integer),
    Column("reserved", Integer),
    Column("min_unit", Integer),
    Column("max_unit", Integer),
    Column("step_size", Integer),
    Column("allocation_ratio", Float),
    Column("capacity", Integer),
    Column("used", Integer),
    *stamps(),
    Index("placement_inventories_class", "resource_class"),
)

CONSUMERS = Table(
    "placement_consumers",
    Column("generation", Integer),
    Column("project_id", String(255)),
    Column("user_id", String(255)),
    Column("type", String(255)),
    *stamps(),
    Index("placement_consumers_project", "project_id", "user_id"),
)

ALLOCATIONS = Table(
    "placement_allocations",
    Column("consumer_id", String(64), primary_key=True, nullable=False),
    Column("provider_id", String(64), primary_key=True, nullable=False),
    Column("resource_class", String(255), primary_key=True, nullable=False),
    Column("used", Integer),
    *stamps(),
    Index("placement_allocations_provider", "provider_id"),
)

TRAITS = Table(
    "placement_traits",
    Column("name", String(255), primary_key=True, nullable=False),
    *stamps(),
)

PROVIDER_TRAITS = Table(
    "placement_provider_traits",
    Column("provider_id", String(64), primary_key=True, nullable=False),
    Column("name", String(255), primary_key=True, nullable=False),
    Index("placement_provider_traits_name", "name"),
)

AGGREGATES = Table(
    "placement_aggregates",
    Column("provider_id", String(64), primary_key=True, nullable=False),
    Column("aggregate_id", String(64), primary_key=True, nullable=False),
    Index("placement_aggregates_aggregate", "aggregate_id"),
)

RESOURCE_CLASSES = Table(
    "placement_resource_classes",
    Column("name", String(255), primary_key=True, nullable=False),
    *stamps(),
)

ALL = (PROVIDERS, INVENTORIES, CONSUMERS, ALLOCATIONS, TRAITS, PROVIDER_TRAITS, AGGREGATES, RESOURCE_CLASSES)
