"""Questions to directories: in threads of their own, and watched.

A directory that does not answer is not asked again for a few seconds, so that a dead one costs its callers a
time limit once and not each time, and cannot use up the threads that others wait for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from monostack.identity.ldap.connection import Directory, Unreachable
from monostack.identity.ldap.options import Misconfigured
from monostack.kit.errors import Error

THREADS = 8
QUEUE = 64
DEAD_SECONDS = 5.0
log = logging.getLogger(__name__)


class Asking:
    """The threads that ask, and which directories are dead."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(THREADS, "directory")
        self.waiting = 0
        self._dead: dict[str, tuple[float, str]] = {}

    async def ask(self, directory: Directory, function: Callable, *args: Any) -> Any:
        """The function's result, from a thread; raises Error 503 in words when the directory gives none."""
        domain_id = directory.options.domain_id
        until, words = self._dead.get(domain_id, (0.0, ""))
        if until > time.monotonic():
            raise refusal(domain_id, words)
        if self.waiting >= QUEUE:
            raise refusal(domain_id, "is asked too much at the same time")
        self.waiting += 1
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self.threads, function, *args)
        except Unreachable as reason:
            words = f"({directory.options.place}) does not answer: {reason}"
            log.warning("the directory of domain %s %s", domain_id, words)
            self._dead[domain_id] = (time.monotonic() + DEAD_SECONDS, words)
            raise refusal(domain_id, words) from None
        except Misconfigured as reason:
            raise refusal(domain_id, f"cannot be asked: {reason}") from None
        finally:
            self.waiting -= 1
        self._dead.pop(domain_id, None)
        return answer

    def forgive(self, domain_id: str) -> None:
        """The domain's directory is another one now: it may be asked at once."""
        self._dead.pop(domain_id, None)


def refusal(domain_id: str, words: str) -> Error:
    return Error(
        503,
        "ServiceUnavailable",
        f"The users of domain {domain_id} live in a directory that {words}",
        headers=[("Retry-After", str(int(DEAD_SECONDS)))],
    )
