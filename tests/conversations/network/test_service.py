"""The service as a whole: versions, extensions, agents, zones, quotas, how full networks are."""

from __future__ import annotations

import pytest
from tests.conftest import PLAIN


def test_versions(world):
    root = world.cloud.url + "/network"
    answer = PLAIN.get(root + "/")
    assert answer.status_code == 200
    assert answer.json() == {
        "versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": f"{root}/v2.0/"}]}]
    }
    token = world.token("demo", "demo")
    resources = PLAIN.get(root + "/v2.0/", headers={"X-Auth-Token": token}).json()["resources"]
    assert {"networks", "subnets", "ports"} <= {each["collection"] for each in resources}


def test_a_request_id_comes_with_every_answer(demo):
    for path in ("/networks", "/nope", "/networks/nope"):
        assert demo.api.get(path).headers["x-openstack-request-id"].startswith("req-")


def test_extensions(demo):
    found = demo.get("/extensions")["extensions"]
    aliases = {each["alias"] for each in found}
    assert {"router", "security-group", "port-security", "quotas", "standard-attr-tag", "sorting"} <= aliases
    assert set(found[0]) == {"alias", "name", "description", "updated", "links"}
    one = demo.get("/extensions/router")["extension"]
    assert one["alias"] == "router"
    demo.refused("GET", "/extensions/external-gateway-multihoming", 404, "HTTPNotFound")


def test_agents_are_the_administrators(admin, demo):
    assert demo.get("/agents") == {"agents": []}
    found = admin.get("/agents")["agents"]
    assert sorted(each["agent_type"] for each in found) == ["DHCP agent", "L3 agent", "Open vSwitch agent"]
    assert all(each["alive"] is True and each["host"] == "host" for each in found)
    assert len(found[0]["heartbeat_timestamp"]) == 19 and " " in found[0]["heartbeat_timestamp"]
    assert admin.get(f"/agents/{found[0]['id']}")["agent"] == found[0]
    demo.refused("GET", f"/agents/{found[0]['id']}", 404, "AgentNotFound")
    admin.refused("GET", "/agents/nope", 404, "AgentNotFound")
    assert len(admin.get("/agents", agent_type="L3 agent")["agents"]) == 1
    assert admin.get("/agents", alive="false")["agents"] == []


def test_an_agent_takes_notes_and_is_switched_off(admin, demo, public):
    agent = admin.get("/agents", agent_type="L3 agent")["agents"][0]
    path = f"/agents/{agent['id']}"
    body = {"agent": {"description": "rack 7", "admin_state_up": False}}
    assert admin.put(path, body)["agent"]["description"] == "rack 7"
    assert admin.get(path)["agent"]["admin_state_up"] is False
    router = demo.router(external_gateway_info={"network_id": public["id"]})
    assert admin.get(f"/routers/{router['id']}/l3-agents") == {"agents": []}
    demo.refused("PUT", path, 403, "PolicyNotAuthorized", body)
    admin.refused("PUT", path, 400, "HTTPBadRequest", {"agent": {"host": "x"}})


def test_a_deleted_agent_is_back_with_its_hosts_next_sign_of_life(world, admin, eventually):
    agent = admin.get("/agents", agent_type="L3 agent")["agents"][0]
    admin.delete(f"/agents/{agent['id']}")
    admin.refused("GET", f"/agents/{agent['id']}", 404, "AgentNotFound")
    world.cloud.run(world.cloud.cloud.hub.beat("host"))
    assert len(admin.get("/agents")["agents"]) == 3


def test_who_serves_a_network(admin, demo, eventually):
    network = demo.network()
    demo.subnet(network)
    path = f"/networks/{network['id']}/dhcp-agents"
    assert admin.get(path) == {"agents": []}
    admin.port(network, **{"binding:host_id": "host", "device_owner": "compute:nova"})
    agent = admin.get(path)["agents"][0]
    assert agent["agent_type"] == "DHCP agent"
    served = admin.get(f"/agents/{agent['id']}/dhcp-networks")["networks"]
    assert [each["id"] for each in served] == [network["id"]]


