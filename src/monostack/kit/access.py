"""The access log: one line a request, with its id, its caller and its time.

Lines are gathered and written a few times a second by one call: a logger that formats and flushes each line
costs more than a whole read request. What the last quarter of a second gathered is lost when the process is
killed.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from monostack.kit import clock

if TYPE_CHECKING:
    from monostack.kit.request import Request

SECONDS = 0.25


class AccessLog:
    """Appends to a file; a file that was moved away (log rotation) is made anew."""

    def __init__(self, path: Path, time) -> None:
        self.path = path
        self.time = time
        self.lines: list[str] = []
        self.handle: asyncio.TimerHandle | None = None

    def write(self, request: Request, path: str, status: int, milliseconds: float) -> None:
        who = "- -"
        if request.authenticated:
            who = f"{request.caller.user_id} {request.caller.project_id or '-'}"
        at = clock.from_seconds(self.time())
        what = f'"{request.method} {path}" {status} {request.id}'
        self.lines.append(f"{at}Z {request.remote} {what} {who} {milliseconds:.1f}ms\n")
        if self.handle is None:
            self.handle = asyncio.get_running_loop().call_later(SECONDS, self.flush)

    def flush(self) -> None:
        """Write what was gathered."""
        self.handle = None
        lines, self.lines = self.lines, []
        if lines:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write("".join(lines))
