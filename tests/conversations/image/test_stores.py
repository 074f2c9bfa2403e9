"""Several stores: where data go, how they are copied, taken out and lost."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator

import pytest

from monostack import testing

DATA = b"0123456789" * 50_000


@pytest.fixture(scope="module")
def shared_world(database: str, tmp_path_factory) -> Iterator:
    from tests.conftest import World

    folder = tmp_path_factory.mktemp("stores")
    options = {"second": {"path": str(folder / "second"), "description": "the slow one", "weight": 7}}
    settings = {"image__stores": "fs:file,second:file,web:http", "image__store": json.dumps(options)}
    with testing.cloud(only=("identity", "image"), database=database, **settings) as cloud:
        yield World(cloud)


@pytest.fixture(autouse=True)
def empty(world):
    """A reset clears the first store's folder; the second's is elsewhere."""
    from monostack.image import stores

    shutil.rmtree(stores.of(world.cloud.cloud).named["second"].folder, ignore_errors=True)


def begin(api, image, name, **asked):
    method = {"name": name} | asked.pop("method", {})
    return api.post(f"/images/{image}/import", json={"method": method} | asked)


def stage(api, image, data=DATA):
    answer = api.put(
        f"/images/{image}/stage", content=data, headers={"Content-Type": "application/octet-stream"}
    )
    assert answer.status_code == 204, answer.text


def settled(api, image):
    for _ in range(200):
        found = api.get(f"/images/{image}").json()
        if "os_glance_import_task" not in found:
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def files(world):
    """The stores' files, by store."""
    from monostack.image import stores

    home = stores.of(world.cloud.cloud)
    return {
        store.name: sorted(file.name for file in store.folder.rglob("*") if file.is_file())
        for store in (home.staging, home.named["fs"], home.named["second"])
    }


def test_the_stores_are_told(admin, demo):
    assert demo.get("/info/stores").json()["stores"] == [
        {"id": "fs", "default": "true"},
        {"id": "second", "description": "the slow one"},
        {"id": "web", "read-only": "true"},
    ]
    assert demo.get("/info/stores/detail").status_code == 403
    detailed = admin.get("/info/stores/detail").json()["stores"]
    assert [(each["type"], each["weight"]) for each in detailed] == [("file", 0), ("file", 7), ("http", 0)]
    assert detailed[1]["properties"]["data_dir"].endswith("/second")
    headers = demo.post("/images", json={"name": "x"}).headers
    assert headers["OpenStack-image-store-ids"] == "fs,second,web"


def test_a_header_names_the_store_of_an_upload(world, demo, make):
    image = make(demo, None)["id"]
    headers = {"Content-Type": "application/octet-stream"}
    for wrong in ("third", "web", ""):
        named = headers | {"X-Image-Meta-Store": wrong}
        assert demo.put(f"/images/{image}/file", content=b"x", headers=named).status_code == 400
    named = headers | {"X-Image-Meta-Store": "second"}
    assert demo.put(f"/images/{image}/file", content=DATA, headers=named).status_code == 204
    assert demo.get(f"/images/{image}").json()["stores"] == "second"
    assert demo.get(f"/images/{image}/file").content == DATA
    assert [len(each) for each in files(world).values()] == [0, 0, 1]


