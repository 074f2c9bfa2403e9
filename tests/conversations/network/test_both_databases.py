"""One story on SQLite and on PostgreSQL: claims under concurrency must hold on both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.conftest import World
from tests.conversations.network.conftest import Caller

from monostack import testing

AT_ONCE = 8


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_world(request) -> Iterator[World]:
    options = {}
    if request.param == "postgresql":
        options["database"] = request.getfixturevalue("postgresql").database("network")
    with testing.cloud(only=("identity", "network"), **options) as cloud:
        yield World(cloud)


def at_once(world, count: int, method: str, path: str, body) -> list:
    """The same request many times, from several connections at the same time."""
    callers = [Caller(world.api("network", "demo")) for _ in range(AT_ONCE)]

    def one(number: int):
        return callers[number % AT_ONCE].api.request(method, path, json=body)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(one, range(count)))


def test_no_address_is_given_twice(world, demo):
    network = demo.network()
    demo.subnet(network, "10.0.0.0/27")
    answers = at_once(world, 40, "POST", "/ports", {"port": {"network_id": network["id"]}})
    assert Counter(answer.status_code for answer in answers) == {201: 28, 409: 12}
    given = [
        answer.json()["port"]["fixed_ips"][0]["ip_address"] for answer in answers if answer.status_code == 201
    ]
    assert len(set(given)) == 28


def test_one_chosen_address_goes_to_one(world, demo):
    network = demo.network()
    demo.subnet(network)
    body = {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.0.0.77"}]}}
    answers = at_once(world, 16, "POST", "/ports", body)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 15}
    assert {answer.json()["NeutronError"]["type"] for answer in answers if answer.status_code == 409} == {
        "IpAddressAlreadyAllocated"
    }


def test_the_quota_holds(world, admin, demo):
    network = demo.network()
    admin.put(f"/quotas/{network['project_id']}", {"quota": {"network": 5}})
    answers = at_once(world, 16, "POST", "/networks", {"network": {"name": "n"}})
    assert Counter(answer.status_code for answer in answers) == {201: 4, 409: 12}


def test_there_is_one_default_group(world, demo):
    answers = at_once(world, 16, "GET", "/security-groups", None)
    assert all(answer.status_code == 200 for answer in answers)
    assert len({answer.json()["security_groups"][0]["id"] for answer in answers}) == 1
    network = demo.network()
    answers = at_once(world, 16, "POST", "/ports", {"port": {"network_id": network["id"]}})
    assert Counter(answer.status_code for answer in answers) == {201: 16}
    assert len(demo.get("/security-groups")["security_groups"]) == 1


def test_a_rule_is_made_once(world, demo):
    group = demo.group()
    body = {
        "security_group_rule": {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    }
    answers = at_once(world, 16, "POST", "/security-group-rules", body)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 15}


def test_the_whole_way_out(demo, public, eventually):
    network = demo.network()
    subnet = demo.subnet(network)
    router = demo.router(external_gateway_info={"network_id": public["id"]})
    demo.join(router, subnet)
    port = demo.port(network)
    made = demo.post(
        "/floatingips", {"floatingip": {"floating_network_id": public["id"], "port_id": port["id"]}}
    )
    path = f"/floatingips/{made['floatingip']['id']}"
    eventually(lambda: demo.get(path)["floatingip"]["status"] == "ACTIVE")
    demo.delete(path)
    demo.put(f"/routers/{router['id']}/remove_router_interface", {"subnet_id": subnet["id"]})
    demo.delete(f"/routers/{router['id']}")
    demo.delete(f"/ports/{port['id']}")
    demo.delete(f"/networks/{network['id']}")
    found = demo.get("/ports")["ports"]
    assert found == []


def test_lists_page_and_filter(demo):
    for name in "abc":
        demo.network(name=name, description="mine")
    page = demo.get("/networks", description="mine", sort_key="name", sort_dir="desc", limit=2)
    assert [each["name"] for each in page["networks"]] == ["c", "b"]
    rest = demo.get(
        "/networks",
        description="mine",
        sort_key="name",
        sort_dir="desc",
        limit=2,
        marker=page["networks"][-1]["id"],
    )
    assert [each["name"] for each in rest["networks"]] == ["a"]
