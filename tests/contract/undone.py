"""Requests that leave nothing behind: each finds the world that the one before it found."""

from __future__ import annotations

import functools
from typing import Any

from monostack.kit import app
from monostack.kit.context import Context


class Undone(Exception):
    """Carries what a transaction's function returned out of the transaction, which is thereby undone."""

    def __init__(self, result: Any) -> None:
        self.result = result


def undo_writes(cloud) -> None:
    """Requests write as ever, and nothing of it stays. The cloud's own work (loops, hosts) stays."""
    write = cloud.engine.write

    async def write_and_undo(function, *args):
        if function is not app._judged and getattr(function, "__func__", None) is not Context._with_event:
            return await write(function, *args)

        @functools.wraps(function)
        def undone(tx, *args):
            raise Undone(function(tx, *args))

        try:
            return await write(undone, *args)
        except Undone as end:
            return end.result

    cloud.engine.write = write_and_undo
