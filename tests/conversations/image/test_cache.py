"""The cache: what administrators see of it, and what downloads take out of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.conversations.image.far_store import FarStore

from monostack import testing
from monostack.image import cache
from monostack.kit.db.rows import DiskFull

DATA = b"0123456789" * 50_000


@pytest.fixture(scope="module")
def shared_world(database: str, tmp_path_factory) -> Iterator:
    from tests.conftest import World

    options = {"far": {"path": str(tmp_path_factory.mktemp("far"))}}
    settings = {
        "image__stores": "fs:file,far:tests.conversations.image.far_store:FarStore",
        "image__store": json.dumps(options),
        "image__cache_max_bytes": str(2 * len(DATA)),
    }
    with testing.cloud(only=("identity", "image"), database=database, **settings) as cloud:
        yield World(cloud)


@pytest.fixture
def far(admin, make):
    """Make an active image whose data are far away; its id."""

    def create() -> str:
        image = make(admin, None, visibility="public")["id"]
        headers = {"Content-Type": "application/octet-stream", "X-Image-Meta-Store": "far"}
        assert admin.put(f"/images/{image}/file", content=DATA, headers=headers).status_code == 204
        return image

    return create


def state(admin, cached: int, queued: int = 0) -> dict:
    """What is in the cache, when it has come so far."""
    for _ in range(200):
        found = admin.get("/cache").json()
        if (len(found["cached_images"]), len(found["queued_images"])) == (cached, queued):
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def files(world) -> list:
    from monostack.image import stores

    folder = stores.of(world.cloud.cloud).cache.folder
    return [found for found in folder.rglob("*") if found.is_file()]


def test_an_image_is_queued_and_cached(world, admin, far):
    image = far()
    assert admin.get("/cache").json() == {"cached_images": [], "queued_images": []}
    assert admin.get(f"/cache/nodes/{image}").json() == []
    answer = admin.put(f"/cache/{image}")
    assert (answer.status_code, answer.content) == (202, b"")
    assert admin.put(f"/cache/{image}").status_code == 202
    found = state(admin, 1)["cached_images"][0]
    assert (found["image_id"], found["size"], found["hits"], found["checksum"]) == (image, len(DATA), 0, None)
    assert abs(found["last_accessed"] - time.time()) < 60
    assert len(admin.get(f"/cache/nodes/{image}").json()) == 1
    assert len(files(world)) == 1
    assert admin.delete(f"/cache/{image}").status_code == 204
    assert admin.delete(f"/cache/{image}").status_code == 204
    state(admin, 0)
    for _ in range(100):
        if not files(world):
            return
        time.sleep(0.02)
    raise AssertionError("the copy stays")


def test_what_is_far_is_read_once(admin, demo, far):
    image, before = far(), FarStore.reads
    assert demo.get(f"/images/{image}/file").content == DATA
    state(admin, 1)
    reads = FarStore.reads
    assert reads == before + 2
    part = demo.get(f"/images/{image}/file", headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, b"56789")
    assert demo.get(f"/images/{image}/file").content == DATA
    assert FarStore.reads == reads
    assert admin.get("/cache").json()["cached_images"][0]["hits"] == 2


def test_downloads_at_the_same_moment_queue_it_once(admin, demo, far):
    for _ in range(5):
        image = far()
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _, path=f"/images/{image}/file": demo.get(path), range(8)))
        assert {(answer.status_code, answer.content) for answer in answers} == {(200, DATA)}
        state(admin, 1)
        assert admin.delete("/cache").status_code == 204


def test_what_is_near_is_cached_only_if_asked_for(world, admin, make):
    image = make(admin, DATA)["id"]
    assert admin.get(f"/images/{image}/file").content == DATA
    state(admin, 0)
    admin.put(f"/cache/{image}")
    state(admin, 1)
    assert files(world)[0].stat().st_nlink == 2, "it is linked, not copied"


def test_the_longest_unused_goes_first(admin, demo, far):
    one, two, three = far(), far(), far()
    for image in (one, two):
        admin.put(f"/cache/{image}")
    state(admin, 2)
    assert admin.post("/cache/prune").json() == {"total_files_pruned": 0, "total_bytes_pruned": 0}
    demo.get(f"/images/{one}/file")
    admin.put(f"/cache/{three}")
    for _ in range(200):
        kept = {each["image_id"] for each in state(admin, 2)["cached_images"]}
        if three in kept:
            break
        time.sleep(0.02)
    assert kept == {one, three}


def test_a_lost_copy_is_forgotten_and_costs_nothing(world, admin, demo, far):
    image = far()
    admin.put(f"/cache/{image}")
    state(admin, 1)
    for found in files(world):
        found.unlink()
    assert demo.get(f"/images/{image}/file").content == DATA
    assert admin.post("/cache/clean").status_code == 200
    state(admin, 0)


def test_the_cache_and_the_queue_are_cleared(world, admin, far):
    from monostack.image.tables import CACHED

    image, other = far(), far()
    admin.put(f"/cache/{image}")
    state(admin, 1)

    def queued(tx) -> None:
        tx.insert(CACHED, image_id=other, status="queued", due_at=None)

    world.cloud.run(world.cloud.cloud.engine.write(queued))
    odd = admin.delete("/cache", headers={"x-image-cache-clear-target": "odd"})
    assert odd.status_code == 400 and "'cache', 'queue' or empty" in odd.text
    state(admin, 1, 1)
    assert admin.delete("/cache", headers={"x-image-cache-clear-target": "queue"}).status_code == 204
    state(admin, 1)
    assert admin.delete("/cache").status_code == 204
    state(admin, 0)


def test_a_deleted_image_leaves_the_cache(world, admin, far):
    image = far()
    admin.put(f"/cache/{image}")
    state(admin, 1)
    assert admin.delete(f"/images/{image}").status_code == 204
    state(admin, 0)


def test_refusals(admin, demo, make, far):
    image, queued = far(), make(admin, None)["id"]
    nothing = "00000000-0000-0000-0000-000000000000"
    assert admin.put(f"/cache/{queued}").status_code == 400
    for method, path in (("PUT", "/cache/"), ("DELETE", "/cache/"), ("GET", "/cache/nodes/")):
        assert admin.request(method, path + nothing).status_code == 404
        assert demo.request(method, path + nothing).status_code == 404
        assert demo.request(method, path + image).status_code == 403
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/clean"), ("POST", "/prune")):
        assert demo.request(method, "/cache" + path).status_code == 403


def test_what_the_cache_cannot_be_told_refuses_no_download(admin, demo, far, monkeypatch):
    image = far()

    def full(tx, image_id: str) -> None:
        raise DiskFull("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(cache, "queue", full)
        answer = demo.get(f"/images/{image}/file")
        assert (answer.status_code, answer.content) == (200, DATA)
    assert admin.put(f"/cache/{image}").status_code == 202
    state(admin, 1)
    with monkeypatch.context() as patched:
        patched.setattr(cache, "hit", full)
        assert demo.get(f"/images/{image}/file").content == DATA
