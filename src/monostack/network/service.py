"""The service: its rooms, tables, parts and what it sets up at start."""

from __future__ import annotations

from monostack.kit.resource import Service
from monostack.network import bootstrap, networks, root, security_group_rules, security_groups, subnets
from monostack.network.hosting import PARTS
from monostack.network.parts import PART_KINDS
from monostack.network.ports import api as ports
from monostack.network.tables import TABLES
from monostack.network.wire import WIRE

SERVICE = Service(
    name="network",
    type="network",
    title="neutron",
    description="OpenStack Networking",
    ports=(9696,),
    mount="network",
    wire=WIRE,
    routes=(
        *root.ROUTES,
        *networks.ROUTES,
        *subnets.ROUTES,
        *ports.ROUTES,
        *security_groups.ROUTES,
        *security_group_rules.ROUTES,
    ),
    tables=(*TABLES, PARTS, bootstrap.DONE),
    parts=PART_KINDS,
    needs=("identity",),
    bootstrap=bootstrap.bootstrap,
)
