"""Uploads that end badly inside the program, and the face that other services use."""

from __future__ import annotations

import errno
import os
import time
from typing import ClassVar

import pytest

from monostack import image, testing
from monostack.image import blobs, stores
from monostack.image.stores import file
from monostack.image.tables import BLOBS, IMAGES
from monostack.kit.errors import Error
from monostack.testing.disposable import DisposableCloud, settings_for_tests


@pytest.fixture(scope="module")
def shared():
    with testing.cloud(only=("identity", "image")) as cloud:
        yield cloud


@pytest.fixture
def cloud(shared):
    shared.reset()
    return shared


def queued(cloud, **values) -> str:
    values = {"name": "snapshot", "owner": "project", "disk_format": "raw"} | values
    return cloud.run(cloud.cloud.engine.write(lambda tx: image.create(tx, **values)["id"]))


async def pieces(*data):
    for piece in data:
        if isinstance(piece, BaseException):
            raise piece
        yield piece


def receive(cloud, image_id, *data):
    return cloud.run(image.receive(cloud.cloud, image_id, pieces(*data)))


def row(cloud, image_id):
    return cloud.read(lambda db: db.one(IMAGES, id=image_id, deleted=True))


def files(cloud):
    folders = [cloud.cloud.state / name for name in ("images", "staging")]
    return sorted(each.name for folder in folders for each in folder.rglob("*") if each.is_file())


def wait_for(condition):
    for _ in range(100):
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_service_makes_an_image_and_gives_it_data(cloud):
    image_id = queued(cloud, properties={"base": "x"}, min_disk=3)
    made = receive(cloud, image_id, b"one", b"two")
    assert (made["status"], made["size"]) == ("active", 6)
    assert image.path(cloud.cloud, image_id).read_bytes() == b"onetwo"
    view = cloud.read(lambda db: image.view(db, db.one(IMAGES, id=image_id)))
    assert (view["properties"], view["min_disk"], view["virtual_size"]) == ({"base": "x"}, 3, 6)


def test_an_image_without_data_has_no_path(cloud):
    assert image.path(cloud.cloud, queued(cloud)) is None
    assert image.path(cloud.cloud, "nothing") is None


