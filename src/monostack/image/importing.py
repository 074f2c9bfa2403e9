"""Imports as they go on: from a source through the staging folder and the plugins into the stores.

Each step ends in one transaction, and a restart goes on behind the last one: data that are staged stay
staged, data that stand in a store stay there, what was half written is doomed. Whoever works holds the task's
token; a worker who was declared dead finds that it has changed and lets go.

With all_stores_must_succeed (the default) an image is active when its data stand in all stores, and one
store that fails undoes the others; without it the image is active with the first.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from monostack.image import (
    blobs,
    fetch,
    imports,
    locating,
    plugins,
    regions,
    rows,
    signatures,
    sink,
    stores,
    upload,
)
from monostack.image.formats import Refused
from monostack.image.imports import FAILED, IMPORTING, OF_NOTHING, TASK
from monostack.image.stores import STAGING
from monostack.image.tables import IMAGES, TASKS
from monostack.kit import ids
from monostack.kit.crash import point
from monostack.kit.errors import Error
from monostack.kit.loops import Again, Done
from monostack.kit.resource import Loop

UNFINISHED = ("pending", "processing")
FACTS = ("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value")

log = logging.getLogger(__name__)

_running: set[asyncio.Task] = set()


@dataclass
class Job:
    """An import on its way."""

    cloud: Any
    task: dict
    image: dict
    token: str
    alive: Callable[[], bool] = lambda: True

    @property
    def asked(self) -> dict:
        return self.task["input"].get("import_req") or {}

    @property
    def method(self) -> str:
        return imports.WEB if self.task["type"] == OF_NOTHING else self.asked["method"]["name"]

    @property
    def wanted(self) -> list[str]:
        return self.task["input"].get("backend") or [self.stores.default_name]

    @property
    def all_must(self) -> bool:
        return bool(self.asked.get("all_stores_must_succeed", True))

    @property
    def stores(self) -> stores.Stores:
        return stores.of(self.cloud)

    async def write(self, function: Callable, *args: Any) -> Any:
        """`function(tx, task, image, *args)` while the job is still ours; raises Unavailable if it is not."""
        return await self.cloud.engine.write(_ours, self.task["id"], self.token, function, args)


def _ours(tx, task_id: str, token: str, function: Callable, args: tuple) -> Any:
    task = tx.one(TASKS, id=task_id, token=token, status=list(UNFINISHED))
    image = task and tx.one(IMAGES, id=task["image_id"], upload=token)
    if image is None:
        raise stores.Unavailable("The image was deleted, or somebody else goes on with this.")
    return function(tx, task, image, *args)


# The loop


def step(row, tx):
    """Begin under a new token: whoever worked under the old one has not been heard of."""
    if row["status"] not in UNFINISHED:
        return Done()
    image = tx.one(IMAGES, id=row["image_id"])
    if image is None:
        _end_task(tx, row, "failure", "The image was deleted.")
        return Done()
    blobs.doom(tx, image_id=image["id"], status=blobs.WRITING)
    token = ids.new_uuid()
    tx.set(image, upload=token)
    tx.set(row, token=token, status="processing")
    tx.after(_start, tx.cloud, row["id"], token)
    return Again(upload.DEAD_AFTER)


LOOPS = (Loop(imports.LOOP, step, table=TASKS, every=5.0),)


def _start(cloud, task_id: str, token: str) -> None:
    running = asyncio.get_running_loop().create_task(_live(cloud, task_id, token))
    _running.add(running)
    running.add_done_callback(_running.discard)


async def _live(cloud, task_id: str, token: str) -> None:
    found = await cloud.engine.read(_job, task_id, token)
    if found is None:
        return
    job = Job(cloud, found[0], found[1], token)
    try:
        async with upload.renewing(cloud, _renew, task_id, token) as job.alive:
            await _work(job)
    except Exception as reason:
        await cloud.engine.write(_failed, task_id, token, _words(reason))


def _job(db, task_id: str, token: str) -> tuple[dict, dict] | None:
    task = db.one(TASKS, id=task_id, token=token)
    image = task and db.one(IMAGES, id=task["image_id"], upload=token)
    return None if image is None else (task, image)


def _renew(tx, task_id: str, token: str) -> bool:
    return bool(
        tx.update(
            TASKS,
            {"id": task_id, "token": token, "status": "processing"},
            due_at=tx.cloud.clock.after(upload.DEAD_AFTER),
        )
    )


def _words(reason: Exception) -> str:
    said = upload.told(reason)
    if isinstance(said, Error | fetch.Unreachable):
        return str(said)
    log.error("an import failed", exc_info=reason)
    return f"The import failed: {type(reason).__name__}: {reason}"


# The steps


async def _work(job: Job) -> None:
    if job.task["type"] == imports.OF_LOCATION:
        await locating.work(job)
    elif job.method == imports.COPY:
        await _bring_all(job, job.image)
    else:
        if job.image["staged"] is None:
            await _fetch(job)
        if refused := job.image["staged"].get("refused"):
            raise Refused(refused)
        if not job.image["staged"].get("ready"):
            await _prepare(job)
        await _bring_all(job, job.image["staged"])
    await job.write(_succeeded)


async def _fetch(job: Job) -> None:
    """Bring the data from where they are into the staging folder."""
    token = await job.write(_begin, STAGING)
    data = await _source(job)
    inspector = upload.look_into(job.cloud, job.image, staged=True)

    async def renew() -> bool:
        return job.alive()

    point("image.fetch.before")
    async with blobs.writing(job.cloud, job.image["id"], STAGING, token):
        found = await upload.fill(job.cloud, job.image["id"], token, STAGING, data, renew, inspector)
        point("image.fetch.after")
        job.image = await job.write(_staged, token, found)


async def _source(job: Job) -> AsyncIterator[bytes]:
    if job.method == imports.REGION:
        remote = await regions.look(job.task, job.asked["method"], job.image)
        job.image = await job.write(_described, remote.described)
        return remote.chunks()
    told = job.task["input"]
    url = told["import_from"] if job.task["type"] == OF_NOTHING else job.asked["method"]["uri"]
    return fetch.chunks(url, fetch.rules(job.cloud.settings.image))


async def _prepare(job: Job) -> None:
    """Let the plugins have the staged data, and look at what they made of them."""
    image, staged, home = job.image, job.image["staged"], job.stores.staging
    verifier = signatures.verifier(job.cloud, image)
    named = job.cloud.settings.image.import_plugins
    if not named and verifier is None:
        return
    token = await job.write(_begin, STAGING)
    before = home.path(home.key(image["id"], staged["blob"]))
    after = home.path(home.key(image["id"], token))
    point("image.plugins.before")
    async with blobs.writing(job.cloud, image["id"], STAGING, token):
        changed = await plugins.run(job.cloud, image, before, after)
        point("image.plugins.after")
        described = {name: changed.get(name, image[name]) for name in ("disk_format", "container_format")}
        path = after if changed.get("made") else before
        inspector = upload.look_into(job.cloud, image | described)
        most = job.cloud.settings.image.max_bytes
        found = await asyncio.to_thread(sink.look, path, inspector, verifier, most)
        made = token if changed.get("made") else None
        job.image = await job.write(_prepared, made, token, found, described)


async def _bring_all(job: Job, known: dict) -> None:
    """Bring the data into each store that wants them and has not got them yet."""
    have = {each["store"] for each in job.image["places"] or []}
    problem: Exception | None = None
    missing = [name for name in job.wanted if name not in have]
    for name in missing:
        active = not job.all_must or name == missing[-1]
        try:
            await _bring(job, name, known, active)
        except Exception as reason:
            if job.all_must or not job.alive():
                raise
            problem = reason
            job.image = await job.write(_given_up, name)
    if problem is not None and not {each["store"] for each in job.image["places"] or []} & set(job.wanted):
        raise problem


async def _bring(job: Job, name: str, known: dict, active: bool) -> None:
    token = await job.write(_begin, name)
    store = job.stores.need(name)
    key = store.key(job.image["id"], token)
    point("image.bring.before")
    staging, staged = job.stores.staging, job.image["staged"]
    async with blobs.writing(job.cloud, job.image["id"], name, token):
        if staged is not None:
            path = staging.path(staging.key(job.image["id"], staged["blob"]))
            await upload.deliver(store, key, path, known, job.alive, link=not job.image["places"])
        else:
            await _copy(job, store, key)
        point("image.bring.after")
        job.image = await job.write(_brought, token, name, active)


async def _copy(job: Job, store: stores.Store, key: str) -> None:
    """Copy the image's data out of the first store that can give them."""
    problem: Exception | None = None
    for place in job.image["places"]:
        try:
            source = job.stores.need(place["store"])
            chunks = source.read(place["key"], 0, job.image["size"])
            writer = await asyncio.to_thread(store.writer, key)
            await asyncio.to_thread(sink.copy, writer, chunks, job.image, job.alive)
            return
        except (stores.Unavailable, stores.Missing) as reason:
            problem = reason
    raise problem or stores.Missing("The image's data are in no store.")


