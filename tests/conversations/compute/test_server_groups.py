"""Server groups: made by version, joined by hints, and heeded when servers are placed."""

from collections.abc import Iterator

import pytest
from tests.conftest import World

from monostack import testing


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with testing.cloud(node__simulated_hosts=3) as cloud:
        yield World(cloud)


def make(caller, policy="anti-affinity", **values):
    body = {"server_group": {"name": "group", "policy": policy} | values}
    return caller.post("/os-server-groups", body, promise="server_groups.create")["server_group"]


def placed(admin, caller, group, count, status="ACTIVE"):
    servers = [caller.server(status, {"group": group["id"]}, networks="none") for _ in range(count)]
    return [admin.get(f"/servers/{each['id']}")["server"]["OS-EXT-SRV-ATTR:host"] for each in servers]


@pytest.mark.parametrize("version", ["2.1", "2.13", "2.15", "2.63"])
def test_before_2_64_there_is_a_list_of_one_policy(demo, version):
    body = {"server_group": {"name": "group", "policies": ["affinity"]}}
    made = demo.post("/os-server-groups", body, version=version, promise="server_groups.create")[
        "server_group"
    ]
    assert (made["policies"], made["metadata"], made["members"]) == (["affinity"], {}, [])
    assert ("project_id" in made) is (version != "2.1")
    shown = demo.get(f"/os-server-groups/{made['id']}", version=version, promise="server_groups.show")
    assert shown["server_group"] == made
    demo.get("/os-server-groups", version=version, promise="server_groups.index")


def test_from_2_64_on_there_is_one_policy_with_rules(demo):
    made = make(demo, rules={"max_server_per_host": "2"})
    assert made["policy"] == "anti-affinity"
    assert made["rules"] == {"max_server_per_host": 2}
    assert made["project_id"] == demo.project_id()
    assert demo.get("/os-server-groups", promise="server_groups.index")["server_groups"] == [made]


def test_servers_stand_apart_and_one_too_many_is_an_error(admin, demo):
    group = make(demo)
    assert len(set(placed(admin, demo, group, 3))) == 3
    fourth = demo.server("ERROR", {"group": group["id"]}, networks="none")
    assert "ServerGroupAntiAffinityFilter removed 3" in fourth["fault"]["message"]


def test_as_many_share_a_host_as_the_rule_allows(admin, demo):
    group = make(demo, rules={"max_server_per_host": 2})
    hosts = placed(admin, demo, group, 6)
    assert sorted(hosts.count(host) for host in set(hosts)) == [2, 2, 2]


def test_servers_stand_together(admin, demo):
    assert len(set(placed(admin, demo, make(demo, "affinity"), 3))) == 1


def test_soft_policies_are_wishes(admin, demo):
    assert len(set(placed(admin, demo, make(demo, "soft-affinity"), 3))) == 1
    hosts = placed(admin, demo, make(demo, "soft-anti-affinity"), 4)
    assert len(set(hosts)) == 3


def test_members_are_the_living_servers(demo):
    group = make(demo, "soft-affinity")
    first, second = (demo.server(hints={"group": group["id"]}, networks="none") for _ in range(2))
    path = f"/os-server-groups/{group['id']}"
    assert demo.get(path)["server_group"]["members"] == [first["id"], second["id"]]
    assert first["server_groups"] == [group["id"]]
    demo.delete(f"/servers/{first['id']}")
    demo.until_gone(first["id"])
    assert demo.get(path)["server_group"]["members"] == [second["id"]]
    demo.delete(path)
    assert demo.get(f"/servers/{second['id']}")["server"]["server_groups"] == []
    demo.get(path, 404)


def test_quotas_of_groups_and_members(admin, demo):
    admin.put(
        f"/os-quota-sets/{demo.project_id()}", {"quota_set": {"server_groups": 1, "server_group_members": 1}}
    )
    group = make(demo, "soft-affinity")
    body = {"server_group": {"name": "second", "policy": "affinity"}}
    assert "too many server groups" in demo.refused("POST", "/os-server-groups", 403, body)
    demo.server(hints={"group": group["id"]}, networks="none")
    asked = {"name": "b", "imageRef": demo.image(), "flavorRef": "1", "networks": "none"}
    words = demo.refused(
        "POST", "/servers", 403, {"server": asked, "os:scheduler_hints": {"group": group["id"]}}
    )
    assert "too many servers in group" in words


def test_another_projects_group_is_not_there(admin, demo, stranger):
    group = make(demo)
    path = f"/os-server-groups/{group['id']}"
    stranger.get(path, 404)
    stranger.delete(path, 404)
    assert stranger.get("/os-server-groups")["server_groups"] == []
    stranger.get("/os-server-groups?all_projects=1", 403)
    assert admin.get("/os-server-groups")["server_groups"] == []
    assert admin.get("/os-server-groups?all_projects=1")["server_groups"] == [group]
    assert admin.get(path)["server_group"]["id"] == group["id"]
    asked = {"name": "b", "imageRef": stranger.image(), "flavorRef": "1", "networks": "none"}
    body = {"server": asked, "os:scheduler_hints": {"group": group["id"]}}
    assert stranger.refused("POST", "/servers", 400, body).endswith("could not be found.")


def test_groups_come_in_pages(demo):
    groups = [make(demo)["id"] for _ in range(3)]
    listed = demo.get("/os-server-groups?limit=2&offset=1")["server_groups"]
    assert [each["id"] for each in listed] == groups[1:]
    demo.get("/os-server-groups?limit=-1", 400)
    demo.get("/os-server-groups?nothing=1", 400, version="2.75")


@pytest.mark.parametrize(
    ("version", "values"),
    [
        ("2.64", {"policy": "together"}),
        ("2.64", {"policies": ["affinity"]}),
        ("2.64", {"policy": "affinity", "rules": {"max_server_per_host": 2}}),
        ("2.64", {"policy": "anti-affinity", "rules": {"max_server_per_host": 0}}),
        ("2.64", {"policy": "anti-affinity", "rules": {"nothing": 1}}),
        ("2.63", {"policy": "affinity"}),
        ("2.63", {"policies": ["affinity", "anti-affinity"]}),
        ("2.63", {"policies": []}),
        ("2.14", {"policies": ["soft-affinity"]}),
    ],
)
def test_wrong_groups_are_refused(demo, version, values):
    demo.post("/os-server-groups", {"server_group": {"name": "group"} | values}, 400, version=version)
