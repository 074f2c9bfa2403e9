"""Security groups and their rules: what each begins with, what is one too many, what hosts are told."""

from __future__ import annotations

import pytest


def rule(group, **values):
    return {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress"} | values}


def make(caller, group, **values):
    return caller.post("/security-group-rules", rule(group, **values))["security_group_rule"]


def test_the_default_group_is_there_at_the_first_look(demo):
    groups = demo.get("/security-groups")["security_groups"]
    assert [each["name"] for each in groups] == ["default"]
    rules = groups[0]["security_group_rules"]
    assert sorted((each["direction"], each["ethertype"]) for each in rules) == [
        ("egress", "IPv4"),
        ("egress", "IPv6"),
        ("ingress", "IPv4"),
        ("ingress", "IPv6"),
    ]
    assert {each["remote_group_id"] for each in rules if each["direction"] == "ingress"} == {groups[0]["id"]}
    assert len(demo.get("/security-groups")["security_groups"]) == 1


def test_a_new_group_lets_everything_out(demo):
    group = demo.group(name="web", description="d")
    assert group["stateful"] is True and group["shared"] is False and group["revision_number"] == 1
    rules = group["security_group_rules"]
    assert sorted(each["ethertype"] for each in rules) == ["IPv4", "IPv6"]
    for each in rules:
        assert each["direction"] == "egress" and each["protocol"] is None and each["remote_ip_prefix"] is None
        assert each["belongs_to_default_sg"] is False


def test_a_rule_has_what_clients_expect(demo):
    group = demo.group()
    made = make(
        demo, group, protocol="tcp", port_range_min=22, port_range_max=22, remote_ip_prefix="10.0.0.7/8"
    )
    assert made["ethertype"] == "IPv4" and made["description"] == "" and made["revision_number"] == 0
    assert (made["port_range_min"], made["port_range_max"]) == (22, 22)
    assert made["remote_ip_prefix"] == "10.0.0.7/8" and made["normalized_cidr"] == "10.0.0.0/8"
    assert made["remote_group_id"] is None and made["remote_address_group_id"] is None
    assert "tags" not in made
    shown = demo.get(f"/security-group-rules/{made['id']}")["security_group_rule"]
    assert shown == made
    assert demo.get(f"/security-groups/{group['id']}")["security_group"]["revision_number"] == 2


def test_the_same_rule_twice_is_one_too_many(demo):
    group = demo.group()
    made = make(
        demo, group, protocol="tcp", port_range_min=22, port_range_max=22, remote_ip_prefix="0.0.0.0/0"
    )
    for spelling in ({"protocol": "6"}, {"description": "another"}, {"remote_ip_prefix": None}):
        values = {
            "protocol": "tcp",
            "port_range_min": 22,
            "port_range_max": 22,
            "remote_ip_prefix": "0.0.0.0/0",
        } | spelling
        words = demo.refused(
            "POST", "/security-group-rules", 409, "SecurityGroupRuleExists", rule(group, **values)
        )
        assert words == f"Security group rule already exists. Rule id is {made['id']}."
    make(demo, demo.group(), protocol="tcp", port_range_min=22, port_range_max=22)


@pytest.mark.parametrize(
    ("values", "type"),
    [
        ({"port_range_min": 1, "port_range_max": 2}, "SecurityGroupProtocolRequiredWithPorts"),
        ({"protocol": "tcp", "port_range_min": 2, "port_range_max": 1}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 2}, "SecurityGroupInvalidPortRange"),
        (
            {"protocol": "gre", "port_range_min": 1, "port_range_max": 2},
            "SecurityGroupInvalidProtocolForPort",
        ),
        ({"protocol": "icmp", "port_range_min": 256}, "SecurityGroupInvalidIcmpValue"),
        ({"protocol": "icmp", "port_range_max": 0}, "SecurityGroupMissingIcmpType"),
        ({"protocol": "icmpv6"}, "SecurityGroupEthertypeConflictWithProtocol"),
        ({"protocol": "nope"}, "HTTPBadRequest"),
        ({"protocol": "256"}, "HTTPBadRequest"),
        ({"protocol": "tcp", "port_range_min": "x", "port_range_max": 1}, "InvalidInput"),
        ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536}, "InvalidInput"),
        ({"ethertype": "IPv5"}, "InvalidInput"),
        ({"direction": "up"}, "HTTPBadRequest"),
        ({"remote_ip_prefix": "nope"}, "InvalidInput"),
        ({"remote_ip_prefix": "fd00::/64"}, "SecurityGroupRuleParameterConflict"),
        ({"security_group_id": 7}, "HTTPBadRequest"),
    ],
)
def test_rules_that_cannot_be(demo, values, type):
    demo.refused("POST", "/security-group-rules", 400, type, rule(demo.group(), **values))


def test_a_rule_needs_group_and_direction(demo):
    group = demo.group()
    demo.refused(
        "POST",
        "/security-group-rules",
        400,
        "HTTPBadRequest",
        {"security_group_rule": {"security_group_id": group["id"]}},
    )
    demo.refused(
        "POST",
        "/security-group-rules",
        400,
        "HTTPBadRequest",
        {"security_group_rule": {"direction": "egress"}},
    )


def test_icmp_types_and_other_spellings(demo):
    group = demo.group()
    made = make(demo, group, protocol="ICMP", port_range_min=8, port_range_max=0)
    assert made["protocol"] == "icmp"
    assert make(demo, group, protocol=89)["protocol"] == "89"
    assert make(demo, group, ethertype="ipv6", protocol="ipv6-icmp")["ethertype"] == "IPv6"
    assert make(demo, group, protocol="any")["protocol"] is None
    assert make(demo, group, remote_ip_prefix="10.0.0.7")["remote_ip_prefix"] == "10.0.0.7/32"


