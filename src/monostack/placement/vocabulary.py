"""The names of resource classes and traits: those that every cloud shares, and the operator's own.

The standard ones are facts that clients and flavors refer to (`trait:HW_CPU_X86_AVX2=required`), so the whole
published list is here, one name a line in `standard_traits.txt`, and not only what our own hosts report.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from monostack.placement.tables import RESOURCE_CLASSES as CUSTOM_CLASSES
from monostack.placement.tables import TRAITS as CUSTOM_TRAITS

RESOURCE_CLASSES = (
    "VCPU",
    "MEMORY_MB",
    "DISK_GB",
    "PCI_DEVICE",
    "SRIOV_NET_VF",
    "NUMA_SOCKET",
    "NUMA_CORE",
    "NUMA_THREAD",
    "NUMA_MEMORY_MB",
    "IPV4_ADDRESS",
    "VGPU",
    "VGPU_DISPLAY_HEAD",
    "NET_BW_EGR_KILOBIT_PER_SEC",
    "NET_BW_IGR_KILOBIT_PER_SEC",
    "PCPU",
    "MEM_ENCRYPTION_CONTEXT",
    "FPGA",
    "PGPU",
    "NET_PACKET_RATE_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
)
CUSTOM = re.compile(r"CUSTOM_[A-Z0-9_]{1,248}")
LARGEST = 2147483647


@cache
def traits() -> frozenset[str]:
    """The standard traits."""
    return frozenset((Path(__file__).parent / "standard_traits.txt").read_text().split())


def is_custom(name: str) -> bool:
    """Whether a name is one that an operator may make: CUSTOM_ and capital letters, digits, underscores."""
    return CUSTOM.fullmatch(name) is not None


def class_exists(db, name: str) -> bool:
    """Whether there is a resource class of this name."""
    return name in RESOURCE_CLASSES or db.one(CUSTOM_CLASSES, name=name, lock=False) is not None


def unknown_traits(db, names: Iterable[str]) -> list[str]:
    """Those of the names that are no traits."""
    custom = [name for name in names if name not in traits()]
    if not custom:
        return []
    have = {row["name"] for row in db.all(CUSTOM_TRAITS, name=custom)}
    return sorted(set(custom) - have)


def place(name: str) -> tuple[int, str]:
    """A key that sorts classes as answers show them: the standard ones in their own order, then others."""
    if name in RESOURCE_CLASSES:
        return RESOURCE_CLASSES.index(name), name
    return len(RESOURCE_CLASSES), name
