"""All directories of a cloud: opened when they are first asked, in threads of their own, and watched.

A directory that does not answer is not asked again for a few seconds, so that a dead one costs its callers a
time limit once and not each time, and cannot use up the threads that others wait for. Who may have a token is
looked at again every few minutes; who was disabled or is gone loses his tokens then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from monostack.identity.domains import configuration
from monostack.identity.ldap import options
from monostack.identity.ldap.connection import Directory, Unreachable
from monostack.identity.ldap.directory_source import DirectorySource
from monostack.identity.ldap.options import Misconfigured, Options
from monostack.kit.db import Db, Row
from monostack.kit.errors import Error

if TYPE_CHECKING:
    from monostack.cloud import Cloud

THREADS = 8
QUEUE = 64
DEAD_SECONDS = 5.0
log = logging.getLogger(__name__)


class Directories:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.threads = ThreadPoolExecutor(THREADS, "directory")
        self.waiting = 0
        self._open: dict[str, Directory] = {}
        self._dead: dict[str, tuple[float, str]] = {}
        self._tasks: set[asyncio.Task] = set()

    async def source(self, domain_id: str) -> DirectorySource:
        """The directory of a domain; raises Error 503 in words when its options cannot be used."""
        try:
            wanted = await self.cloud.engine.read(_options, domain_id)
        except Misconfigured as reason:
            raise self._refusal(domain_id, f"cannot be asked: {reason}") from None
        known = self._open.get(domain_id)
        if known is None or known.options != wanted:
            if known is not None:
                known.close()
                self._dead.pop(domain_id, None)
            timeout = self.cloud.settings.identity.directory_timeout_seconds
            known = self._open[domain_id] = Directory(wanted, timeout)
        return DirectorySource(self, known)

    async def ask(self, directory: Directory, function: Callable, *args: Any) -> Any:
        """The function's result, from a thread; raises Error 503 in words when the directory gives none."""
        domain_id = directory.options.domain_id
        until, words = self._dead.get(domain_id, (0.0, ""))
        if until > time.monotonic():
            raise self._refusal(domain_id, words)
        if self.waiting >= QUEUE:
            raise self._refusal(domain_id, "is asked too much at the same time")
        self.waiting += 1
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self.threads, function, *args)
        except Unreachable as reason:
            words = f"({directory.options.place}) does not answer: {reason}"
            log.warning("the directory of domain %s %s", domain_id, words)
            self._dead[domain_id] = (time.monotonic() + DEAD_SECONDS, words)
            raise self._refusal(domain_id, words) from None
        except Misconfigured as reason:
            raise self._refusal(domain_id, f"cannot be asked: {reason}") from None
        finally:
            self.waiting -= 1
        self._dead.pop(domain_id, None)
        return answer

    def _refusal(self, domain_id: str, words: str) -> Error:
        return Error(
            503,
            "ServiceUnavailable",
            f"The users of domain {domain_id} live in a directory that {words}",
            headers=[("Retry-After", str(int(DEAD_SECONDS)))],
        )

    def look_again(self, rows: list[Row]) -> None:
        """Read these users again, beside everything else."""
        task = asyncio.get_running_loop().create_task(self._look_again(rows))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_again(self, rows: list[Row]) -> None:
        silent: set[str] = set()
        for row in rows:
            if row["domain_id"] in silent:
                continue
            try:
                await (await self.source(row["domain_id"])).renewed(row)
            except Error as reason:
                silent.add(row["domain_id"])
                log.warning("user %s could not be looked at again: %s", row["id"], reason.message)


def _options(db: Db, domain_id: str) -> Options:
    said = (configuration.in_use(db, domain_id, group) for group in ("ldap", "identity"))
    return options.read(domain_id, *said)
