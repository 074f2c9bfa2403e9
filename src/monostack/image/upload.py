"""Taking an image's data from a caller: a flow of two short writes around a stream.

The claim turns the image from queued to saving (or uploading, when the data are staged for an import) and
names a token; whoever holds the token owns the upload. A second upload is refused by the claim, a deleted
image or an upload declared dead by `blobs` is noticed by the token. While data come, the claim is renewed;
hashing and writing run in threads, one MiB at a time, while the next is received.
"""

import asyncio
import errno
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from monostack.image import blobs, quotas, signatures, sink, stores
from monostack.image.formats import Inspector, Patient, Refused
from monostack.image.sight import no_image
from monostack.image.stores import STAGING, Unavailable
from monostack.image.tables import IMAGES
from monostack.image.wire import bad, conflict, too_large, unavailable
from monostack.kit import ids
from monostack.kit.errors import Error

CHUNK = 1 << 20
RENEW_SECONDS = 10.0
DEAD_AFTER = 60.0
SAVING = "saving"
STAGED = "uploading"

Write = Callable[..., Awaitable[Any]]


async def receive(
    cloud,
    image_id: str,
    chunks: AsyncIterator[bytes],
    write: Write | None = None,
    finished: Callable[[], None] | None = None,
    store: str | None = None,
    length: int = 0,
) -> dict:
    """Take the data of a queued image; the row: active, or, with STAGING as the store, uploading. What is
    wrong with staged data is noted, and fails their import.

    Raises Error in words, and the image is queued again. `write` runs a function in a transaction (the
    engine's by default); `finished` is called before the last one. `length` is how many bytes are announced,
    as far as anybody knows.
    """
    write = write or cloud.engine.write
    token, store = ids.new_uuid(), store or stores.of(cloud).default_name
    row = await write(claim, image_id, token, store, length)

    staged = store == STAGING

    async def end(found: dict) -> dict:
        if finished is not None:
            finished()
        if staged:
            return await write(keep_staged, image_id, token, found | {"refused": inspector.refused})
        return await write(activate, image_id, token, found)

    try:
        inspector = look_into(cloud, row, staged, Patient if staged else Inspector)
        verifier = None if staged else signatures.verifier(cloud, row)
        renew = partial(cloud.engine.write, _renew, image_id, token)
        return await end(await fill(cloud, image_id, token, store, chunks, renew, inspector, verifier))
    except BaseException as reason:
        await asyncio.shield(cloud.engine.write(_queue_again, image_id, token, store))
        raise_told(_overtaken(image_id) if isinstance(reason, stores.Missing) else reason)


def look_into(cloud, row: dict, staged: bool = False, kind: type[Inspector] = Inspector) -> Inspector:
    """What looks at data of this image. Staged data may be compressed and are looked at when they are not."""
    settings = cloud.settings.image
    inspector = kind(row["disk_format"], row["container_format"])
    if not settings.enforce_format or (staged and "image_decompression" in settings.import_plugins):
        inspector.looks = False
    return inspector


async def fill(
    cloud,
    image_id: str,
    token: str,
    store: str,
    chunks: AsyncIterator[bytes],
    renew: Callable[[], Awaitable[bool]],
    inspector: Inspector,
    verifier: Any = None,
) -> dict:
    """Write the chunks to the key of the token and look at them; what is known of them then.

    Whoever calls this has written the row, and dooms what was written if this raises. `renew` is awaited now
    and then as data come: it says that the work goes on, and is False when it may not.
    """
    home = stores.of(cloud).need(store)
    key = home.key(image_id, token)
    filled = sink.Sink(await asyncio.to_thread(home.writer, key), inspector, verifier)
    try:
        await _pump(chunks, filled, cloud.settings.image.max_bytes, image_id, renew)
        return await asyncio.to_thread(filled.finish)
    finally:
        await asyncio.to_thread(filled.close)


async def adopt(
    cloud,
    image_id: str,
    make: Callable[[Path], Awaitable[Any]],
    then: Callable[[Any, dict], None] | None = None,
) -> dict:
    """Let `make(path)` write the data of a queued image as a file; the row, active.

    `then(tx, row)` belongs to the transaction that makes it so. Whatever fails, the image is queued again.
    """
    token, made, home = ids.new_uuid(), ids.new_uuid(), stores.of(cloud)
    row = await cloud.engine.write(_claim_both, image_id, token, made)
    path = home.staging.path(home.staging.key(image_id, made))
    try:
        async with renewing(cloud, _renew_both, image_id, token, made) as alive:
            await asyncio.to_thread(path.parent.mkdir, 0o700, True, True)
            await make(path)
            most = cloud.settings.image.max_bytes
            verifier = signatures.verifier(cloud, row)
            found = await asyncio.to_thread(sink.look, path, look_into(cloud, row), verifier, most)
            await deliver(home.default, home.default.key(image_id, token), path, found, alive)
        return await cloud.engine.write(_adopted, image_id, token, made, found, then)
    except BaseException as reason:
        await asyncio.shield(cloud.engine.write(_queue_again, image_id, token, home.default_name))
        await asyncio.shield(cloud.engine.write(blobs.forsaken, made, image_id, STAGING))
        raise_told(reason)


