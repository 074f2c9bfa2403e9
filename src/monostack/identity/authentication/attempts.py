"""How often somebody may guess: wrong secrets in a minute for one user from one address.

Off by default, because suites that test refusals guess often; the lock of an account (see users/standing) is
the rule that others know. This one is for those who must not be locked out by strangers. It counts in the
memory of this process only, and for users that do not exist as for those who do. Who is over it is told
before any work is done for him.

Source: RFC 6585, 429 Too Many Requests."""

from __future__ import annotations

import time

from monostack.kit.errors import Error

WINDOW = 60.0
KEPT = 50_000


class Attempts:
    """The wrong secrets of the last minute."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._failed: dict[tuple[str, str], tuple[float, int]] = {}

    def admit(self, who: str, address: str) -> None:
        """Raises Error 429 if there were too many."""
        if not self.most:
            return
        since, count = self._failed.get((who, address), (0.0, 0))
        left = since + WINDOW - time.monotonic()
        if count >= self.most and left > 0:
            raise Error(
                429,
                "TooManyRequests",
                f"There were too many failed logins. Try again in {int(left) + 1} seconds.",
                headers=[("Retry-After", str(int(left) + 1))],
            )

    def failed(self, who: str, address: str) -> None:
        """Count a wrong secret."""
        if not self.most:
            return
        now = time.monotonic()
        since, count = self._failed.get((who, address), (now, 0))
        if since + WINDOW <= now:
            since, count = now, 0
        if len(self._failed) >= KEPT:
            self._failed = {key: kept for key, kept in self._failed.items() if kept[0] + WINDOW > now}
        if len(self._failed) < KEPT:
            self._failed[who, address] = since, count + 1
