"""What operators see of the hosts: services, hypervisors, zones and aggregates."""

from collections.abc import Iterator

import pytest
from tests.conftest import World

from monostack import testing


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with testing.cloud(
        node__simulated_hosts=3, node__vcpus=8, node__memory_mb=16384, node__disk_gb=100
    ) as cloud:
        yield World(cloud)


HOSTS = ["host", "host-2", "host-3"]


def service(admin, host, version="2.100"):
    (found,) = admin.get(f"/os-services?host={host}&binary=nova-compute", version=version)["services"]
    return found


# Services


@pytest.mark.parametrize("version", ["2.1", "2.10", "2.11", "2.52", "2.53", "2.69", "2.100"])
def test_services_are_shown_by_version(admin, version):
    found = admin.get("/os-services", version=version, promise="services.index")["services"]
    assert [each["binary"] for each in found] == ["nova-scheduler", "nova-conductor"] + ["nova-compute"] * 3
    assert [each["host"] for each in found][2:] == HOSTS
    assert {each["state"] for each in found} == {"up"}
    assert [each["zone"] for each in found] == ["internal"] * 2 + ["nova"] * 3
    assert ("forced_down" in found[0]) is (version not in ("2.1", "2.10"))


def test_services_are_found_by_binary_and_host(admin):
    assert len(admin.get("/os-services?binary=nova-compute")["services"]) == 3
    assert len(admin.get("/os-services?host=host-2")["services"]) == 1
    assert admin.get("/os-services?host=nowhere")["services"] == []
    admin.get("/os-services?nothing=1", 400)


def test_a_disabled_host_takes_no_server_until_it_is_enabled(admin, demo):
    for host in HOSTS[1:]:
        found = service(admin, host)
        path, body = f"/os-services/{found['id']}", {"status": "disabled", "disabled_reason": "new disks"}
        changed = admin.put(path, body, promise="services.update")["service"]
        assert (changed["status"], changed["disabled_reason"]) == ("disabled", "new disks")
    server = demo.server()
    assert admin.get(f"/servers/{server['id']}")["server"]["OS-EXT-SRV-ATTR:host"] == "host"
    admin.put(f"/os-services/{service(admin, 'host')['id']}", {"status": "disabled"})
    refused = demo.server("ERROR", networks="none")
    assert "ComputeFilter removed 3 (not heard of lately, or disabled)" in refused["fault"]["message"]
    admin.put(f"/os-services/{service(admin, 'host')['id']}", {"status": "enabled"})
    assert service(admin, "host")["disabled_reason"] is None
    assert demo.server(networks="none")["status"] == "ACTIVE"


def test_a_host_is_forced_down(admin):
    found = service(admin, "host-2")
    changed = admin.put(f"/os-services/{found['id']}", {"forced_down": True})["service"]
    assert (changed["forced_down"], changed["state"]) == (True, "down")
    assert admin.put(f"/os-services/{found['id']}", {"forced_down": False})["service"]["state"] == "up"


def test_a_host_that_is_not_heard_of_is_down(admin, world):
    async def fall_silent():
        for agent in world.cloud.cloud.agents:
            if agent.host == "host-3":
                await agent.stop()

    world.cloud.run(fall_silent())
    world.cloud.clock.advance(minutes=2)

    async def beat():
        for agent in world.cloud.cloud.agents:
            if agent.host != "host-3":
                await world.cloud.cloud.hub.beat(agent.host)

    world.cloud.run(beat())
    assert [service(admin, host)["state"] for host in HOSTS] == ["up", "up", "down"]


def test_before_2_53_there_is_a_door_for_each_verb(admin):
    body = {"host": "host-2", "binary": "nova-compute"}
    changed = admin.put("/os-services/disable", body, version="2.1")["service"]
    assert changed == body | {"status": "disabled"}
    reasoned = admin.put("/os-services/disable-log-reason", body | {"disabled_reason": "fan"}, version="2.52")
    assert reasoned["service"] == body | {"status": "disabled", "disabled_reason": "fan"}
    assert admin.put("/os-services/enable", body, version="2.52")["service"]["status"] == "enabled"
    down = admin.put("/os-services/force-down", body | {"forced_down": True}, version="2.11")["service"]
    assert down == body | {"forced_down": True}
    admin.put("/os-services/force-down", body, 404, version="2.10")
    admin.put("/os-services/force-down", body, 400, version="2.11")
    admin.put("/os-services/disable-log-reason", body, 400, version="2.1")
    admin.put("/os-services/explode", body, 404, version="2.1")
    words = admin.refused("PUT", "/os-services/enable", 404, body | {"host": "nowhere"}, version="2.1")
    assert words == "Could not find binary nova-compute on host nowhere."