async def deliver(
    store: stores.Store, key: str, path: Path, found: dict, alive: Callable[[], bool], link: bool = True
) -> None:
    """Bring a file of this machine, of which `found` is known, into a store; with `link` perhaps without a
    copy."""
    if not (link and await asyncio.to_thread(store.take, path, key)):
        writer = await asyncio.to_thread(store.writer, key)
        await asyncio.to_thread(sink.copy, writer, sink.read_file(path), found, alive)


@asynccontextmanager
async def renewing(cloud, renew: Callable[..., bool], *args: Any):
    """Say again and again that the work goes on; the block gets a function that tells whether it still
    may."""
    may = True

    async def keep() -> None:
        nonlocal may
        while may:
            await asyncio.sleep(RENEW_SECONDS)
            may = await cloud.engine.write(renew, *args)

    running = asyncio.create_task(keep())
    try:
        yield lambda: may
    finally:
        running.cancel()


def claim(tx, image_id: str, token: str, store: str, length: int = 0) -> dict:
    """The image is the token's, and its data will stand in the store."""
    row = tx.one(IMAGES, id=image_id, missing=no_image(image_id))
    check_formats(row)
    during = STAGED if store == STAGING else SAVING
    if row["status"] != "queued":
        raise conflict(f"Image status transition from {row['status']} to {during} is not allowed")
    quotas.check_upload(tx, row["owner"], staging=store == STAGING, size=length)
    blobs.clear(tx, row)
    tx.set(row, status=during, upload=token, staged=None)
    blobs.begin(tx, image_id, store, token, tx.cloud.clock.after(DEAD_AFTER))
    return row


def _claim_both(tx, image_id: str, token: str, made: str) -> dict:
    row = claim(tx, image_id, token, stores.of(tx.cloud).default_name)
    blobs.begin(tx, image_id, STAGING, made, tx.cloud.clock.after(DEAD_AFTER))
    return row


def check_formats(row: dict) -> None:
    """Refuse data for an image that does not say yet what they are."""
    missing = [name for name in ("disk_format", "container_format") if row[name] is None]
    if missing:
        raise bad(f"Properties {', '.join(missing)} must be set prior to saving data.")


def _renew(tx, image_id: str, token: str) -> bool:
    blobs.renew(tx, token, tx.cloud.clock.after(DEAD_AFTER))
    return tx.one(IMAGES, id=image_id, upload=token, lock=False) is not None


def _renew_both(tx, image_id: str, token: str, made: str) -> bool:
    blobs.renew(tx, made, tx.cloud.clock.after(DEAD_AFTER))
    return _renew(tx, image_id, token)


def activate(tx, image_id: str, token: str, found: dict) -> dict:
    """The data are whole: the image is what they are."""
    row = tx.one(IMAGES, id=image_id, upload=token, missing=_overtaken(image_id))
    if not blobs.add_place(tx, row, token, found["size"]):
        raise _overtaken(image_id)
    tx.set(row, status="active", upload=None, staged=None, **found)
    return row


def _adopted(tx, image_id: str, token: str, made: str, found: dict, then: Callable | None) -> dict:
    row = activate(tx, image_id, token, found)
    blobs.doom(tx, id=made)
    if then is not None:
        then(tx, row)
    return row


def keep_staged(tx, image_id: str, token: str, found: dict) -> dict:
    """The data are whole and wait for their import. Those that may not become an image wait too: it is the
    import that says what is wrong with data, whichever way they came."""
    row = tx.one(IMAGES, id=image_id, upload=token, missing=_overtaken(image_id))
    if not blobs.end(tx, token, blobs.STAGED, found["size"]):
        raise _overtaken(image_id)
    tx.set(row, staged=found | {"blob": token})
    return row


def _queue_again(tx, image_id: str, token: str, store: str) -> None:
    row = tx.one(IMAGES, id=image_id, upload=token)
    if row is not None:
        tx.set(row, status="queued", upload=None)
    blobs.forsaken(tx, token, image_id, store)


def _overtaken(image_id: str) -> Error:
    return Error(
        410,
        "Gone",
        f"Image {image_id} could not be found after upload. The image may have been deleted during "
        "the upload.",
    )


async def _pump(
    chunks: AsyncIterator[bytes],
    filled: sink.Sink,
    most: int,
    image_id: str,
    renew: Callable[[], Awaitable[bool]],
) -> None:
    """Bring the chunks to the sink: one batch is worked on while the next is received."""
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
            working = asyncio.ensure_future(asyncio.to_thread(filled.take, batch))
            batch, waiting = [], 0
            if time.monotonic() - renewed > RENEW_SECONDS:
                renewed = time.monotonic()
                if not await renew():
                    raise _overtaken(image_id)
    finally:
        if working is not None:
            await asyncio.wait([working])
    if working is not None:
        working.result()
    if batch:
        await asyncio.to_thread(filled.take, batch)


def raise_told(reason: BaseException) -> NoReturn:
    """Raise the reason as the caller is to hear it."""
    said = told(reason)
    if said is reason:
        raise reason
    raise said from reason


def told(reason: BaseException) -> BaseException:
    """The reason as the caller is to hear it."""
    if isinstance(reason, Refused | signatures.Unsigned):
        return bad(str(reason))
    if isinstance(reason, Unavailable | stores.Missing):
        return unavailable(str(reason))
    if isinstance(reason, ConnectionResetError):
        return bad("The caller went away in the middle of the data. The image is queued again.")
    if isinstance(reason, OSError) and reason.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return too_large("Image storage media is full: there is no room for these data.")
    return reason
