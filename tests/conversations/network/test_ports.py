"""Ports: what they get, what may be chosen by whom, and how they become ACTIVE."""

from __future__ import annotations

import pytest


@pytest.fixture
def network(demo):
    return demo.network(name="n")


@pytest.fixture
def subnet(demo, network):
    return demo.subnet(network)


def addresses(port) -> list[str]:
    return [each["ip_address"] for each in port["fixed_ips"]]


def test_a_new_port_has_what_clients_expect(admin, demo, network, subnet):
    port = demo.port(network, name="p")
    assert port["status"] == "DOWN" and port["admin_state_up"] is True
    assert port["device_id"] == port["device_owner"] == port["description"] == ""
    assert port["mac_address"].startswith("fa:16:3e:")
    assert port["fixed_ips"][0]["subnet_id"] == subnet["id"]
    assert port["allowed_address_pairs"] == port["extra_dhcp_opts"] == port["tags"] == []
    assert port["port_security_enabled"] is True
    assert port["binding:vnic_type"] == "normal"
    assert "binding:host_id" not in port
    default = demo.get("/security-groups", name="default")["security_groups"][0]
    assert port["security_groups"] == [default["id"]]
    seen = admin.get(f"/ports/{port['id']}")["port"]
    assert seen["binding:host_id"] == "" and seen["binding:vif_type"] == "unbound"
    assert seen["binding:profile"] == seen["binding:vif_details"] == {}


def test_addresses_are_given_in_turn_and_not_at_once_again(demo, network, subnet):
    first, second = demo.port(network), demo.port(network)
    assert addresses(first) != addresses(second)
    demo.delete(f"/ports/{second['id']}")
    assert addresses(demo.port(network)) not in (addresses(first), addresses(second))


def test_a_network_without_subnets_gives_none(demo, network):
    assert demo.port(network)["fixed_ips"] == []


