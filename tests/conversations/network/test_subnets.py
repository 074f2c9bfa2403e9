"""Subnets: addresses to give, what they may not overlap, what follows from them."""

from __future__ import annotations

import pytest


def body(network, **values):
    return {"subnet": {"network_id": network["id"], "ip_version": 4} | values}


def test_a_new_subnet_has_what_clients_expect(demo):
    network = demo.network()
    subnet = demo.subnet(network, "10.77.0.0/24", name="s")
    assert subnet["gateway_ip"] == "10.77.0.1"
    assert subnet["allocation_pools"] == [{"start": "10.77.0.2", "end": "10.77.0.254"}]
    assert subnet["enable_dhcp"] is True
    assert subnet["host_routes"] == subnet["dns_nameservers"] == subnet["service_types"] == []
    assert subnet["ipv6_ra_mode"] is None and subnet["subnetpool_id"] is None and subnet["segment_id"] is None
    assert subnet["revision_number"] == 0
    seen = demo.get(f"/networks/{network['id']}")["network"]
    assert seen["subnets"] == [subnet["id"]]
    assert seen["revision_number"] == 2


def test_a_cidr_is_cut_to_its_prefix(demo):
    assert demo.subnet(demo.network(), "10.0.0.7/24")["cidr"] == "10.0.0.0/24"


def test_subnets_of_a_network_never_overlap(demo):
    network = demo.network()
    demo.subnet(network, "10.77.0.0/24")
    words = demo.refused("POST", "/subnets", 400, "InvalidInput", body(network, cidr="10.77.0.0/25"))
    assert words == (
        f"Invalid input for operation: Requested subnet with cidr: 10.77.0.0/25 for network: "
        f"{network['id']} overlaps with another subnet."
    )
    demo.subnet(demo.network(), "10.77.0.0/24")


@pytest.mark.parametrize(
    ("values", "type"),
    [
        ({"cidr": "nope"}, "HTTPBadRequest"),
        ({"cidr": "10.0.0.0"}, "HTTPBadRequest"),
        ({"cidr": "0.0.0.0/0"}, "InvalidInput"),
        ({"cidr": "fd00::/64"}, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "ip_version": 5}, "HTTPBadRequest"),
        ({"cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.0"}, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.255"}, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "gateway_ip": "fd00::1"}, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "ipv6_ra_mode": "slaac"}, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "dns_nameservers": ["x"]}, "HTTPBadRequest"),
        (
            {"cidr": "10.0.0.0/24", "dns_nameservers": [f"1.1.1.{n}" for n in range(6)]},
            "DNSNameServersExhausted",
        ),
        (
            {"cidr": "10.0.0.0/24", "host_routes": [{"destination": "x", "nexthop": "10.0.0.9"}]},
            "HTTPBadRequest",
        ),
        (
            {"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.0.9", "end": "10.0.0.2"}]},
            "InvalidAllocationPool",
        ),
        (
            {"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.1.2", "end": "10.0.1.9"}]},
            "OutOfBoundsAllocationPool",
        ),
        ({}, "BadRequest"),
    ],
)
def test_subnets_that_cannot_be(demo, values, type):
    demo.refused("POST", "/subnets", 400, type, body(demo.network(), **values))


def test_pools_that_conflict(demo):
    network = demo.network()
    pools = [{"start": "10.0.0.2", "end": "10.0.0.9"}, {"start": "10.0.0.9", "end": "10.0.0.20"}]
    demo.refused(
        "POST",
        "/subnets",
        409,
        "OverlappingAllocationPools",
        body(network, cidr="10.0.0.0/24", allocation_pools=pools),
    )
    demo.refused(
        "POST",
        "/subnets",
        409,
        "GatewayConflictWithAllocationPools",
        body(network, cidr="10.0.0.0/24", gateway_ip="10.0.0.5", allocation_pools=pools[:1]),
    )


def test_a_gateway_in_the_middle_parts_the_pool(demo):
    subnet = demo.subnet(demo.network(), "10.0.0.0/29", gateway_ip="10.0.0.3")
    assert subnet["allocation_pools"] == [
        {"start": "10.0.0.1", "end": "10.0.0.2"},
        {"start": "10.0.0.4", "end": "10.0.0.6"},
    ]


