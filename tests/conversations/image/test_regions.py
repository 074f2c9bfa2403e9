"""Images taken over from the image service of another region (glance-download)."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator

import pytest
from tests.conversations.image.web import Web

from monostack import testing

DATA = b"data of another region " * 5000
REMOTE = str(uuid.uuid4())


@pytest.fixture(scope="module")
def shared_world(database: str) -> Iterator:
    from tests.conftest import World

    methods = "glance-direct,glance-download"
    settings = {"image__enabled_import_methods": methods}
    with testing.cloud(only=("identity", "image"), database=database, **settings) as cloud:
        yield World(cloud)


@pytest.fixture
def region(world) -> Iterator[Web]:
    """An image service of another region, as far as it is asked."""
    server = Web()
    described = {
        "status": "active",
        "size": len(DATA),
        "disk_format": "raw",
        "container_format": "bare",
        "hw_disk_bus": "scsi",
        "os_distro": "debian",
        "color": "red",
    }
    server.described = described
    server.has = {f"/v2/images/{REMOTE}": json.dumps(described).encode(), f"/v2/images/{REMOTE}/file": DATA}
    identity = world.api("identity")
    service = identity.get("/services?type=image").json()["services"][0]["id"]
    assert identity.post("/regions", json={"region": {"id": "Far"}}).status_code == 201
    endpoint = {"service_id": service, "interface": "public", "region_id": "Far", "url": server.url}
    assert identity.post("/endpoints", json={"endpoint": endpoint}).status_code == 201
    yield server
    server.stop()


def begin(api, image, **method):
    method = {"name": "glance-download", "glance_region": "Far", "glance_image_id": REMOTE} | method
    return api.post(f"/images/{image}/import", json={"method": method})


def settled(api, image):
    for _ in range(200):
        found = api.get(f"/images/{image}").json()
        if "os_glance_import_task" not in found:
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def failed(api, image):
    found = settled(api, image)
    assert found["status"] == "queued"
    return api.get(f"/images/{image}/tasks").json()["tasks"][0]["message"]


def test_an_image_comes_with_what_describes_it(world, demo, make, region):
    image = make(demo, None, disk_format="qcow2")["id"]
    assert begin(demo, image).status_code == 202
    found = settled(demo, image)
    assert (found["status"], found["disk_format"], found["size"]) == ("active", "raw", len(DATA))
    assert (found["hw_disk_bus"], found["os_distro"]) == ("scsi", "debian")
    assert "color" not in found
    assert demo.get(f"/images/{image}/file").content == DATA
    token = world.token("demo", "demo")
    assert [headers.get("X-Auth-Token") for _, _, headers in region.asked] == [token, token]
    told = str(demo.get(f"/images/{image}/tasks").json())
    assert token not in told
    assert token not in str(world.cloud.read(lambda db: _everything(db)))


def _everything(db):
    from monostack.image.tables import ALL

    return [dict(row) for table in ALL for row in db.all(table)]


def test_what_the_other_region_does_not_have_is_told(demo, make, region):
    image = make(demo, None)["id"]
    begin(demo, image, glance_image_id=str(uuid.uuid4()))
    assert "404" in failed(demo, image)
    begin(demo, image, glance_region="Nowhere")
    assert "no such image service in region Nowhere" in failed(demo, image)
    begin(demo, image, glance_service_interface="secret")
    assert "no such image service" in failed(demo, image)
    region.has[f"/v2/images/{REMOTE}"] = json.dumps(region.described | {"status": "queued"}).encode()
    begin(demo, image)
    assert "should be active instead of queued" in failed(demo, image)
    region.has[f"/v2/images/{REMOTE}"] = json.dumps(region.described | {"size": 5}).encode()
    begin(demo, image)
    assert "bytes" in failed(demo, image)
    region.has[f"/v2/images/{REMOTE}"] = b"[1]"
    begin(demo, image)
    assert "does not describe" in failed(demo, image)


@pytest.mark.parametrize(
    "method",
    [
        {"glance_region": None},
        {"glance_image_id": "../../v3/users"},
        {"glance_image_id": 5},
        {"glance_service_interface": 5},
    ],
)
def test_wrong_words_about_regions_are_400(demo, make, region, method):
    assert begin(demo, make(demo, None)["id"], **method).status_code == 400


def test_other_methods_are_refused_where_they_are_not_enabled(demo, make):
    image = make(demo, None)["id"]
    body = {"method": {"name": "web-download", "uri": "http://example.org/"}}
    assert demo.post(f"/images/{image}/import", json=body).status_code == 400
    methods = demo.get("/info/import").json()["import-methods"]["value"]
    assert methods == ["glance-direct", "glance-download"]
