"""Routers: gateways, interfaces, routes, and what keeps them alive."""

from __future__ import annotations

import pytest


@pytest.fixture
def subnet(demo):
    return demo.subnet(demo.network(), "10.1.0.0/24")


@pytest.fixture
def router(demo, public):
    return demo.router(name="r", external_gateway_info={"network_id": public["id"]})


def path(router, verb: str = "") -> str:
    return f"/routers/{router['id']}" + (f"/{verb}" if verb else "")


def test_a_new_router_has_what_clients_expect(demo):
    router = demo.router(name="r")
    assert router["status"] == "ACTIVE" and router["admin_state_up"] is True
    assert router["external_gateway_info"] is None
    assert router["routes"] == router["availability_zone_hints"] == router["tags"] == []
    assert router["flavor_id"] is None
    assert "ha" not in router and "distributed" not in router


def test_a_gateway_takes_an_address_outside(admin, router, public):
    info = router["external_gateway_info"]
    assert info["network_id"] == public["id"] and info["enable_snat"] is True
    assert info["external_fixed_ips"][0]["subnet_id"] == public["subnets"][0]
    port = admin.get("/ports", device_id=router["id"])["ports"][0]
    assert port["device_owner"] == "network:router_gateway"
    assert port["project_id"] == "" and port["security_groups"] == []
    assert port["fixed_ips"] == info["external_fixed_ips"]


def test_a_gateway_is_taken_away(admin, demo, router):
    changed = demo.put(path(router), {"router": {"external_gateway_info": {}}})["router"]
    assert changed["external_gateway_info"] is None
    assert admin.get("/ports", device_id=router["id"])["ports"] == []


def test_only_an_administrator_chooses_how_it_looks_outside(demo, admin, public):
    for extra in ({"enable_snat": False}, {"external_fixed_ips": [{"ip_address": "172.24.4.50"}]}):
        body = {"router": {"external_gateway_info": {"network_id": public["id"]} | extra}}
        demo.refused("POST", "/routers", 403, "PolicyNotAuthorized", body)
        admin.post("/routers", body)


def test_a_gateway_must_be_external(demo):
    network = demo.network()
    demo.refused(
        "POST",
        "/routers",
        400,
        "BadRequest",
        {"router": {"external_gateway_info": {"network_id": network["id"]}}},
    )
    missing = "11111111-2222-4333-8444-555555555555"
    demo.refused(
        "POST",
        "/routers",
        404,
        "NetworkNotFound",
        {"router": {"external_gateway_info": {"network_id": missing}}},
    )
    demo.refused(
        "POST", "/routers", 400, "HTTPBadRequest", {"router": {"external_gateway_info": {"nope": 1}}}
    )


def test_an_interface_takes_the_gateways_address(demo, router, subnet):
    answer = demo.join(router, subnet)
    port = demo.get(f"/ports/{answer['port_id']}")["port"]
    assert answer == {
        "id": router["id"],
        "project_id": router["project_id"],
        "port_id": port["id"],
        "network_id": subnet["network_id"],
        "subnet_id": subnet["id"],
        "subnet_ids": [subnet["id"]],
    }
    assert port["device_owner"] == "network:router_interface" and port["device_id"] == router["id"]
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.1.0.1"}]


def test_a_subnet_is_joined_once_and_never_overlaps(demo, router, subnet):
    demo.join(router, subnet)
    words = demo.refused(
        "PUT", path(router, "add_router_interface"), 400, "BadRequest", {"subnet_id": subnet["id"]}
    )
    assert "already has a port on subnet" in words
    twin = demo.subnet(demo.network(), "10.1.0.0/16")
    words = demo.refused(
        "PUT", path(router, "add_router_interface"), 400, "BadRequest", {"subnet_id": twin["id"]}
    )
    assert "overlaps" in words


def test_a_subnet_without_a_gateway_cannot_be_joined(demo, router):
    subnet = demo.subnet(demo.network(), "10.5.0.0/24", gateway_ip=None)
    demo.refused("PUT", path(router, "add_router_interface"), 400, "BadRequest", {"subnet_id": subnet["id"]})


def test_an_interface_on_a_given_port(demo, router, subnet):
    port = demo.port({"id": subnet["network_id"]}, fixed_ips=[{"ip_address": "10.1.0.9"}])
    answer = demo.put(path(router, "add_router_interface"), {"port_id": port["id"]})
    assert answer["port_id"] == port["id"] and answer["subnet_id"] == subnet["id"]
    seen = demo.get(f"/ports/{port['id']}")["port"]
    assert seen["device_owner"] == "network:router_interface" and seen["security_groups"] == []
    other = demo.router()
    demo.refused("PUT", path(other, "add_router_interface"), 409, "PortInUse", {"port_id": port["id"]})


@pytest.mark.parametrize(
    "body", [None, {}, {"nope": 1}, {"subnet_id": None}, {"subnet_id": "x"}, {"port_id": 7}, []]
)
def test_interfaces_that_cannot_be(demo, router, body):
    assert demo.api.put(path(router, "add_router_interface"), json=body).status_code == 400


