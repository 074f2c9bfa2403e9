"""Placement, assembled."""

from monostack.kit.resource import Service
from monostack.placement import tables
from monostack.placement.api import (
    aggregates,
    allocations,
    candidates,
    inventories,
    providers,
    reshaper,
    resource_classes,
    root,
    traits,
    usages,
)
from monostack.placement.wire import WIRE

ROOMS = (
    root,
    providers,
    inventories,
    usages,
    aggregates,
    traits,
    resource_classes,
    allocations,
    candidates,
    reshaper,
)

SERVICE = Service(
    name="placement",
    type="placement",
    title="placement",
    ports=(8778,),
    mount="placement",
    wire=WIRE,
    routes=tuple(route for room in ROOMS for route in room.ROUTES),
    tables=tables.ALL,
    needs=("identity",),
    description="OpenStack Placement Service",
)
