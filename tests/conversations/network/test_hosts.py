"""Two hosts: each carries what its guests need, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import World

from monostack import testing
from monostack.network.hosting import PARTS


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with testing.cloud(only=("identity", "network"), node__simulated_hosts=2) as cloud:
        yield World(cloud)


@pytest.fixture
def carried(world):
    """What a host has in its world: the keys "kind/id"."""

    def look(host: str) -> set[str]:
        async def parts():
            agent = next(each for each in world.cloud.cloud.agents if each.host == host)
            return {f"{kind}/{id}" for kind, id in agent.networks.world.parts}

        return world.cloud.run(parts())

    return look


def bind(admin, port, host: str) -> None:
    body = {"binding:host_id": host, "device_owner": "compute:nova", "device_id": "d"}
    admin.put(f"/ports/{port['id']}", {"port": body})


def keys(network, port) -> set[str]:
    return {f"network/{network['id']}", f"port/{port['id']}", f"security_group/{port['security_groups'][0]}"}


def test_a_port_moves_from_host_to_host(admin, demo, carried, eventually):
    network = demo.network()
    demo.subnet(network)
    port = demo.port(network)
    bind(admin, port, "host")
    eventually(lambda: carried("host") == keys(network, port))
    eventually(lambda: admin.get(f"/ports/{port['id']}")["port"]["status"] == "ACTIVE")
    bind(admin, port, "host-2")
    eventually(lambda: carried("host-2") == keys(network, port) and not carried("host"))
    eventually(lambda: admin.get(f"/ports/{port['id']}")["port"]["status"] == "ACTIVE")


def test_a_network_stays_while_one_port_is_left(admin, demo, carried, eventually):
    network = demo.network()
    demo.subnet(network)
    one, two = demo.port(network), demo.port(network)
    bind(admin, one, "host")
    bind(admin, two, "host")
    eventually(lambda: f"port/{two['id']}" in carried("host") and f"port/{one['id']}" in carried("host"))
    admin.delete(f"/ports/{one['id']}")
    eventually(lambda: carried("host") == keys(network, two))


def test_a_member_elsewhere_is_told_to_every_host_that_uses_the_group(world, admin, demo, eventually):
    network = demo.network()
    demo.subnet(network)
    one, two = demo.port(network), demo.port(network)
    bind(admin, one, "host")
    bind(admin, two, "host-2")
    key = f"security_group/{one['security_groups'][0]}"
    both = {port["fixed_ips"][0]["ip_address"] for port in (one, two)}

    def members():
        async def look():
            worlds = [agent.networks.world.parts for agent in world.cloud.cloud.agents]
            kind, id = key.split("/")
            return [set(parts.get((kind, id), {}).get("members", ())) for parts in worlds]

        return world.cloud.run(look())

    eventually(lambda: members() == [both, both])


def test_routers_go_where_the_fewest_are(admin, demo, public):
    for _ in range(4):
        demo.router(external_gateway_info={"network_id": public["id"]})
    hosts = [
        port["binding:host_id"]
        for port in admin.get("/ports", device_owner="network:router_gateway")["ports"]
    ]
    assert sorted(hosts) == ["host", "host", "host-2", "host-2"]


def test_no_line_is_left_when_everything_is_gone(world, admin, demo, public, carried, eventually):
    network = demo.network()
    subnet = demo.subnet(network)
    router = demo.router(external_gateway_info={"network_id": public["id"]})
    demo.join(router, subnet)
    port = demo.port(network)
    bind(admin, port, "host-2")
    eventually(lambda: f"port/{port['id']}" in carried("host-2"))
    admin.delete(f"/ports/{port['id']}")
    demo.put(f"/routers/{router['id']}/remove_router_interface", {"subnet_id": subnet["id"]})
    demo.delete(f"/routers/{router['id']}")
    demo.delete(f"/networks/{network['id']}")
    eventually(lambda: world.cloud.read(lambda db: db.all(PARTS)) == [])
    assert carried("host") == carried("host-2") == set()


def test_an_operator_moves_a_router(admin, demo, public, carried, eventually):
    subnet = demo.subnet(demo.network())
    router = demo.router(external_gateway_info={"network_id": public["id"]})
    demo.join(router, subnet)
    agents = {each["host"]: each for each in admin.get("/agents", agent_type="L3 agent")["agents"]}
    here = admin.get(f"/routers/{router['id']}/l3-agents")["agents"][0]["host"]
    there = ({"host", "host-2"} - {here}).pop()
    key = f"router/{router['id']}"
    eventually(lambda: key in carried(here))
    old, new = (f"/agents/{agents[host]['id']}/l3-routers" for host in (here, there))
    admin.refused("POST", new, 409, "RouterHostedByL3Agent", {"router_id": router["id"]})
    demo.refused("POST", new, 403, "PolicyNotAuthorized", {"router_id": router["id"]})
    admin.delete(f"{old}/{router['id']}")
    eventually(lambda: not carried(here))
    assert {each["status"] for each in admin.get("/ports", device_id=router["id"])["ports"]} == {"DOWN"}
    admin.refused("DELETE", f"{old}/{router['id']}", 404, "RouterNotHostedByL3Agent")
    admin.ask("POST", new, 201, {"router_id": router["id"]})
    eventually(lambda: key in carried(there))
    eventually(
        lambda: (
            {each["status"] for each in admin.get("/ports", device_id=router["id"])["ports"]} == {"ACTIVE"}
        )
    )
    assert [each["id"] for each in admin.get(new)["routers"]] == [router["id"]]
