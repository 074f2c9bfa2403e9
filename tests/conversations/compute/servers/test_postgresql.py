"""The same servers on PostgreSQL: from POST to gone, and every kind of filter."""

from collections.abc import Iterator

import pytest
from tests.conftest import World

from monostack import testing


@pytest.fixture(scope="module")
def shared_world(postgresql) -> Iterator[World]:
    with testing.cloud(only=("compute",), database=postgresql.database("servers")) as cloud:
        yield World(cloud)


def test_a_server_lives_and_is_found_and_goes(place):
    server = place.server(name="web_1", metadata={"role": "web"}, tags=["blue"])
    for query in (
        "name=web",
        "name=^web_1$",
        "name=(web|db)_[0-9]",
        "status=ACTIVE",
        "ip=10.20",
        'metadata={"role":"web"}',
        "tags=blue",
        "not-tags=red",
        "changes-before=2090-01-01T00:00:00Z",
        "sort_key=display_name&limit=1",
    ):
        found = place.nova.get(f"/servers/detail?{query}", "servers.detail").json()["servers"]
        assert [each["id"] for each in found] == [server["id"]], query
    for action, status in (("os-stop", "SHUTOFF"), ("os-start", "ACTIVE")):
        assert place.nova.act(server["id"], action).status_code == 202
        assert place.nova.settled(server["id"])["status"] == status
    assert place.nova.call("DELETE", f"/servers/{server['id']}").status_code == 204
    place.nova.gone(server["id"])


def test_no_room_leaves_nothing_behind(place):
    answer = place.nova.post(
        "/flavors", {"flavor": {"name": "huge", "ram": 1 << 30, "vcpus": 1, "disk": 1, "id": "huge"}}
    )
    assert answer.status_code == 200

    from monostack.kit import quota

    place.cloud.run(place.cloud.cloud.engine.write(lambda tx: quota.set_limit(tx, "compute", "", "ram", -1)))
    server = place.nova.settled(place.nova.create(**place.body(flavorRef="huge"))["id"])
    assert server["status"] == "ERROR"
    ports = place.world.api("network").get("/ports", params={"device_id": server["id"]}).json()["ports"]
    assert ports == []
