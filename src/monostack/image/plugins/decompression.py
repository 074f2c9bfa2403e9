"""Imports that came compressed: gzip, bzip2, xz, or a zip archive of one file.

Whether data are compressed is seen by their first bytes, never by a name. A few bytes can stand for endless
ones, so the new file is bounded twice: by the largest image that the cloud takes, and by `ratio` times the
bytes that came. Names inside an archive are not used for anything.
"""

import bz2
import gzip
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monostack.image.formats import Refused

CHUNK = 1 << 20
BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PK\x03\x04", "zip"),
)
OPENERS: dict[str, Callable[..., Any]] = {"gzip": gzip.open, "bzip2": bz2.open}
XZ_MEMORY = 128 << 20


def decompress(source: Path, target: Path, most: int, ratio: int) -> bool:
    """Write the decompressed data of a file into another one; False if they are not compressed. Raises
    Refused."""
    with open(source, "rb") as file:
        head = file.read(8)
    kind = next((name for beginning, name in BEGINNINGS if head.startswith(beginning)), None)
    if kind is None:
        return False
    bound = min(most, max(source.stat().st_size, CHUNK) * ratio)
    try:
        if kind == "zip":
            _unzip(source, target, bound)
        elif kind == "xz":
            _unxz(source, target, bound)
        else:
            with OPENERS[kind](source, "rb") as data:
                _write(data.read, target, bound)
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile, ValueError) as reason:
        raise Refused(f"The data cannot be decompressed as {kind}: {reason}") from None
    except (NotImplementedError, RuntimeError):
        raise Refused("The zip archive is encrypted or of a kind that cannot be read.") from None
    return True


def _unzip(source: Path, target: Path, bound: int) -> None:
    with zipfile.ZipFile(source) as archive:
        entries = archive.infolist()
        if len(entries) != 1 or entries[0].is_dir():
            raise Refused(f"The zip archive has {len(entries)} entries: it must have one file.")
        if entries[0].file_size > bound:
            raise _bomb(bound)
        with archive.open(entries[0]) as data:
            _write(data.read, target, bound)


def _unxz(source: Path, target: Path, bound: int) -> None:
    """By hand, because a header may ask for gigabytes of memory."""
    decoder = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
    with open(source, "rb") as file:

        def read(size: int) -> bytes:
            while not decoder.eof:
                piece = file.read(CHUNK) if decoder.needs_input else b""
                if decoder.needs_input and not piece:
                    raise EOFError("the data end too early")
                if out := decoder.decompress(piece, max_length=size):
                    return out
            if decoder.unused_data or file.read(1):
                raise Refused("The data go on after the end of their xz stream.")
            return b""

        _write(read, target, bound)


def _write(read: Callable[[int], bytes], target: Path, bound: int) -> None:
    total = 0
    with open(target, "wb") as out:
        while piece := read(CHUNK):
            total += len(piece)
            if total > bound:
                raise _bomb(bound)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())


def _bomb(bound: int) -> Refused:
    return Refused(f"The data grow beyond {bound} bytes when they are decompressed. Send them as they are.")