def test_a_remote_group(demo, other):
    group, remote = demo.group(), demo.group()
    assert make(demo, group, remote_group_id=remote["id"])["remote_group_id"] == remote["id"]
    demo.refused(
        "POST",
        "/security-group-rules",
        400,
        "SecurityGroupMultipleRemoteEntites",
        rule(group, remote_group_id=remote["id"], remote_ip_prefix="10.0.0.0/8"),
    )
    foreign = other.group()
    demo.refused(
        "POST",
        "/security-group-rules",
        404,
        "SecurityGroupNotFound",
        rule(group, remote_group_id=foreign["id"]),
    )
    demo.delete(f"/security-groups/{remote['id']}")
    left = demo.get("/security-group-rules", security_group_id=group["id"])["security_group_rules"]
    assert {each["direction"] for each in left} == {"egress"}


def test_another_projects_groups_do_not_exist(demo, other):
    group = demo.group()
    made = make(demo, group, protocol="tcp")
    other.refused("GET", f"/security-groups/{group['id']}", 404, "SecurityGroupNotFound")
    other.refused("GET", f"/security-group-rules/{made['id']}", 404, "SecurityGroupRuleNotFound")
    other.refused("DELETE", f"/security-groups/{group['id']}", 404, "SecurityGroupNotFound")
    other.refused("DELETE", f"/security-group-rules/{made['id']}", 404, "SecurityGroupRuleNotFound")
    answer = other.api.post("/security-group-rules", json=rule(group, protocol="udp"))
    assert answer.status_code in (403, 404)
    assert group["id"] not in [each["id"] for each in other.get("/security-groups")["security_groups"]]


def test_the_default_group_keeps_its_name(demo):
    default = demo.get("/security-groups")["security_groups"][0]
    path = f"/security-groups/{default['id']}"
    demo.refused("PUT", path, 409, "SecurityGroupCannotUpdateDefault", {"security_group": {"name": "x"}})
    assert (
        demo.put(path, {"security_group": {"description": "ours"}})["security_group"]["description"] == "ours"
    )
    demo.refused("DELETE", path, 409, "SecurityGroupCannotRemoveDefault")
    demo.refused(
        "POST",
        "/security-groups",
        409,
        "SecurityGroupDefaultAlreadyExists",
        {"security_group": {"name": "default"}},
    )


def test_a_group_in_use_stays(demo):
    group = demo.group()
    port = demo.port(demo.network(), security_groups=[group["id"]])
    words = demo.refused("DELETE", f"/security-groups/{group['id']}", 409, "SecurityGroupInUse")
    assert group["id"] in words
    demo.refused(
        "PUT",
        f"/security-groups/{group['id']}",
        409,
        "SecurityGroupInUse",
        {"security_group": {"stateful": False}},
    )
    demo.put(f"/ports/{port['id']}", {"port": {"security_groups": []}})
    demo.delete(f"/security-groups/{group['id']}")


def test_many_rules_at_once_or_none(demo):
    group = demo.group()
    ports = [
        rule(group, protocol="tcp", port_range_min=n, port_range_max=n)["security_group_rule"] for n in (1, 2)
    ]
    made = demo.post("/security-group-rules", {"security_group_rules": ports})["security_group_rules"]
    assert [each["port_range_min"] for each in made] == [1, 2]
    demo.refused(
        "POST",
        "/security-group-rules",
        409,
        "SecurityGroupRuleExists",
        {"security_group_rules": [dict(ports[0], port_range_min=3, port_range_max=3), ports[1]]},
    )
    assert len(demo.get("/security-group-rules", security_group_id=group["id"])["security_group_rules"]) == 4


def test_the_quotas_end_it(admin, demo):
    group = demo.group()
    admin.put(f"/quotas/{group['project_id']}", {"quota": {"security_group": 2, "security_group_rule": 7}})
    demo.refused("POST", "/security-groups", 409, "OverQuota", {"security_group": {"name": "x"}})
    make(demo, group, protocol="tcp")
    demo.refused("POST", "/security-group-rules", 409, "OverQuota", rule(group, protocol="udp"))


def test_hosts_learn_of_rules_and_of_the_groups_they_name(world, admin, demo, eventually):
    network = demo.network()
    demo.subnet(network)
    group, remote = demo.group(name="a"), demo.group(name="b")
    member = demo.port(network, security_groups=[remote["id"]])
    admin.port(
        network, security_groups=[group["id"]], **{"binding:host_id": "host", "device_owner": "compute:nova"}
    )
    made = make(
        demo, group, protocol="tcp", port_range_min=80, port_range_max=80, remote_group_id=remote["id"]
    )

    def part(each):
        return world.cloud.world()["parts"].get(f"security_group/{each['id']}")

    told = eventually(
        lambda: part(group) and [each for each in part(group)["rules"] if each["id"] == made["id"]]
    )
    assert told[0] == {
        "id": made["id"],
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": "tcp",
        "port_min": 80,
        "port_max": 80,
        "remote_ip_prefix": None,
        "remote_group_id": remote["id"],
    }
    assert eventually(lambda: part(remote))["members"] == [member["fixed_ips"][0]["ip_address"]]
    demo.delete(f"/security-group-rules/{made['id']}")
    eventually(lambda: part(remote) is None)
    assert made["id"] not in [each["id"] for each in part(group)["rules"]]
