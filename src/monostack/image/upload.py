"""Taking an image's data: a flow of two short writes around a stream.

The claim turns the image from queued to saving (or uploading, when the data are staged for an import) and
names a token; whoever holds the token owns the upload. A
second upload is refused by the claim, a deleted image or an upload declared dead by `loops` is noticed by the
token. While data come, the claim is renewed; hashing and writing run in a thread, one MiB at a time, while
the next is received.
"""

import asyncio
import errno
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from monostack.image import store
from monostack.image.formats import Inspector, Refused
from monostack.image.sight import no_image
from monostack.image.tables import IMAGES
from monostack.image.wire import bad, conflict, too_large
from monostack.kit import ids
from monostack.kit.errors import Error

CHUNK = 1 << 20
RENEW_SECONDS = 10.0
DEAD_AFTER = 60.0
SAVING = "saving"
STAGING = "uploading"

Write = Callable[..., Awaitable[Any]]


async def receive(
    cloud,
    image_id: str,
    chunks: AsyncIterator[bytes],
    write: Write | None = None,
    finished: Callable[[], None] | None = None,
    during: str = SAVING,
) -> dict:
    """Take the data of a queued image; the row: active, or, if the data are only staged, still uploading.

    Raises Error in words, and the image is queued again. `write` runs a function in a transaction (the
    engine's by default); `finished` is called before the last one.
    """
    write = write or cloud.engine.write
    token = ids.new_uuid()
    row = await write(_claim, image_id, token, during)
    finish = activate if during == SAVING else _keep_staged

    async def end(found: dict) -> dict:
        if finished is not None:
            finished()
        return await write(finish, image_id, token, found)

    try:
        return await fill(cloud, row, token, chunks, end)
    except BaseException:
        await asyncio.shield(cloud.engine.write(_queue_again, image_id, token))
        raise


async def fill(cloud, row: dict, token: str, chunks: AsyncIterator[bytes], end: Callable) -> dict:
    """Write the chunks to the file of the token, look at them, and let `end(found)` tell the row.

    Raises Error in words; what was written then is the caller's to discard.
    """
    inspector = Inspector(row["disk_format"], row["container_format"])
    if not cloud.settings.image.enforce_format:
        inspector.looks = False
    sink = store.Sink(store.file(cloud, row["id"], token), inspector)
    try:
        await asyncio.to_thread(sink.open)
        await _pump(cloud, row["id"], token, chunks, sink)
        return await end(await asyncio.to_thread(sink.finish))
    except Exception as reason:
        told = _told(reason)
        if told is reason:
            raise
        raise told from reason
    finally:
        sink.close()


async def adopt(
    cloud,
    image_id: str,
    make: Callable[[Path], Awaitable[Any]],
    then: Callable[[Any, dict], None] | None = None,
) -> dict:
    """Let `make(path)` write the data of a queued image as a file; the row, active.

    `then(tx, row)` belongs to the transaction that makes it so. Whatever fails, the image is queued again.
    """
    token = ids.new_uuid()
    row = await cloud.engine.write(_claim, image_id, token, SAVING)
    inspector = Inspector(row["disk_format"], row["container_format"])
    if not cloud.settings.image.enforce_format:
        inspector.looks = False
    sink = store.Adoption(store.file(cloud, image_id, token), inspector)
    renewing = asyncio.create_task(_keep_renewing(cloud, image_id, token))
    try:
        await asyncio.to_thread(sink.target.parent.mkdir, 0o700, True, True)
        await make(sink.part)
        await asyncio.to_thread(sink.open)
        await asyncio.to_thread(sink.read, cloud.settings.image.max_bytes)
        found = await asyncio.to_thread(sink.finish)
        return await cloud.engine.write(_adopted, image_id, token, found, then)
    except BaseException as reason:
        await asyncio.shield(cloud.engine.write(_queue_again, image_id, token))
        told = _told(reason)
        if told is reason:
            raise
        raise told from reason
    finally:
        renewing.cancel()
        sink.close()


