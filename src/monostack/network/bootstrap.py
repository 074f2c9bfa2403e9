"""What a new cloud has from the start: an external network called public, so that routers lead somewhere.

It is made once, at the very first start, and never again: an operator who deletes it has his reasons.
"""

from __future__ import annotations

from monostack.identity.tables import PROJECTS
from monostack.kit.db import Column, String, Table
from monostack.network import networks, subnets
from monostack.network.tables import NETWORKS

PUBLIC = "public"
SUBNET = "public-subnet"
OWNER = "admin"

DONE = Table("network_bootstrap", Column("name", String(64), primary_key=True, nullable=False))
"""What has been set up already."""


def bootstrap(tx, cloud) -> None:
    if tx.one(DONE, name=PUBLIC) is not None:
        return
    tx.insert(DONE, name=PUBLIC)
    cidr = cloud.settings.network.external_cidr
    if not cidr or tx.one(NETWORKS, segment_key=f"flat:{PUBLIC}") is not None:
        return
    project = tx.one(PROJECTS, name=OWNER, is_domain=False)
    about = {"project_id": project["id"] if project is not None else "", "description": ""}
    network = networks.store(
        tx,
        about
        | {
            "name": PUBLIC,
            "admin_state_up": True,
            "shared": False,
            "router:external": True,
            "is_default": True,
            "port_security_enabled": True,
            "availability_zone_hints": [],
            "provider:network_type": "flat",
            "provider:physical_network": PUBLIC,
        },
    )
    subnets.store(
        tx,
        network,
        about
        | {
            "name": SUBNET,
            "ip_version": 4,
            "cidr": cidr,
            "enable_dhcp": False,
            "use_default_subnetpool": False,
        },
    )
