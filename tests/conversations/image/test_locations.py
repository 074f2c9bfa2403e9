"""Images whose data stand on somebody's web server."""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Iterator

import pytest
from tests.conversations.image.web import Web

from monostack import testing
from monostack.image import locating, stores

DATA = b"far away data " * 1000


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared_world(database: str, web) -> Iterator:
    from tests.conftest import World

    settings = {"image__stores": "fs:file,web:http", "image__fetch_also_from": web.place}
    with testing.cloud(only=("identity", "image"), database=database, **settings) as cloud:
        yield World(cloud)


@pytest.fixture(autouse=True)
def data(web, monkeypatch):
    web.has = {"/data": DATA, "/other": DATA[::-1], "/empty": b""}
    web.failing, web.asked = 0, []
    monkeypatch.setattr(locating, "PAUSE", 0.01)


@pytest.fixture
def shown_locations(world, monkeypatch):
    monkeypatch.setattr(world.cloud.settings.image, "show_multiple_locations", True)


def settled(api, image):
    for _ in range(200):
        found = api.get(f"/images/{image}").json()
        if "os_glance_import_task" not in found:
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def message(api, image):
    return api.get(f"/images/{image}/tasks").json()["tasks"][0]["message"]


def told(data, algorithm="sha512"):
    return {"os_hash_algo": algorithm, "os_hash_value": hashlib.new(algorithm, data).hexdigest()}