def test_an_address_is_chosen(demo, network, subnet):
    assert addresses(demo.port(network, fixed_ips=[{"ip_address": "10.0.0.77"}])) == ["10.0.0.77"]
    words = demo.refused(
        "POST",
        "/ports",
        409,
        "IpAddressAlreadyAllocated",
        {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.0.0.77"}]}},
    )
    assert words == f"IP address 10.0.0.77 already allocated in subnet {subnet['id']}"


def test_chosen_and_given_addresses_of_one_port_do_not_meet(demo, network, subnet):
    port = demo.port(network, fixed_ips=[{"subnet_id": subnet["id"]}, {"ip_address": "10.0.0.3"}])
    assert sorted(addresses(port))[0] == "10.0.0.3" and len(set(addresses(port))) == 2


@pytest.mark.parametrize(
    ("fixed_ips", "type"),
    [
        ([{"ip_address": "192.168.0.1"}], "InvalidIpForNetwork"),
        ([{"ip_address": "10.0.0.255"}], "InvalidIpForSubnet"),
        ([{"ip_address": "10.0.0.0"}], "InvalidIpForSubnet"),
        ([{"ip_address": "nope"}], "HTTPBadRequest"),
        ([{"subnet_id": "nope"}], "HTTPBadRequest"),
        ([{"subnet_id": "11111111-2222-4333-8444-555555555555"}], "InvalidInput"),
        ([{}], "HTTPBadRequest"),
        ("10.0.0.7", "HTTPBadRequest"),
        ([{"ip_address": "10.0.0.7"}, {"ip_address": "10.0.0.7"}], "HTTPBadRequest"),
    ],
)
def test_addresses_that_cannot_be(demo, network, subnet, fixed_ips, type):
    demo.refused("POST", "/ports", 400, type, {"port": {"network_id": network["id"], "fixed_ips": fixed_ips}})


def test_when_all_addresses_are_taken(demo, network):
    demo.subnet(network, "10.0.0.0/29")
    ports = [demo.port(network) for _ in range(4)]
    words = demo.refused(
        "POST", "/ports", 409, "IpAddressGenerationFailure", {"port": {"network_id": network["id"]}}
    )
    assert words == f"No more IP addresses available on network {network['id']}."
    demo.delete(f"/ports/{ports[1]['id']}")
    assert addresses(demo.port(network)) == addresses(ports[1])


def test_a_second_subnet_helps_when_the_first_is_full(demo, network):
    demo.subnet(network, "10.0.0.0/30", enable_dhcp=False)
    second = demo.subnet(network, "10.0.1.0/24", enable_dhcp=False)
    demo.port(network)
    assert demo.port(network)["fixed_ips"][0]["subnet_id"] == second["id"]


def test_a_mac_is_chosen_once(demo, network):
    assert demo.port(network, mac_address="FA-16-3E-AA-BB-CC")["mac_address"] == "fa:16:3e:aa:bb:cc"
    body = {"port": {"network_id": network["id"], "mac_address": "fa:16:3e:aa:bb:cc"}}
    demo.refused("POST", "/ports", 409, "MacAddressInUse", body)
    demo.port(demo.network(), mac_address="fa:16:3e:aa:bb:cc")
    body["port"]["mac_address"] = "nope"
    demo.refused("POST", "/ports", 400, "HTTPBadRequest", body)


def test_on_a_shared_network_nobody_else_chooses(admin, demo):
    network = admin.network(shared=True)
    admin.subnet(network)
    demo.port(network)
    for name, value in (
        ("mac_address", "fa:16:3e:00:00:01"),
        ("fixed_ips", [{"ip_address": "10.0.0.9"}]),
        ("port_security_enabled", False),
        ("allowed_address_pairs", [{"ip_address": "10.0.0.9"}]),
    ):
        words = demo.refused(
            "POST", "/ports", 403, "PolicyNotAuthorized", {"port": {"network_id": network["id"], name: value}}
        )
        assert name in words


def test_a_subnet_of_a_shared_network_may_be_chosen(admin, demo):
    network = admin.network(shared=True)
    subnet = admin.subnet(network)
    assert demo.port(network, fixed_ips=[{"subnet_id": subnet["id"]}])["fixed_ips"]


def test_the_owner_of_the_network_sees_ports_of_others(admin, demo, other):
    network = demo.network()
    admin.put(f"/networks/{network['id']}", {"network": {"shared": True}})
    guest = other.port(network)
    mine = demo.port(network)
    assert {each["id"] for each in demo.get("/ports")["ports"]} == {guest["id"], mine["id"]}
    assert [each["id"] for each in other.get("/ports")["ports"]] == [guest["id"]]
    assert demo.get(f"/ports/{guest['id']}")["port"]["id"] == guest["id"]
    other.refused("GET", f"/ports/{mine['id']}", 404, "PortNotFound")


def test_another_projects_network_takes_no_ports(demo, other, network):
    other.refused("POST", "/ports", 403, "PolicyNotAuthorized", {"port": {"network_id": network["id"]}})


def test_binding_is_the_administrators(demo, network):
    words = demo.refused(
        "POST",
        "/ports",
        403,
        "PolicyNotAuthorized",
        {"port": {"network_id": network["id"], "binding:host_id": "host"}},
    )
    assert "binding:host_id" in words


def test_groups_are_chosen(demo, other, network):
    group = demo.group()
    port = demo.port(network, security_groups=[group["id"]])
    assert port["security_groups"] == [group["id"]]
    assert demo.port(network, security_groups=[])["security_groups"] == []
    foreign = other.group()
    body = {"port": {"network_id": network["id"], "security_groups": [foreign["id"]]}}
    demo.refused("POST", "/ports", 404, "SecurityGroupNotFound", body)
    found = demo.get("/ports", security_groups=group["id"])["ports"]
    assert [each["id"] for each in found] == [port["id"]]


def test_without_port_security(demo, network, subnet):
    port = demo.port(network, port_security_enabled=False)
    assert port["security_groups"] == []
    path = f"/ports/{port['id']}"
    pairs = {"port": {"allowed_address_pairs": [{"ip_address": "10.0.0.99"}]}}
    demo.refused("PUT", path, 409, "AddressPairAndPortSecurityRequired", pairs)
    group = demo.group()
    demo.refused(
        "PUT",
        path,
        400,
        "PortSecurityAndIPRequiredForSecurityGroups",
        {"port": {"security_groups": [group["id"]]}},
    )
    demo.put(path, {"port": {"port_security_enabled": True, "security_groups": [group["id"]]}})
    demo.refused(
        "PUT", path, 409, "PortSecurityPortHasSecurityGroup", {"port": {"port_security_enabled": False}}
    )
    changed = demo.put(path, {"port": {"port_security_enabled": False, "security_groups": []}})["port"]
    assert changed["port_security_enabled"] is False


def test_address_pairs(demo, network, subnet):
    port = demo.port(network, allowed_address_pairs=[{"ip_address": "10.0.0.0/28"}])
    assert port["allowed_address_pairs"] == [
        {"ip_address": "10.0.0.0/28", "mac_address": port["mac_address"]}
    ]
    for pairs in (
        [{"ip_address": "224.0.0.1"}],
        [{"ip_address": "x"}],
        [{}],
        [{"ip_address": "10.0.0.9"}, {"ip_address": "10.0.0.9"}],
    ):
        demo.refused(
            "PUT", f"/ports/{port['id']}", 400, "HTTPBadRequest", {"port": {"allowed_address_pairs": pairs}}
        )


def test_dhcp_options_are_changed_one_by_one(demo, network):
    options = [{"opt_name": "a", "opt_value": "1"}, {"opt_name": "b", "opt_value": "2"}]
    port = demo.port(network, extra_dhcp_opts=options)
    path = f"/ports/{port['id']}"
    changed = demo.put(
        path,
        {
            "port": {
                "extra_dhcp_opts": [{"opt_name": "a", "opt_value": None}, {"opt_name": "c", "opt_value": "3"}]
            }
        },
    )["port"]
    assert {each["opt_name"]: each["opt_value"] for each in changed["extra_dhcp_opts"]} == {
        "b": "2",
        "c": "3",
    }


def test_new_addresses_replace_the_old(demo, network, subnet):
    port = demo.port(network)
    path = f"/ports/{port['id']}"
    wanted = [*port["fixed_ips"], {"subnet_id": subnet["id"], "ip_address": "10.0.0.99"}]
    changed = demo.put(path, {"port": {"fixed_ips": wanted}})["port"]
    assert changed["fixed_ips"] == wanted
    changed = demo.put(path, {"port": {"fixed_ips": [{"ip_address": "10.0.0.98"}]}})["port"]
    assert addresses(changed) == ["10.0.0.98"]
    demo.port(network, fixed_ips=[{"ip_address": "10.0.0.99"}])
    assert demo.put(path, {"port": {"fixed_ips": []}})["port"]["fixed_ips"] == []


def test_filters_by_address(demo, network, subnet):
    one = demo.port(network, fixed_ips=[{"ip_address": "10.0.0.77"}])
    two = demo.port(network, fixed_ips=[{"ip_address": "10.0.0.78"}])
    demo.port(network, fixed_ips=[{"ip_address": "10.0.0.99"}])

    def found(*filters):
        return {each["id"] for each in demo.get("/ports", fixed_ips=list(filters))["ports"]}

    assert found("ip_address=10.0.0.77") == {one["id"]}
    assert found("ip_address=10.0.0.77", "ip_address=10.0.0.78") == {one["id"], two["id"]}
    assert found(f"subnet_id={subnet['id']}", "ip_address=10.0.0.78") == {two["id"]}
    assert found("ip_address_substr=0.0.7") == {one["id"], two["id"]}
    demo.refused("GET", "/ports?fixed_ips=nope", 400, "HTTPBadRequest")


def test_a_bound_port_becomes_active_and_ends_cleanly(world, admin, demo, network, subnet, eventually):
    port = demo.port(network)
    path = f"/ports/{port['id']}"
    bound = admin.put(
        path, {"port": {"binding:host_id": "host", "device_owner": "compute:nova", "device_id": "d"}}
    )
    assert bound["port"]["status"] == "DOWN"
    assert bound["port"]["binding:vif_type"] == "bridge"
    eventually(lambda: admin.get(path)["port"]["status"] == "ACTIVE")
    dhcp = admin.get("/ports", device_owner="network:dhcp", network_id=network["id"])["ports"][0]
    assert dhcp["status"] == "ACTIVE"
    group = port["security_groups"][0]
    parts = world.cloud.world()["parts"]
    assert {f"port/{port['id']}", f"network/{network['id']}", f"security_group/{group}"} <= set(parts)
    assert parts[f"network/{network['id']}"]["subnets"][0]["dhcp_ip"] == addresses(dhcp)[0]
    assert parts[f"port/{port['id']}"]["fixed_ips"] == [
        {"subnet_id": subnet["id"], "ip": addresses(port)[0], "prefix": 24}
    ]
    assert addresses(port)[0] in parts[f"security_group/{group}"]["members"]
    admin.delete(path)
    admin.refused("GET", path, 404, "PortNotFound")
    eventually(lambda: not world.cloud.world()["parts"])


def test_an_unbound_port_goes_down(world, admin, demo, network, subnet, eventually):
    port = admin.port(network, **{"binding:host_id": "host", "device_owner": "compute:nova"})
    path = f"/ports/{port['id']}"
    eventually(lambda: admin.get(path)["port"]["status"] == "ACTIVE")
    freed = admin.put(path, {"port": {"binding:host_id": "", "device_owner": "", "device_id": ""}})["port"]
    assert freed["status"] == "DOWN" and freed["binding:vif_type"] == "unbound"
    eventually(lambda: not world.cloud.world()["parts"])


def test_a_port_that_is_switched_off_goes_down(admin, demo, network, subnet, eventually):
    port = admin.port(network, **{"binding:host_id": "host", "device_owner": "compute:nova"})
    path = f"/ports/{port['id']}"
    eventually(lambda: admin.get(path)["port"]["status"] == "ACTIVE")
    assert admin.put(path, {"port": {"admin_state_up": False}})["port"]["status"] == "DOWN"
    admin.put(path, {"port": {"admin_state_up": True}})
    eventually(lambda: admin.get(path)["port"]["status"] == "ACTIVE")


def test_an_unknown_host_cannot_carry_a_port(admin, network):
    port = admin.port(network, **{"binding:host_id": "nobody", "device_owner": "compute:nova"})
    assert port["binding:vif_type"] == "binding_failed"


def test_members_of_a_group_reach_the_hosts_that_use_it(world, admin, demo, network, subnet, eventually):
    bound = admin.port(
        network,
        tenant_id=network["project_id"],
        **{"binding:host_id": "host", "device_owner": "compute:nova"},
    )
    key = f"security_group/{bound['security_groups'][0]}"
    loose = demo.port(network)
    assert loose["security_groups"] == bound["security_groups"]

    def members():
        return set(world.cloud.world()["parts"].get(key, {}).get("members", ()))

    eventually(lambda: members() == {*addresses(bound), *addresses(loose)})
    demo.delete(f"/ports/{loose['id']}")
    eventually(lambda: members() == set(addresses(bound)))


def test_a_failure_in_the_world_leaves_the_port_down(world, admin, network, subnet, eventually):
    world.cloud.fail(next="network.port.make", error="no more taps")
    port = admin.port(network, **{"binding:host_id": "host", "device_owner": "compute:nova"})

    def told():
        from monostack.network.hosting import PARTS

        line = world.cloud.read(lambda db: db.one(PARTS, part_id=port["id"]))
        return line is not None and line["error"]

    assert "no more taps" in eventually(told)
    assert admin.get(f"/ports/{port['id']}")["port"]["status"] == "DOWN"


def test_a_servers_port_is_not_its_owners_to_delete(admin, demo, network):
    port = demo.port(network, device_owner="compute:nova")
    demo.refused("DELETE", f"/ports/{port['id']}", 403, "PolicyNotAuthorized")
    admin.delete(f"/ports/{port['id']}")


def test_only_the_service_makes_its_ports(demo, network):
    body = {"port": {"network_id": network["id"], "device_owner": "network:router_interface"}}
    demo.refused("POST", "/ports", 409, "DeviceIDNotOwnedByTenant", body)


def test_a_network_that_is_not_there(demo):
    missing = "11111111-2222-4333-8444-555555555555"
    demo.refused("POST", "/ports", 404, "NetworkNotFound", {"port": {"network_id": missing}})


def test_the_quota_ends_it(admin, demo, network):
    admin.put(f"/quotas/{network['project_id']}", {"quota": {"port": 1}})
    demo.port(network)
    demo.refused("POST", "/ports", 409, "OverQuota", {"port": {"network_id": network["id"]}})


def test_a_mac_of_a_bound_port_stays(admin, network):
    port = admin.port(network, **{"binding:host_id": "host", "device_owner": "compute:nova"})
    admin.refused(
        "PUT", f"/ports/{port['id']}", 409, "PortBound", {"port": {"mac_address": "fa:16:3e:00:00:01"}}
    )


def test_many_at_once_or_none(demo, network, subnet):
    two = [{"network_id": network["id"], "name": name} for name in ("a", "b")]
    assert [each["name"] for each in demo.post("/ports", {"ports": two})["ports"]] == ["a", "b"]
    two[1]["fixed_ips"] = [{"ip_address": "192.168.0.1"}]
    demo.refused("POST", "/ports", 400, "InvalidIpForNetwork", {"ports": two})
    assert len(demo.get("/ports", device_owner="")["ports"]) == 2


def test_groups_that_keep_state_and_that_do_not_are_not_mixed(demo, network):
    keeps, keeps_not = demo.group(), demo.group(stateful=False)
    both = [keeps["id"], keeps_not["id"]]
    demo.refused(
        "POST",
        "/ports",
        409,
        "SecurityGroupConflict",
        {"port": {"network_id": network["id"], "security_groups": both}},
    )
    port = demo.port(network, security_groups=both[:1])
    demo.refused(
        "PUT", f"/ports/{port['id']}", 409, "SecurityGroupConflict", {"port": {"security_groups": both}}
    )
    demo.refused(
        "PUT", f"/ports/{port['id']}", 400, "HTTPBadRequest", {"port": {"security_groups": both[:1] * 2}}
    )


def test_nobody_puts_himself_on_anothers_router(demo, other, network):
    router = other.router()
    port = demo.port(network)
    body = {"port": {"device_owner": "network:router_interface", "device_id": router["id"]}}
    demo.refused("PUT", f"/ports/{port['id']}", 409, "DeviceIDNotOwnedByTenant", body)
    assert other.get("/ports", device_id=router["id"])["ports"] == []


def test_a_port_that_only_calls_itself_the_services_is_its_owners(demo, network, subnet):
    served = demo.get("/ports", device_owner="network:dhcp")["ports"][0]
    mine = [demo.port(network, device_owner=owner) for owner in ("network:dhcp", "network:floatingip")]
    for port in mine:
        demo.delete(f"/ports/{port['id']}")
    assert [each["id"] for each in demo.get("/ports")["ports"]] == [served["id"]]


def test_a_list_shows_a_port_as_a_look_at_it_does(admin, demo, network, subnet):
    port = demo.port(
        network,
        allowed_address_pairs=[{"ip_address": "10.0.0.9"}],
        extra_dhcp_opts=[{"opt_name": "bootfile-name", "opt_value": 'a"b'}],
    )
    demo.put(f"/ports/{port['id']}/tags", {"tags": ["x"]})
    for caller in (admin, demo):
        shown = caller.get(f"/ports/{port['id']}")["port"]
        assert shown["tags"] == ["x"] and shown["security_groups"]
        assert caller.get("/ports", id=port["id"])["ports"] == [shown]
        assert caller.get("/ports", id=port["id"], tags="x")["ports"] == [shown]
