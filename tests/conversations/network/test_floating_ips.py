"""Floating IPs: addresses held, hung and taken down."""

from __future__ import annotations

import pytest


@pytest.fixture
def network(demo):
    return demo.network(name="inside")


@pytest.fixture
def subnet(demo, network):
    return demo.subnet(network, "10.1.0.0/24")


@pytest.fixture
def router(demo, public, subnet):
    router = demo.router(external_gateway_info={"network_id": public["id"]})
    demo.join(router, subnet)
    return router


def make(caller, public, expected=201, **values):
    body = {"floatingip": {"floating_network_id": public["id"]} | values}
    return caller.post("/floatingips", body, expected)["floatingip"]


def path(floating_ip) -> str:
    return f"/floatingips/{floating_ip['id']}"


def test_a_new_floating_ip_has_what_clients_expect(admin, demo, public):
    made = make(demo, public, description="d")
    assert made["status"] == "DOWN" and made["description"] == "d" and made["revision_number"] == 0
    assert made["port_id"] is None and made["fixed_ip_address"] is None and made["router_id"] is None
    assert made["port_details"] is None and made["qos_policy_id"] is None and made["tags"] == []
    assert made["floating_ip_address"].startswith("172.24.4.")
    holder = admin.get("/ports", device_id=made["id"])["ports"][0]
    assert holder["device_owner"] == "network:floatingip" and holder["project_id"] == ""


def test_hung_on_a_port_it_becomes_active(world, admin, demo, public, network, router, eventually):
    port = demo.port(network, name="p")
    made = make(demo, public, port_id=port["id"])
    assert made["router_id"] == router["id"]
    assert made["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    assert made["port_details"] == {
        "name": "p",
        "network_id": network["id"],
        "mac_address": port["mac_address"],
        "admin_state_up": True,
        "status": "DOWN",
        "device_id": "",
        "device_owner": "",
    }
    eventually(lambda: demo.get(path(made))["floatingip"]["status"] == "ACTIVE")
    part = world.cloud.world()["parts"][f"router/{router['id']}"]
    assert part["floating_ips"] == [
        {"id": made["id"], "floating_ip": made["floating_ip_address"], "fixed_ip": made["fixed_ip_address"]}
    ]
    down = demo.put(path(made), {"floatingip": {"port_id": None}})["floatingip"]
    assert down["status"] == "DOWN" and down["port_id"] is None and down["router_id"] is None
    eventually(lambda: world.cloud.world()["parts"][f"router/{router['id']}"]["floating_ips"] == [])


def test_it_moves_from_port_to_port(demo, public, network, router):
    one, two = demo.port(network), demo.port(network)
    made = make(demo, public, port_id=one["id"])
    moved = demo.put(path(made), {"floatingip": {"port_id": two["id"]}})["floatingip"]
    assert moved["port_id"] == two["id"] and moved["fixed_ip_address"] == two["fixed_ips"][0]["ip_address"]
    demo.delete(f"/ports/{two['id']}")
    left = demo.get(path(made))["floatingip"]
    assert left["port_id"] is None and left["status"] == "DOWN"


def test_a_description_alone_changes_nothing_else(demo, public, network, router):
    port = demo.port(network)
    made = make(demo, public, port_id=port["id"])
    changed = demo.put(path(made), {"floatingip": {"description": "x"}})["floatingip"]
    assert changed["description"] == "x" and changed["port_id"] == port["id"]


def test_an_empty_change_takes_it_down(demo, public, network, router):
    made = make(demo, public, port_id=demo.port(network)["id"])
    assert demo.put(path(made), {"floatingip": {}})["floatingip"]["port_id"] is None


def test_one_address_has_one_floating_ip(demo, public, network, router):
    port = demo.port(network)
    made = make(demo, public, port_id=port["id"])
    words = demo.refused(
        "POST",
        "/floatingips",
        409,
        "FloatingIPPortAlreadyAssociated",
        {"floatingip": {"floating_network_id": public["id"], "port_id": port["id"]}},
    )
    assert port["id"] in words
    demo.put(path(made), {"floatingip": {"port_id": port["id"]}})


def test_a_port_with_two_addresses_must_say_which(demo, public, network, subnet, router):
    port = demo.port(network, fixed_ips=[{"subnet_id": subnet["id"]}, {"subnet_id": subnet["id"]}])
    second = port["fixed_ips"][1]["ip_address"]
    body = {"floatingip": {"floating_network_id": public["id"], "port_id": port["id"]}}
    demo.refused("POST", "/floatingips", 400, "BadRequest", body)
    assert make(demo, public, port_id=port["id"], fixed_ip_address=second)["fixed_ip_address"] == second
    body["floatingip"]["fixed_ip_address"] = "10.1.0.250"
    demo.refused("POST", "/floatingips", 400, "BadRequest", body)


def test_a_port_out_of_reach(demo, public, network, subnet):
    port = demo.port(network)
    demo.refused(
        "POST",
        "/floatingips",
        404,
        "ExternalGatewayForFloatingIPNotFound",
        {"floatingip": {"floating_network_id": public["id"], "port_id": port["id"]}},
    )
    assert demo.get("/floatingips")["floatingips"] == []


