"""The keys that tokens are made with: a directory of numbered files, as operators know it.

File 0 is the staged key, the highest number makes new tokens, the others only read old ones. Rotation
promotes the staged key, so that several machines can be given a key before the first token of it arrives.
Files are 0600 and written whole or not at all.

Source: the Fernet specification; identity's administration guide, "Fernet keys".
"""

import os
import time
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class Keys:
    """The keys of a folder. A rotation by another process is seen within a second."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _numbers(folder):
            _write(folder, 1, Fernet.generate_key())
            _write(folder, 0, Fernet.generate_key())
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
        try:
            return self._fernet.decrypt(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (InvalidToken, UnicodeEncodeError):
            return None

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < 1.0 and self._changed >= 0:
            return
        changed = self.folder.stat().st_mtime_ns
        if changed != self._changed:
            numbers = sorted(_numbers(self.folder), reverse=True)
            try:
                fernet = MultiFernet([Fernet(_read(self.folder, number)) for number in numbers])
            except FileNotFoundError:
                if self._changed >= 0:
                    return  # in the middle of a rotation: look again at the next token
                raise
            self._fernet, self._changed = fernet, changed
        self._looked = now


def rotate(folder: Path, max_active: int) -> int:
    """Promote the staged key, stage a new one, drop the oldest beyond `max_active`; the new primary's
    number."""
    numbers = sorted(_numbers(folder))
    primary = numbers[-1] + 1
    _write(folder, primary, _read(folder, 0))
    _write(folder, 0, Fernet.generate_key())
    old = [number for number in numbers if number != 0]
    while len(old) + 2 > max(2, max_active):
        (folder / str(old.pop(0))).unlink()
    return primary


def _numbers(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]


def _read(folder: Path, number: int) -> bytes:
    return (folder / str(number)).read_bytes().strip()


def _write(folder: Path, number: int, key: bytes) -> None:
    """Write a key file; a crash leaves the old one or the new one."""
    temporary = folder / f".{number}.new"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, key)
        os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(temporary, folder / str(number))
