"""Subnet pools, address scopes, and the topology that is made of them by itself."""

from __future__ import annotations

import pytest


def pool(caller, expected: int = 201, **values):
    body = {"subnetpool": {"name": "p", "prefixes": ["10.10.0.0/16"]} | values}
    return caller.post("/subnetpools", body, expected)["subnetpool"]


def cut(caller, network, expected: int = 201, **values):
    body = {"subnet": {"network_id": network["id"], "ip_version": 4} | values}
    return caller.post("/subnets", body, expected)["subnet"]


def test_a_new_pool_has_what_clients_expect(demo):
    made = pool(demo, prefixes=["10.10.0.0/17", "10.10.128.0/17"], default_prefixlen="26")
    assert made["prefixes"] == ["10.10.0.0/16"] and made["ip_version"] == 4
    assert (made["min_prefixlen"], made["default_prefixlen"], made["max_prefixlen"]) == ("8", "26", "32")
    assert made["shared"] is False and made["is_default"] is False
    assert made["default_quota"] is None and made["address_scope_id"] is None and made["tags"] == []


def test_subnets_are_cut_where_they_fit(demo):
    made = pool(demo, default_prefixlen=24)
    network = demo.network()
    first = cut(demo, network, subnetpool_id=made["id"])
    second = cut(demo, network, subnetpool_id=made["id"], prefixlen=25)
    third = cut(demo, network, subnetpool_id=made["id"])
    assert [each["cidr"] for each in (first, second, third)] == [
        "10.10.0.0/24",
        "10.10.1.0/25",
        "10.10.2.0/24",
    ]
    assert first["subnetpool_id"] == made["id"] and first["gateway_ip"] == "10.10.0.1"
    demo.delete(f"/subnets/{first['id']}")
    assert cut(demo, demo.network(), subnetpool_id=made["id"])["cidr"] == "10.10.0.0/24"


def test_a_prefix_of_the_pool_is_chosen_once(demo):
    made = pool(demo)
    network = demo.network()
    assert cut(demo, network, subnetpool_id=made["id"], cidr="10.10.7.0/24")["cidr"] == "10.10.7.0/24"
    for cidr in ("10.10.7.0/25", "192.168.0.0/24"):
        body = {
            "network_id": demo.network()["id"],
            "ip_version": 4,
            "subnetpool_id": made["id"],
            "cidr": cidr,
        }
        demo.refused("POST", "/subnets", 400, "SubnetAllocationError", {"subnet": body})


@pytest.mark.parametrize(
    ("values", "code", "type"),
    [
        ({"prefixlen": 9}, 400, "MinPrefixSubnetAllocationError"),
        ({"prefixlen": 31}, 400, "MaxPrefixSubnetAllocationError"),
        ({"ip_version": 6}, 400, "InvalidInput"),
        ({"subnetpool_id": "11111111-2222-4333-8444-555555555555"}, 404, "SubnetPoolNotFound"),
    ],
)
def test_cuts_that_cannot_be(demo, values, code, type):
    made = pool(demo, min_prefixlen=16, max_prefixlen=30)
    body = {"network_id": demo.network()["id"], "ip_version": 4, "subnetpool_id": made["id"]} | values
    demo.refused("POST", "/subnets", code, type, {"subnet": body})


def test_when_the_pool_is_empty_or_the_quota_is_used(demo):
    small = pool(demo, prefixes=["10.11.0.0/24"], default_prefixlen=25)
    network = demo.network()
    for _ in range(2):
        cut(demo, network, subnetpool_id=small["id"])
    body = {"network_id": network["id"], "ip_version": 4, "subnetpool_id": small["id"]}
    demo.refused("POST", "/subnets", 400, "SubnetAllocationError", {"subnet": body})
    tight = pool(demo, default_quota=256, default_prefixlen=24)
    cut(demo, network, subnetpool_id=tight["id"])
    demo.refused(
        "POST", "/subnets", 409, "SubnetPoolQuotaExceeded", {"subnet": body | {"subnetpool_id": tight["id"]}}
    )


