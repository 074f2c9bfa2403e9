"""Unified limits: what a project may keep, counted from its images."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from monostack import testing
from monostack.image.quotas import COUNT, NAMES, SIZE, STAGED, UPLOADING

MIB = 1 << 20


@pytest.fixture(scope="module")
def shared_world(database: str) -> Iterator:
    from tests.conftest import World

    settings = {"image__use_keystone_limits": "true"}
    with testing.cloud(only=("identity", "image"), database=database, **settings) as cloud:
        yield World(cloud)


@pytest.fixture
def limits(world):
    """Register limits of the image service; those not named are wide."""
    identity = world.api("identity")
    service = identity.get("/services?type=image").json()["services"][0]["id"]

    def register(**values):
        rows = [
            {"service_id": service, "resource_name": name, "default_limit": values.get(name, 100)}
            for name in NAMES
        ]
        answer = identity.post("/registered_limits", json={"registered_limits": rows})
        assert answer.status_code == 201, answer.text

    def project(name, resource, value):
        found = identity.get(f"/projects?name={name}").json()["projects"][0]["id"]
        row = {
            "service_id": service,
            "resource_name": resource,
            "resource_limit": value,
            "project_id": found,
        }
        answer = identity.post("/limits", json={"limits": [row]})
        assert answer.status_code == 201, answer.text

    register.project = project
    return register


def stage(api, image, data):
    octets = {"Content-Type": "application/octet-stream"}
    return api.put(f"/images/{image}/stage", content=data, headers=octets)


def test_what_is_not_registered_is_not_allowed(demo):
    answer = demo.post("/images", json={"name": "x"})
    assert answer.status_code == 413
    assert (
        f"Resource {COUNT} is over limit of 0 due to current usage 0 and delta 1" in answer.json()["message"]
    )


def test_images_are_counted(demo, admin, limits, make):
    limits(**{COUNT: 2})
    first = make(demo, None)["id"]
    make(demo, None)
    assert demo.post("/images", json={"name": "x"}).status_code == 413
    assert admin.post("/images", json={"name": "x"}).status_code == 201
    assert demo.delete(f"/images/{first}").status_code == 204
    make(demo, None)
    limits.project("demo", COUNT, 3)
    make(demo, None)
    assert demo.post("/images", json={"name": "x"}).status_code == 413


def test_sizes_are_counted_in_all_stores(demo, limits, make, put):
    limits(**{SIZE: 5})
    make(demo, b"x" * (3 * MIB))
    image = make(demo, None)["id"]
    assert put(demo, image, b"x" * (3 * MIB)).status_code == 413
    assert demo.get(f"/images/{image}").json()["status"] == "queued"
    assert put(demo, image, b"x" * (2 * MIB)).status_code == 204
    usage = demo.get("/info/usage").json()["usage"]
    assert usage[SIZE] == {"limit": 5, "usage": 5}
    assert usage[COUNT] == {"limit": 100, "usage": 2}
    assert set(usage) == set(NAMES)


def test_staged_data_are_counted_until_they_are_imported(demo, limits, make):
    limits(**{STAGED: 3, SIZE: 2})
    image = make(demo, None)["id"]
    assert stage(demo, image, b"x" * (3 * MIB)).status_code == 204
    assert demo.get("/info/usage").json()["usage"][STAGED]["usage"] == 3
    other = make(demo, None)["id"]
    assert stage(demo, other, b"x" * MIB).status_code == 413
    body = {"method": {"name": "glance-direct"}}
    answer = demo.post(f"/images/{image}/import", json=body)
    assert (answer.status_code, SIZE in answer.json()["message"]) == (413, True)
    limits.project("demo", SIZE, 4)
    assert demo.post(f"/images/{image}/import", json=body).status_code == 202
    for _ in range(200):
        usage = demo.get("/info/usage").json()["usage"]
        if (usage[STAGED]["usage"], usage[SIZE]["usage"]) == (0, 3):
            return
        time.sleep(0.02)
    raise AssertionError(usage)


def test_uploads_at_a_time_are_counted(demo, limits, make, put):
    limits(**{UPLOADING: 1})
    first, second = make(demo, None)["id"], make(demo, None)["id"]
    assert stage(demo, first, b"x").status_code == 204
    assert put(demo, second, b"x").status_code == 413
    assert demo.delete(f"/images/{first}").status_code == 204
    assert put(demo, second, b"x").status_code == 204


def test_without_the_setting_nothing_is_counted(world, demo, make, monkeypatch):
    monkeypatch.setattr(world.cloud.settings.image, "use_keystone_limits", False)
    make(demo)
    assert demo.get("/info/usage").json() == {"usage": {}}