def test_what_cannot_be(demo, public, network):
    demo.refused(
        "POST", "/floatingips", 400, "BadRequest", {"floatingip": {"floating_network_id": network["id"]}}
    )
    demo.refused("POST", "/floatingips", 400, "HTTPBadRequest", {"floatingip": {}})
    demo.refused("POST", "/floatingips", 400, "HTTPBadRequest", {"floatingip": {"floating_network_id": "x"}})
    missing = "11111111-2222-4333-8444-555555555555"
    demo.refused(
        "POST", "/floatingips", 404, "NetworkNotFound", {"floatingip": {"floating_network_id": missing}}
    )
    demo.refused(
        "POST",
        "/floatingips",
        404,
        "PortNotFound",
        {"floatingip": {"floating_network_id": public["id"], "port_id": missing}},
    )
    demo.refused(
        "POST",
        "/floatingips",
        400,
        "BadRequest",
        {"floatingip": {"floating_network_id": public["id"], "fixed_ip_address": "10.1.0.9"}},
    )


def test_choosing_the_address_asks_for_more(admin, demo, public):
    body = {"floatingip": {"floating_network_id": public["id"], "floating_ip_address": "172.24.4.200"}}
    demo.refused("POST", "/floatingips", 403, "PolicyNotAuthorized", body)
    assert admin.post("/floatingips", body)["floatingip"]["floating_ip_address"] == "172.24.4.200"
    admin.refused("POST", "/floatingips", 409, "IpAddressAlreadyAllocated", body)
    body["floatingip"]["floating_ip_address"] = "9.9.9.9"
    admin.refused("POST", "/floatingips", 400, "InvalidIpForNetwork", body)


def test_when_the_outside_is_full(admin, demo):
    network = admin.network(**{"router:external": True})
    admin.subnet(network, "203.0.113.0/30", enable_dhcp=False)
    make(demo, network)
    demo.refused(
        "POST",
        "/floatingips",
        409,
        "ExternalIpAddressExhausted",
        {"floatingip": {"floating_network_id": network["id"]}},
    )


def test_another_projects_floating_ip_does_not_exist(demo, other, public):
    made = make(demo, public)
    other.refused("GET", path(made), 404, "FloatingIPNotFound")
    other.refused("PUT", path(made), 404, "FloatingIPNotFound", {"floatingip": {"port_id": None}})
    other.refused("DELETE", path(made), 404, "FloatingIPNotFound")
    assert other.get("/floatingips")["floatingips"] == []


def test_another_projects_port_takes_none(demo, other, public, network, router):
    port = demo.port(network)
    other.refused(
        "POST",
        "/floatingips",
        404,
        "PortNotFound",
        {"floatingip": {"floating_network_id": public["id"], "port_id": port["id"]}},
    )


def test_it_keeps_gateway_and_interface(demo, public, network, subnet, router):
    made = make(demo, public, port_id=demo.port(network)["id"])
    demo.refused(
        "PUT",
        f"/routers/{router['id']}",
        409,
        "RouterExternalGatewayInUseByFloatingIp",
        {"router": {"external_gateway_info": None}},
    )
    demo.refused(
        "PUT",
        f"/routers/{router['id']}/remove_router_interface",
        409,
        "RouterInterfaceInUseByFloatingIP",
        {"subnet_id": subnet["id"]},
    )
    demo.delete(path(made))
    demo.put(f"/routers/{router['id']}", {"router": {"external_gateway_info": None}})


def test_deleting_gives_the_address_back(admin, demo, public):
    made = make(demo, public)
    demo.delete(path(made))
    demo.refused("GET", path(made), 404, "FloatingIPNotFound")
    assert admin.get("/ports", device_id=made["id"])["ports"] == []
    admin.post(
        "/floatingips",
        {
            "floatingip": {
                "floating_network_id": public["id"],
                "floating_ip_address": made["floating_ip_address"],
            }
        },
    )


def test_unused_ones_go_with_their_network(admin, demo, network):
    outside = admin.network(**{"router:external": True})
    admin.subnet(outside, "203.0.113.0/24", enable_dhcp=False)
    made = make(demo, outside)
    admin.delete(f"/networks/{outside['id']}")
    demo.refused("GET", path(made), 404, "FloatingIPNotFound")


def test_the_quota_ends_it(admin, demo, public):
    made = make(demo, public)
    admin.put(f"/quotas/{made['project_id']}", {"quota": {"floatingip": 1}})
    demo.refused(
        "POST", "/floatingips", 409, "OverQuota", {"floatingip": {"floating_network_id": public["id"]}}
    )


def test_filters(demo, public, network, router):
    port = demo.port(network)
    hung = make(demo, public, port_id=port["id"])
    make(demo, public)
    for name in ("floating_ip_address", "port_id", "router_id", "fixed_ip_address"):
        assert [each["id"] for each in demo.get("/floatingips", **{name: hung[name]})["floatingips"]] == [
            hung["id"]
        ]
