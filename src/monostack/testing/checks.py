"""What must hold of a quiet cloud: the simulated world equals the rows both ways, nothing is stuck, nothing
leaks.

Each check returns sentences about what is wrong; an empty list is a sound cloud. The chaos tests ask them
after every kill, and any test may.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from monostack.kit import agents
from monostack.kit.db import le


def violations(db, world: dict[str, Any]) -> list[str]:
    """All sentences; `world` is what `DisposableCloud.world()` returns."""
    return [*world_against_rows(db, world), *stuck(db), *leaks(db), *image_data(db)]


def world_against_rows(db, world: dict[str, Any]) -> list[str]:
    """Every part that a host should carry is in the world, and nothing else is."""
    wanted: set[str] = set()
    for host in agents.hosts(db):
        for (kind, id), _ in db.cloud.hub.wanted(db, host["name"]).items():
            part = db.cloud.hub._load(db, (kind, id), host["name"])
            if part is not None and part["desired"] == "absent":
                return [
                    f"{kind} {id} is a tombstone still, host {host['name']} has not confirmed that it is gone"
                ]
            wanted.add(f"{kind}/{id}")
    there = set(world["parts"]) | {f"server/{id}" for id in world["servers"]}
    return [f"{key} has a row and is not in the world" for key in sorted(wanted - there)] + [
        f"{key} is in the world and has no row" for key in sorted(there - wanted)
    ]


def stuck(db) -> list[str]:
    """No server has an unfinished task, no loop has failing or forgotten rows, no image is half uploaded."""
    from monostack.compute.servers.rows import SERVERS

    out = [
        f"server {row['id']} ({row['name']}) has the task {row['task_state']} in vm_state {row['vm_state']}"
        for row in db.all(SERVERS)
        if row["task_state"] is not None
    ]
    for runner in db.cloud.loops.runners.values():
        table = runner.loop.table
        if table is None:
            continue
        out += [
            f"loop {runner.loop.name}: row {row['id']} has been due since {row['due_at']}"
            for row in db.all(table, deleted=True, due_at=le(db.cloud.clock.after(-30)))
        ]
    return out


def image_data(db) -> list[str]:
    """Every file in the image service's folders has a row and every row its file; nothing is half written,
    and an active image has data."""
    from monostack.image import blobs, stores
    from monostack.image.tables import BLOBS, CACHED, IMAGES

    home, rows = stores.of(db.cloud), db.all(BLOBS)
    out = [
        f"data {row['key']} in store {row['store']} are still {row['status']}"
        for row in rows
        if row["status"] in (blobs.WRITING, blobs.DOOMED)
    ]
    for store in (home.staging, home.cache, *home.named.values()):
        folder = getattr(store, "folder", None)
        if folder is None:
            continue
        there = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
        named = {row["key"] for row in rows if row["store"] == store.name}
        out += [f"file {key} of store {store.name} has no row" for key in sorted(there - named)]
        out += [f"file {key} of store {store.name} is not there" for key in sorted(named - there)]
    present = {row["id"] for row in rows if row["status"] == blobs.PRESENT}
    images = db.all(IMAGES)
    named = {place["id"] for image in images for place in image["places"] or ()}
    named |= {row["token"] for row in db.all(CACHED, status="cached")}
    out += [f"data {token} are no image's" for token in sorted(present - named)]
    out += [f"data {token} of an image have no row" for token in sorted(named - present)]
    for image in images:
        if image["status"] in ("saving", "importing") or (image["status"] == "active" and image["upload"]):
            out.append(f"image {image['id']} is still {image['status']}")
        if image["status"] == "active" and not image["places"]:
            out.append(f"image {image['id']} is active and has no data")
    return out


def leaks(db) -> list[str]:
    """No port, address or allocation belongs to nobody, and what is counted is what is there."""
    return [*_port_leaks(db), *_allocation_leaks(db)]


def _port_leaks(db) -> list[str]:
    from monostack.compute.servers.rows import SERVERS
    from monostack.network.tables import ADDRESSES, PORTS

    servers = {row["id"] for row in db.all(SERVERS)}
    ports = db.all(PORTS)
    out = [
        f"port {port['id']} belongs to server {port['device_id']}, which is not there"
        for port in ports
        if (port["device_owner"] or "").startswith("compute:") and port["device_id"] not in servers
    ]
    ids = {port["id"] for port in ports}
    out += [
        f"address {row['address']} belongs to port {row['port_id']}, which is not there"
        for row in db.all(ADDRESSES)
        if row["port_id"] not in ids
    ]
    return out


def _allocation_leaks(db) -> list[str]:
    from monostack.compute.servers.rows import SERVERS
    from monostack.placement.tables import ALLOCATIONS, INVENTORIES

    servers = {row["id"]: row for row in db.all(SERVERS)}
    out = []
    used: Counter = Counter()
    holders = set()
    for row in db.all(ALLOCATIONS):
        used[row["provider_id"], row["resource_class"]] += row["used"]
        holders.add(row["consumer_id"])
        if row["consumer_id"] not in servers:
            out.append(
                f"{row['used']} {row['resource_class']} are allocated to {row['consumer_id']}, "
                "which is no server"
            )
    out += [
        f"server {id} is on host {row['host']} and has no allocation"
        for id, row in servers.items()
        if row["host"] is not None and id not in holders
    ]
    for row in db.all(INVENTORIES):
        key = (row["provider_id"], row["resource_class"])
        if row["used"] != used[key]:
            out.append(
                f"provider {key[0]} counts {row['used']} {key[1]} as used, allocations say {used[key]}"
            )
    return out