def test_a_location_becomes_the_data(admin, demo, make, web):
    image = make(demo, None)["id"]
    answer = demo.post(f"/images/{image}/locations", json={"url": f"{web.url}/data"})
    assert (answer.status_code, answer.content) == (202, b"")
    found = settled(demo, image)
    assert (found["status"], found["size"], found["stores"]) == ("active", len(DATA), "web")
    assert found["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert "locations" not in found
    assert demo.get(f"/images/{image}/file").content == DATA
    assert demo.get(f"/images/{image}/file", headers={"Range": "bytes=5-9"}).content == DATA[5:10]
    assert demo.get(f"/images/{image}/locations").status_code == 403
    expected = [{"url": f"{web.url}/data", "metadata": {"store": "web"}}]
    assert admin.get(f"/images/{image}/locations").json() == expected
    task = demo.get(f"/images/{image}/tasks").json()["tasks"][0]
    assert (task["type"], task["status"]) == ("location_import", "success")
    assert demo.post(f"/images/{image}/locations", json={"url": f"{web.url}/data"}).status_code == 409
    assert demo.delete(f"/images/{image}").status_code == 204


@pytest.mark.parametrize("algorithm", ["sha512", "sha256", "md5"])
def test_told_hashes_must_fit(demo, make, web, algorithm):
    image = make(demo, None)["id"]
    body = {"url": f"{web.url}/data", "validation_data": told(b"something else", algorithm)}
    assert demo.post(f"/images/{image}/locations", json=body).status_code == 202
    found = settled(demo, image)
    assert (found["status"], found["size"], found["os_hash_value"]) == ("queued", None, None)
    assert "not matched" in message(demo, image)
    assert found["stores"] == "web"
    assert demo.get(f"/images/{image}/file").status_code == 204
    body["validation_data"] = told(DATA, algorithm)
    assert demo.post(f"/images/{image}/locations", json=body).status_code == 202
    found = settled(demo, image)
    assert (found["status"], found["os_hash_algo"]) == ("active", algorithm)


@pytest.mark.parametrize(("known", "status"), [(None, "active"), ("sha256", "importing")])
def test_while_data_are_hashed_the_image_names_the_algorithm(demo, make, web, known, status):
    image = make(demo, None)["id"]
    body = {"url": f"{web.url}/data"} | ({"validation_data": told(DATA, known)} if known else {})
    web.may_answer.clear()
    try:
        demo.post(f"/images/{image}/locations", json=body)
        deadline = time.time() + 5
        while not [each for each in web.asked if each[0] == "GET"] and time.time() < deadline:
            time.sleep(0.02)
        found = demo.get(f"/images/{image}").json()
    finally:
        web.may_answer.set()
    assert (found["status"], found["os_hash_algo"]) == (status, known or "sha512")
    assert (found["os_hash_value"], found["checksum"]) == (None, None)
    assert settled(demo, image)["os_hash_value"] == told(DATA, known or "sha512")["os_hash_value"]


def test_an_image_whose_data_cannot_be_hashed_names_no_algorithm(demo, make, web, world, monkeypatch):
    image = make(demo, None)["id"]
    asked = stores.of(world.cloud.cloud).need("web")

    def away(*_):
        raise stores.Unavailable("away")

    monkeypatch.setattr(asked, "read", away)
    demo.post(f"/images/{image}/locations", json={"url": f"{web.url}/data"})
    found = settled(demo, image)
    assert (found["status"], found["os_hash_algo"], found["os_hash_value"]) == ("active", None, None)


def test_data_that_come_instead_of_a_wrong_location_stand_alone(demo, make, put, web):
    image = make(demo, None)["id"]
    body = {"url": f"{web.url}/data", "validation_data": told(b"something else")}
    demo.post(f"/images/{image}/locations", json=body)
    assert settled(demo, image)["stores"] == "web"
    assert put(demo, image, b"uploaded").status_code == 204
    assert demo.get(f"/images/{image}").json()["stores"] == "fs"
    assert demo.get(f"/images/{image}/file").content == b"uploaded"


def test_without_secure_hashes_the_callers_word_is_taken(world, demo, make, web, monkeypatch):
    monkeypatch.setattr(world.cloud.settings.image, "do_secure_hash", False)
    image = make(demo, None)["id"]
    body = {"url": f"{web.url}/data", "validation_data": told(b"whatever")}
    demo.post(f"/images/{image}/locations", json=body)
    found = settled(demo, image)
    assert (found["status"], found["os_hash_value"]) == ("active", told(b"whatever")["os_hash_value"])
    assert not [each for each in web.asked if each[0] == "GET"]


def test_a_server_that_stumbles_is_asked_again(demo, make, web):
    image = make(demo, None)["id"]
    web.failing = 3
    demo.post(f"/images/{image}/locations", json={"url": f"{web.url}/data"})
    assert settled(demo, image)["status"] == "active"
    image = make(demo, None)["id"]
    web.failing = 4
    demo.post(f"/images/{image}/locations", json={"url": f"{web.url}/data"})
    assert settled(demo, image)["status"] == "queued"
    assert "503" in message(demo, image)


@pytest.mark.parametrize("path", ["/nothing", "/empty"])
def test_nothing_is_no_location(demo, make, web, path):
    image = make(demo, None)["id"]
    demo.post(f"/images/{image}/locations", json={"url": web.url + path})
    assert settled(demo, image)["status"] == "queued"
    assert "no data" in message(demo, image)


def test_data_that_are_not_what_they_are_declared_are_refused(demo, make, web):
    backing = struct.pack(">4sIQIIQ", b"QFI\xfb", 3, 1024, 8, 16, 1 << 20).ljust(65536, b"\0")
    web.has["/data"] = backing
    image = make(demo, None, disk_format="qcow2")["id"]
    demo.post(f"/images/{image}/locations", json={"url": f"{web.url}/data"})
    assert settled(demo, image)["status"] == "queued"
    assert "backing file" in message(demo, image)


def test_a_host_looks_again_before_it_opens_the_data(world, demo, make, web, tmp_path):
    from monostack.kit.errors import Error

    image = make(demo, None)["id"]
    demo.post(f"/images/{image}/locations", json={"url": f"{web.url}/data"})
    settled(demo, image)
    fetched = world.cloud.run(world.cloud.cloud.image_file(world.cloud.cloud, image, tmp_path / "file"))
    assert fetched and (tmp_path / "file").read_bytes() == DATA
    web.has["/data"] = DATA[::-1]
    with pytest.raises(Error, match="not what they were"):
        world.cloud.run(world.cloud.cloud.image_file(world.cloud.cloud, image, tmp_path / "again"))
    web.has["/data"] = b"QFI\xfb" + b"\0" * (len(DATA) - 4)
    with pytest.raises(Error):
        world.cloud.run(world.cloud.cloud.image_file(world.cloud.cloud, image, tmp_path / "again"))
    assert not (tmp_path / "again").exists()


HOSTILE = [
    "file:///etc/passwd",
    "filesystem:///etc/passwd",
    "swift+config://ref/container/object",
    "rbd://pool/image/snap",
    "cinder://volume",
    "http://127.0.0.1/",
    "http://169.254.169.254/latest",
    "http://[::1]/",
    "http://user:word@host/",
    "http://host:22/",
    "http://host/\r\nX: y",
    "http://",
    "",
    "x" * 300,
]


@pytest.mark.parametrize("url", [*HOSTILE, 5, None, [], {}])
def test_hostile_locations_are_400(demo, make, url):
    image = make(demo, None)["id"]
    assert demo.post(f"/images/{image}/locations", json={"url": url}).status_code == 400
    assert demo.get(f"/images/{image}").json()["status"] == "queued"


@pytest.mark.parametrize(
    "given",
    [
        "x",
        {"os_hash_algo": "sha512"},
        {"os_hash_algo": "crc", "os_hash_value": "00"},
        {"os_hash_algo": "sha512", "os_hash_value": "zz" * 64},
        {"os_hash_algo": "sha512", "os_hash_value": "00"},
        {"os_hash_algo": "sha512", "os_hash_value": "0" * 128, "checksum": "0" * 32},
    ],
)
def test_wrong_validation_data_are_400(demo, make, web, given):
    image = make(demo, None)["id"]
    body = {"url": f"{web.url}/data", "validation_data": given}
    assert demo.post(f"/images/{image}/locations", json=body).status_code == 400


def test_without_a_store_for_them_there_are_no_locations(world, demo, make, web, monkeypatch):
    from monostack.image import stores

    monkeypatch.delitem(stores.of(world.cloud.cloud).named, "web")
    image = make(demo, None)["id"]
    answer = demo.post(f"/images/{image}/locations", json={"url": f"{web.url}/data"})
    assert answer.status_code == 403


# the old way


def test_patches_of_locations_are_refused_while_they_are_invisible(admin, demo, make, patch, web):
    image = make(demo, None)["id"]
    location = {"url": f"{web.url}/data", "metadata": {}}
    for change in (("add", "/locations/-", location), ("replace", "/locations", [location])):
        assert patch(demo, image, change).status_code == 403
    assert patch(admin, image, ("remove", "/locations/0")).status_code == 403


def test_a_location_by_patch(admin, demo, make, patch, web, shown_locations):
    image = make(demo, None)
    assert image["locations"] == []
    location = {"url": f"{web.url}/data", "metadata": {"speed": "slow"}, "validation_data": told(DATA)}
    answer = patch(demo, image["id"], ("add", "/locations/-", location))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["status"], found["size"], found["os_hash_value"]) == (
        "active",
        len(DATA),
        told(DATA)["os_hash_value"],
    )
    metadata = {"speed": "slow", "store": "web"}
    assert found["locations"] == [{"url": f"{web.url}/data", "metadata": metadata}]
    assert demo.get(f"/images/{image['id']}/file").content == DATA
    second = {"url": f"{web.url}/other", "metadata": {}}
    assert patch(demo, image["id"], ("add", "/locations/0", second)).status_code == 200
    assert patch(demo, image["id"], ("add", "/locations/-", second)).status_code == 400
    urls = [each["url"] for each in demo.get(f"/images/{image['id']}").json()["locations"]]
    assert urls == [f"{web.url}/other", f"{web.url}/data"]
    ordered = [{"url": url, "metadata": {}} for url in reversed(urls)]
    answer = patch(demo, image["id"], ("replace", "/locations", ordered))
    assert [each["url"] for each in answer.json()["locations"]] == urls[::-1]
    ordered[0]["metadata"] |= {"date": "today"}
    answer = patch(demo, image["id"], ("replace", "/locations", ordered))
    assert answer.json()["locations"][0]["metadata"] == {"date": "today", "store": "web"}
    assert patch(demo, image["id"], ("replace", "/locations", ordered[:1])).status_code == 400
    assert patch(demo, image["id"], ("remove", "/locations/0")).status_code == 403
    assert patch(admin, image["id"], ("remove", "/locations/7")).status_code == 400
    assert patch(admin, image["id"], ("remove", "/locations/1")).status_code == 200
    assert patch(admin, image["id"], ("remove", "/locations/0")).status_code == 403
    assert demo.get(f"/images/{image['id']}/file").content == DATA


