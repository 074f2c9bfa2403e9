"""A server as its host is told about it: a part, with its epochs, its machine, its disk, its interfaces.

While a server is wanted on a host, or has left something there, the host is told; a part ends only when the
host has looked and reported it absent.

Source: the agents' protocol of this program (kit/agents, node/agent).
"""

import base64
from typing import Any

import sqlalchemy as sa

from monostack.compute.servers import rows, settling
from monostack.kit.db import query
from monostack.kit.resource import PartKind

_WANTED = query(
    sa.select(rows.SERVERS.c.id, rows.SERVERS.c.version).where(
        rows.SERVERS.c.host == sa.bindparam("on_host"), rows.SERVERS.c.live == 1
    )
)


def wanted(db, host: str) -> list[tuple[str, int]]:
    servers = [(row["id"], row["version"]) for row in db.run(_WANTED, on_host=host)]
    return servers + [(row["server_id"], row["version"]) for row in db.all(rows.LEFTOVERS, host=host)]


def load(db, server_id: str, host: str) -> dict[str, Any] | None:
    row = db.one(rows.SERVERS, id=server_id, lock=False)
    if row is None or row["host"] != host:
        return _leftover(db, server_id, host)
    spec = rows.spec_of(db, row)
    flavor = row["flavor"]
    return {
        "version": row["version"],
        "desired": row["desired"],
        "place": row["place"],
        "boot": row["boot"],
        "disk": row["disk"],
        "name": row["name"],
        "instance_name": rows.instance_name(row),
        "power": row["power"],
        "reboot": row["reboot"],
        "vcpus": flavor["vcpus"],
        "ram": flavor["ram"],
        "disk_gb": flavor["disk"],
        "swap_mb": flavor["swap"],
        "ephemeral_gb": flavor["ephemeral"],
        "image": spec["image"],
        "config_drive": config_drive(db, row) if row["desired"] == "present" else None,
        "nics": [{"port_id": nic["port_id"], "mac": nic["mac"], "mtu": nic["mtu"]} for nic in spec["nics"]],
    }


def _leftover(db, server_id: str, host: str) -> dict[str, Any] | None:
    left = db.one(rows.LEFTOVERS, host=host, server_id=server_id, lock=False)
    if left is None:
        return None
    return {
        "version": left["version"],
        "desired": "absent",
        "place": left["place"],
        "boot": 0,
        "disk": 0,
        "name": "",
        "instance_name": "",
        "power": "off",
        "reboot": "hard",
        "vcpus": 0,
        "ram": 0,
        "disk_gb": 0,
        "swap_mb": 0,
        "ephemeral_gb": 0,
        "image": None,
        "config_drive": None,
        "nics": [],
    }


def config_drive(db, row) -> dict[str, str] | None:
    """The files of the server's config drive, Base64: the tree that the metadata service has too."""
    from monostack.compute import metadata

    if not metadata.wants_drive(db, row):
        return None
    return {path: base64.b64encode(content).decode() for path, content in metadata.tree(db, row).items()}


SERVER = PartKind("server", wanted, load, settling.settle)
