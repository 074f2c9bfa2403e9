"""Security groups, floating addresses and networks as old guides ask compute for them."""

import httpx
import pytest

OLD = "2.35"
GROUPS, RULES = "/os-security-groups", "/os-security-group-rules"


@pytest.fixture
def group(demo):
    return make_group(demo)


def make_group(caller, name="web"):
    body = {"security_group": {"name": name, "description": "of old"}}
    return caller.post(GROUPS, body, version=OLD, promise="security_groups.create")["security_group"]


def rule_of(caller, group, expected=200, **values):
    asked = {"parent_group_id": group["id"], "ip_protocol": "tcp", "from_port": 80, "to_port": 80} | values
    answer = caller.post(RULES, {"security_group_rule": asked}, expected, version=OLD)
    return answer["security_group_rule"] if expected == 200 else next(iter(answer.values()))["message"]


# Security groups


def test_a_group_is_made_changed_and_deleted(demo, group):
    path = f"{GROUPS}/{group['id']}"
    assert group["rules"] == []
    assert demo.get(path, version=OLD, promise="security_groups.show")["security_group"] == group
    body = {"security_group": {"name": "renamed", "description": ""}}
    changed = demo.put(path, body, version=OLD, promise="security_groups.update")["security_group"]
    assert changed["name"] == "renamed"
    listed = demo.get(GROUPS, version=OLD, promise="security_groups.index")["security_groups"]
    assert {each["name"] for each in listed} == {"default", "renamed"}
    demo.delete(path, 202, version=OLD)
    demo.get(path, 404, version=OLD)


def test_the_first_look_makes_the_default_group(stranger):
    (default,) = stranger.get(GROUPS, version="2.1")["security_groups"]
    assert default["name"] == "default"
    assert [rule["group"]["name"] for rule in default["rules"]] == ["default", "default"]
    assert "default" in stranger.refused("DELETE", f"{GROUPS}/{default['id']}", 400, version=OLD)
    body = {"security_group": {"name": "other", "description": ""}}
    stranger.put(f"{GROUPS}/{default['id']}", body, 400, version=OLD)


def test_networking_shows_the_same_group(demo, group, world):
    rule = rule_of(demo, group, cidr="10.0.0.0/8")
    shown = world.api("network", user="demo").get(f"/security-groups/{group['id']}").json()["security_group"]
    (found,) = (each for each in shown["security_group_rules"] if each["id"] == rule["id"])
    assert (found["direction"], found["protocol"], found["port_range_min"]) == ("ingress", "tcp", 80)
    assert found["remote_ip_prefix"] == "10.0.0.0/8"


def test_rules_come_in_every_kind_and_go(demo, group):
    other = make_group(demo, "other")
    tcp = rule_of(demo, group, from_port=80, to_port=443)
    assert (tcp["from_port"], tcp["to_port"], tcp["ip_range"]) == (80, 443, {"cidr": "0.0.0.0/0"})
    icmp = rule_of(demo, group, ip_protocol="icmp", from_port=-1, to_port=-1)
    assert (icmp["from_port"], icmp["to_port"]) == (-1, -1)
    echo = rule_of(demo, group, ip_protocol="ICMP", from_port=8, to_port=0)
    assert (echo["from_port"], echo["to_port"]) == (8, 0)
    six = rule_of(demo, group, cidr="2001:db8::/64")
    assert six["ip_range"] == {"cidr": "2001:db8::/64"}
    whole = rule_of(demo, group, group_id=other["id"], ip_protocol=None, from_port=None, to_port=None)
    assert whole["group"] == {"name": "other", "tenant_id": demo.project_id()}
    assert whole["ip_range"] == {}
    some = rule_of(demo, group, group_id=other["id"], ip_protocol="udp", from_port=None, to_port=None)
    assert (some["from_port"], some["to_port"]) == (1, 65535)
    path = f"{RULES}/{tcp['id']}"
    demo.delete(path, 202, version=OLD)
    demo.delete(path, 404, version=OLD)
    demo.delete(f"{RULES}/one", 400, version=OLD)
    assert len(demo.get(f"{GROUPS}/{group['id']}", version=OLD)["security_group"]["rules"]) == 5


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"parent_group_id": "web"}, 400),
        ({"parent_group_id": None}, 400),
        ({"parent_group_id": "00000000-0000-0000-0000-000000000000"}, 404),
        ({"group_id": "00000000-0000-0000-0000-000000000000"}, 404),
        ({"ip_protocol": "smoke"}, 400),
        ({"ip_protocol": None, "from_port": None, "to_port": None}, 400),
        ({"from_port": 90, "to_port": 80}, 400),
        ({"from_port": 0}, 400),
        ({"to_port": 65536}, 400),
        ({"from_port": "eighty"}, 400),
        ({"from_port": None}, 400),
        ({"ip_protocol": "icmp", "from_port": 256, "to_port": 0}, 400),
        ({"cidr": "10.0.0.300/8"}, 400),
    ],
)
def test_wrong_rules_are_refused(demo, group, values, expected):
    rule_of(demo, group, expected, **values)