@pytest.mark.parametrize(
    "body",
    [{}, {"disabled_reason": "because"}, {"status": "enabled", "disabled_reason": "because"},
     {"forced_down": True, "disabled_reason": "because"}, {"status": "tired"}, {"host": "host"}],
)  # fmt: skip
def test_changes_that_make_no_sense_are_400(admin, body):
    admin.put(f"/os-services/{service(admin, 'host')['id']}", body, 400)


def test_only_hosts_can_be_changed(admin, demo):
    scheduler = admin.get("/os-services?binary=nova-scheduler")["services"][0]
    words = admin.refused("PUT", f"/os-services/{scheduler['id']}", 400, {"status": "disabled"})
    assert "Only nova-compute services can be updated" in words
    admin.put("/os-services/not-a-uuid", {"status": "disabled"}, 400)
    admin.put("/os-services/00000000-0000-0000-0000-000000000000", {"status": "disabled"}, 404)
    admin.delete("/os-services/1", 400, version="2.1")
    demo.get("/os-services", 403)
    demo.put(f"/os-services/{scheduler['id']}", {"status": "disabled"}, 403)


def test_a_host_without_servers_can_be_forgotten(admin, demo, world):
    server = demo.server()
    busy = admin.get(f"/servers/{server['id']}")["server"]["OS-EXT-SRV-ATTR:host"]
    free = next(host for host in HOSTS if host != busy)
    words = admin.refused("DELETE", f"/os-services/{service(admin, busy)['id']}", 409)
    assert words.startswith("Unable to delete compute service that is hosting instances")
    aggregate = admin.post("/os-aggregates", {"aggregate": {"name": "a"}})["aggregate"]["id"]
    admin.post(f"/os-aggregates/{aggregate}/action", {"add_host": {"host": free}})
    admin.delete(f"/os-services/{service(admin, free)['id']}")
    assert free not in [each["host"] for each in admin.get("/os-services")["services"]]
    assert free not in [each["hypervisor_hostname"] for each in admin.get("/os-hypervisors")["hypervisors"]]
    assert admin.get(f"/os-aggregates/{aggregate}")["aggregate"]["hosts"] == []
    agent = next(agent for agent in world.cloud.cloud.agents if agent.host == free)
    hello = {"host": free, "speaks": [1], "inventory": agent.inventory, "networking": agent.networking}
    world.cloud.run(world.cloud.cloud.hub.hello(hello))
    numbers = [each["id"] for each in admin.get("/os-hypervisors", version="2.1")["hypervisors"]]
    assert len(set(numbers)) == 3
    admin.delete(f"/os-services/{service(admin, free)['id']}")
    providers = world.api("placement").get("/resource_providers").json()["resource_providers"]
    assert free not in [each["name"] for each in providers]


# Hypervisors


@pytest.mark.parametrize("version", ["2.1", "2.27", "2.28", "2.33", "2.52", "2.53", "2.87", "2.88", "2.100"])
def test_hypervisors_are_shown_by_version(admin, version):
    listed = admin.get("/os-hypervisors", version=version, promise="hypervisors.index")["hypervisors"]
    assert [each["hypervisor_hostname"] for each in listed] == HOSTS
    detail = admin.get("/os-hypervisors/detail", version=version, promise="hypervisors.detail")
    one = detail["hypervisors"][0]
    shown = admin.get(f"/os-hypervisors/{one['id']}", version=version, promise="hypervisors.show")
    assert shown["hypervisor"]["id"] == one["id"]
    assert "servers" not in one


