"""What a new cloud has from the start: an external network called public, so that routers lead somewhere, and
a pool of addresses.

They are made once, at the very first start, and never again: an operator who deletes one has his reasons.
"""

from __future__ import annotations

from monostack import identity
from monostack.kit.db import Column, String, Table
from monostack.network import checks, networks, subnetpools, subnets
from monostack.network.attributes import defaults
from monostack.network.checks import parsed_network
from monostack.network.tables import NETWORKS

PUBLIC = "public"
SUBNET = "public-subnet"
POOL = "shared-default-subnetpool-v4"
CUT = 26
OWNER = "admin"

DONE = Table("network_bootstrap", Column("name", String(64), primary_key=True, nullable=False))
"""What has been set up already."""


def bootstrap(tx, cloud) -> None:
    for name, make in ((PUBLIC, _public), (POOL, _pool)):
        if tx.one(DONE, name=name) is None:
            tx.insert(DONE, name=name)
            make(tx, cloud.settings.network)


def _about(tx) -> dict:
    project = identity.project_named(tx, OWNER)
    return {"project_id": project["id"] if project is not None else "", "description": ""}


def _public(tx, settings) -> None:
    if not settings.external_cidr or tx.one(NETWORKS, segment_key=f"flat:{PUBLIC}") is not None:
        return
    about = _about(tx)
    provider = {"provider:network_type": "flat", "provider:physical_network": PUBLIC}
    network = networks.store(
        tx,
        defaults(
            networks.ATTRIBUTES,
            about | provider | {"name": PUBLIC, "router:external": True, "is_default": True},
        ),
    )
    subnet = {"name": SUBNET, "ip_version": 4, "cidr": settings.external_cidr, "enable_dhcp": False}
    subnets.store(tx, network, defaults(subnets.ATTRIBUTES, about | subnet))


def _pool(tx, settings) -> None:
    """The pool that subnets are cut from for those who do not care which addresses they get."""
    if not settings.default_pool_cidr:
        return
    prefix = parsed_network(checks.cidr(settings.default_pool_cidr))
    pool = {
        "name": POOL,
        "prefixes": [str(prefix)],
        "is_default": True,
        "shared": True,
        "default_prefixlen": max(CUT, prefix.prefixlen),
    }
    subnetpools.store(tx, defaults(subnetpools.ATTRIBUTES, _about(tx) | pool))
