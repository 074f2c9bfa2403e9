"""The keys that tokens are made with: a directory of numbered files, as operators know it.

File 0 is the staged key, the highest number makes new tokens, the others only read old ones. Rotation
promotes the staged key, so that several machines can be given a key before the first token of it arrives.
Files are 0600 and written whole or not at all.

Source: the Fernet specification; identity's administration guide, "Fernet keys".
"""

import os
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet


def load(folder: Path) -> MultiFernet:
    """The keys of the folder, newest first; makes the folder and its first two keys when there is none."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _numbers(folder):
        _write(folder, 1, Fernet.generate_key())
        _write(folder, 0, Fernet.generate_key())
    numbers = sorted(_numbers(folder), reverse=True)
    return MultiFernet([Fernet((folder / str(number)).read_bytes().strip()) for number in numbers])


def rotate(folder: Path, max_active: int) -> int:
    """Promote the staged key, stage a new one, drop the oldest beyond `max_active`; the new primary's
    number."""
    numbers = sorted(_numbers(folder))
    primary = numbers[-1] + 1
    _write(folder, primary, (folder / "0").read_bytes())
    _write(folder, 0, Fernet.generate_key())
    old = [number for number in numbers if number != 0]
    while len(old) + 2 > max(2, max_active):
        (folder / str(old.pop(0))).unlink()
    return primary


def _numbers(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]


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
