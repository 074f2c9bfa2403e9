"""Making a told location the data of an image: asking for its size, and reading it once to know what it is.

With `image.do_secure_hash` data that come with a hash are verified before the image is active; without a told
hash the image is active at once, and its hashes follow: until then it names their algorithm. Data that are
not what the image says are refused either way. `image.http_retries` is how often a server that does not
answer is asked again.
"""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

from monostack.image import locations, sink, stores, upload
from monostack.image.formats import Refused
from monostack.image.rows import HASH

PAUSE = 0.5


async def work(job) -> None:
    """Do a task of the type location_import."""
    told, cloud = job.task["input"], job.cloud
    url, expected = told["loc_url"], told["validation_data"]
    store = job.stores.need(job.stores.web or "")
    if not job.image["places"]:
        size = await _retried(cloud, store.size, url)
        if not size:
            raise stores.Missing("Invalid location: there are no data behind the URL.")
        job.image = await job.write(_located, url, size)
    secure = cloud.settings.image.do_secure_hash
    if secure:
        job.image = await job.write(_hashing, expected.get("os_hash_algo", HASH))
    if not expected or not secure:
        job.image = await job.write(_activated, expected)
    if not secure:
        return
    try:
        found = await _retried(cloud, _hashed, cloud, store, url, job.image, job.alive, expected)
    except stores.Unavailable:
        if expected:
            raise
        job.image = await job.write(_hashing, None)
        return
    except Refused:
        await job.write(_deactivated)
        raise
    job.image = await job.write(_activated, found)


async def _retried(cloud, function: Callable, *args: Any) -> Any:
    for left in range(max(cloud.settings.image.http_retries, 0), -1, -1):
        try:
            return await asyncio.to_thread(function, *args)
        except stores.Unavailable:
            if not left:
                raise
        await asyncio.sleep(PAUSE)


def _hashed(
    cloud, store: stores.Store, url: str, image: dict, alive: Callable[[], bool], expected: dict
) -> dict[str, Any]:
    """What is known of the data now that they have been read; raises Refused if they are not as told."""
    filled = sink.Sink(None, upload.look_into(cloud, image))
    algorithm = expected.get("os_hash_algo", HASH)
    other = hashlib.new(algorithm, usedforsecurity=False) if algorithm != HASH else None
    for chunk in store.read(url, 0, image["size"]):
        if not alive():
            raise stores.Unavailable("The data are not wanted any more.")
        filled.take([chunk])
        if other is not None:
            other.update(chunk)
    found = filled.finish()
    if other is not None:
        found |= {"os_hash_algo": algorithm, "os_hash_value": other.hexdigest()}
    wanted = expected.get("os_hash_value", found["os_hash_value"]).lower()
    if wanted != found["os_hash_value"]:
        raise Refused(
            f"os_hash_value: ({wanted}) not matched with actual os_hash_value: ({found['os_hash_value']})"
        )
    return found


def _located(tx, task, image, url: str, size: int) -> dict:
    locations.add(tx, image, url, size)
    tx.set(image, size=size)
    return image


def _hashing(tx, task, image, algorithm: str | None) -> dict:
    tx.set(image, os_hash_algo=algorithm)
    return image


def _activated(tx, task, image, facts: dict) -> dict:
    tx.set(image, **({"status": "active"} if image["status"] == "importing" else {}), **facts)
    return image


def _deactivated(tx, task, image) -> None:
    """Data that nobody may open are no active image, even if they were for a moment."""
    if image["status"] == "active":
        tx.set(image, status="importing")
