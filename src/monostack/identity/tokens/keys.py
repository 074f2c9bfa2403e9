"""Keys that are changed while they are used: a directory of numbered files, as operators know it.

File 0 is the staged key, the highest number makes what is new, the others only read what is old. Rotation
promotes the staged key, so that several machines can be given a key before the first token of it arrives.

Files are 0600 and written whole or not at all. A rotation is a few such steps; cut between any two of them
it leaves a folder that makes and reads tokens, and the next rotation ends it instead of beginning another:
staging is the last step, so a staged key that is also the primary one says that a rotation was cut.

Source: the Fernet specification; identity's administration guide, "Fernet keys".
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from monostack.kit.crash import point

FEWEST = 2
"""The staged key and the primary one."""


class Refused(Exception):
    """What is asked of the keys would lose something; the words say what to do first."""


class Keys:
    """The keys of a folder. A rotation by another process is seen within a second."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        setup(folder)
        self._looked = 0.0
        self._changed = -1
        self._look()

    def seal(self, data: bytes, at: int) -> str:
        """The token of the data, made at a second since the epoch."""
        self._look()
        return self._fernet.encrypt_at_time(data, at).decode().rstrip("=")

    def unseal(self, token: str) -> bytes | None:
        """The data of a token; None when none of our keys made it."""
        self._look()
        return _opened(self._fernet, token)

    def sealed_lately(self, token: str) -> bool:
        """Whether the primary key made the token, so that it outlives the next rotation."""
        self._look()
        return _opened(self._primary, token) is not None

    def look_again(self) -> int:
        """See what has changed now, not within a second; what tells these keys from those before."""
        self._looked = 0.0
        self._look()
        return self._changed

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < 1.0 and self._changed >= 0:
            return
        changed = self.folder.stat().st_mtime_ns
        if changed != self._changed:
            numbers = sorted(_numbers(self.folder), reverse=True)
            try:
                ours = [Fernet(_read(self.folder, number)) for number in numbers]
            except FileNotFoundError:
                if self._changed >= 0:
                    return  # in the middle of a rotation: look again at the next token
                raise
            self._primary, self._fernet, self._changed = ours[0], MultiFernet(ours), changed
        self._looked = now


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner may open; the owner is that of the folder above."""
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() == 0:
        home = folder.parent.stat()
        os.chown(folder, home.st_uid, home.st_gid)


def setup(folder: Path) -> bool:
    """Make the folder and its first two keys, as far as they are missing; whether anything was made."""
    make_folder(folder)
    with _alone(folder):
        numbers = _numbers(folder)
        if not any(numbers):
            write(folder / "1", Fernet.generate_key())
        if 0 not in numbers:
            write(folder / "0", Fernet.generate_key())
        return 0 not in numbers or not any(numbers)


def rotate(folder: Path, max_active: int) -> int:
    """Promote the staged key, stage a new one, drop the oldest beyond `max_active`; the primary's number.

    Raises Refused where there are no keys to rotate."""
    if not folder.is_dir() or not {0} < set(_numbers(folder)):
        raise Refused(f"There are no keys in {folder}. Make them first: monostack keys setup.")
    with _alone(folder):
        primary = max(_numbers(folder))
        if _read(folder, primary) != _read(folder, 0):
            primary += 1
            write(folder / str(primary), _read(folder, 0))
        old = sorted(number for number in _numbers(folder) if number)
        while len(old) + 1 > max(FEWEST, max_active):
            point("identity.keys.drop.before")
            (folder / str(old.pop(0))).unlink()
            point("identity.keys.drop.after")
        write(folder / "0", Fernet.generate_key())
    return primary


@dataclass(frozen=True)
class Key:
    """A key as it may be shown: what it is for, since when, and a name of it that gives nothing away."""

    number: int
    role: str
    since: float
    fingerprint: str


def status(folder: Path) -> list[Key]:
    """The keys of a folder, newest first."""
    numbers = sorted(_numbers(folder), reverse=True) if folder.is_dir() else []
    out = []
    for number in numbers:
        role = "staged" if number == 0 else "primary" if number == numbers[0] else "secondary"
        digest = hashlib.sha256(_read(folder, number)).hexdigest()[:12]
        out.append(Key(number, role, (folder / str(number)).stat().st_mtime, digest))
    return out


def write(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read; a crash leaves the old one or the new one. The owner is the
    folder's, so that root may change the keys of a cloud that is not root's."""
    temporary = path.with_name(f".{path.name}.new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, data)
        if os.geteuid() == 0:
            home = path.parent.stat()
            os.fchown(handle, home.st_uid, home.st_gid)
        os.fsync(handle)
    finally:
        os.close(handle)
    point("identity.keys.write.before")
    os.replace(temporary, path)
    point("identity.keys.write.after")
    _sync(path.parent)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One change of a folder at a time; the lock goes with the process that has it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _opened(fernet: Fernet | MultiFernet, token: str) -> bytes | None:
    try:
        return fernet.decrypt(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (InvalidToken, UnicodeEncodeError):
        return None


def _numbers(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]


def _read(folder: Path, number: int) -> bytes:
    return (folder / str(number)).read_bytes().strip()
