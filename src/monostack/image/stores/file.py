"""Files of this machine, or of a file system that all machines share: one file a key.

Hosts on the same machine link the file, so deleting an image harms no guest. Folders are as many as two hex
digits, so that none grows without end. While data come the name ends in `.part`; a `.part` that nobody has
written to for an hour is nobody's. Anything else that is found here is left alone: after a database was
restored from a backup it may be all that is left of an image.
"""

import errno
import os
import time
from collections.abc import Generator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from monostack.image.stores.store import CHUNK, Missing, Store, Unavailable, Writer, words
from monostack.kit.crash import point

PART = ".part"
FORGOTTEN_AFTER = 3600.0


class FileStore(Store):
    """Options: `path`, the folder; by default `images` in the state directory."""

    type = "file"

    def __init__(self, name: str, options: Mapping[str, Any], state: Path) -> None:
        super().__init__(name, options, state)
        folder = words(options, {"path": str(state / "images")}, f"image.store.{name}")["path"]
        self.folder = Path(folder)

    def key(self, image_id: str, token: str) -> str:
        return f"{image_id[:2]}/{image_id}.{token}"

    def url(self, key: str) -> str:
        return f"file://{self.folder / key}"

    def path(self, key: str) -> Path:
        return self.folder / key

    def writer(self, key: str) -> "FileWriter":
        return FileWriter(_in_folder(self.path(key)))

    def read(self, key: str, first: int, length: int) -> Generator[bytes, None, None]:
        try:
            source = open(self.path(key), "rb")  # noqa: SIM115 - closed by the generator's end
        except FileNotFoundError:
            raise Missing(f"The file {key} of store {self.name} is not there.") from None
        with source:
            source.seek(first)
            while length > 0:
                chunk = source.read(min(CHUNK, length))
                if not chunk:
                    raise Unavailable(f"The file {key} of store {self.name} ends too early.")
                length -= len(chunk)
                yield chunk

    def size(self, key: str) -> int | None:
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            return None

    def remove(self, key: str) -> None:
        target = self.path(key)
        point("image.unlink.before")
        target.unlink(missing_ok=True)
        part(target).unlink(missing_ok=True)
        point("image.unlink.after")

    def take(self, source: Path, key: str) -> bool:
        target = _in_folder(self.path(key))
        point("image.link.before")
        try:
            os.link(source, target)
        except FileExistsError:
            return os.path.samefile(source, target)
        except OSError as reason:
            if reason.errno in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                return False
            raise
        point("image.link.after")
        _keep(target.parent)
        return True

    def sweep(self) -> None:
        before = time.time() - FORGOTTEN_AFTER
        for found in self.folder.glob("*/*" + PART):
            try:
                if found.stat().st_mtime < before:
                    found.unlink()
            except FileNotFoundError:
                continue

    def details(self) -> dict[str, Any]:
        return {"data_dir": str(self.folder), "chunk_size": CHUNK, "thin_provisioning": False}


class FileWriter(Writer):
    """Writes beside the file's place; the rename makes it the file."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._file: FileIO | None = FileIO(part(target), "wb")

    def write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            view = view[self._opened().write(view) :]

    def finish(self) -> None:
        os.fsync(self._opened().fileno())
        self.abandon()
        point("image.rename.before")
        try:
            os.rename(part(self.target), self.target)
        except FileNotFoundError:
            raise Missing("The data were given up while they were being written.") from None
        point("image.rename.after")
        _keep(self.target.parent)

    def abandon(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> FileIO:
        if self._file is None:
            raise ValueError(f"{self.target} is not open")
        return self._file


def part(target: Path) -> Path:
    """What a file is called while its data come."""
    return target.with_name(target.name + PART)


def _in_folder(target: Path) -> Path:
    """The path, its folder made; a new folder is as durable as what will be in it."""
    folder = target.parent
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _keep(folder.parent)
    return target


def _keep(folder: Path) -> None:
    """The names in a folder outlive a power cut."""
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