def test_without_a_gateway(demo):
    subnet = demo.subnet(demo.network(), "10.0.0.0/29", gateway_ip=None)
    assert subnet["gateway_ip"] is None
    assert subnet["allocation_pools"] == [{"start": "10.0.0.1", "end": "10.0.0.6"}]


def test_dhcp_has_a_port_of_its_own(admin, demo):
    network = demo.network()
    one = demo.subnet(network, "10.0.0.0/24")
    two = demo.subnet(network, "10.0.1.0/24")
    ports = demo.get("/ports", network_id=network["id"], device_owner="network:dhcp")["ports"]
    assert len(ports) == 1
    assert {each["subnet_id"] for each in ports[0]["fixed_ips"]} == {one["id"], two["id"]}
    demo.put(f"/subnets/{one['id']}", {"subnet": {"enable_dhcp": False}})
    demo.delete(f"/subnets/{two['id']}")
    assert demo.get("/ports", network_id=network["id"])["ports"] == []
    demo.put(f"/subnets/{one['id']}", {"subnet": {"enable_dhcp": True}})
    assert len(demo.get("/ports", network_id=network["id"])["ports"]) == 1


def test_a_dhcp_port_comes_back(demo):
    network = demo.network()
    demo.subnet(network)
    port = demo.get("/ports", network_id=network["id"])["ports"][0]
    demo.delete(f"/ports/{port['id']}")
    again = demo.get("/ports", network_id=network["id"])["ports"]
    assert [each["device_owner"] for each in again] == ["network:dhcp"]
    assert again[0]["id"] != port["id"]


def test_what_can_be_changed(demo):
    subnet = demo.subnet(demo.network())
    changes = {
        "name": "new",
        "description": "d",
        "dns_nameservers": ["9.9.9.9"],
        "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.7"}],
        "allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.20"}],
        "gateway_ip": "10.0.0.254",
    }
    changed = demo.put(f"/subnets/{subnet['id']}", {"subnet": changes})["subnet"]
    assert {name: changed[name] for name in changes} == changes
    demo.refused(
        "PUT", f"/subnets/{subnet['id']}", 400, "HTTPBadRequest", {"subnet": {"cidr": "10.0.0.0/25"}}
    )
    demo.refused(
        "PUT",
        f"/subnets/{subnet['id']}",
        409,
        "GatewayConflictWithAllocationPools",
        {"subnet": {"gateway_ip": "10.0.0.12"}},
    )


def test_new_pools_are_used(demo):
    network = demo.network()
    subnet = demo.subnet(network)
    demo.put(
        f"/subnets/{subnet['id']}",
        {"subnet": {"allocation_pools": [{"start": "10.0.0.50", "end": "10.0.0.60"}]}},
    )
    assert demo.port(network)["fixed_ips"][0]["ip_address"] == "10.0.0.50"


def test_a_gateway_in_use_stays(demo):
    network = demo.network()
    subnet = demo.subnet(network)
    demo.join(demo.router(), subnet)
    demo.refused(
        "PUT", f"/subnets/{subnet['id']}", 409, "GatewayIpInUse", {"subnet": {"gateway_ip": "10.0.0.99"}}
    )


def test_a_subnet_with_ports_stays(demo):
    network = demo.network()
    subnet = demo.subnet(network)
    port = demo.port(network)
    words = demo.refused("DELETE", f"/subnets/{subnet['id']}", 409, "SubnetInUse")
    assert "One or more ports have an IP allocation from this subnet." in words
    demo.delete(f"/ports/{port['id']}")
    demo.delete(f"/subnets/{subnet['id']}")


def test_only_the_networks_owner_makes_subnets(admin, demo, other):
    shared = admin.network(shared=True)
    demo.refused("POST", "/subnets", 403, "PolicyNotAuthorized", body(shared, cidr="10.0.0.0/24"))
    mine = demo.network()
    other.refused("POST", "/subnets", 403, "PolicyNotAuthorized", body(mine, cidr="10.0.0.0/24"))
    subnet = demo.subnet(mine)
    other.refused("GET", f"/subnets/{subnet['id']}", 404, "SubnetNotFound")