def test_the_node_gets_the_file_through_the_cloud(cloud, tmp_path):
    image_id = queued(cloud)
    assert not cloud.run(cloud.cloud.image_file(cloud.cloud, image_id, tmp_path / "file"))
    receive(cloud, image_id, b"data")
    assert cloud.run(cloud.cloud.image_file(cloud.cloud, image_id, tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == b"data"


def test_a_host_that_linked_the_file_keeps_it_after_delete(cloud):
    image_id = queued(cloud)
    receive(cloud, image_id, b"data")
    linked = cloud.cloud.state / "linked"
    os.link(image.path(cloud.cloud, image_id), linked)
    cloud.run(cloud.cloud.engine.write(lambda tx: image.delete(tx, tx.one(IMAGES, id=image_id))))
    assert wait_for(lambda: files(cloud) == [])
    assert linked.read_bytes() == b"data"
    linked.unlink()
    assert wait_for(lambda: cloud.read(lambda db: db.count(BLOBS)) == 0)


def test_a_full_disk_is_413_and_the_image_is_queued_again(cloud, monkeypatch):
    image_id = queued(cloud)

    def full(sink, chunk):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file.FileWriter, "write", full)
    with pytest.raises(Error) as caught:
        receive(cloud, image_id, b"data")
    assert (caught.value.code, row(cloud, image_id)["status"]) == (413, "queued")
    assert wait_for(lambda: files(cloud) == [])
    monkeypatch.undo()
    assert receive(cloud, image_id, b"data")["status"] == "active"


def test_a_source_that_fails_queues_the_image_again(cloud):
    image_id = queued(cloud)
    with pytest.raises(ZeroDivisionError):
        receive(cloud, image_id, b"x" * (3 << 20), ZeroDivisionError())
    assert row(cloud, image_id)["status"] == "queued"
    assert wait_for(lambda: files(cloud) == [])


def test_an_upload_declared_dead_cannot_finish_nor_spoil_the_next(cloud):
    image_id = queued(cloud)

    async def slow():
        yield b"old"
        await cloud.cloud.engine.write(
            lambda tx: tx.update(IMAGES, {"id": image_id}, status="queued", upload=None)
        )
        await image.receive(cloud.cloud, image_id, pieces(b"new"))
        yield b"old"

    with pytest.raises(Error) as caught:
        cloud.run(image.receive(cloud.cloud, image_id, slow()))
    assert caught.value.code == 410
    assert row(cloud, image_id)["status"] == "active"
    assert image.path(cloud.cloud, image_id).read_bytes() == b"new"
    assert wait_for(lambda: len(files(cloud)) == 1)


def test_parts_are_swept_after_an_hour_and_whole_files_never(cloud):
    folder = cloud.cloud.state / "images" / "aa"
    folder.mkdir(parents=True)
    for name in ("a.old.part", "a.new.part", "a.whole"):
        (folder / name).write_bytes(b"x")
    hour_ago = time.time() - 3700
    for name in ("a.old.part", "a.whole"):
        os.utime(folder / name, (hour_ago, hour_ago))
    stores.of(cloud.cloud).default.sweep()
    assert files(cloud) == ["a.new.part", "a.whole"]


def test_uploads_of_the_last_process_are_over_at_the_start_of_the_next(tmp_path):
    def life(function):
        cloud = DisposableCloud(settings_for_tests(tmp_path, only=("identity", "image"))).start()
        try:
            return function(cloud)
        finally:
            cloud.stop()

    def die(cloud):
        image_id = queued(cloud)

        def saving(tx):
            tx.update(IMAGES, {"id": image_id}, status="saving", upload="token")
            blobs.begin(tx, image_id, "fs", "token", cloud.cloud.clock.after(60))

        cloud.run(cloud.cloud.engine.write(saving))
        return image_id

    image_id = life(die)
    assert life(lambda cloud: wait_for(lambda: row(cloud, image_id)["status"] == "queued"))


def test_images_of_an_older_program_keep_their_data(tmp_path):
    """Their rows named one file, `images/ID.TOKEN`; half an upload of then is over."""

    def life(function):
        cloud = DisposableCloud(settings_for_tests(tmp_path, only=("identity", "image"))).start()
        try:
            return function(cloud)
        finally:
            cloud.stop()

    def make_old(cloud):
        found = []
        for values in (
            {"status": "active", "blob": "old", "size": 4},
            {"status": "saving", "upload": "half"},
        ):
            image_id = queued(cloud)
            found.append(image_id)
            cloud.run(cloud.cloud.engine.write(_changed, image_id, values))
        folder = cloud.cloud.state / "images"
        folder.mkdir()
        (folder / f"{found[0]}.old").write_bytes(b"data")
        return found

    def look(cloud):
        assert image.path(cloud.cloud, whole).read_bytes() == b"data"
        assert row(cloud, whole)["places"][0]["store"] == "fs"
        assert row(cloud, half)["status"] == "queued"
        cloud.run(cloud.cloud.engine.write(lambda tx: image.delete(tx, tx.one(IMAGES, id=whole))))
        assert wait_for(lambda: files(cloud) == [])

    whole, half = life(make_old)
    life(look)


def _changed(tx, image_id, values):
    tx.update(IMAGES, {"id": image_id}, **values)


def test_a_snapshot_goes_to_the_default_store_whatever_it_is(tmp_path):
    """What a host writes as a file becomes data of any store, and nothing of it stays behind."""

    def make(path):
        async def write():
            path.write_bytes(b"a snapshot")

        return write()

    settings = settings_for_tests(tmp_path, only=("identity", "image"))
    settings.image.stores, settings.image.store = ("far:tests.unit.test_image_store:Far",), {}
    cloud = DisposableCloud(settings).start()
    try:
        image_id = queued(cloud)
        made = cloud.run(image.adopt(cloud.cloud, image_id, make))
        assert (made["status"], made["size"]) == ("active", 10)
        assert wait_for(lambda: files(cloud) == [])
        assert list(Far.data.values()) == [b"a snapshot"]
        target = tmp_path / "brought"
        assert cloud.run(cloud.cloud.image_file(cloud.cloud, image_id, target))
        assert target.read_bytes() == b"a snapshot"
        assert image.path(cloud.cloud, image_id) is None
    finally:
        cloud.stop()


class Far(stores.Store):
    """A store of somebody else's making: it keeps data in memory."""

    type = "far"
    data: ClassVar[dict[str, bytes]] = {}

    def url(self, key):
        return f"far://{key}"

    def writer(self, key):
        return FarWriter(key)

    def read(self, key, first, length):
        yield self.data[key][first : first + length]

    def size(self, key):
        return len(self.data[key]) if key in self.data else None

    def remove(self, key):
        self.data.pop(key, None)


class FarWriter(stores.Writer):
    def __init__(self, key):
        self.key, self.taken = key, b""

    def write(self, chunk):
        self.taken += chunk

    def finish(self):
        Far.data[self.key] = self.taken

    def abandon(self):
        """Nothing is held."""