def test_an_ipv6_pool(demo):
    made = pool(demo, prefixes=["fd00:10::/48"])
    subnet = cut(demo, demo.network(), ip_version=6, subnetpool_id=made["id"])
    assert subnet["cidr"] == "fd00:10::/64"


@pytest.mark.parametrize(
    "values",
    [
        {"prefixes": []},
        {"prefixes": ["x"]},
        {"prefixes": ["10.0.0.0/8", "fd00::/48"]},
        {"name": " "},
        {"min_prefixlen": 25, "max_prefixlen": 24},
        {"default_prefixlen": 33},
        {"default_quota": -1},
    ],
)
def test_pools_that_cannot_be(demo, values):
    body = {"subnetpool": {"name": "p", "prefixes": ["10.10.0.0/16"]} | values}
    assert demo.api.post("/subnetpools", json=body).status_code == 400


def test_a_pool_in_use_stays(demo):
    made = pool(demo)
    subnet = cut(demo, demo.network(), subnetpool_id=made["id"], prefixlen=24)
    path = f"/subnetpools/{made['id']}"
    demo.refused("DELETE", path, 409, "SubnetPoolDeleteError")
    demo.refused(
        "PUT", path + "/remove_prefixes", 409, "IllegalSubnetPoolPrefixUpdate", {"prefixes": ["10.10.0.0/24"]}
    )
    demo.delete(f"/subnets/{subnet['id']}")
    demo.delete(path)


def test_prefixes_are_added_and_removed(demo):
    made = pool(demo)
    path = f"/subnetpools/{made['id']}"
    assert demo.put(path + "/add_prefixes", {"prefixes": ["10.11.0.0/16"]}) == {"prefixes": ["10.10.0.0/15"]}
    assert demo.put(path + "/remove_prefixes", {"prefixes": ["10.10.0.0/16"]}) == {
        "prefixes": ["10.11.0.0/16"]
    }
    demo.refused(
        "PUT", path, 400, "IllegalSubnetPoolPrefixUpdate", {"subnetpool": {"prefixes": ["10.99.0.0/16"]}}
    )


def test_the_default_pool_is_there_and_shared(demo):
    found = demo.get("/subnetpools", is_default="true")["subnetpools"]
    assert [each["prefixes"] for each in found] == [["10.0.0.0/22"]]
    subnet = cut(demo, demo.network(), use_default_subnetpool=True)
    assert subnet["cidr"] == "10.0.0.0/26" and subnet["subnetpool_id"] == found[0]["id"]


def test_only_an_administrator_shares_pools(demo):
    demo.refused(
        "POST",
        "/subnetpools",
        403,
        "PolicyNotAuthorized",
        {"subnetpool": {"name": "p", "prefixes": ["10.10.0.0/16"], "shared": True}},
    )


def test_another_projects_pool_does_not_exist(demo, other):
    made = pool(demo)
    other.refused("GET", f"/subnetpools/{made['id']}", 404, "SubnetPoolNotFound")
    body = {"network_id": other.network()["id"], "ip_version": 4, "subnetpool_id": made["id"]}
    other.refused("POST", "/subnets", 404, "SubnetPoolNotFound", {"subnet": body})


# scopes


def scope(caller, **values):
    return caller.post("/address-scopes", {"address_scope": {"name": "s", "ip_version": 4} | values})[
        "address_scope"
    ]


def test_pools_of_a_scope_never_overlap(demo):
    made = scope(demo)
    one = pool(demo, address_scope_id=made["id"])
    demo.refused(
        "POST",
        "/subnetpools",
        409,
        "AddressScopePrefixConflict",
        {"subnetpool": {"name": "q", "prefixes": ["10.10.5.0/24"], "address_scope_id": made["id"]}},
    )
    network = demo.network()
    cut(demo, network, subnetpool_id=one["id"], prefixlen=24)
    assert demo.get(f"/networks/{network['id']}")["network"]["ipv4_address_scope"] == made["id"]
    demo.refused("DELETE", f"/address-scopes/{made['id']}", 409, "AddressScopeInUse")


