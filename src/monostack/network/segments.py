"""Segments: how a network is told apart on the wire, claimed by a unique key.

Tenants get an overlay; who may name the type, the physical network and the number may have a flat or VLAN
network. A flat network takes its physical network whole. A number that nobody asked for is drawn at random:
the space is large and sparse, so one draw nearly always does.

Source: networking API reference, "provider" extension; ranges from the encapsulations themselves (VLAN 12
bits, VNI 24).
"""

from __future__ import annotations

import random

from monostack.kit.errors import Error
from monostack.network.attributes import bad
from monostack.network.tables import NETWORKS

TYPES = ("local", "flat", "vlan", "vxlan", "geneve", "gre")
TENANT_TYPE = "vxlan"
NUMBERS = {"vlan": (1, 4094), "vxlan": (1, 2**24 - 1), "geneve": (1, 2**24 - 1), "gre": (1, 2**32 - 1)}
DRAWN = {"vlan": (1, 4094), "vxlan": (1, 2**16), "geneve": (1, 2**16), "gre": (1, 2**16)}
OVERHEAD = {"vxlan": 50, "geneve": 58, "gre": 42}
DRAWS = 64

_random = random.Random()


def asked(values: dict) -> dict | None:
    """The segment a caller names by the provider attributes, checked; None when he names none."""
    kind = values.get("provider:network_type")
    physical = values.get("provider:physical_network")
    number = values.get("provider:segmentation_id")
    if kind is None and physical is None and number is None:
        return None
    if kind is None:
        raise bad("Invalid input for operation: network_type required.")
    if kind not in TYPES:
        raise bad(
            f"Invalid input for operation: network_type value '{kind}' not supported: "
            f"there are {', '.join(TYPES)}."
        )
    if kind in ("flat", "vlan") and not physical:
        raise bad(f"Invalid input for operation: physical_network required for {kind} provider network.")
    if kind not in ("flat", "vlan") and physical:
        raise bad(f"Invalid input for operation: provider:physical_network specified for {kind} network.")
    if kind in ("flat", "local") and number is not None:
        raise bad(f"Invalid input for operation: provider:segmentation_id specified for {kind} network.")
    if number is not None:
        low, high = NUMBERS[kind]
        if not low <= number <= high:
            raise bad(f"Invalid input for operation: segmentation_id out of range ({low} through {high}).")
    return {"network_type": kind, "physical_network": physical, "segmentation_id": number}


def key(segment: dict, network_id: str) -> str:
    """What must be unique: the number within its type (and physical network), or the physical network
    itself."""
    kind = segment["network_type"]
    if kind == "local":
        return f"local:{network_id}"
    if kind == "flat":
        return f"flat:{segment['physical_network']}"
    if kind == "vlan":
        return f"vlan:{segment['physical_network']}:{segment['segmentation_id']}"
    return f"{kind}:{segment['segmentation_id']}"


def chosen(db, segment: dict | None, network_id: str) -> dict:
    """The segment's columns, with a free number where none was asked for."""
    segment = dict(
        segment or {"network_type": TENANT_TYPE, "physical_network": None, "segmentation_id": None}
    )
    kind = segment["network_type"]
    if kind in DRAWN and segment["segmentation_id"] is None:
        segment["segmentation_id"] = _drawn(db, segment)
    segment["segment_key"] = key(segment, network_id)
    return segment


def _drawn(db, segment: dict) -> int:
    low, high = DRAWN[segment["network_type"]]
    for _ in range(DRAWS):
        number = _random.randint(low, high)
        if db.one(NETWORKS, lock=False, segment_key=key(segment | {"segmentation_id": number}, "")) is None:
            return number
    raise Error(
        503,
        "NoNetworkAvailable",
        "Unable to create the network. No tenant network is available for "
        f"allocation: nearly all {segment['network_type']} numbers are taken.",
    )


def taken(segment: dict) -> Error:
    """The refusal when somebody else has the segment."""
    kind, physical, number = segment["network_type"], segment["physical_network"], segment["segmentation_id"]
    if kind == "flat":
        return Error(
            409,
            "FlatNetworkInUse",
            f"Unable to create the flat network. Physical network {physical} is in use.",
        )
    if kind == "vlan":
        return Error(
            409,
            "VlanIdInUse",
            f"Unable to create the network. The VLAN {number} on physical network {physical} is in use.",
        )
    return Error(409, "TunnelIdInUse", f"Unable to create the network. The tunnel ID {number} is in use.")


def mtu(segment: dict, largest: int) -> int:
    return largest - OVERHEAD.get(segment["network_type"], 0)