def test_a_rule_is_there_once(demo, group):
    rule_of(demo, group)
    assert "already exists" in rule_of(demo, group, 400)
    demo.post(RULES, {}, 400, version=OLD)
    demo.post(RULES, [1], 400, version=OLD)


def test_a_group_in_use_stays(demo, group):
    demo.server(security_groups=[{"name": "web"}])
    assert "in use" in demo.refused("DELETE", f"{GROUPS}/{group['id']}", 400, version=OLD)


def test_a_quota_of_networking_is_in_force(demo, world):
    quota = {"quota": {"security_group": 2}}
    answer = world.api("network", user="admin").put(f"/quotas/{demo.project_id()}", json=quota)
    assert answer.status_code == 200, answer.text
    make_group(demo)
    body = {"security_group": {"name": "more", "description": ""}}
    demo.post(GROUPS, body, 403, version=OLD)


def test_another_projects_group_is_not_there(stranger, admin, demo, group):
    path = f"{GROUPS}/{group['id']}"
    stranger.get(path, 404, version=OLD)
    stranger.delete(path, 404, version=OLD)
    stranger.put(path, {"security_group": {"name": "a", "description": ""}}, 404, version=OLD)
    rule_of(stranger, group, 404)
    rule = rule_of(demo, group)
    stranger.delete(f"{RULES}/{rule['id']}", 404, version=OLD)
    assert group["id"] not in [each["id"] for each in stranger.get(GROUPS, version=OLD)["security_groups"]]
    everything = admin.get(f"{GROUPS}?all_tenants=1", version=OLD)["security_groups"]
    assert group["id"] in [each["id"] for each in everything]


@pytest.mark.parametrize("path", [GROUPS, RULES, "/os-floating-ips", "/os-networks", "/os-tenant-networks"])
def test_all_of_it_ends_with_2_35(demo, path):
    method = "POST" if path == RULES else "GET"
    demo.ask(method, path, 404, {}, version="2.36")


def test_wrong_groups_are_refused(demo):
    demo.get(f"{GROUPS}/one", 400, version=OLD)
    demo.get(f"{GROUPS}?limit=x", 400, version=OLD)
    for values in ({"name": ""}, {"name": "  ", "description": ""}, {"name": "x" * 256, "description": ""}):
        demo.post(GROUPS, {"security_group": values}, 400, version=OLD)
    demo.post(GROUPS, {"security_group": {"name": "default", "description": ""}}, 400, version=OLD)


# Floating addresses and networks


@pytest.fixture
def outside(world):
    """The name of an external network with addresses."""
    network = world.api("network", user="admin")
    found = network.get("/networks", params={"router:external": True}).json()["networks"]
    if found:
        return found[0]["name"]
    made = network.post("/networks", json={"network": {"name": "outside", "router:external": True}}).json()[
        "network"
    ]
    subnet = {"network_id": made["id"], "cidr": "172.31.0.0/24", "ip_version": 4}
    assert network.post("/subnets", json={"subnet": subnet}).status_code == 201
    return "outside"


def routed(world, server):
    """Let a router lead from the server's network to the outside."""
    admin, own = (world.api("network", user=user) for user in ("admin", "demo"))
    external = admin.get("/networks", params={"router:external": True}).json()["networks"][0]["id"]
    router = {"name": "r", "external_gateway_info": {"network_id": external}}
    router_id = own.post("/routers", json={"router": router}).json()["router"]["id"]
    port = own.get("/ports", params={"device_id": server["id"]}).json()["ports"][0]
    subnet = {"subnet_id": port["fixed_ips"][0]["subnet_id"]}
    answer: httpx.Response = own.put(f"/routers/{router_id}/add_router_interface", json=subnet)
    assert answer.status_code == 200, answer.text