# What the steps write


def _begin(tx, task, image, store: str) -> str:
    token = ids.new_uuid()
    blobs.begin(tx, image["id"], store, token)
    return token


def _described(tx, task, image, values: dict) -> dict:
    rows.change(tx, image, values)
    return image


def _staged(tx, task, image, token: str, found: dict) -> dict:
    if not blobs.end(tx, token, blobs.STAGED, found["size"]):
        raise stores.Unavailable("The staged data were given up.")
    tx.set(image, staged=found | {"blob": token})
    return image


def _prepared(tx, task, image, made: str | None, begun: str, found: dict, described: dict) -> dict:
    staged = image["staged"]
    if made is None:
        blobs.doom(tx, id=begun)
    else:
        blobs.end(tx, made, blobs.STAGED, found["size"])
        blobs.doom(tx, id=staged["blob"])
    properties = plugins.injected(tx.cloud, task["roles"] or [], image["properties"] or {})
    rows.change(tx, image, described | {"properties": properties})
    tx.set(image, staged=found | {"blob": made or staged["blob"], "ready": True})
    return image


def _brought(tx, task, image, token: str, name: str, active: bool) -> dict:
    known = image["staged"] or image
    if not blobs.add_place(tx, image, token, known["size"]):
        raise stores.Unavailable("The data were given up while they were being written.")
    if active and image["status"] == "importing":
        tx.set(image, status="active", **{fact: known[fact] for fact in FACTS})
    rows.change(tx, image, {"properties": _without(image, IMPORTING, name)})
    tx.set(task, message=f"Copied {(known['size'] or 0) >> 20} MiB")
    return image


