"""The image service with nothing above it."""

from collections.abc import Iterator

import pytest

from monostack import testing


@pytest.fixture(scope="module")
def shared_world(database: str) -> Iterator:
    from tests.conftest import World

    with testing.cloud(only=("identity", "image"), database=database) as cloud:
        yield World(cloud)


@pytest.fixture
def admin(world):
    return world.api("image")


@pytest.fixture
def demo(world):
    """A member of the project demo."""
    return world.api("image", user="demo")


@pytest.fixture
def alice(world):
    """A member of a project of her own."""
    world.persona("alice")
    return world.api("image", user="alice")


@pytest.fixture
def make():
    """Create an image for a caller, with data unless `data` is None; the image as answered."""

    def create(api, data: bytes | None = b"x" * 1000, **values):
        values = {"name": "sample", "disk_format": "raw", "container_format": "bare"} | values
        answer = api.post("/images", json=values)
        assert answer.status_code == 201, answer.text
        image = answer.json()
        if data is None:
            return image
        answer = put(api, image["id"], data)
        assert answer.status_code == 204, answer.text
        return api.get(f"/images/{image['id']}").json()

    return create


def put(api, image_id: str, data):
    """Upload data."""
    return api.put(
        f"/images/{image_id}/file", content=data, headers={"Content-Type": "application/octet-stream"}
    )


@pytest.fixture(name="put")
def put_fixture():
    return put


@pytest.fixture
def patch():
    """Change an image by JSON patch operations, written as (operation, path, value)."""

    def change(api, image_id: str, *operations, version: str = "v2.1"):
        body = []
        for operation, path, *value in operations:
            each = {"op": operation, "path": path} if version == "v2.1" else {operation: path}
            body.append(each | ({"value": value[0]} if value else {}))
        kind = f"application/openstack-images-{version}-json-patch"
        return api.patch(f"/images/{image_id}", json=body, headers={"Content-Type": kind})

    return change


@pytest.fixture(autouse=True)
def json_errors(request):
    """Callers of these tests accept JSON, unless a test says otherwise by its own Accept."""
    for name in ("admin", "demo", "alice"):
        if name in request.fixturenames:
            request.getfixturevalue(name).client.headers["Accept"] = "application/json"
