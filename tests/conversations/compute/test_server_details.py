"""What hangs on a server: metadata, tags, addresses, security groups."""

import pytest


@pytest.fixture
def server(demo):
    return demo.server(metadata={"a": "b"})


# Metadata


def test_metadata_is_added_replaced_and_deleted(demo, server):
    path = f"/servers/{server['id']}/metadata"
    assert demo.get(path, promise="server_metadata.index") == {"metadata": {"a": "b"}}
    added = demo.post(path, {"metadata": {"c": "d"}}, promise="server_metadata.create")
    assert added == {"metadata": {"a": "b", "c": "d"}}
    one = demo.put(f"{path}/c", {"meta": {"c": "e"}}, promise="server_metadata.update")
    assert one == {"meta": {"c": "e"}}
    assert demo.get(f"{path}/c", promise="server_metadata.show") == {"meta": {"c": "e"}}
    assert demo.put(path, {"metadata": {"z": ""}}, promise="server_metadata.update_all") == {
        "metadata": {"z": ""}
    }
    demo.delete(f"{path}/z")
    assert demo.get(path) == {"metadata": {}}
    assert demo.get(f"/servers/{server['id']}")["server"]["metadata"] == {}


def test_metadata_that_is_wrong_is_refused(demo, server):
    path = f"/servers/{server['id']}/metadata"
    assert demo.refused("GET", f"{path}/x", 404) == "Metadata item was not found"
    demo.delete(f"{path}/x", 404)
    assert demo.refused("PUT", f"{path}/x", 400, {"meta": {"y": "1"}}) == "Request body and URI mismatch"
    for body in ({"meta": {"a": "1", "b": "2"}}, {"metadata": {"a": "1"}}, {"meta": {"a": 1}}):
        demo.put(f"{path}/a", body, 400)
    for metadata in ({"k" * 256: "v"}, {"k": "v" * 256}, {"": "v"}, {"k": None}, {"k/l": "v"}):
        demo.post(path, {"metadata": metadata}, 400)
    assert demo.get(path) == {"metadata": {"a": "b"}}


def test_metadata_has_a_quota(admin, demo, server):
    admin.put(f"/os-quota-sets/{demo.project_id()}", {"quota_set": {"metadata_items": 2}})
    path = f"/servers/{server['id']}/metadata"
    demo.post(path, {"metadata": {"c": "d"}})
    words = demo.refused("POST", path, 403, {"metadata": {"e": "f"}})
    assert words == "Maximum number of metadata items exceeds 2"
    demo.put(path, {"metadata": {"e": "f", "g": "h"}})


def test_a_locked_servers_metadata_is_for_administrators(admin, demo, server):
    demo.post(f"/servers/{server['id']}/action", {"lock": None}, 202)
    path = f"/servers/{server['id']}/metadata"
    demo.post(path, {"metadata": {"c": "d"}}, 409)
    demo.delete(f"{path}/a", 409)
    admin.post(path, {"metadata": {"c": "d"}})


def test_a_server_that_never_ran_keeps_its_metadata(demo, admin):
    admin.put(f"/os-quota-sets/{demo.project_id()}", {"quota_set": {"ram": -1}})
    admin.post("/flavors", {"flavor": {"name": "huge", "ram": 1 << 30, "vcpus": 1, "disk": 1, "id": "huge"}})
    server = demo.server("ERROR", flavorRef="huge", networks="none")
    words = demo.refused("POST", f"/servers/{server['id']}/metadata", 409, {"metadata": {"c": "d"}})
    assert "while it is in vm_state error" in words
    demo.put(f"/servers/{server['id']}/tags", {"tags": ["x"]}, 409)


# Tags


