"""A journal of parts, for the drivers whose world is nothing but what they remember.

One appended line per change costs a few microseconds and needs no lock; a line that a kill cut short fails
to parse and therefore never happened. At start the history is read back and written anew without what is
past, so that the file grows only with the number of changes of one run.
"""

import json
import os
from pathlib import Path


class Journal:
    """The parts of a world by kind and id, and every change to them, one JSON line each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: int | None = None

    def replay(self) -> dict[tuple[str, str], dict]:
        parts: dict[tuple[str, str], dict] = {}
        if not self.path.exists():
            return parts
        for line in self.path.read_bytes().splitlines():
            try:
                kind, id, part = json.loads(line)
            except ValueError:
                continue
            if part is None:
                parts.pop((kind, id), None)
            else:
                parts[kind, id] = part
        return parts

    def compact(self, parts: dict[tuple[str, str], dict]) -> None:
        """Write the world without its history, then follow it with what changes from now on."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        with fresh.open("wb") as file:
            for (kind, id), part in parts.items():
                file.write(self.line(kind, id, part))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        self.close()
        self.file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def append(self, kind: str, id: str, part: dict | None) -> None:
        if self.file is not None:
            os.write(self.file, self.line(kind, id, part))

    def close(self) -> None:
        if self.file is not None:
            os.close(self.file)
            self.file = None

    @staticmethod
    def line(kind: str, id: str, part: dict | None) -> bytes:
        return json.dumps([kind, id, part], separators=(",", ":")).encode() + b"\n"