def test_an_uploaded_images_location_names_its_file(world, demo, make, shown_locations, monkeypatch):
    monkeypatch.setattr(world.cloud.settings.image, "show_image_direct_url", True)
    found = make(demo)
    assert found["locations"][0]["url"].startswith("file:///")
    assert found["direct_url"] == found["locations"][0]["url"]


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_locations_by_patch_are_400(demo, make, patch, url, shown_locations):
    image = make(demo, None)["id"]
    answer = patch(demo, image, ("add", "/locations/-", {"url": url, "metadata": {}}))
    assert answer.status_code == 400, answer.text
    assert demo.get(f"/images/{image}").json()["locations"] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("replace", "/locations", []), 403),
        (("replace", "/locations", "x"), 400),
        (("replace", "/locations/0", []), 400),
        (("add", "/locations", {"url": "URL/data", "metadata": {}}), 400),
        (("add", "/locations/5", {"url": "URL/data", "metadata": {}}), 400),
        (("add", "/locations/x", {"url": "URL/data", "metadata": {}}), 400),
        (("add", "/locations/-", {"url": "URL/data"}), 400),
        (("add", "/locations/-", {"url": "URL/data", "metadata": {"a": "x" * 5000}}), 400),
        (("add", "/locations/-", {"url": "URL/nothing", "metadata": {}}), 400),
        (("add", "/locations/-", {"url": "URL/data", "metadata": {}, "validation_data": 1}), 400),
        (
            (
                "add",
                "/locations/-",
                {
                    "url": "URL/data",
                    "metadata": {},
                    "validation_data": {"os_hash_algo": "md5", "os_hash_value": "0"},
                },
            ),
            409,
        ),
        (("remove", "/locations/0"), 403),
        (("add", "/locations/0/1", {}), 400),
    ],
)
def test_wrong_patches_of_locations(demo, make, patch, web, change, code, shown_locations):
    operation, path, *value = change
    if value and isinstance(value[0], dict) and "url" in value[0]:
        value = [value[0] | {"url": value[0]["url"].replace("URL", web.url)}]
    image = make(demo, None)["id"]
    answer = patch(demo, image, (operation, path, *value))
    assert answer.status_code == code, answer.text
    assert demo.get(f"/images/{image}").json()["status"] == "queued"


def test_an_image_has_at_most_ten_locations(demo, make, patch, web, shown_locations):
    image = make(demo, None)["id"]
    web.has |= {f"/{number}": DATA for number in range(12)}
    for number in range(10):
        location = {"url": f"{web.url}/{number}", "metadata": {}}
        assert patch(demo, image, ("add", "/locations/-", location)).status_code == 200
    location = {"url": f"{web.url}/11", "metadata": {}}
    assert patch(demo, image, ("add", "/locations/-", location)).status_code == 413
