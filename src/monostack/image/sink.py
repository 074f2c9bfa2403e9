"""Taking data: they are looked at, hashed and given to a store's writer, all in one passing.

The methods run in threads. The hashes are counted beside the writing: MD5 and SHA-512 cost more than all the
rest, and a second processor makes them free.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from monostack.image.formats import Inspector
from monostack.image.rows import HASH
from monostack.image.stores import Unavailable, Writer
from monostack.kit.errors import Error

CHUNK = 1 << 20


class Sink:
    """Takes the data of one image. `verifier`, if there is one, is fed too and judges at the end."""

    def __init__(self, writer: Writer | None, inspector: Inspector | None, verifier: Any = None) -> None:
        self.writer = writer
        self.inspector = inspector
        self.verifier = verifier
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.hash = hashlib.new(HASH)
        self.size = 0

    def take(self, chunks: list[bytes]) -> None:
        """The next data. Raises Refused, Unavailable, or OSError when the disk is full."""
        # as one piece: each small one would wait for its turn with Python's lock again
        piece = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        counting = _counters().submit(self._count, piece)
        try:
            if self.inspector is not None:
                self.inspector.feed(piece)
            if self.writer is not None:
                self.writer.write(piece)
            self.md5.update(piece)
            self.size += len(piece)
        finally:
            counting.result()

    def _count(self, piece: bytes) -> None:
        self.hash.update(piece)
        if self.verifier is not None:
            self.verifier.update(piece)

    def finish(self) -> dict[str, Any]:
        """All has come: what the row is to say of it. The data are durable before the row names them."""
        virtual_size = None if self.inspector is None else self.inspector.finish()
        if self.verifier is not None:
            self.verifier.finish()
        if self.writer is not None:
            self.writer.finish()
        return {
            "size": self.size,
            "virtual_size": virtual_size,
            "checksum": self.md5.hexdigest(),
            "os_hash_algo": HASH,
            "os_hash_value": self.hash.hexdigest(),
        }

    def close(self) -> None:
        if self.writer is not None:
            self.writer.abandon()


@cache
def _counters() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8, thread_name_prefix="image hash")


def read_file(path: Path) -> Iterator[bytes]:
    """The pieces of a file."""
    with open(path, "rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk


def look(path: Path, inspector: Inspector | None, verifier: Any = None, most: int | None = None) -> dict:
    """What the row is to say of a file that stands there already."""
    sink = Sink(None, inspector, verifier)
    for chunk in read_file(path):
        sink.take([chunk])
        if most is not None and sink.size > most:
            raise Error(
                413,
                "RequestEntityTooLarge",
                f"The image is larger than {most} bytes, the most that this cloud takes.",
            )
    return sink.finish()


def copy(
    writer: Writer, chunks: Iterable[bytes], expected: dict[str, Any], wanted: Callable[[], bool]
) -> None:
    """Write data that are known already; raises Unavailable if they are not what they were, or if they are
    not wanted any more."""
    hash_name = expected.get("os_hash_algo")
    counter = hashlib.new(hash_name) if hash_name else None
    size = 0
    try:
        for chunk in chunks:
            if not wanted():
                raise Unavailable("The data are not wanted any more.")
            writer.write(chunk)
            size += len(chunk)
            if counter is not None:
                counter.update(chunk)
        if expected.get("size") is not None and size != expected["size"]:
            raise Unavailable(f"The data have {size} bytes and had {expected['size']}.")
        if counter is not None and counter.hexdigest() != expected["os_hash_value"]:
            raise Unavailable(f"The data are not what they were: their {hash_name} is another one.")
        writer.finish()
    finally:
        writer.abandon()
