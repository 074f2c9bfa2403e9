"""Uploads that end badly inside the program, and the face that other services use."""

from __future__ import annotations

import errno
import os
import time

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
