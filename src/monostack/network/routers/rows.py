"""Routers as rows: which host carries one, and what its ports are.

A router is carried by one living host, chosen when it gets its first port and kept; with no host alive it
waits, its ports DOWN, until one says hello. Its ports are bound to the same host, so that their networks are
there.
"""

from __future__ import annotations

from monostack.kit.errors import Error
from monostack.network import hosting
from monostack.network.ports import rows as port_rows
from monostack.network.tables import PORTS, ROUTERS

OWNERS = (port_rows.ROUTER_INTERFACE, port_rows.ROUTER_GATEWAY)


def refuse(message: str) -> Error:
    return Error(400, "BadRequest", f"Bad router request: {message}")


def interfaces(db, router_id: str) -> list:
    return db.all(
        PORTS, order=("created_at", "id"), device_id=router_id, device_owner=port_rows.ROUTER_INTERFACE
    )


def ports(db, router_id: str) -> list:
    return db.all(PORTS, order=("created_at", "id"), device_id=router_id, device_owner=list(OWNERS))


def settle(tx, router) -> None:
    """Let a host carry the router as long as it has ports, and know its newest form."""
    held = ports(tx, router["id"])
    host = router["host"]
    if not held:
        if host is not None:
            hosting.release(tx, host, "router", router["id"])
        return
    if host is None or not (
        hosting.is_carried(tx, host, "router", router["id"]) or hosting.is_alive(tx, host)
    ):
        host = hosting.alive_host(tx)
        if host is None:
            return
        tx.set(router, host=host)
    for port in held:
        if port["host"] != host:
            port_rows.place(tx, port, host)
    hosting.want(tx, host, "router", router["id"])
    hosting.changed(tx, "router", router["id"])


def leave(tx, router) -> None:
    """Take the router from its host; whoever changes it next, or an operator, finds it another."""
    host = router["host"]
    tx.set(router, host=None)
    for port in ports(tx, router["id"]):
        port_rows.displace(tx, port)
    hosting.release(tx, host, "router", router["id"])


def host_arrived(tx, host_row) -> None:
    """A host says hello: routers that waited for one get it."""
    for router in tx.all(ROUTERS, host=None):
        settle(tx, router)