def test_a_scope_is_of_one_version(demo):
    six = scope(demo, ip_version=6)
    demo.refused(
        "POST",
        "/subnetpools",
        400,
        "IllegalSubnetPoolIpVersionAssociationToAddressScope",
        {"subnetpool": {"name": "q", "prefixes": ["10.10.5.0/24"], "address_scope_id": six["id"]}},
    )


def test_scopes_are_made_renamed_and_deleted(admin, demo, other):
    made = scope(demo)
    path = f"/address-scopes/{made['id']}"
    assert made["shared"] is False and made["ip_version"] == 4
    assert demo.put(path, {"address_scope": {"name": "t"}})["address_scope"]["name"] == "t"
    other.refused("GET", path, 404, "AddressScopeNotFound")
    demo.refused("PUT", path, 403, "PolicyNotAuthorized", {"address_scope": {"shared": True}})
    admin.put(path, {"address_scope": {"shared": True}})
    assert other.get(path)["address_scope"]["shared"] is True
    demo.delete(path)


# the topology that just works


def test_a_topology_is_made_at_the_first_asking(demo, public):
    project = demo.network()["project_id"]
    path = f"/auto-allocated-topology/{project}"
    made = demo.get(path)["auto_allocated_topology"]
    assert made["tenant_id"] == project
    network = demo.get(f"/networks/{made['id']}")["network"]
    assert network["name"] == "auto_allocated_network" and len(network["subnets"]) == 1
    router = demo.get("/routers", name="auto_allocated_router")["routers"][0]
    assert router["external_gateway_info"]["network_id"] == public["id"]
    assert demo.get(path)["auto_allocated_topology"] == made
    port = demo.port(network)
    demo.post("/floatingips", {"floatingip": {"floating_network_id": public["id"], "port_id": port["id"]}})


def test_a_topology_is_taken_down(demo):
    project = demo.network(name="other")["project_id"]
    path = f"/auto-allocated-topology/{project}"
    assert demo.get(path, fields="dry-run")["auto_allocated_topology"]["id"] == "dry-run=pass"
    made = demo.get(path)["auto_allocated_topology"]
    port = demo.port(made)
    demo.refused("DELETE", path, 409, "NetworkInUse")
    demo.delete(f"/ports/{port['id']}")
    demo.delete(path)
    assert demo.get("/routers")["routers"] == []
    demo.refused("GET", f"/networks/{made['id']}", 404, "NetworkNotFound")
    demo.refused("DELETE", path, 404, "AutoAllocatedTopologyNotFound")


def test_only_the_owner_puts_pools_into_a_scope_shared_with_all(admin, demo):
    made = scope(admin, shared=True)
    demo.refused(
        "POST",
        "/subnetpools",
        400,
        "IllegalSubnetPoolAssociationToAddressScope",
        {"subnetpool": {"name": "q", "prefixes": ["10.10.5.0/24"], "address_scope_id": made["id"]}},
    )


def test_a_topology_needs_an_outside(admin, demo, public):
    project = demo.network()["project_id"]
    admin.put(f"/networks/{public['id']}", {"network": {"is_default": False}})
    words = demo.refused("GET", f"/auto-allocated-topology/{project}", 409, "AutoAllocationFailure")
    assert "external network" in words


def test_the_rules_of_new_groups_can_be_read(demo):
    found = demo.get("/default-security-group-rules")["default_security_group_rules"]
    assert len(found) == 4
    assert {each["remote_group_id"] for each in found if each["direction"] == "ingress"} == {"PARENT"}
    one = demo.get(f"/default-security-group-rules/{found[0]['id']}")
    assert one["default_security_group_rule"] == found[0]
