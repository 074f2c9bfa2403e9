"""A process without hosts beside the one that has them: what is asked of either becomes true on the hosts of
the other."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.conftest import World

from monostack.kit.errors import Error
from monostack.kit.questions import QUESTIONS
from monostack.testing.disposable import DisposableCloud, settings_for_tests

SHARED = ("fernet-keys", "credential-keys", "images")


@pytest.fixture(scope="module")
def worlds(postgresql, tmp_path_factory) -> Iterator[tuple[World, World]]:
    """`monostack up` with a simulated host, and `monostack serve` on a directory of its own."""
    state, other = (tmp_path_factory.mktemp(name) for name in ("up", "serve"))
    database = postgresql.database("processes_hosts")
    up = DisposableCloud(settings_for_tests(state, database=database))
    serve = DisposableCloud(settings_for_tests(other, database=database), alone=False)
    try:
        up.start()
        for name in SHARED:
            (state / name).mkdir(exist_ok=True)
            (other / name).symlink_to(state / name)
        serve.start()
        yield World(up), World(serve)
    finally:
        serve.stop()
        up.stop()


@pytest.fixture(scope="module")
def server(worlds) -> dict:
    """A server that was asked of the process without hosts."""
    _, serve = worlds
    image_api, network_api, compute = (serve.api(name) for name in ("image", "network", "compute"))
    image = image_api.post("/images", json={"name": "i", "disk_format": "raw", "container_format": "bare"})
    path = f"/images/{image.json()['id']}/file"
    headers = {"Content-Type": "application/octet-stream"}
    assert image_api.put(path, content=b"x" * 4096, headers=headers).status_code == 204
    network = network_api.post("/networks", json={"network": {"name": "n"}}).json()["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/24"}
    assert network_api.post("/subnets", json={"subnet": subnet}).status_code == 201
    asked = {"name": "s", "flavorRef": "1", "imageRef": image.json()["id"]}
    asked["networks"] = [{"uuid": network["id"]}]
    answer = compute.at("2.96", "POST", "/servers", json={"server": asked})
    assert answer.status_code == 202, answer.text
    return answer.json()["server"]


def settled(world: World, server_id: str, seconds: float = 10.0) -> dict:
    """The server, once nothing more is done to it: long before the next poll of loops and agents."""
    deadline = time.monotonic() + seconds
    while True:
        found = world.api("compute").get(f"/servers/{server_id}").json()["server"]
        if found["OS-EXT-STS:task_state"] is None:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def test_a_server_asked_of_either_runs_on_the_host_of_one(worlds, server):
    up, serve = worlds
    assert settled(serve, server["id"])["status"] == "ACTIVE"
    assert server["id"] in up.cloud.world()["servers"]
    assert serve.cloud.cloud.agents == []


def test_verbs_asked_of_either_reach_the_host(worlds, server):
    up, serve = worlds
    for world, verb, status in ((serve, "os-stop", "SHUTOFF"), (up, "os-start", "ACTIVE")):
        path = f"/servers/{server['id']}/action"
        assert world.api("compute").post(path, json={verb: None}).status_code == 202
        for each in worlds:
            assert settled(each, server["id"])["status"] == status


def test_questions_asked_of_either_are_answered_by_the_host(worlds, server):
    for world in worlds:
        path = f"/servers/{server['id']}/action"
        answer = world.api("compute").post(path, json={"os-getConsoleOutput": {}})
        assert answer.status_code == 200, answer.text
        assert isinstance(answer.json()["output"], str)


def test_what_a_host_refuses_is_told_in_the_same_words_by_either(worlds, server):
    """The answer of a host may be a refusal: here of a server that it does not have."""
    told = []
    for world in worlds:
        with pytest.raises(LookupError) as refusal:
            world.cloud.run(world.cloud.cloud.hub.ask("host", "server", "none", "console_log", {}))
        told.append(str(refusal.value))
    assert told[0] == told[1]
    assert worlds[0].cloud.read(lambda db: db.all(QUESTIONS)) == []


def test_a_host_that_no_process_has_is_told_at_once(worlds, server):
    for world in worlds:
        with pytest.raises(Error) as refusal:
            world.cloud.run(world.cloud.cloud.hub.ask("nowhere", "server", server["id"], "console_log", {}))
        assert (refusal.value.code, refusal.value.message[:12]) == (503, "Host nowhere")


def test_a_question_whose_hint_is_lost_is_answered_with_the_next_beat(worlds, server, monkeypatch):
    up, serve = worlds
    monkeypatch.setattr(serve.cloud.cloud.hints, "tell", lambda what, about: None)
    path = f"/servers/{server['id']}/action"
    answer = serve.api("compute").post(path, json={"os-getConsoleOutput": {}})
    assert answer.status_code == 200, answer.text


def test_a_disk_becomes_an_image_whoever_steps_the_loop(worlds, server):
    _, serve = worlds
    path = f"/servers/{server['id']}/action"
    answer = serve.api("compute").at("2.45", "POST", path, json={"createImage": {"name": "copy"}})
    assert answer.status_code == 202, answer.text
    image_id = answer.json()["image_id"]
    deadline = time.monotonic() + 15
    while (image := serve.api("image").get(f"/images/{image_id}").json())["status"] != "active":
        assert time.monotonic() < deadline, image
        time.sleep(0.05)


def test_a_deleted_server_is_gone_from_the_host(worlds, server):
    up, serve = worlds
    assert serve.api("compute").delete(f"/servers/{server['id']}").status_code == 204
    deadline = time.monotonic() + 10
    while server["id"] in up.cloud.world()["servers"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
