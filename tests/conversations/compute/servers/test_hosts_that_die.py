"""What becomes of servers whose host falls silent, and what is left on it."""

import time
from collections.abc import Iterator

import pytest
from tests.conftest import World

from monostack import testing
from monostack.compute.servers.rows import LEFTOVERS, SERVERS


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with testing.cloud(only=("compute",), node__simulated_hosts=2) as cloud:
        yield World(cloud)


@pytest.fixture
def silence(place):
    """Silence the first host; the function it gives lets two minutes pass, with only the second heard."""
    disposable = place.cloud
    first, second = disposable.cloud.agents

    async def stop():
        await first.stop()

    disposable.run(stop())

    def pass_time():
        disposable.clock.offset += 120
        disposable.run(disposable.cloud.hub.beat(second.host))
        disposable.clock.moved()

    return pass_time


def wait_for(condition, seconds=10.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def return_of_the_host(place):
    """The first host's agent starts again, with nothing in its world."""
    from monostack.node import local

    cloud = place.cloud.cloud

    async def start():
        agent = local.make(cloud, "host", cloud.state / "node", "simulated", "simulated")
        cloud.hub.answerers["host"] = agent.answer
        await agent.start()
        cloud.agents[0] = agent

    place.cloud.run(start())


def test_a_new_server_is_built_elsewhere_and_nothing_stays_behind(place, silence):
    server_id = place.nova.create(**place.body())["id"]
    assert place.nova.server(server_id)["OS-EXT-SRV-ATTR:host"] == "host"
    assert place.nova.server(server_id)["status"] == "BUILD"
    silence()
    wait_for(lambda: place.nova.server(server_id)["status"] == "ACTIVE")
    assert place.nova.server(server_id)["OS-EXT-SRV-ATTR:host"] == "host-2"
    left = place.cloud.read(lambda db: db.all(LEFTOVERS))
    assert [(row["host"], row["server_id"]) for row in left] == [("host", server_id)]
    return_of_the_host(place)
    wait_for(lambda: place.cloud.read(lambda db: db.all(LEFTOVERS)) == [])
    assert place.nova.server(server_id)["status"] == "ACTIVE"


def test_a_delete_waits_for_the_host_and_says_so(place):
    server_id = place.server(availability_zone="nova:host")["id"]
    first, second = place.cloud.cloud.agents
    place.cloud.run(first.stop())
    assert place.nova.call("DELETE", f"/servers/{server_id}").status_code == 204
    place.cloud.clock.offset += 120
    place.cloud.run(place.cloud.cloud.hub.beat(second.host))
    place.cloud.clock.moved()
    wait_for(lambda: place.cloud.read(lambda db: db.one(SERVERS, id=server_id))["cause"] is not None)
    cause = place.cloud.read(lambda db: db.one(SERVERS, id=server_id))["cause"]
    assert cause.startswith("Host host has not been heard of lately")
    assert place.nova.server(server_id)["OS-EXT-STS:task_state"] == "deleting"
    assert place.nova.server(server_id)["host_status"] == "UNKNOWN"
    return_of_the_host(place)
    place.nova.gone(server_id)


def test_a_late_word_of_an_earlier_place_changes_nothing(place):
    server = place.server()
    fact = {"kind": "server", "id": server["id"], "version": 99, "desired": "present", "state": "present",
            "error": None, "place": 0, "boot": 9, "disk": 9, "power": "off"}  # fmt: skip
    for host in (server["OS-EXT-SRV-ATTR:host"], "elsewhere"):
        place.cloud.run(place.cloud.cloud.hub.report({"host": host, "facts": [fact]}))
    after = place.nova.server(server["id"])
    assert (after["status"], after["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)


def test_hosts_live_on_when_a_test_moves_the_clock(place):
    place.cloud.clock.advance(minutes=10)
    services = place.nova.get("/os-services", params={"binary": "nova-compute"}).json()["services"]
    assert [each["state"] for each in services] == ["up", "up"]
