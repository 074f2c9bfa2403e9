"""Where the data of images stand: one file each in DIR/images, written once and never changed.

A file is called after its image and the token of the upload that wrote it, so two uploads can never write to
one file, and an upload that was given up cannot spoil the next. While data come the name ends in `.part`.

Hosts on the same machine link the file, so deleting an image harms no guest. A file is removed only by the
word of a row (a deleted image, an upload given up); a `.part` that nobody has written to for an hour is
nobody's. Anything else that is found here is left alone: after a database was restored from a backup it may
be all that is left of an image.
"""

import asyncio
import errno
import hashlib
import os
import time
from io import FileIO
from pathlib import Path

from monostack.image.formats import Inspector
from monostack.image.rows import HASH
from monostack.image.tables import IMAGES
from monostack.kit.crash import point

PART = ".part"
FORGOTTEN_AFTER = 3600.0


def folder(cloud) -> Path:
    """The directory of all images' data."""
    return cloud.state / "images"


def file(cloud, image_id: str, token: str) -> Path:
    """The file of an image's data."""
    return folder(cloud) / f"{image_id}.{token}"


def path(cloud, image_id: str) -> Path | None:
    """See `monostack.image.path`."""
    row = cloud.engine.now(_row, image_id)
    return None if row is None or row["blob"] is None else file(cloud, image_id, row["blob"])


def _row(db, image_id: str) -> dict | None:
    return db.one(IMAGES, id=image_id)


class Sink:
    """Takes the data of one upload: writes, hashes and looks at them. Its methods run in a thread."""

    def __init__(self, target: Path, inspector: Inspector) -> None:
        self.target = target
        self.part = target.with_name(target.name + PART)
        self.inspector = inspector
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.hash = hashlib.new(HASH)
        self.size = 0
        self._file: FileIO | None = None

    def open(self) -> None:
        self.target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = FileIO(self.part, "wb")

    def take(self, chunks: list[bytes]) -> None:
        """The next data. Raises Refused, or OSError when the disk is full."""
        for chunk in chunks:
            self.inspector.feed(chunk)
            self._write(chunk)
            self.md5.update(chunk)
            self.hash.update(chunk)
            self.size += len(chunk)

    def _write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            view = view[self._opened().write(view) :]

    def finish(self) -> dict:
        """All has come: what the row is to say of it. The file is durable under its name before the row names
        it."""
        virtual_size = self.inspector.finish()
        os.fsync(self._opened().fileno())
        self.close()
        point("image.rename.before")
        os.rename(self.part, self.target)
        point("image.rename.after")
        directory = os.open(self.target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return {
            "size": self.size,
            "virtual_size": virtual_size,
            "checksum": self.md5.hexdigest(),
            "os_hash_algo": HASH,
            "os_hash_value": self.hash.hexdigest(),
        }

    def _opened(self) -> FileIO:
        if self._file is None:
            raise ValueError(f"{self.part} is not open")
        return self._file

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Adoption(Sink):
    """A part that somebody else has written: it is read, looked at and hashed, and becomes the file."""

    def open(self) -> None:
        self._file = FileIO(self.part, "r+b")

    def read(self, most: int) -> None:
        """Raises Refused, or OSError EFBIG for more than `most` bytes."""
        while chunk := self._opened().read(1 << 20):
            self.take([chunk])
            if self.size > most:
                raise OSError(errno.EFBIG, f"The data are larger than {most} bytes.")

    def _write(self, chunk: bytes) -> None:
        """It stands there already."""


def discard(cloud, image_id: str, token: str) -> None:
    """Remove what an upload has written, in a thread; nobody waits for it."""
    target = file(cloud, image_id, token)
    asyncio.get_running_loop().run_in_executor(None, _remove, target)


def _remove(target: Path) -> None:
    target.unlink(missing_ok=True)
    target.with_name(target.name + PART).unlink(missing_ok=True)


def sweep(cloud) -> None:
    """Remove parts that nobody writes to any more, in a thread."""
    asyncio.get_running_loop().run_in_executor(None, _sweep, folder(cloud))


def _sweep(directory: Path) -> None:
    if not directory.is_dir():
        return
    before = time.time() - FORGOTTEN_AFTER
    for part in directory.glob("*" + PART):
        try:
            if part.stat().st_mtime < before:
                part.unlink()
        except FileNotFoundError:
            continue
