"""What holds a floating IP to a port: shared by floating IPs, ports and routers, so that none needs the
others."""

from __future__ import annotations

from collections.abc import Iterable

from monostack.network import hosting
from monostack.network.tables import FLOATING_IPS


def loosen(tx, floating_ip) -> None:
    """Take a floating IP off its port; its router is told."""
    router_id = floating_ip["router_id"]
    tx.set(
        floating_ip,
        port_id=None,
        fixed_ip_address=None,
        router_id=None,
        status="DOWN",
        revision_number=floating_ip["revision_number"] + 1,
    )
    if router_id is not None:
        hosting.changed(tx, "router", router_id)


def loosen_port(tx, port_id: str, kept: Iterable[dict] = ()) -> None:
    """Take all floating IPs off a port, but those of addresses that it keeps."""
    addresses = {each["ip_address"] for each in kept}
    for floating_ip in tx.all(FLOATING_IPS, port_id=port_id):
        if floating_ip["fixed_ip_address"] not in addresses:
            loosen(tx, floating_ip)
