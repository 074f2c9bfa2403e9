"""Networks of a host: what a driver is given, what it answers, and which drivers there are.

A driver receives parts (networks, ports, routers, security groups as they should be) and touches the world
until it is so. All three drivers keep the same promises: every call may be repeated after a kill at any
moment, nothing is removed that no part asked to remove, and a thing is reported absent only after somebody
has looked.

`linux` builds real networks out of namespaces and needs root; `user` gives each guest the network stack
inside its own QEMU and needs nothing; `simulated` keeps the world in a dictionary, for tests and for clouds
without guests. They are imported only when asked for, because each brings libraries that the others do not
need.
"""

from pathlib import Path
from typing import Any

DRIVERS = ("linux", "user", "simulated")
KINDS = ("network", "port", "security_group", "router")


def facts_of(part: dict, state: str = "present", error: str | None = None, **more: Any) -> dict:
    """What is reported about a part after it was applied, or found."""
    return {
        "kind": part["kind"],
        "id": part["id"],
        "version": part.get("version"),
        "desired": part.get("desired"),
        "state": state,
        "error": error,
        **more,
    }


def open_networks(name: str, state: Path, cloud_id: str, options: dict | None = None) -> Any:
    """The driver of that name, not yet started."""
    options = options or {}
    if name == "linux":
        from monostack.node.networks.linux import LinuxNetworks

        return LinuxNetworks(state, cloud_id, options)
    if name == "user":
        from monostack.node.networks.user import UserNetworks

        return UserNetworks(state, cloud_id, options)
    if name == "simulated":
        from monostack.node.networks.simulated import SimulatedNetworks

        return SimulatedNetworks(state, cloud_id, options)
    raise ValueError(f"There is no network driver '{name}'; the drivers are {', '.join(DRIVERS)}.")
