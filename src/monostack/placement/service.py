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
from monostack.placement.candidates.world import Kept
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


def bootstrap(tx, cloud) -> None:
    """At every start: an empty picture of the providers."""
    cloud.placement = Kept()


SERVICE = Service(
    name="placement",
    type="placement",
    title="placement",
    ports=(8778,),
    mount="placement",
    wire=WIRE,
    routes=tuple(route for room in ROOMS for route in room.ROUTES),
    tables=tables.ALL,
    bootstrap=bootstrap,
    needs=("identity",),
    description="OpenStack Placement Service",
)
