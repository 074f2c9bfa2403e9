"""Reading data: out of the first store that can give them, as a file of this machine where there is one."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from monostack.image import sink, stores, upload
from monostack.image.fetch import Unreachable
from monostack.image.formats import Refused
from monostack.image.stores.file import FileWriter
from monostack.image.tables import IMAGES
from monostack.image.wire import unavailable
from monostack.kit.errors import Error

MOST_AT_ONCE = 16


async def open_data(
    cloud, places: Sequence[Mapping[str, Any]], first: int, length: int | None
) -> tuple[Path | None, AsyncIterator[bytes]]:
    """The file with the data, or else their pieces; raises Error 404 when they are nowhere, 503 when no store
    can tell now."""
    home, problem = stores.of(cloud), None
    for place in places:
        try:
            store = home.need(place["store"])
            path = store.path(place["key"])
            if path is not None and await asyncio.to_thread(path.exists):
                return path, _nothing()
            if path is not None:
                raise stores.Missing(f"The data in store {store.name} are gone.")
            size = length if length is not None else store.size(place["key"])
            pieces = store.read(place["key"], first, size or 0)
            head = await _in_thread(next, pieces, b"")
            return None, _all(head, pieces)
        except (stores.Unavailable, stores.Missing, Unreachable) as reason:
            problem = reason
    if isinstance(problem, stores.Missing):
        raise Error(404, "NotFound", str(problem))
    raise unavailable(str(problem))


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for piece in nothing:
        yield piece


async def _all(head: bytes, pieces: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    try:
        while head:
            yield head
            head = await _in_thread(next, pieces, b"")
    finally:
        await _in_thread(pieces.close)


async def _in_thread(function, *args: Any) -> Any:
    """Run in a thread of our own few: a store that hardly answers must not hold the threads of others."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), function, *args)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="image read")


def path(cloud, image_id: str) -> Path | None:
    """See `monostack.image.path`."""
    row = cloud.engine.now(_row, image_id)
    home = stores.of(cloud)
    for place in () if row is None or row["status"] == "queued" else row["places"] or ():
        store = home.get(place["store"])
        found = None if store is None else store.path(place["key"])
        if found is not None and found.exists():
            return found
    return None


def _row(db, image_id: str) -> dict | None:
    return db.one(IMAGES, id=image_id)


async def to_file(cloud, image_id: str, target: Path) -> bool:
    """Make the data of an image a file of a host, by a link where that can be; False if it has none.

    What comes from elsewhere is looked into again: it may have changed since it became an image.
    """
    row = await cloud.engine.read(_row, image_id)
    if row is None or not row["places"] or row["status"] == "queued":
        return False
    source, pieces = await open_data(cloud, row["places"], 0, row["size"])
    if source is not None:
        await asyncio.to_thread(_link, source, target)
        return True
    filled = sink.Sink(FileWriter(target), upload.look_into(cloud, row))
    try:
        async for piece in pieces:
            await asyncio.to_thread(filled.take, [piece])
        found = await asyncio.to_thread(filled.finish)
    except (Refused, stores.Unavailable) as reason:
        raise unavailable(str(reason)) from None
    finally:
        filled.close()
    if row["os_hash_algo"] == found["os_hash_algo"] and row["os_hash_value"] != found["os_hash_value"]:
        target.unlink()
        raise unavailable(f"The data of image {image_id} are not what they were.")
    return True


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
