"""What things are called in the kernel, and whose they are.

An interface name has fifteen characters, so it carries a prefix and the first eleven of the row's id. That
is enough to find a thing again, and not enough to prove whose it is; therefore every interface (and the
`lo` of every namespace) also carries an alias with the cloud's uuid, the kind and the whole id. What has no
such alias is not ours.
"""

import re

LABEL = re.compile(r"monostack:([0-9a-f-]{36}):([a-z_]+):(.+)")


def cloud_namespace(cloud_id: str) -> str:
    return f"ms-{cloud_id[:8]}"


def router_namespace(router_id: str) -> str:
    return f"msr-{router_id[:11]}"


def service_namespace(network_id: str) -> str:
    """Where a network's DHCP and metadata answer."""
    return f"msd-{network_id[:11]}"


def bridge(network_id: str) -> str:
    return f"msb-{network_id[:11]}"


def tap(port_id: str) -> str:
    return f"tap{port_id[:11]}"


def service_leg(network_id: str) -> str:
    """The bridge's end of the cable into the network's service namespace."""
    return f"msh-{network_id[:11]}"


SERVICE_END = "service"


def router_leg(port_id: str) -> str:
    """The bridge's end of a cable into a router; a router interface is a port, so its id names it."""
    return f"msi-{port_id[:11]}"


def router_end(port_id: str) -> str:
    return f"in-{port_id[:11]}"


def gateway_leg(router_id: str) -> str:
    """The external bridge's end of a router's cable to the outside."""
    return f"msg-{router_id[:11]}"


GATEWAY_END = "outside"


def uplink_leg(network_id: str) -> str:
    """The external bridge's end of the cable to the machine."""
    return f"msu-{network_id[:11]}"


def uplink_end(network_id: str) -> str:
    """The machine's end of that cable: the only thing that is put into the machine's own namespace."""
    return f"mse-{network_id[:11]}"


def label(cloud_id: str, kind: str, id: str) -> str:
    return f"monostack:{cloud_id}:{kind}:{id}"


def read_label(alias: str | None, cloud_id: str) -> tuple[str, str] | None:
    """The kind and id that a label names, if it is this cloud's."""
    match = LABEL.fullmatch(alias or "")
    if match is None or match[1] != cloud_id:
        return None
    return match[2], match[3]