def test_an_interface_is_removed_by_subnet_or_port(demo, router, subnet):
    answer = demo.join(router, subnet)
    assert demo.put(path(router, "remove_router_interface"), {"subnet_id": subnet["id"]}) == answer
    demo.refused("GET", f"/ports/{answer['port_id']}", 404, "PortNotFound")
    answer = demo.join(router, subnet)
    demo.put(path(router, "remove_router_interface"), {"port_id": answer["port_id"]})
    demo.refused(
        "PUT",
        path(router, "remove_router_interface"),
        404,
        "RouterInterfaceNotFoundForSubnet",
        {"subnet_id": subnet["id"]},
    )
    demo.refused(
        "PUT",
        path(router, "remove_router_interface"),
        404,
        "RouterInterfaceNotFound",
        {"port_id": answer["port_id"]},
    )


def test_a_router_with_interfaces_stays(demo, router, subnet):
    answer = demo.join(router, subnet)
    words = demo.refused("DELETE", path(router), 409, "RouterInUse")
    assert words == f"Router {router['id']} has ports still attached: {answer['port_id']}"
    demo.put(path(router, "remove_router_interface"), {"subnet_id": subnet["id"]})
    demo.delete(path(router))
    demo.refused("GET", path(router), 404, "RouterNotFound")


def test_its_ports_are_not_deleted_by_hand(admin, demo, router, subnet):
    answer = demo.join(router, subnet)
    demo.refused("DELETE", f"/ports/{answer['port_id']}", 409, "ServicePortInUse")
    gateway = admin.get("/ports", device_owner="network:router_gateway")["ports"][0]
    admin.refused("DELETE", f"/ports/{gateway['id']}", 409, "ServicePortInUse")
    demo.refused("DELETE", f"/networks/{subnet['network_id']}", 409, "NetworkInUse")


def test_routes(demo, router, subnet):
    demo.join(router, subnet)
    one = {"destination": "10.9.0.0/24", "nexthop": "10.1.0.9"}
    two = {"destination": "10.8.0.0/24", "nexthop": "10.1.0.9"}
    assert demo.put(path(router), {"router": {"routes": [one]}})["router"]["routes"] == [one]
    added = demo.put(path(router, "add_extraroutes"), {"router": {"routes": [one, two]}})
    assert added["router"]["routes"] == [one, two]
    left = demo.put(path(router, "remove_extraroutes"), {"router": {"routes": [one]}})
    assert left["router"]["routes"] == [two]
    demo.refused(
        "PUT",
        path(router, "remove_router_interface"),
        409,
        "RouterInterfaceInUseByRoute",
        {"subnet_id": subnet["id"]},
    )
    for nexthop, why in (("192.168.0.1", "not connected"), ("10.1.0.1", "used by router")):
        words = demo.refused(
            "PUT", path(router), 400, "InvalidRoutes", {"router": {"routes": [dict(one, nexthop=nexthop)]}}
        )
        assert why in words
    demo.refused("PUT", path(router), 400, "HTTPBadRequest", {"router": {"routes": [{"destination": "x"}]}})
    assert demo.put(path(router), {"router": {"routes": []}})["router"]["routes"] == []


def test_another_projects_router_does_not_exist(demo, other, router):
    other.refused("GET", path(router), 404, "RouterNotFound")
    other.refused("PUT", path(router), 404, "RouterNotFound", {"router": {"name": "x"}})
    other.refused("PUT", path(router, "add_router_interface"), 404, "RouterNotFound", {"subnet_id": "x"})
    other.refused("DELETE", path(router), 404, "RouterNotFound")


def test_the_quota_ends_it(admin, demo):
    router = demo.router()
    admin.put(f"/quotas/{router['project_id']}", {"quota": {"router": 1}})
    demo.refused("POST", "/routers", 409, "OverQuota", {"router": {}})


def test_a_host_carries_it_and_its_ports_become_active(
    world, admin, demo, router, subnet, public, eventually
):
    answer = demo.join(router, subnet)
    eventually(
        lambda: all(
            each["status"] == "ACTIVE" for each in admin.get("/ports", device_id=router["id"])["ports"]
        )
    )
    parts = world.cloud.world()["parts"]
    part = parts[f"router/{router['id']}"]
    assert part["external"]["network_id"] == public["id"]
    assert part["external"]["gateway_ip"] == "172.24.4.1" and part["external"]["enable_snat"] is True
    assert part["external"]["ips"][0]["prefix"] == 24
    assert [each["port_id"] for each in part["interfaces"]] == [answer["port_id"]]
    assert part["interfaces"][0]["ips"] == [{"subnet_id": subnet["id"], "ip": "10.1.0.1", "prefix": 24}]
    assert {f"network/{public['id']}", f"network/{subnet['network_id']}"} <= set(parts)
    agents = admin.get(path(router, "l3-agents"))["agents"]
    assert [each["host"] for each in agents] == ["host"]
    demo.put(path(router, "remove_router_interface"), {"subnet_id": subnet["id"]})
    demo.delete(path(router))
    eventually(lambda: not world.cloud.world()["parts"])


def test_a_change_reaches_the_host(world, demo, router, subnet, eventually):
    demo.join(router, subnet)
    demo.put(path(router), {"router": {"admin_state_up": False, "name": "off"}})

    def part():
        return world.cloud.world()["parts"].get(f"router/{router['id']}", {})

    eventually(lambda: part().get("admin_up") is False and part()["name"] == "off")
