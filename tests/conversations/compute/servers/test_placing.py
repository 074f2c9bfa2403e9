"""Where servers go, and what they say when they can go nowhere."""

from collections.abc import Iterator

import pytest
from tests.conftest import World

from monostack import testing


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with testing.cloud(
        only=("compute",), node__simulated_hosts=3, node__vcpus=8, node__memory_mb=8192, node__disk_gb=100
    ) as cloud:
        yield World(cloud)


def build(place, **server):
    return place.nova.settled(place.nova.create(**place.body(**server))["id"])


def test_no_room_is_an_error_that_says_what_is_short(place):
    answer = place.nova.post(
        "/flavors", {"flavor": {"name": "huge", "ram": 32768, "vcpus": 1, "disk": 1, "id": "9"}}
    )
    assert answer.status_code == 200
    server = build(place, flavorRef="9")
    assert server["status"] == "ERROR"
    fault = server["fault"]
    assert fault["code"] == 500
    assert fault["message"].startswith(
        "No valid host was found. There are not enough hosts available. Of 3 hosts: "
    )
    assert "Capacity removed 3 (32768 MEMORY_MB asked, at most" in fault["message"]
    assert (server["addresses"], server["OS-EXT-SRV-ATTR:host"], server["hostId"]) == ({}, None, "")
    actions = place.nova.get(f"/servers/{server['id']}/os-instance-actions").json()["instanceActions"]
    assert actions[0]["message"] == "Error"
    assert place.nova.call("DELETE", f"/servers/{server['id']}").status_code == 204
    assert place.nova.get(f"/servers/{server['id']}").status_code == 404


def test_no_address_is_an_error_in_networkings_words(place):
    network, _ = place.add_network("tiny", "10.50.0.0/30")
    servers = [build(place, networks=[{"uuid": network}]) for _ in range(2)]
    assert servers[-1]["status"] == "ERROR"
    assert "No more IP addresses available on network" in servers[-1]["fault"]["message"]
    allocations = place.world.api("placement").at("1.39", "GET", f"/allocations/{servers[-1]['id']}").json()
    assert allocations["allocations"] == {}


def test_one_bad_host_of_three_is_survived(place):
    async def break_one(host):
        for agent in place.cloud.cloud.agents:
            if agent.host == host:
                agent.hypervisor.fail("spawn", "the disk is bad")

    place.cloud.run(break_one("host"))
    server = build(place, host="host")
    assert server["status"] == "ERROR"
    assert "Building on host host failed: the disk is bad." in server["fault"]["message"]
    assert "RequestedHost" in server["fault"]["message"]
    for name in ("host", "host-2", "host-3"):
        place.cloud.run(break_one(name))
    server = build(place)
    assert server["status"] == "ERROR"
    assert "Exceeded maximum number of retries" in server["fault"]["message"]
    place.cloud.run(break_one("host"))
    place.cloud.run(break_one("host-2"))
    server = build(place)
    assert server["status"] == "ACTIVE"
    assert server["OS-EXT-SRV-ATTR:host"] == "host-3"
    shown = place.nova.get(f"/servers/{server['id']}/os-instance-actions").json()["instanceActions"][0]
    path = f"/servers/{server['id']}/os-instance-actions/{shown['request_id']}"
    events = place.nova.get(path, "instance_actions.show").json()["instanceAction"]["events"]
    assert [event["result"] for event in events] == ["Error", "Error", "Success"]
    neutron = place.world.api("network")
    port = neutron.get("/ports", params={"device_id": server["id"]}).json()["ports"][0]
    assert port["binding:host_id"] == "host-3"


def test_an_administrator_names_the_host_and_a_member_may_not(place):
    server = build(place, availability_zone="nova:host-2")
    assert server["OS-EXT-SRV-ATTR:host"] == "host-2"
    assert build(place, host="host-3")["OS-EXT-SRV-ATTR:host"] == "host-3"
    place.world.persona("member")
    body = {"server": place.body(networks="none", availability_zone="nova:host-2")}
    assert place.caller(user="member").post("/servers", body).status_code == 403


def test_servers_spread_over_hosts(place):
    hosts = {build(place, flavorRef="2", networks="none")["OS-EXT-SRV-ATTR:host"] for _ in range(3)}
    assert hosts == {"host", "host-2", "host-3"}


def test_several_at_once_have_numbers_and_one_reservation(place):
    answer = place.nova.post(
        "/servers", {"server": place.body(name="web", min_count=3, return_reservation_id=True)}
    )
    reservation = answer.json()["reservation_id"]
    servers = place.nova.get(f"/servers/detail?reservation_id={reservation}").json()["servers"]
    assert sorted(each["name"] for each in servers) == ["web-1", "web-2", "web-3"]
    assert sorted(each["OS-EXT-SRV-ATTR:launch_index"] for each in servers) == [0, 1, 2]


def test_as_many_as_the_quota_leaves_between_min_and_max(place):
    place.nova.post("/servers", {"server": place.body(networks="none", min_count=8, max_count=50)})
    servers = place.nova.get("/servers").json()["servers"]
    assert len(servers) == 10
    answer = place.nova.post("/servers", {"server": place.body(networks="none")})
    assert answer.status_code == 403
    assert answer.json()["forbidden"]["message"] == (
        "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances"
    )


def test_a_large_request_is_written_first_and_placed_by_the_loop(place):
    from monostack.kit import quota

    def more(tx):
        quota.set_limit(tx, "compute", "", "instances", 100)
        quota.set_limit(tx, "compute", "", "cores", 100)

    place.cloud.run(place.cloud.cloud.engine.write(more))
    made = place.nova.create(**place.body(name="many", min_count=40, networks="none"))
    for each in place.nova.get("/servers").json()["servers"]:
        assert place.nova.settled(each["id"], 20)["status"] == "ACTIVE"
    assert len(place.cloud.world()["servers"]) == 40
    assert made["id"] in place.cloud.world()["servers"]
