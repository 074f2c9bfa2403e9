"""What stands in the stores, row by row: data that are being written, are staged, are whole, or must go.

A row is written before the first byte and ends only when its store has said that nothing is under its key any
more. So nothing half written is ever forgotten, and nothing is removed but by the word of a row. Whole data
are also named in their image's `places`, which every answer and every download reads.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from monostack.image import stores
from monostack.image.tables import BLOBS, IMAGES
from monostack.kit.db import ne
from monostack.kit.loops import Again, Done, pause
from monostack.kit.resource import Loop

WRITING, STAGED, PRESENT, DOOMED = "writing", "staged", "present", "doomed"
LOOP = "image.blobs"
REMOVED_WITHIN = 60.0
"""Seconds after which a removal that has not been heard of is begun again: whoever had begun it may be dead.
If he is only slow, the second finds less to do."""

log = logging.getLogger(__name__)


def begin(tx, image_id: str, store: str, token: str, due_at: str | None = None) -> dict:
    """Data are going to be written; the row. Without `due_at` whoever writes them is watched by his task."""
    key = stores.of(tx.cloud).need(store).key(image_id, token)
    return tx.insert(BLOBS, id=token, image_id=image_id, store=store, key=key, status=WRITING, due_at=due_at)


def renew(tx, token: str, due_at: str) -> None:
    """Whoever writes these data is alive."""
    tx.update(BLOBS, {"id": token, "status": WRITING}, due_at=due_at)


def end(tx, token: str, status: str, size: int | None) -> bool:
    """The data are whole; False if they were given up meanwhile."""
    return bool(tx.update(BLOBS, {"id": token, "status": WRITING}, status=status, size=size, due_at=None))


def place(blob: Mapping[str, Any]) -> dict[str, Any]:
    """What an image's `places` say of whole data."""
    return {"id": blob["id"], "store": blob["store"], "key": blob["key"]}


def add_place(tx, image: dict, token: str, size: int | None) -> bool:
    """Whole data are the image's; False if they were given up meanwhile. The row of the image is changed."""
    if not end(tx, token, PRESENT, size):
        return False
    blob = tx.one(BLOBS, id=token)
    tx.set(image, places=[*(image["places"] or []), place(blob)])
    return True


def drop_places(tx, image: dict, *names: str) -> None:
    """Take the data in these stores from the image, and doom them."""
    gone = [each for each in image["places"] or [] if each["store"] in names]
    if not gone:
        return
    tx.set(image, places=[each for each in image["places"] if each not in gone])
    doom(tx, id=[each["id"] for each in gone])


def clear(tx, image: dict) -> None:
    """Before a queued image gets data: forget a location that did not hold what was told of it, and that was
    shown until now."""
    drop_places(tx, image, *{each["store"] for each in image["places"] or ()})


def doom(tx, **where: Any) -> None:
    """These data must go."""
    if tx.update(BLOBS, {"status": ne(DOOMED)} | where, status=DOOMED, due_at=tx.now, attempts=0):
        tx.wake(LOOP)


def forsaken(tx, token: str, image_id: str, store: str) -> None:
    """A writer has ended badly or too late. What he wrote must go, even if its row has ended already."""
    if tx.one(BLOBS, id=token) is None:
        begin(tx, image_id, store, token)
    doom(tx, id=token)


@asynccontextmanager
async def writing(cloud, image_id: str, store: str, token: str) -> AsyncIterator[None]:
    """What the block writes under the token must go if it fails: also what it wrote after somebody else had
    given the data up, and removed what was there until then."""
    try:
        yield
    except Exception:
        await cloud.engine.write(forsaken, token, image_id, store)
        raise


# What makes it true


def step(row, tx):
    """Data whose writer is not heard of any more are doomed; doomed data are removed."""
    if row["status"] == DOOMED:
        tx.after(_start, tx.cloud, dict(row))
        return Again(REMOVED_WITHIN)
    if row["status"] != WRITING:
        return Done()
    image = tx.one(IMAGES, id=row["image_id"], upload=row["id"])
    if image is not None:
        tx.set(image, status="queued", upload=None, staged=None)
    tx.set(row, status=DOOMED)
    tx.wake(LOOP)
    return Again()


def _start(cloud, blob: dict) -> None:
    running = asyncio.get_running_loop().create_task(_remove(cloud, blob))
    _running.add(running)
    running.add_done_callback(_running.discard)


_running: set[asyncio.Task] = set()


async def _remove(cloud, blob: dict) -> None:
    try:
        store = stores.of(cloud).need(blob["store"])
        if not store.read_only:
            await asyncio.to_thread(store.remove, blob["key"])
    except Exception as reason:
        if not isinstance(reason, stores.Unavailable):
            log.error("data %s in store %s cannot be removed", blob["key"], blob["store"], exc_info=reason)
        await cloud.engine.write(_not_removed, blob["id"], str(reason) or type(reason).__name__)
    else:
        await cloud.engine.write(_removed, blob["id"])


def _removed(tx, token: str) -> None:
    tx.delete_all(BLOBS, id=token, status=DOOMED)


def _not_removed(tx, token: str, words: str) -> None:
    row = tx.one(BLOBS, id=token, status=DOOMED)
    if row is not None:
        attempts = (row["attempts"] or 0) + 1
        tx.set(row, cause=words, attempts=attempts, due_at=tx.cloud.clock.after(pause(attempts)))


LOOPS = (Loop(LOOP, step, table=BLOBS, every=5.0),)