def test_what_is_used_is_what_placement_gave_away(admin, demo):
    demo.server(flavorRef="2")
    found = admin.get("/os-hypervisors/detail", version="2.87")["hypervisors"]
    busy = next(each for each in found if each["running_vms"])
    assert (busy["vcpus"], busy["vcpus_used"]) == (8, 1)
    assert (busy["memory_mb"], busy["memory_mb_used"], busy["free_ram_mb"]) == (16384, 2560, 13824)
    assert (busy["local_gb"], busy["local_gb_used"], busy["free_disk_gb"]) == (100, 20, 80)
    sums = admin.get("/os-hypervisors/statistics", version="2.87", promise="hypervisors.statistics")
    assert sums["hypervisor_statistics"]["count"] == 3
    assert sums["hypervisor_statistics"]["vcpus"] == 24
    assert sums["hypervisor_statistics"]["running_vms"] == 1
    admin.get("/os-hypervisors/statistics", 404, version="2.88")


def test_hypervisors_tell_how_long_they_serve(admin, world):
    one = admin.get("/os-hypervisors", version="2.1")["hypervisors"][0]["id"]
    told = admin.get(f"/os-hypervisors/{one}/uptime", version="2.1", promise="hypervisors.uptime")
    assert "up 0 days" in told["hypervisor"]["uptime"]
    shown = admin.get("/os-hypervisors/detail", version="2.88")["hypervisors"][0]
    assert "up 0 days" in shown["uptime"]
    admin.get(f"/os-hypervisors/{shown['id']}/uptime", 404, version="2.88")


def test_hypervisors_are_searched_by_a_part_of_their_name(admin, demo):
    server = demo.server()
    found = admin.get("/os-hypervisors/host-/search", version="2.52", promise="hypervisors.search")
    assert [each["hypervisor_hostname"] for each in found["hypervisors"]] == HOSTS[1:]
    with_servers = admin.get("/os-hypervisors/host/servers", version="2.1", promise="hypervisors.servers")
    assert [each.get("servers") for each in with_servers["hypervisors"] if "servers" in each] == [
        [{"name": "server", "uuid": server["id"]}]
    ]
    admin.get("/os-hypervisors/nowhere/search", 404, version="2.1")
    newer = admin.get("/os-hypervisors?hypervisor_hostname_pattern=host-2")["hypervisors"]
    assert [each["hypervisor_hostname"] for each in newer] == ["host-2"]
    admin.get("/os-hypervisors?hypervisor_hostname_pattern=nowhere", 404)
    admin.get("/os-hypervisors/host/search", 404, version="2.53")
    everything = admin.get("/os-hypervisors/detail?with_servers=true", promise="hypervisors.detail")
    assert sorted(len(each["servers"]) for each in everything["hypervisors"]) == [0, 0, 1]


def test_hypervisors_come_in_pages(admin):
    first = admin.get("/os-hypervisors?limit=2", promise="hypervisors.index")
    assert [each["hypervisor_hostname"] for each in first["hypervisors"]] == HOSTS[:2]
    rest = admin.api.client.get(
        first["hypervisors_links"][0]["href"], headers={"OpenStack-API-Version": "compute 2.100"}
    )
    assert [each["hypervisor_hostname"] for each in rest.json()["hypervisors"]] == HOSTS[2:]
    admin.get("/os-hypervisors?limit=2&hypervisor_hostname_pattern=host", 400)
    admin.get("/os-hypervisors?marker=nothing", 400)
    assert len(admin.get("/os-hypervisors?limit=2", version="2.32")["hypervisors"]) == 3


def test_a_hypervisor_that_does_not_exist_is_404_and_a_wrong_id_400(admin, demo):
    admin.get("/os-hypervisors/00000000-0000-0000-0000-000000000000", 404)
    admin.get("/os-hypervisors/1", 400)
    admin.get("/os-hypervisors/77", 404, version="2.1")
    demo.get("/os-hypervisors", 403)
    demo.get("/os-hypervisors/detail", 403)


# Aggregates and zones


def aggregate(admin, **values):
    body = {"aggregate": {"name": "agg"} | values}
    return admin.post("/os-aggregates", body, promise="aggregates.create")["aggregate"]


def act(admin, number, action, expected=200, **values):
    promise = f"aggregates.{action}" if expected == 200 else None
    answer = admin.post(f"/os-aggregates/{number}/action", {action: values}, expected, promise=promise)
    return answer if expected == 200 else next(iter(answer.values()))["message"]