def _given_up(tx, task, image, name: str) -> dict:
    """One store has failed, and the others need not mind."""
    blobs.doom(tx, image_id=image["id"], store=name, status=blobs.WRITING)
    properties = _without(image, IMPORTING, name)
    properties[FAILED] = ",".join([*filter(None, (properties.get(FAILED) or "").split(",")), name])
    rows.change(tx, image, {"properties": properties})
    return image


def _without(image: dict, name: str, store: str) -> dict[str, str]:
    properties = dict(image["properties"] or {})
    left = [each for each in (properties.get(name) or "").split(",") if each and each != store]
    return properties | {name: ",".join(left)}


def _succeeded(tx, task, image) -> None:
    blobs.doom(tx, image_id=image["id"], store=STAGING)
    properties = dict(image["properties"] or {})
    properties.pop(TASK, None)
    if task["type"] != imports.OF_LOCATION:
        properties[IMPORTING] = ""
    rows.change(tx, image, {"properties": properties, "upload": None, "staged": None})
    _end_task(tx, task, "success", task["message"])


def _failed(tx, task_id: str, token: str, words: str) -> None:
    task = tx.one(TASKS, id=task_id, token=token, status=list(UNFINISHED))
    if task is None:
        return
    _end_task(tx, task, "failure", words)
    image = tx.one(IMAGES, id=task["image_id"], upload=token)
    if image is None:
        return
    tx.event("image.import", image["id"], project_id=image["owner"], cause=words)
    wanted = _stores_of(tx, task)
    blobs.doom(tx, image_id=image["id"], status=[blobs.WRITING, blobs.STAGED])
    if task["type"] != imports.OF_LOCATION:  # a location stays to be seen until the image gets other data
        blobs.drop_places(tx, image, *wanted)
    if task["type"] == OF_NOTHING:
        rows.delete(tx, image)
        return
    properties = dict(image["properties"] or {})
    properties.pop(TASK, None)
    values: dict[str, Any] = {"upload": None, "staged": None, "cause": words}
    if image["status"] == "importing":
        values |= dict.fromkeys(FACTS) | {"status": "queued"}
    if task["type"] != imports.OF_LOCATION:
        failed = list(filter(None, (properties.get(FAILED) or "").split(",")))
        failed += [name for name in wanted if name not in failed]
        properties |= {IMPORTING: "", FAILED: ",".join(failed)}
    rows.change(tx, image, values | {"properties": properties})


def _stores_of(tx, task) -> list[str]:
    """The stores that a task brings data to."""
    home = stores.of(tx.cloud)
    if task["type"] == imports.OF_LOCATION:
        return [home.web] if home.web else []
    return task["input"].get("backend") or [home.default_name]


def _end_task(tx, task, status: str, words: str) -> None:
    expires = tx.cloud.clock.after(imports.KEPT_SECONDS)
    tx.set(task, status=status, message=words, due_at=None, expires_at=expires)
    tx.after(regions.forget, task["id"])
