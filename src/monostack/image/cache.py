"""The cache: copies, on this machine, of images whose data stand far away.

A row says that an image is wanted in the cache; a loop brings its data, by a link where they are a file of
this machine already. The copy is a blob like any other, in a store that no user sees, so a crash leaves
nothing that nobody knows. A download of data that are not a file here queues the image; the next one comes
out of the cache. When the copies are more than `image.cache_max_bytes`, those that were not asked for the
longest go.

Source: image administration guide, "Image cache"; image API reference, "Cache manage".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from monostack.image import blobs, sink, stores, upload
from monostack.image.stores import CACHE
from monostack.image.tables import CACHED, IMAGES
from monostack.kit import ids
from monostack.kit.crash import point
from monostack.kit.db import Db, Row, Taken, Tx, Values
from monostack.kit.loops import Again, Done, pause
from monostack.kit.resource import Loop

QUEUED, READY = "queued", "cached"
LOOP = "image.cache"

log = logging.getLogger(__name__)

_running: set[asyncio.Task] = set()


def enabled(cloud) -> bool:
    return cloud.settings.image.cache


def queue(tx: Tx, image_id: str) -> None:
    """Let the image be cached, if it is not yet."""
    if tx.one(CACHED, image_id=image_id) is not None:
        return
    try:
        with tx.nested():
            tx.insert(CACHED, image_id=image_id, status=QUEUED, due_at=tx.now)
    except Taken:
        return  # another download, at the same moment
    tx.wake(LOOP)


def drop(tx: Tx, rows: list[Row]) -> None:
    """Take images out of the cache and out of the queue."""
    for row in rows:
        tx.delete(row)
    if rows:
        blobs.doom(tx, image_id=[row["image_id"] for row in rows], store=CACHE)


def listed(db: Db, status: str) -> list[Row]:
    """What is in the cache, or queued for it."""
    return db.all(CACHED, order="id", status=status)


def places(db: Db, image_id: str) -> list[dict[str, Any]]:
    """Where the cache has the data of an image, in the form of an image's `places`."""
    row = db.one(CACHED, image_id=image_id, status=READY, lock=False) if enabled(db.cloud) else None
    return [{"id": row["token"], "store": CACHE, "key": row["key"]}] if row else []


def hit(tx: Tx, image_id: str) -> None:
    """The cache has given the data of an image."""
    row = tx.one(CACHED, image_id=image_id, status=READY)
    if row is not None:
        tx.set(row, hits=row["hits"] + 1, accessed_at=tx.now)


def prune(tx: Tx) -> tuple[int, int]:
    """Take out what was not asked for the longest until the rest fits; how many images and bytes went."""
    kept = tx.all(CACHED, order=("accessed_at", "id"), status=READY)
    size, going, most = sum(row["size"] for row in kept), [], tx.cloud.settings.image.cache_max_bytes
    for row in kept:
        if size <= most:
            break
        going.append(row)
        size -= row["size"]
    drop(tx, going)
    return len(going), sum(row["size"] for row in going)


async def clean(cloud, write: Callable) -> None:
    """Forget copies whose file is gone or is not as long as it was; clear away what nobody writes to."""
    store = stores.of(cloud).cache
    for row in await cloud.engine.read(listed, READY):
        if await asyncio.to_thread(store.size, row["key"]) != row["size"]:
            await write(_forget, row["id"], row["token"])
    await asyncio.to_thread(store.sweep)


def _forget(tx: Tx, row_id: int, token: str) -> None:
    drop(tx, tx.all(CACHED, id=row_id, token=token))


# What makes it true


def step(row: Row, tx: Tx):
    """Begin under a new token: whoever brought the data under the old one has not been heard of."""
    image = tx.one(IMAGES, id=row["image_id"], lock=False)
    if row["status"] != QUEUED or image is None or not image["places"]:
        if row["status"] == QUEUED:
            tx.delete(row)
        return Done()
    blobs.doom(tx, image_id=row["image_id"], store=CACHE)
    token = ids.new_uuid()
    blobs.begin(tx, row["image_id"], CACHE, token)
    tx.set(row, token=token)
    tx.after(_start, tx.cloud, row["id"], token, dict(image))
    return Again(upload.DEAD_AFTER)


LOOPS = (Loop(LOOP, step, table=CACHED, every=30.0),)


def _start(cloud, row_id: int, token: str, image: dict) -> None:
    running = asyncio.get_running_loop().create_task(_bring(cloud, row_id, token, image))
    _running.add(running)
    running.add_done_callback(_running.discard)


async def _bring(cloud, row_id: int, token: str, image: dict) -> None:
    home = stores.of(cloud)
    key = home.cache.key(image["id"], token)
    try:
        point("image.cache.before")
        async with blobs.writing(cloud, image["id"], CACHE, token):
            async with upload.renewing(cloud, _renew, row_id, token) as alive:
                await asyncio.to_thread(_copy, home, image, key, alive)
            point("image.cache.after")
            size = await asyncio.to_thread(home.cache.size, key)
            await cloud.engine.write(_brought, row_id, token, key, size)
    except Exception as reason:
        if not isinstance(reason, stores.Unavailable | stores.Missing):
            log.error("image %s cannot be cached", image["id"], exc_info=reason)
        await cloud.engine.write(_not_brought, row_id, token, str(reason) or type(reason).__name__)


def _copy(home: stores.Stores, image: dict, key: str, alive: Callable[[], bool]) -> None:
    """Bring the data out of the first store that can give them; in a thread."""
    problem: Exception | None = None
    for place in image["places"]:
        try:
            store = home.need(place["store"])
            path = store.path(place["key"])
            if path is not None and path.exists() and home.cache.take(path, key):
                return
            size = image["size"] if image["size"] is not None else store.size(place["key"])
            sink.copy(home.cache.writer(key), store.read(place["key"], 0, size or 0), image, alive)
            return
        except (stores.Unavailable, stores.Missing) as reason:
            problem = reason
    raise problem or stores.Missing("The image's data are in no store.")


def _renew(tx: Tx, row_id: int, token: str) -> bool:
    due_at = tx.cloud.clock.after(upload.DEAD_AFTER)
    return bool(tx.update(CACHED, {"id": row_id, "token": token, "status": QUEUED}, due_at=due_at))


def _brought(tx: Tx, row_id: int, token: str, key: str, size: int | None) -> None:
    row = tx.one(CACHED, id=row_id, token=token, status=QUEUED)
    if row is None or not blobs.end(tx, token, blobs.PRESENT, size):
        raise stores.Unavailable("The image was taken out of the cache meanwhile.")
    values: Values = {"status": READY, "key": key, "size": size, "accessed_at": tx.now}
    tx.set(row, due_at=None, attempts=0, cause=None, **values)
    prune(tx)


def _not_brought(tx: Tx, row_id: int, token: str, words: str) -> None:
    """It is tried again after a while; `monostack status` tells why it has not gone."""
    row = tx.one(CACHED, id=row_id, token=token, status=QUEUED)
    if row is not None:
        due_at = tx.cloud.clock.after(pause(row["attempts"]))
        tx.set(row, attempts=row["attempts"] + 1, cause=words, due_at=due_at)