def test_tags_come_and_go(demo, server):
    path = f"/servers/{server['id']}/tags"
    assert demo.get(path, promise="server_tags.index") == {"tags": []}
    answer = demo.api.at("2.26", "PUT", f"{path}/blue")
    assert answer.status_code == 201
    assert answer.headers["Location"].endswith(f"{path}/blue")
    assert demo.api.at("2.26", "PUT", f"{path}/blue").status_code == 204
    assert demo.get(f"{path}/blue", 204) is None
    assert demo.refused("GET", f"{path}/red", 404) == f"Server {server['id']} has no tag 'red'"
    tags = demo.put(path, {"tags": ["x", "y", "x"]}, promise="server_tags.update_all")
    assert tags == {"tags": ["x", "y"]}
    demo.delete(f"{path}/x")
    demo.delete(f"{path}/x", 404)
    assert demo.get(f"/servers/{server['id']}")["server"]["tags"] == ["y"]
    assert [each["id"] for each in demo.get("/servers?tags=y")["servers"]] == [server["id"]]
    demo.delete(path)
    assert demo.get(path) == {"tags": []}


def test_tags_that_are_wrong_are_refused(demo, server):
    path = f"/servers/{server['id']}/tags"
    demo.put(f"{path}/{'x' * 61}", None, 400)
    demo.put(f"{path}/a,b", None, 400)
    for tags in (["x" * 61], ["a/b"], [""], [1], [str(number) for number in range(51)]):
        demo.put(path, {"tags": tags}, 400)
    demo.put(path, {"tags": [str(number) for number in range(50)]})
    words = demo.refused("PUT", f"{path}/more", 400)
    assert words == "The number of tags exceeded the per-server limit 50"
    demo.get(path, 404, version="2.25")


# Addresses and groups


def test_addresses_are_shown_by_network(demo, server):
    addresses = demo.get(f"/servers/{server['id']}/ips", promise="ips.index")["addresses"]
    (entry,) = addresses["net"]
    assert entry == {"version": 4, "addr": server["addresses"]["net"][0]["addr"]}
    assert demo.get(f"/servers/{server['id']}/ips/net", promise="ips.show") == addresses
    demo.get(f"/servers/{server['id']}/ips/other", 404)


def test_security_groups_are_shown_with_their_rules(demo, server, world):
    network = world.api("network", user="demo")
    group = network.post("/security-groups", json={"security_group": {"name": "web"}}).json()[
        "security_group"
    ]
    for rule in (
        {"direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 81,
         "remote_ip_prefix": "10.0.0.0/8"},
        {"direction": "ingress", "protocol": "icmp"},
        {"direction": "ingress", "protocol": "udp"},
    ):  # fmt: skip
        rule["security_group_id"] = group["id"]
        answer = network.post("/security-group-rules", json={"security_group_rule": rule})
        assert answer.status_code == 201, answer.text
    path = f"/servers/{server['id']}"
    demo.post(f"{path}/action", {"addSecurityGroup": {"name": "web"}}, 202)
    shown = demo.get(f"{path}/os-security-groups", promise="security_groups.index")["security_groups"]
    by_name = {each["name"]: each for each in shown}
    assert set(by_name) == {"default", "web"}
    assert [rule["group"]["name"] for rule in by_name["default"]["rules"]] == ["default", "default"]
    assert [
        (rule["ip_protocol"], rule["from_port"], rule["to_port"], rule["ip_range"])
        for rule in by_name["web"]["rules"]
    ] == [
        ("tcp", 80, 81, {"cidr": "10.0.0.0/8"}),
        ("icmp", -1, -1, {"cidr": "0.0.0.0/0"}),
        ("udp", 1, 65535, {"cidr": "0.0.0.0/0"}),
    ]


def test_a_server_has_no_numa_topology(demo, server):
    path = f"/servers/{server['id']}/topology"
    assert demo.get(path, promise="server_topology.index") == {"nodes": [], "pagesize_kb": None}
    demo.get(path, 404, version="2.77")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metadata"), ("GET", "/topology"), ("GET", "/metadata/a"), ("DELETE", "/metadata/a"),
        ("GET", "/tags"),
        ("DELETE", "/tags"), ("GET", "/ips"), ("GET", "/os-security-groups"), ("PUT", "/tags/x"),
        ("GET", "/os-server-password"), ("DELETE", "/os-server-password"),
    ],
)  # fmt: skip
def test_nothing_hangs_on_another_projects_server(stranger, server, method, path):
    stranger.ask(method, f"/servers/{server['id']}{path}", 404)
