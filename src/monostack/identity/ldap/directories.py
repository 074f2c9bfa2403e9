"""All directories of a cloud: opened when they are first asked, and anew when their options were changed.

Who may have a token is looked at again every few minutes; who was disabled or is gone loses his tokens then.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from monostack.identity.domains import configuration
from monostack.identity.ldap import options
from monostack.identity.ldap.asking import Asking, refusal
from monostack.identity.ldap.connection import Directory
from monostack.identity.ldap.directory_source import DirectorySource
from monostack.identity.ldap.options import Misconfigured, Options
from monostack.kit.db import Db, Row
from monostack.kit.errors import Error

if TYPE_CHECKING:
    from monostack.cloud import Cloud

log = logging.getLogger(__name__)


class Directories:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.asking = Asking()
        self._open: dict[str, Directory] = {}
        self._tasks: set[asyncio.Task] = set()

    async def source(self, domain_id: str) -> DirectorySource:
        """The directory of a domain; raises Error 503 in words when its options cannot be used."""
        try:
            wanted = await self.cloud.engine.read(_options, domain_id)
        except Misconfigured as reason:
            raise refusal(domain_id, f"cannot be asked: {reason}") from None
        known = self._open.get(domain_id)
        if known is None or known.options != wanted:
            if known is not None:
                known.close()
                self.asking.forgive(domain_id)
            timeout = self.cloud.settings.identity.directory_timeout_seconds
            known = self._open[domain_id] = Directory(wanted, timeout)
        return DirectorySource(self.cloud, self.asking, known)

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