def test_a_new_aggregate_is_shown_without_hosts_and_then_with(admin):
    made = aggregate(admin, availability_zone="rack-1")
    assert set(made) == {
        "id", "uuid", "name", "created_at", "updated_at", "deleted_at", "deleted", "availability_zone",
    }  # fmt: skip
    shown = admin.get(f"/os-aggregates/{made['id']}", promise="aggregates.show")["aggregate"]
    assert shown["hosts"] == []
    assert shown["metadata"] == {"availability_zone": "rack-1"}
    older = admin.get("/os-aggregates", version="2.40", promise="aggregates.index")["aggregates"]
    assert "uuid" not in older[0]


def test_a_host_in_an_aggregate_with_a_zone_is_in_that_zone(admin, demo):
    made = aggregate(admin, availability_zone="rack-1")
    act(admin, made["id"], "add_host", host="host-2")
    assert service(admin, "host-2")["zone"] == "rack-1"
    zones = demo.get("/os-availability-zone", promise="availability_zone.index")["availabilityZoneInfo"]
    assert zones == [
        {"zoneName": "nova", "zoneState": {"available": True}, "hosts": None},
        {"zoneName": "rack-1", "zoneState": {"available": True}, "hosts": None},
    ]
    server = demo.server(availability_zone="rack-1")
    assert server["OS-EXT-AZ:availability_zone"] == "rack-1"
    assert admin.get(f"/servers/{server['id']}")["server"]["OS-EXT-SRV-ATTR:host"] == "host-2"
    words = act(admin, made["id"], "remove_host", 409, host="host-2")
    assert words.endswith("Reason: One or more hosts contain instances in this zone.")
    demo.delete(f"/servers/{server['id']}")
    demo.until_gone(server["id"])
    act(admin, made["id"], "remove_host", host="host-2")
    assert service(admin, "host-2")["zone"] == "nova"
    assert [each["zoneName"] for each in demo.get("/os-availability-zone")["availabilityZoneInfo"]] == [
        "nova"
    ]


def test_a_zone_is_available_while_one_of_its_hosts_is_enabled(admin, demo):
    made = aggregate(admin, availability_zone="rack-1")
    act(admin, made["id"], "add_host", host="host-2")
    admin.put(f"/os-services/{service(admin, 'host-2')['id']}", {"status": "disabled"})
    zones = demo.get("/os-availability-zone")["availabilityZoneInfo"]
    assert {each["zoneName"]: each["zoneState"]["available"] for each in zones} == {
        "nova": True,
        "rack-1": False,
    }
    detail = admin.get("/os-availability-zone/detail", promise="availability_zone.detail")
    by_name = {each["zoneName"]: each["hosts"] for each in detail["availabilityZoneInfo"]}
    assert set(by_name["internal"]["host"]) == {"nova-scheduler", "nova-conductor"}
    assert set(by_name["nova"]) == {"host", "host-3"}
    assert by_name["nova"]["host"]["nova-compute"]["active"] is True
    assert by_name["rack-1"] is None
    demo.get("/os-availability-zone/detail", 403)


def test_a_host_is_in_one_zone_only(admin):
    first = aggregate(admin, availability_zone="rack-1")
    second = aggregate(admin, name="other", availability_zone="rack-2")
    plain = aggregate(admin, name="plain")
    act(admin, first["id"], "add_host", host="host-2")
    words = act(admin, second["id"], "add_host", 409, host="host-2")
    assert "already in the availability zone rack-1" in words
    act(admin, plain["id"], "add_host", host="host-2")
    words = act(admin, plain["id"], "set_metadata", 400, metadata={"availability_zone": "rack-3"})
    assert "already in the availability zone rack-1" in words


def test_the_zone_of_an_aggregate_changes_with_its_metadata(admin):
    made = aggregate(admin)
    act(admin, made["id"], "add_host", host="host-3")
    act(admin, made["id"], "set_metadata", metadata={"availability_zone": "rack-9", "ssd": "true"})
    assert service(admin, "host-3")["zone"] == "rack-9"
    shown = act(admin, made["id"], "set_metadata", metadata={"availability_zone": None})["aggregate"]
    assert (shown["metadata"], shown["availability_zone"]) == ({"ssd": "true"}, None)
    assert service(admin, "host-3")["zone"] == "nova"
    body = {"aggregate": {"name": "renamed", "availability_zone": "rack-8"}}
    changed = admin.put(f"/os-aggregates/{made['id']}", body, promise="aggregates.update")["aggregate"]
    assert (changed["name"], changed["availability_zone"]) == ("renamed", "rack-8")
    assert service(admin, "host-3")["zone"] == "rack-8"