def _adopted(tx, image_id: str, token: str, found: dict, then: Callable | None) -> dict:
    row = activate(tx, image_id, token, found)
    if then is not None:
        then(tx, row)
    return row


async def _keep_renewing(cloud, image_id: str, token: str) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        await cloud.engine.write(_renew, image_id, token)


def _claim(tx, image_id: str, token: str, during: str) -> dict:
    row = tx.one(IMAGES, id=image_id, missing=no_image(image_id))
    check_formats(row)
    if row["status"] != "queued":
        raise conflict(f"Image status transition from {row['status']} to {during} is not allowed")
    tx.set(row, status=during, upload=token, due_at=tx.cloud.clock.after(DEAD_AFTER))
    return row


def check_formats(row: dict) -> None:
    """Refuse data for an image that does not say yet what they are."""
    missing = [name for name in ("disk_format", "container_format") if row[name] is None]
    if missing:
        raise bad(f"Properties {', '.join(missing)} must be set prior to saving data.")


def _renew(tx, image_id: str, token: str) -> bool:
    row = tx.one(IMAGES, id=image_id, upload=token)
    if row is None:
        return False
    return tx.set(row, due_at=tx.cloud.clock.after(DEAD_AFTER), updated_at=row["updated_at"])


def activate(tx, image_id: str, token: str, found: dict) -> dict:
    """The data are whole: the image is what they are."""
    row = tx.one(IMAGES, id=image_id, upload=token, missing=_overtaken(image_id))
    tx.set(row, status="active", upload=None, blob=token, due_at=None, staged=None, **found)
    return row


def _keep_staged(tx, image_id: str, token: str, found: dict) -> dict:
    row = tx.one(IMAGES, id=image_id, upload=token, missing=_overtaken(image_id))
    tx.set(row, staged=found, due_at=None)
    return row


def _queue_again(tx, image_id: str, token: str) -> None:
    row = tx.one(IMAGES, id=image_id, upload=token)
    if row is not None:
        tx.set(row, status="queued", upload=None, due_at=None)
    tx.after(store.discard, tx.cloud, image_id, token)


def _overtaken(image_id: str) -> Error:
    return Error(
        410,
        "Gone",
        f"Image {image_id} could not be found after upload. The image may have been deleted during "
        "the upload.",
    )


async def _pump(cloud, image_id: str, token: str, chunks: AsyncIterator[bytes], sink: store.Sink) -> None:
    """Bring the chunks to the sink: one batch is worked on while the next is received."""
    most = cloud.settings.image.max_bytes
    batch: list[bytes] = []
    waiting, total = 0, 0
    working: asyncio.Future | None = None
    renewed = time.monotonic()
    try:
        async for chunk in chunks:
            batch.append(chunk)
            waiting += len(chunk)
            total += len(chunk)
            if total > most:
                raise too_large(f"The image is larger than {most} bytes, the most that this cloud takes.")
            if waiting < CHUNK:
                continue
            if working is not None:
                await working
            working = asyncio.ensure_future(asyncio.to_thread(sink.take, batch))
            batch, waiting = [], 0
            if time.monotonic() - renewed > RENEW_SECONDS:
                renewed = time.monotonic()
                if not await cloud.engine.write(_renew, image_id, token):
                    raise _overtaken(image_id)
    finally:
        if working is not None:
            await asyncio.wait([working])
    if working is not None:
        working.result()
    if batch:
        await asyncio.to_thread(sink.take, batch)


def _told(reason: BaseException) -> BaseException:
    """The reason as the caller is to hear it."""
    if isinstance(reason, Refused):
        return bad(str(reason))
    if isinstance(reason, ConnectionResetError):
        return bad("The caller went away in the middle of the data. The image is queued again.")
    if isinstance(reason, OSError) and reason.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return too_large("Image storage media is full: there is no room for these data.")
    return reason
