"""The service: its rooms, tables, parts and what it sets up at start."""

from __future__ import annotations

from monostack.kit.resource import Service
from monostack.network import (
    address_scopes,
    agents,
    bootstrap,
    default_rules,
    extensions,
    floating_ips,
    ip_availability,
    leaving,
    networks,
    quotas,
    rbac,
    root,
    security_group_rules,
    security_groups,
    subnetpools,
    subnets,
    topologies,
)
from monostack.network.hosting import PARTS
from monostack.network.parts import PART_KINDS
from monostack.network.ports import api as ports
from monostack.network.routers import api as routers
from monostack.network.routers.rows import host_arrived
from monostack.network.sharing import POLICIES
from monostack.network.subnetpool_tables import SUBNETPOOLS
from monostack.network.tables import NETWORKS, ROUTERS, TABLES
from monostack.network.wire import WIRE

SERVICE = Service(
    name="network",
    type="network",
    title="neutron",
    description="OpenStack Networking",
    overview=(
        ("networks", NETWORKS, ("id", "name", "project_id", "network_type", "status", "external")),
        ("routers", ROUTERS, ("id", "name", "project_id", "status", "host")),
    ),
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
        *routers.ROUTES,
        *floating_ips.ROUTES,
        *quotas.ROUTES,
        *agents.ROUTES,
        *extensions.ROUTES,
        *ip_availability.ROUTES,
        *address_scopes.ROUTES,
        *subnetpools.ROUTES,
        *rbac.ROUTES,
        *topologies.ROUTES,
        *default_rules.ROUTES,
    ),
    tables=(
        *TABLES,
        PARTS,
        POLICIES,
        SUBNETPOOLS,
        address_scopes.ADDRESS_SCOPES,
        topologies.TOPOLOGIES,
        agents.NOTES,
        bootstrap.DONE,
    ),
    parts=PART_KINDS,
    hooks=(("host.hello", host_arrived), *leaving.HOOKS),
    needs=("identity",),
    bootstrap=bootstrap.bootstrap,
)
