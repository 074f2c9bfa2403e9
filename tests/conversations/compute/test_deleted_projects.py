"""What becomes of a deleted project's servers, networks and images: kept and told of, refused, or purged."""

import time

import pytest

from monostack.compute.servers.rows import SERVERS
from monostack.identity.projects import leaving
from monostack.kit.quota import LIMITS
from monostack.network.tables import SECURITY_GROUPS

KEYS = {"keypair": {"name": "k", "type": "ssh"}}


@pytest.fixture
def wish(world):
    """Say what becomes of what deleted projects own."""
    settings = world.cloud.settings.identity

    def put(word):
        settings.project_delete = word

    yield put
    settings.project_delete = "keep"


@pytest.fixture
def furnished(stranger):
    """A project that owns one of everything, running; its id."""
    network = stranger.world.api("network", user="stranger")
    stranger.server()
    mine = network.get("/networks", params={"name": "net"}).json()["networks"][0]["id"]
    outside = network.get("/networks", params={"name": "public"}).json()["networks"][0]["id"]
    subnet = network.get("/subnets", params={"network_id": mine}).json()["subnets"][0]["id"]
    gateway = {"network_id": outside}
    router = network.post("/routers", json={"router": {"external_gateway_info": gateway}}).json()["router"][
        "id"
    ]
    answer = network.put(f"/routers/{router}/add_router_interface", json={"subnet_id": subnet})
    assert answer.status_code == 200, answer.text
    port = network.get("/ports", params={"device_owner": "compute:nova"}).json()["ports"][0]["id"]
    for kind, asked in (
        ("floatingip", {"floating_network_id": outside, "port_id": port}),
        ("port", {"network_id": mine}),
        ("security_group", {"name": "mine"}),
    ):
        answer = network.post(f"/{kind.replace('_', '-')}s", json={kind: asked})
        assert answer.status_code == 201, answer.text
    stranger.post("/os-server-groups", {"server_group": {"name": "g", "policy": "affinity"}})
    stranger.post("/os-keypairs", KEYS, 201, version="2.90")
    return stranger.project_id()


def left(world):
    return world.cloud.read(lambda db: db.all(leaving.LEFT))


def gone_project(world, project_id, code=204):
    answer = world.api("identity").delete(f"/projects/{project_id}")
    assert answer.status_code == code, answer.text
    return answer


def test_what_a_project_owned_is_kept_and_told_of(world, admin, stranger, furnished):
    admin.put(f"/os-quota-sets/{furnished}", {"quota_set": {"cores": 7}})
    gone_project(world, furnished)
    (row,) = left(world)
    assert (row["wish"], row["name"]) == ("keep", "stranger")
    assert row["left"] == (
        "1 floating IP, 1 image, 1 network, 2 ports, 1 router, 1 security group, 1 server group, 1 server"
    )
    servers = admin.get(f"/servers?all_tenants=1&project_id={furnished}")["servers"]
    assert len(servers) == 1
    assert world.cloud.read(lambda db: db.count(LIMITS, project_id=furnished)) == 0
    assert stranger.api.get("/servers").status_code == 401, "its tokens are dead"
    world.cloud.run(once(world))
    assert left(world)[0]["left"] == row["left"]


async def once(world):
    """One step of the loop, as if it were time."""

    def step(tx):
        for row in tx.all(leaving.LEFT):
            leaving.step(row, tx)

    await world.cloud.cloud.engine.write(step)


def test_a_project_that_owns_something_is_refused(world, wish, stranger, furnished):
    wish("refuse")
    words = gone_project(world, furnished, 409).json()["error"]["message"]
    assert words.startswith(f"Project {furnished} still has 1 floating IP, 1 image, 1 network, 2 ports")
    assert left(world) == []
    assert stranger.get("/servers")["servers"], "nothing was done"


def test_a_domain_is_refused_for_what_its_projects_own(world, wish, admin):
    wish("refuse")
    identity = world.api("identity")
    domain = identity.post("/domains", json={"domain": {"name": "d"}}).json()["domain"]["id"]
    asked = {"name": "p", "domain_id": domain}
    project = identity.post("/projects", json={"project": asked}).json()["project"]["id"]
    group = {"name": "g", "project_id": project}
    assert world.api("network").post("/security-groups", json={"security_group": group}).status_code == 201
    identity.patch(f"/domains/{domain}", json={"domain": {"enabled": False}}).raise_for_status()
    refused = identity.delete(f"/domains/{domain}")
    assert (refused.status_code, "1 security group" in refused.text) == (409, True)
    assert identity.get(f"/projects/{project}").status_code == 200


def test_everything_goes_when_it_is_to_be_purged(world, wish, admin, furnished):
    wish("purge")
    gone_project(world, furnished)
    assert world.api("identity").get(f"/projects/{furnished}").status_code == 404
    deadline = time.monotonic() + 30
    while left(world):
        assert time.monotonic() < deadline, left(world)
        time.sleep(0.05)
        world.cloud.clock.advance(seconds=2)
        world.cloud.run(hurry(world))
    owned = world.cloud.read(lambda db: world.cloud.cloud.hooks.run("identity.project.owned", db, furnished))
    assert sum(sum(counts.values()) for counts in owned) == 0
    assert world.cloud.read(lambda db: db.count(SERVERS, project_id=furnished)) == 0
    assert world.cloud.read(lambda db: db.count(SECURITY_GROUPS, project_id=furnished)) == 0
    assert world.cloud.settle() == []


async def hurry(world):
    world.cloud.cloud.loops.wake_all()


def test_an_empty_project_leaves_nothing(world, wish, stranger):
    project_id = stranger.project_id()
    stranger.world.api("network", user="stranger").get("/security-groups").raise_for_status()
    for word in ("keep", "refuse"):
        wish(word)
        other = (
            world.api("identity").post("/projects", json={"project": {"name": word}}).json()["project"]["id"]
        )
        gone_project(world, other)
    gone_project(world, project_id)
    assert left(world) == []
    assert world.cloud.read(lambda db: db.count(SECURITY_GROUPS, project_id=project_id)) == 0


def test_key_pairs_go_with_their_user(world, admin, stranger):
    stranger.post("/os-keypairs", KEYS, 201, version="2.90")
    identity = world.api("identity")
    user = identity.get("/users", params={"name": "stranger"}).json()["users"][0]["id"]
    assert len(admin.get(f"/os-keypairs?user_id={user}")["keypairs"]) == 1
    assert identity.delete(f"/users/{user}").status_code == 204
    assert admin.get(f"/os-keypairs?user_id={user}")["keypairs"] == []
