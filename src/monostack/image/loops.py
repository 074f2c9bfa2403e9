"""What makes rows of images true: data in stores, imports, and old tasks."""

import asyncio

from monostack.image import blobs, cache, importing, stores
from monostack.image.tables import TASKS
from monostack.kit.db import lt
from monostack.kit.resource import Loop


def housekeeping(row, tx):
    """Tasks whose time is over, and what nobody writes to any more."""
    tx.delete_all(TASKS, expires_at=lt(tx.now), status=["success", "failure"])
    tx.after(_sweep, tx.cloud)


def _sweep(cloud) -> None:
    home = stores.of(cloud)
    for store in (home.staging, home.cache, *home.named.values()):
        asyncio.get_running_loop().run_in_executor(None, store.sweep)


LOOPS = (*blobs.LOOPS, *cache.LOOPS, *importing.LOOPS, Loop("image.housekeeping", housekeeping, every=600.0))