def test_an_address_is_taken_put_on_a_server_and_given_back(demo, outside, world):
    server = demo.server()
    routed(world, server)
    pools = demo.get("/os-floating-ip-pools", version=OLD, promise="floating_ip_pools.index")
    assert {"name": outside} in pools["floating_ip_pools"]
    made = demo.post("/os-floating-ips", {"pool": outside}, version=OLD, promise="floating_ips.create")[
        "floating_ip"
    ]
    assert (made["pool"], made["instance_id"], made["fixed_ip"]) == (outside, None, None)
    path, address = f"/servers/{server['id']}/action", made["ip"]
    demo.post(path, {"addFloatingIp": {"address": address}}, 202, version="2.43")
    shown = demo.get(f"/os-floating-ips/{made['id']}", version=OLD, promise="floating_ips.show")[
        "floating_ip"
    ]
    assert shown["instance_id"] == server["id"]
    assert shown["fixed_ip"] == server["addresses"]["net"][0]["addr"]
    addresses = demo.get(f"/servers/{server['id']}")["server"]["addresses"]["net"]
    assert address in [each["addr"] for each in addresses]
    listed = demo.get("/os-floating-ips", version=OLD, promise="floating_ips.index")["floating_ips"]
    assert listed == [shown]
    demo.post(path, {"removeFloatingIp": {"address": address}}, 202, version="2.43")
    demo.post(path, {"removeFloatingIp": {"address": address}}, 409, version="2.43")
    demo.delete(f"/os-floating-ips/{made['id']}", 202, version=OLD)
    assert demo.get("/os-floating-ips", version=OLD)["floating_ips"] == []


def test_what_cannot_be_done_with_addresses(demo, outside, stranger):
    server = demo.server(networks="none")
    made = demo.post("/os-floating-ips", None, version=OLD)["floating_ip"]
    demo.post("/os-floating-ips", {"pool": "nowhere"}, 404, version=OLD)
    demo.post("/os-floating-ips", [1], 400, version=OLD)
    path = f"/servers/{server['id']}/action"
    words = demo.refused("POST", path, 400, {"addFloatingIp": {"address": made["ip"]}}, version="2.43")
    assert words == "No fixed IPs associated to instance"
    demo.post(path, {"addFloatingIp": {"address": "203.0.113.1"}}, 404, version="2.43")
    demo.post(path, {"addFloatingIp": {"address": "everywhere"}}, 400, version="2.43")
    demo.post(path, {"addFloatingIp": {"address": made["ip"]}}, 404, version="2.44")
    stranger.get(f"/os-floating-ips/{made['id']}", 404, version=OLD)
    stranger.delete(f"/os-floating-ips/{made['id']}", 404, version=OLD)


def test_networks_are_shown_in_both_old_shapes(demo, stranger, outside):
    network = demo.network()
    whole = demo.get("/os-networks", version=OLD, promise="networks.index")["networks"]
    assert {"net", outside} <= {each["label"] for each in whole}
    shown = demo.get(f"/os-networks/{network['id']}", version=OLD, promise="networks.show")["network"]
    assert (shown["label"], shown["cidr"]) == ("net", None)
    demo.get("/os-tenant-networks", version=OLD, promise="tenant_networks.index")
    path = f"/os-tenant-networks/{network['id']}"
    shown = demo.get(path, version=OLD, promise="tenant_networks.show")["network"]
    assert shown == {"id": network["id"], "label": "net", "cidr": "None"}
    stranger.get(path, 404, version=OLD)


def test_a_fixed_address_is_added_and_removed(demo, stranger):
    server = demo.server()
    path, shown = f"/servers/{server['id']}/action", f"/servers/{server['id']}/ips"
    (entry,) = demo.get(shown)["addresses"]["net"]
    network_id = demo.get(f"/servers/{server['id']}/os-interface")["interfaceAttachments"][0]["net_id"]
    demo.post(path, {"addFixedIp": {"networkId": network_id}}, 202, version="2.43")
    found = [each["addr"] for each in demo.get(shown)["addresses"]["net"]]
    assert entry["addr"] in found
    (new,) = (address for address in found if address != entry["addr"])
    demo.post(path, {"removeFixedIp": {"address": new}}, 202, version="2.43")
    assert demo.get(shown)["addresses"]["net"] == [entry]
    demo.post(path, {"removeFixedIp": {"address": new}}, 400, version="2.43")
    other = "00000000-0000-0000-0000-000000000000"
    demo.post(path, {"addFixedIp": {"networkId": other}}, 404, version="2.43")
    demo.post(path, {"addFixedIp": {}}, 400, version="2.43")
    demo.post(path, {"addFixedIp": {"networkId": network_id}}, 404, version="2.44")
    stranger.post(path, {"addFixedIp": {"networkId": network_id}}, 404, version="2.43")
    demo.post(path, {"lock": None}, 202)
    demo.post(path, {"addFixedIp": {"networkId": network_id}}, 409, version="2.43")