def test_an_import_goes_to_all_stores_that_take_data(world, demo, make):
    image = make(demo, None)["id"]
    stage(demo, image)
    assert begin(demo, image, "glance-direct", all_stores=True).status_code == 202
    found = settled(demo, image)
    assert (found["status"], found["stores"], found["size"]) == ("active", "fs,second", len(DATA))
    assert (found["os_glance_importing_to_stores"], found["os_glance_failed_import"]) == ("", "")
    assert demo.get(f"/images/{image}/file").content == DATA
    deadline = time.monotonic() + 5
    while files(world)["os_glance_staging_store"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [len(each) for each in files(world).values()] == [0, 1, 1]


def broken(monkeypatch, world, name):
    """A store whose data cannot be written."""
    from monostack.image import stores

    def refuse(*_):
        raise stores.Unavailable(f"the store {name} burns")

    store = stores.of(world.cloud.cloud).named[name]
    monkeypatch.setattr(store, "writer", refuse)
    monkeypatch.setattr(store, "take", refuse)


def test_one_store_that_fails_undoes_the_others(world, demo, make, monkeypatch):
    broken(monkeypatch, world, "second")
    image = make(demo, None)["id"]
    stage(demo, image)
    begin(demo, image, "glance-direct", stores=["fs", "second"])
    found = settled(demo, image)
    assert (found["status"], found.get("stores"), found["size"]) == ("queued", None, None)
    assert found["os_glance_failed_import"] == "fs,second"
    task = demo.get(f"/images/{image}/tasks").json()["tasks"][0]
    assert (task["status"], "burns" in task["message"]) == ("failure", True)
    deadline = time.monotonic() + 5
    while any(files(world).values()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(files(world).values())


def test_one_store_may_fail_when_not_all_must_succeed(world, demo, make, monkeypatch):
    broken(monkeypatch, world, "fs")
    image = make(demo, None)["id"]
    stage(demo, image)
    begin(demo, image, "glance-direct", stores=["fs", "second"], all_stores_must_succeed=False)
    found = settled(demo, image)
    assert (found["status"], found["stores"]) == ("active", "second")
    assert (found["os_glance_importing_to_stores"], found["os_glance_failed_import"]) == ("", "fs")
    broken(monkeypatch, world, "second")
    image = make(demo, None)["id"]
    stage(demo, image)
    begin(demo, image, "glance-direct", all_stores=True, all_stores_must_succeed=False)
    assert settled(demo, image)["status"] == "queued"


def test_copies_and_taking_out(admin, demo, make):
    image = make(demo, DATA)["id"]
    assert begin(demo, image, "copy-image", stores=["second"]).status_code == 403
    assert begin(admin, image, "copy-image", stores=["fs"]).status_code == 400
    assert begin(admin, image, "copy-image", stores=["third"]).status_code == 409
    assert begin(admin, image, "copy-image", stores=["web"]).status_code == 409
    assert begin(admin, make(demo, None)["id"], "copy-image", stores=["second"]).status_code == 409
    assert admin.delete(f"/stores/fs/{image}").status_code == 403
    assert begin(admin, image, "copy-image", stores=["second"]).status_code == 202
    found = settled(demo, image)
    assert (found["status"], found["stores"]) == ("active", "fs,second")
    assert begin(admin, image, "copy-image", all_stores=True).status_code == 202
    assert demo.delete(f"/stores/fs/{image}").status_code == 403
    assert admin.delete(f"/stores/third/{image}").status_code == 409
    assert admin.delete(f"/stores/web/{image}").status_code == 404
    assert admin.delete(f"/stores/fs/{image}").status_code == 204
    assert demo.get(f"/images/{image}").json()["stores"] == "second"
    assert demo.get(f"/images/{image}/file").content == DATA
    assert admin.delete(f"/stores/second/{image}").status_code == 403


def test_a_copy_of_spoilt_data_is_none(world, admin, demo, make):
    from monostack.image import reading

    image = make(demo, DATA)["id"]
    file = reading.path(world.cloud.cloud, image)
    file.write_bytes(b"9" + DATA[1:])
    begin(admin, image, "copy-image", stores=["second"])
    found = settled(demo, image)
    assert (found["status"], found["stores"]) == ("active", "fs")
    assert found["os_glance_failed_import"] == "second"
    assert "not what they were" in demo.get(f"/images/{image}/tasks").json()["tasks"][0]["message"]


def test_data_are_read_where_they_are_still_there(world, admin, demo, make):
    from monostack.image import reading

    image = make(demo, DATA)["id"]
    reading.path(world.cloud.cloud, image).unlink()
    assert demo.get(f"/images/{image}/file").status_code == 404
    image = make(demo, DATA)["id"]
    begin(admin, image, "copy-image", stores=["second"])
    settled(demo, image)
    reading.path(world.cloud.cloud, image).unlink()
    assert demo.get(f"/images/{image}/file").content == DATA


@pytest.mark.parametrize(
    "asked",
    [
        {"stores": "fs"},
        {"stores": []},
        {"stores": [1]},
        {"all_stores": True, "stores": ["fs"]},
        {"all_stores": "yes"},
        {"all_stores_must_succeed": 1},
    ],
)
def test_wrong_words_about_stores_are_400(demo, make, asked):
    image = make(demo, None)["id"]
    stage(demo, image, b"x")
    assert begin(demo, image, "glance-direct", **asked).status_code == 400
    assert demo.get(f"/images/{image}").json()["status"] == "uploading"


def test_a_second_import_while_one_goes_on_is_409(world, admin, demo, make, monkeypatch):
    import threading

    from monostack.image import stores

    reached, gate, store = threading.Event(), threading.Event(), stores.of(world.cloud.cloud).named["second"]
    writer = store.writer

    def held(key: str):
        reached.set()
        assert gate.wait(20)
        return writer(key)

    monkeypatch.setattr(store, "writer", held)
    image = make(demo, DATA)["id"]
    assert begin(admin, image, "copy-image", stores=["second"]).status_code == 202
    assert demo.get(f"/images/{image}").json()["os_glance_importing_to_stores"] == "second"
    assert begin(admin, image, "copy-image", stores=["second"]).status_code == 409
    gate.set()
    assert settled(demo, image)["stores"] == "fs,second"


def test_tasks_go_by_themselves(world, admin, demo, make):
    from monostack.image.tables import TASKS

    image = make(demo, None)["id"]
    stage(demo, image)
    begin(demo, image, "glance-direct")
    settled(demo, image)
    task = demo.get(f"/images/{image}/tasks").json()["tasks"][0]["id"]
    answer = admin.delete(f"/tasks/{task}")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert demo.delete(f"/tasks/{task}").status_code == 403
    assert admin.get(f"/tasks/{task}").json()["status"] == "success"
    world.cloud.clock.advance(hours=49)
    for _ in range(100):
        if world.cloud.read(lambda db: db.count(TASKS)) == 0:
            return
        time.sleep(0.05)
    raise AssertionError("the task is still there")


def test_an_image_deleted_during_its_import_leaves_nothing(world, admin, demo, make, monkeypatch):
    import threading

    from monostack.image import stores
    from monostack.image.tables import BLOBS

    reached, gate, store = threading.Event(), threading.Event(), stores.of(world.cloud.cloud).named["second"]
    writer = store.writer

    def held(key: str):
        reached.set()
        assert gate.wait(20)
        return writer(key)

    monkeypatch.setattr(store, "writer", held)
    image = make(demo, DATA)["id"]
    assert begin(admin, image, "copy-image", stores=["second"]).status_code == 202
    task = demo.get(f"/images/{image}/tasks").json()["tasks"][0]["id"]
    assert reached.wait(20)
    assert demo.delete(f"/images/{image}").status_code == 204
    for _ in range(100):  # what is there already goes, and only then the import goes on with writing
        if world.cloud.read(lambda db: db.count(BLOBS)) == 0:
            break
        time.sleep(0.05)
    gate.set()
    for _ in range(200):
        told = admin.get(f"/tasks/{task}").json()
        kept = world.cloud.read(lambda db: db.count(BLOBS)), any(files(world).values())
        if told["status"] == "failure" and kept == (0, False):
            break
        time.sleep(0.05)
    assert (told["status"], *kept) == ("failure", 0, False)
