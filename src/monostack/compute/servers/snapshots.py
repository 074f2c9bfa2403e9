"""A server's disk becomes an image: snapshots, and backups of which only the last few are kept.

The request makes the image's row (queued) and a row here, which is the intent: a loop lets somebody of this
process ask the host for a copy of the disk, right into the image store. He renews his claim while he waits;
if he dies, the claim ends and the loop begins anew. The image becomes active and the server's task ends in
one transaction. Meanwhile the guest goes on, and a delete of the server overtakes the copy.

Source: compute API reference, "Create image", "Create server back up"; image properties are those that
recorded answers of the reference service show.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from monostack.compute import instance_actions, quotas
from monostack.compute.servers import actions, rows
from monostack.compute.servers.verbs import COPYING, VERBS
from monostack.kit import clock
from monostack.kit.db import Column, Integer, String, Table, due, stamps
from monostack.kit.errors import Error
from monostack.kit.ids import new_uuid
from monostack.kit.loops import Again, pause
from monostack.kit.resource import Loop, Response, Route

NAME = "compute.snapshots"
DISK_FORMAT = "qcow2"
COPY_SECONDS = 3600.0
RENEW_SECONDS = 15.0
DEAD_AFTER = 60.0
TRIES = 4
STORE_PATIENCE = 300.0
NOT_INHERITED = ("cache_in_nova", "bittorrent")
NOT_INHERITED_PREFIXES = ("img_signature", "os_glance")

SNAPSHOTS = Table(
    "compute_snapshots",
    Column("server_id", String(64), index=True),
    Column("request_id", String(64)),
    Column("backup_type", String(255)),
    Column("rotation", Integer),
    Column("token", String(64)),
    Column("tries", Integer, default=lambda: 0),
    *stamps(),
    *due(),
)
"""The row's id is the image's."""

_running: set[asyncio.Task] = set()


# What users ask


def create_image(request, tx) -> Response:
    asked = request.body["createImage"]
    kind = (asked.get("metadata") or {}).get("image_type", "snapshot")
    image_id = _begin(request, tx, "snapshot", asked, {"image_type": kind})
    return _told(request, image_id)


def create_backup(request, tx) -> Response:
    """With a rotation of 0 the backup does not outlive its making, so nothing is told of it."""
    asked = request.body["createBackup"]
    kind, rotation = asked["backup_type"], int(asked["rotation"])
    properties = {"image_type": "backup", "backup_type": kind}
    image_id = _begin(request, tx, "backup", asked, properties, backup_type=kind, rotation=rotation)
    return _told(request, image_id) if rotation else Response(202)


def _told(request, image_id: str) -> Response:
    if request.version >= (2, 45):
        return Response(202, {"image_id": image_id})
    root = request.cloud.root_url(request.cloud.needed("image"))
    return Response(202, None, [("Location", f"{root}/v2/images/{image_id}")])


def _begin(request, tx, verb_name: str, asked, properties: dict[str, str], **values: Any) -> str:
    from monostack import image

    row, caller, verb = rows.find(tx, request), request.caller, VERBS[verb_name]
    actions.demand(request, row, verb_name)
    metadata = asked.get("metadata") or {}
    quotas.check_metadata(tx, row["project_id"], metadata)
    origin = rows.spec_of(tx, row)["image"] or {}
    made = image.create(
        tx,
        name=asked["name"],
        owner=caller.project_id,
        disk_format=DISK_FORMAT,
        min_disk=max(origin.get("min_disk") or 0, row["flavor"]["disk"]),
        min_ram=origin.get("min_ram") or 0,
        properties=_inherited(row)
        | metadata
        | {"base_image_ref": row["image_id"] or "", "instance_uuid": row["id"], "user_id": caller.user_id}
        | properties,
    )
    tx.insert(SNAPSHOTS, id=made["id"], server_id=row["id"], request_id=request.id, due_at=tx.now, **values)
    rows.move(tx, row, row["vm_state"], verb.task, verb=verb_name, request_id=request.id)
    instance_actions.begin(
        tx,
        row,
        verb.name,
        request_id=request.id,
        user_id=caller.user_id,
        project_id=caller.project_id,
        event=verb.event,
    )
    tx.wake(NAME)
    return made["id"]


def _inherited(row) -> dict[str, str]:
    """What an image passes on to the images that are made of its servers."""
    return {
        name: value
        for name, value in (row["image_properties"] or {}).items()
        if name not in NOT_INHERITED and not name.startswith(NOT_INHERITED_PREFIXES)
    }


# What makes it true


def bootstrap(tx, cloud) -> None:
    """Who copied in the last process is dead. On a shared database others may be copying just now."""
    if cloud.engine.name == "sqlite":
        tx.update(SNAPSHOTS, {}, due_at=tx.now)


def step(row, tx) -> Again:
    """Begin to copy, under a new token: whoever copied under the old one has not been heard of."""
    token = new_uuid()
    tx.set(row, token=token)
    tx.after(_start, tx.cloud, row["id"], token)
    return Again(DEAD_AFTER)


LOOP = Loop(NAME, step, SNAPSHOTS, every=5.0)


def _start(cloud, image_id: str, token: str) -> None:
    task = asyncio.get_running_loop().create_task(_copy(cloud, image_id, token))
    _running.add(task)
    task.add_done_callback(_running.discard)


async def _copy(cloud, image_id: str, token: str) -> None:
    from monostack import image

    server = await cloud.engine.read(_server, image_id, token)
    if server is None:
        await cloud.engine.write(_failed, image_id, token, "The server is not there any more.")
        return
    renewing = asyncio.create_task(_keep_renewing(cloud, image_id, token))
    try:
        await image.adopt(cloud, image_id, partial(_ask_host, cloud, server), partial(_ended, token=token))
    except Error as refusal:
        waits = refusal.code == 409
        await cloud.engine.write(_again, image_id, token, refusal.message, refusal.code in (404, 410), waits)
    except Exception as reason:
        await cloud.engine.write(_again, image_id, token, str(reason) or type(reason).__name__)
    finally:
        renewing.cancel()


async def _ask_host(cloud, server, path: Path) -> None:
    question = {"path": str(path), "disk_format": DISK_FORMAT}
    await cloud.hub.ask(server["host"], "server", server["id"], "snapshot", question, COPY_SECONDS)


def _server(db, image_id: str, token: str) -> Any:
    """The server to copy, if it is still there and the copy still ours."""
    job = db.one(SNAPSHOTS, id=image_id, token=token)
    row = job and db.one(rows.SERVERS, id=job["server_id"])
    return row if row is not None and row["desired"] == "present" else None


async def _keep_renewing(cloud, image_id: str, token: str) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        await cloud.engine.write(_renew, image_id, token)


def _renew(tx, image_id: str, token: str) -> None:
    job = tx.one(SNAPSHOTS, id=image_id, token=token)
    if job is not None:
        tx.set(job, due_at=tx.cloud.clock.after(DEAD_AFTER))


def _ended(tx, image_row, token: str) -> None:
    """The image is whole: the server is free, and backups that are too many go."""
    job = tx.one(SNAPSHOTS, id=image_row["id"], token=token)
    if job is None:
        return
    _release(tx, job)
    if job["rotation"] is not None:
        _rotate(tx, job)
    tx.delete(job)


def _rotate(tx, job) -> None:
    from monostack import image

    kept = [
        row
        for row in image.with_property(tx, "instance_uuid", job["server_id"])
        if row["status"] == "active"
        and row["properties"].get("image_type") == "backup"
        and row["properties"].get("backup_type") == job["backup_type"]
    ]
    for row in kept[job["rotation"] :]:
        if not row["protected"]:
            image.delete(tx, row)


def _again(tx, image_id: str, token: str, words: str, hopeless: bool = False, waits: bool = False) -> None:
    """It did not work: try again, a few times. `waits`: the image is still held by who died over it."""
    job = tx.one(SNAPSHOTS, id=image_id, token=token)
    if job is None:
        return
    tries = job["tries"] + (0 if waits else 1)
    waited = clock.seconds(tx.now) - clock.seconds(job["created_at"])
    server = tx.one(rows.SERVERS, id=job["server_id"])
    gone = server is None or server["desired"] == "absent"
    if hopeless or gone or tries >= TRIES or (waits and waited > STORE_PATIENCE):
        _failed(tx, image_id, token, words)
        return
    seconds = 2.0 if waits else pause(tries - 1)
    tx.set(job, tries=tries, cause=words, due_at=tx.cloud.clock.after(seconds))
    tx.after(_wake_later, tx.cloud, seconds)


def _wake_later(cloud, seconds: float) -> None:
    asyncio.get_running_loop().call_later(seconds + 0.01, cloud.loops.wake, NAME)


def _failed(tx, image_id: str, token: str, words: str) -> None:
    """It will not work: an image without data is of no use, and the action says why."""
    from monostack import image

    job = tx.one(SNAPSHOTS, id=image_id, token=token)
    if job is None:
        return
    _release(tx, job, words)
    made = image.row_of(tx, image_id)
    if made is not None and made["status"] == "queued":
        image.delete(tx, made)
    tx.delete(job)


def _release(tx, job, problem: str | None = None) -> None:
    """The server's task ends, unless something has overtaken it."""
    row = tx.one(rows.SERVERS, id=job["server_id"])
    if row is None or row["verb"] not in COPYING or row["request_id"] != job["request_id"]:
        return
    verb = VERBS[row["verb"]]
    instance_actions.finish(tx, row, problem)
    tx.event(
        f"compute.instance.{row['verb']}.{'error' if problem else 'end'}",
        row["id"],
        request_id=row["request_id"],
        project_id=row["project_id"],
        user_id=row["user_id"],
        host=row["host"],
        cause=problem and f"Cannot {verb.name}: {problem}",
    )
    rows.move(tx, row, row["vm_state"], None)


def _route(action: str, handler, rule: str, body: str, event: str) -> Route:
    return Route(
        "POST",
        "/servers/{id}/action",
        handler,
        "os_compute_api:" + rule,
        action=action,
        ok=202,
        body=body,
        target=rows.target,
        event=event,
    )


ROUTES = (
    _route(
        "createImage",
        create_image,
        "servers:create_image",
        "servers.create_image",
        "compute.instance.snapshot.start",
    ),
    _route(
        "createBackup",
        create_backup,
        "os-create-backup",
        "create_backup.create_backup",
        "compute.instance.backup.start",
    ),
)
