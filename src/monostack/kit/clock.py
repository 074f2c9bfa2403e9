"""Time, in one place, so that a test can move it.

A moment is a string of 26 characters, UTC, microseconds: `2026-11-20T12:00:00.000000`. It sorts as text, is
the same on every database and becomes each service's own spelling by slicing (`z`, `micro_z`, `dashed`).
"""

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

FORMAT = "%Y-%m-%dT%H:%M:%S.%f"
BLANK = re.compile(r" (\d\d:?\d\d)$")


class Clock:
    """The cloud's clock: real time plus what a test has advanced."""

    def __init__(self) -> None:
        self.offset = 0.0

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.offset

    def now(self) -> str:
        return from_seconds(self.time())

    def after(self, seconds: float) -> str:
        return from_seconds(self.time() + seconds)

    def advance(self, **delta: float) -> None:
        """Move time forward: `advance(hours=2)`. Takes what `timedelta` takes."""
        self.offset += timedelta(**delta).total_seconds()


@lru_cache(maxsize=16)
def _prefix(second: int) -> str:
    """strftime costs 10 µs, so its text is kept for the length of a second, of a few seconds at a time."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")


def from_seconds(seconds: float) -> str:
    """The moment."""
    whole = int(seconds)
    return f"{_prefix(whole)}{int((seconds - whole) * 1_000_000):06d}"


def seconds(moment: str) -> float:
    """Seconds since the epoch of a moment."""
    return datetime.strptime(moment, FORMAT).replace(tzinfo=UTC).timestamp()


def parse(text: str) -> str:
    """A moment from any ISO 8601 spelling; raises ValueError. A time without a zone is UTC; a plus sign that
    a query turned into a blank still counts."""
    if "T" in text:
        text = BLANK.sub(r"+\1", text)
    value = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if value.tzinfo is not None:
        try:
            value = value.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            raise ValueError(f"{text} is before the first or after the last moment there is") from None
    return value.isoformat(timespec="microseconds")


def z(moment: str | None) -> str | None:
    """`2026-11-20T12:00:00Z`"""
    return moment and moment[:19] + "Z"


def micro_z(moment: str | None) -> str | None:
    """`2026-11-20T12:00:00.000000Z`"""
    return moment and moment + "Z"


def plain(moment: str | None) -> str | None:
    """`2026-11-20T12:00:00`"""
    return moment and moment[:19]


def spaced(moment: str | None) -> str | None:
    """`2026-11-20 12:00:00`"""
    return moment and moment[:10] + " " + moment[11:19]