def test_zones(demo):
    zones = demo.get("/availability_zones")["availability_zones"]
    assert sorted(each["resource"] for each in zones) == ["network", "router"]
    assert all(each["name"] == "nova" and each["state"] == "available" for each in zones)


def test_service_providers(demo):
    assert demo.get("/service-providers")["service_providers"][0]["service_type"] == "L3_ROUTER_NAT"


# quotas


@pytest.fixture
def project(demo) -> str:
    return demo.network()["project_id"]


def test_quotas_as_they_are(admin, project):
    quota = admin.get(f"/quotas/{project}")["quota"]
    assert quota == {
        "network": 100,
        "subnet": 100,
        "subnetpool": -1,
        "port": 500,
        "router_route": 30,
        "router": 10,
        "floatingip": 50,
        "rbac_policy": 10,
        "security_group": 10,
        "security_group_rule": 100,
        "trunk": -1,
    }
    assert admin.get(f"/quotas/{project}/default")["quota"] == quota
    assert admin.get("/quotas") == {"quotas": []}


def test_quotas_are_changed_and_reset(admin, project):
    assert admin.put(f"/quotas/{project}", {"quota": {"network": 7, "port": "-1"}})["quota"]["network"] == 7
    listed = admin.get("/quotas")["quotas"]
    assert [(each["project_id"], each["network"], each["port"]) for each in listed] == [(project, 7, -1)]
    details = admin.get(f"/quotas/{project}/details.json")["quota"]
    assert details["network"] == {"limit": 7, "used": 1, "reserved": 0}
    admin.delete(f"/quotas/{project}")
    assert admin.get(f"/quotas/{project}")["quota"]["network"] == 100
    admin.refused("DELETE", f"/quotas/{project}", 404, "TenantQuotaNotFound")


@pytest.mark.parametrize(
    "quota", [{"nope": 1}, {"network": -2}, {"network": "x"}, {"network": True}, {"network": None}]
)
def test_quotas_that_cannot_be(admin, project, quota):
    admin.refused("PUT", f"/quotas/{project}", 400, "HTTPBadRequest", {"quota": quota})


def test_a_limit_below_what_is_used_is_refused_when_asked_to(admin, demo, project):
    demo.network()
    admin.refused(
        "PUT", f"/quotas/{project}", 400, "InvalidInput", {"quota": {"network": 1, "check_limit": True}}
    )
    admin.put(f"/quotas/{project}", {"quota": {"network": 1}})


def test_quotas_are_not_everybodys(demo, other, project):
    demo.refused("PUT", f"/quotas/{project}", 403, "PolicyNotAuthorized", {"quota": {"network": 1000}})
    other.refused("GET", f"/quotas/{project}", 403, "PolicyNotAuthorized")


# how full networks are


def test_how_full_a_network_is(admin, demo):
    network = demo.network(name="n")
    subnet = demo.subnet(network, "10.0.0.0/29")
    demo.port(network)
    found = admin.get("/network-ip-availabilities", network_id=network["id"])["network_ip_availabilities"]
    assert found == [admin.get(f"/network-ip-availabilities/{network['id']}")["network_ip_availability"]]
    assert (found[0]["network_name"], found[0]["used_ips"], found[0]["total_ips"]) == ("n", 2, 5)
    part = found[0]["subnet_ip_availability"][0]
    assert part["subnet_id"] == subnet["id"] and part["cidr"] == "10.0.0.0/29" and part["used_ips"] == 2
    assert part["ip_availability_details"] == {
        "total_ips_in_subnet": 6,
        "total_ips_in_allocation_pool": 5,
        "used_ips_in_subnet": 2,
        "used_ips_in_allocation_pool": 2,
    }
    assert demo.get("/network-ip-availabilities") == {"network_ip_availabilities": []}