def test_a_network_that_is_not_there(admin):
    missing = {"id": "11111111-2222-4333-8444-555555555555"}
    admin.refused("POST", "/subnets", 404, "NetworkNotFound", body(missing, cidr="10.0.0.0/24"))


def test_many_at_once_or_none(demo):
    network = demo.network()
    two = [
        {"network_id": network["id"], "ip_version": 4, "cidr": cidr}
        for cidr in ("10.0.0.0/24", "10.0.1.0/24")
    ]
    assert len(demo.post("/subnets", {"subnets": two})["subnets"]) == 2
    three = [dict(each, cidr=cidr) for each, cidr in zip(two, ("10.0.2.0/24", "10.0.2.0/25"), strict=True)]
    demo.refused("POST", "/subnets", 400, "InvalidInput", {"subnets": three})
    assert len(demo.get("/subnets", network_id=network["id"])["subnets"]) == 2


# IPv6


def test_an_ipv6_subnet(demo):
    network = demo.network()
    subnet = demo.subnet(network, "fd00:1::/64")
    assert subnet["gateway_ip"] == "fd00:1::1"
    assert subnet["allocation_pools"] == [{"start": "fd00:1::2", "end": "fd00:1::ffff:ffff:ffff:ffff"}]
    assert demo.port(network)["fixed_ips"][0]["ip_address"] == "fd00:1::2"


def test_hosts_of_a_slaac_subnet_make_their_own_addresses(demo):
    network = demo.network()
    before = demo.port(network, mac_address="fa:16:3e:00:00:01")
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    subnet = demo.subnet(network, "fd00:1::/64", **modes)
    after = demo.port(network, mac_address="fa:16:3e:00:00:02")
    assert after["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "fd00:1::f816:3eff:fe00:2"}]
    seen = demo.get(f"/ports/{before['id']}")["port"]["fixed_ips"]
    assert seen == [{"subnet_id": subnet["id"], "ip_address": "fd00:1::f816:3eff:fe00:1"}]
    demo.delete(f"/subnets/{subnet['id']}")
    assert demo.get(f"/ports/{after['id']}")["port"]["fixed_ips"] == []


def test_both_versions_give_an_address_each(demo):
    network = demo.network()
    demo.subnet(network, "10.0.0.0/24")
    demo.subnet(network, "fd00::/64")
    assert len(demo.port(network)["fixed_ips"]) == 2


@pytest.mark.parametrize(
    "values",
    [
        {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"},
        {"ipv6_ra_mode": "slaac", "enable_dhcp": False},
        {"ipv6_address_mode": "slaac", "cidr": "fd00::/80"},
        {"ipv6_ra_mode": "nope"},
    ],
)
def test_ipv6_modes_that_cannot_be(demo, values):
    sent = body(demo.network(), **{"cidr": "fd00::/64", "ip_version": 6} | values)
    assert demo.api.post("/subnets", json=sent).status_code == 400


def test_an_mtu_too_small_for_the_version_is_refused(demo):
    small = demo.network(mtu=1279)
    demo.subnet(small)
    demo.refused(
        "POST",
        "/subnets",
        409,
        "NetworkMTUSubnetConflict",
        {"subnet": {"network_id": small["id"], "ip_version": 6, "cidr": "fd00::/64"}},
    )
    demo.refused("PUT", f"/networks/{small['id']}", 409, "NetworkMTUSubnetConflict", {"network": {"mtu": 67}})


def test_service_types_keep_a_subnet_for_their_ports(demo):
    network = demo.network()
    demo.subnet(network, "10.1.0.0/24", service_types=["test:one"])
    two = demo.subnet(network, "10.2.0.0/24", service_types=["test:two"])
    port = demo.port(network, device_owner="test:two")
    assert [each["subnet_id"] for each in port["fixed_ips"]] == [two["id"]]
    demo.refused(
        "POST",
        "/ports",
        409,
        "IpAddressGenerationFailureNoMatchingSubnet",
        {"port": {"network_id": network["id"], "device_owner": "test:three"}},
    )
