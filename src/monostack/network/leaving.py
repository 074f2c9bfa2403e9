"""What a deleted project leaves of the network, and how it goes when the operator wants it purged.

Things go in the order in which they hang on one another; what something else still needs (a server's port, a
network with another project's ports) stays for the next turn. The default security group and quotas are made
by the service itself: they are nobody's loss and go with the project."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from monostack.kit.db import Row, Tx
from monostack.kit.errors import Error
from monostack.network import (
    address_scopes,
    floating_ips,
    networks,
    rbac,
    security_groups,
    sharing,
    subnetpools,
)
from monostack.network.ports import rows as port_rows
from monostack.network.routers import gateways
from monostack.network.routers import rows as router_rows
from monostack.network.subnetpool_tables import SUBNETPOOLS
from monostack.network.tables import FLOATING_IPS, NETWORKS, PORTS, ROUTERS, SECURITY_GROUPS

AT_ONCE = 10
SERVERS = "compute:"


def project_deleted(tx: Tx, project: Row) -> None:
    """The furniture goes along, unless something still uses it."""
    group = tx.one(SECURITY_GROUPS, default_of=project["id"])
    if group is not None and not security_groups.in_use(tx, group["id"]):
        security_groups.take_away(tx, group)


def owned(tx: Tx, project_id: str) -> dict[str, int]:
    counts = {word: tx.count(table, project_id=project_id) for word, table, _ in KINDS}
    counts["ports"] = len(_free_standing(tx, project_id))
    if tx.one(SECURITY_GROUPS, default_of=project_id, lock=False) is not None:
        counts["security groups"] -= 1
    return counts


def purge(tx: Tx, project_id: str) -> None:
    left = AT_ONCE
    for word, table, take in KINDS:
        rows = tx.all(table, order="id", project_id=project_id)
        if word == "ports":
            rows = [
                row for row in _free_standing(tx, project_id) if not row["device_owner"].startswith(SERVERS)
            ]
        for row in rows[: max(left, 0)]:
            left -= 1
            try:
                with tx.nested():
                    take(tx, row)
            except Error:
                continue  # something else hangs on it still


def _free_standing(tx: Tx, project_id: str) -> list[Row]:
    """The ports that are somebody's own: not those by which the network itself stands on a subnet."""
    return [
        port
        for port in tx.all(PORTS, order="id", project_id=project_id)
        if not (port["device_owner"] or "").startswith("network:")
    ]


def _take_router(tx: Tx, row: Row) -> None:
    for port in router_rows.interfaces(tx, row["id"]):
        port_rows.delete(tx, port)
    gateways.change(None, tx, row, None)
    router_rows.settle(tx, row)
    tx.delete(row)


def _plainly(delete: Callable) -> Callable[[Tx, Row], None]:
    """A collection's own way to delete, which needs no request."""
    return lambda tx, row: delete(None, tx, row)


def _take_group(tx: Tx, row: Row) -> None:
    if not security_groups.in_use(tx, row["id"]):
        security_groups.take_away(tx, row)


KINDS: tuple[tuple[str, sa.Table, Callable[[Tx, Row], None]], ...] = (
    ("floating IPs", FLOATING_IPS, _plainly(floating_ips.delete)),
    ("routers", ROUTERS, _take_router),
    ("ports", PORTS, port_rows.delete),
    ("networks", NETWORKS, _plainly(networks.delete)),
    ("security groups", SECURITY_GROUPS, _take_group),
    ("subnet pools", SUBNETPOOLS, _plainly(subnetpools.delete)),
    ("address scopes", address_scopes.ADDRESS_SCOPES, _plainly(address_scopes.delete)),
    ("RBAC policies", sharing.POLICIES, _plainly(rbac.delete)),
)
"""In the order in which they go."""

HOOKS = (
    ("identity.project.delete", project_deleted),
    ("identity.project.owned", owned),
    ("identity.project.purge", purge),
)