def test_what_cannot_be_done_to_an_aggregate(admin, demo):
    made = aggregate(admin)
    admin.post("/os-aggregates", {"aggregate": {"name": "agg"}}, 409)
    admin.post("/os-aggregates", {"aggregate": {"name": ""}}, 400)
    admin.post("/os-aggregates", {"aggregate": {"name": "x", "availability_zone": "a:b"}}, 400)
    assert "nowhere" in act(admin, made["id"], "add_host", 404, host="nowhere")
    act(admin, made["id"], "add_host", host="host")
    act(admin, made["id"], "add_host", 409, host="host")
    act(admin, made["id"], "remove_host", 404, host="host-2")
    assert "not empty" in admin.refused("DELETE", f"/os-aggregates/{made['id']}", 400)
    act(admin, made["id"], "remove_host", host="host")
    admin.put(f"/os-aggregates/{made['id']}", {"aggregate": {}}, 400)
    second = aggregate(admin, name="second")
    admin.put(f"/os-aggregates/{second['id']}", {"aggregate": {"name": "agg"}}, 409)
    admin.delete(f"/os-aggregates/{made['id']}", 200)
    admin.get(f"/os-aggregates/{made['id']}", 404)
    admin.get("/os-aggregates/one", 400)
    admin.post(f"/os-aggregates/{second['id']}/action", {"explode": {}}, 400)
    demo.get("/os-aggregates", 403)
    demo.post("/os-aggregates", {"aggregate": {"name": "mine"}}, 403)


# Hosts, as they were asked for until 2.42


def test_hosts_are_listed_by_service_and_zone(admin, demo):
    found = admin.get("/os-hosts", version="2.42", promise="hosts.index")["hosts"]
    assert [each["service"] for each in found] == ["scheduler", "conductor", "compute", "compute", "compute"]
    assert found[2] == {"host_name": "host", "service": "compute", "zone": "nova"}
    assert len(admin.get("/os-hosts?zone=nova", version="2.1")["hosts"]) == 3
    assert len(admin.get("/os-hosts?zone=", version="2.1")["hosts"]) == 5
    assert admin.get("/os-hosts?zone=none", version="2.1")["hosts"] == []
    admin.get("/os-hosts", 404, version="2.43")
    demo.get("/os-hosts", 403, version="2.1")


def test_a_host_shows_who_takes_what(admin, demo):
    server = demo.server(flavorRef="2")
    host = admin.get(f"/servers/{server['id']}")["server"]["OS-EXT-SRV-ATTR:host"]
    shown = admin.get(f"/os-hosts/{host}", version="2.1", promise="hosts.show")["host"]
    by_project = {each["resource"]["project"]: each["resource"] for each in shown}
    assert by_project["(total)"] == {
        "host": host, "project": "(total)", "cpu": 8, "memory_mb": 16384, "disk_gb": 100,
    }  # fmt: skip
    assert by_project["(used_now)"]["memory_mb"] == 2560
    assert by_project["(used_max)"]["memory_mb"] == by_project[demo.project_id()]["memory_mb"] == 2048
    admin.get("/os-hosts/nowhere", 404, version="2.1")


def test_a_host_is_disabled_but_not_switched_off(admin):
    changed = admin.put("/os-hosts/host-2", {"status": "disable"}, version="2.1", promise="hosts.update")
    assert changed == {"host": "host-2", "status": "disabled"}
    assert service(admin, "host-2")["status"] == "disabled"
    assert admin.put("/os-hosts/host-2", {"status": "Enable"}, version="2.1")["status"] == "enabled"
    admin.put("/os-hosts/host-2", {"maintenance_mode": "enable"}, 501, version="2.1")
    for body in ({}, {"status": "tired"}, {"maintenance_mode": "maybe"}):
        admin.put("/os-hosts/host-2", body, 400, version="2.1")
    for verb in ("startup", "shutdown", "reboot"):
        assert "cannot" in admin.refused("GET", f"/os-hosts/host-2/{verb}", 501, version="2.1")
        admin.get(f"/os-hosts/nowhere/{verb}", 404, version="2.1")
