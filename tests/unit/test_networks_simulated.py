"""The simulated network world: what was made is there, faults come when asked for, a kill loses nothing."""

import asyncio

import pytest

from monostack.node.errors import Broken, Retry
from monostack.node.networks import open_networks
from monostack.node.networks.simulated import JOURNAL, SimulatedNetworks

CLOUD = "8d1e5a52-3c50-4b8e-9d3a-0f8b8b2f3a11"
PORT = {
    "kind": "port",
    "id": "b7a1f0f2-1111-4222-8333-444455556666",
    "version": 3,
    "desired": "present",
    "network_id": "n",
    "mac": "fa:16:3e:00:00:01",
    "fixed_ips": [],
}


def driver(tmp_path, **options):
    return SimulatedNetworks(tmp_path, CLOUD, options)


def run(coroutine):
    return asyncio.run(coroutine)


def test_a_part_that_was_made_is_in_the_world_and_in_the_look(tmp_path):
    networks = driver(tmp_path)
    facts = run(networks.make(PORT))
    assert facts == {
        "kind": "port",
        "id": PORT["id"],
        "version": 3,
        "desired": "present",
        "state": "present",
        "error": None,
    }
    assert networks.world.parts["port", PORT["id"]]["mac"] == "fa:16:3e:00:00:01"
    assert run(networks.look()) == {("port", PORT["id"]): facts}


def test_removing_is_confirmed_also_when_nothing_was_there(tmp_path):
    networks = driver(tmp_path)
    run(networks.make(PORT))
    assert run(networks.unmake("port", PORT["id"])) is True
    assert networks.world.parts == {}
    assert run(networks.unmake("port", PORT["id"])) is True


def test_a_part_with_a_tombstone_is_removed(tmp_path):
    networks = driver(tmp_path)
    run(networks.make(PORT))
    assert run(networks.make(PORT | {"desired": "absent", "version": 4}))["state"] == "absent"
    assert networks.world.parts == {}


def test_faults_come_as_often_as_asked_and_change_nothing(tmp_path):
    networks = driver(tmp_path)
    networks.fail(next="port.make", error="No such bridge.", times=1)
    networks.fail(next="port.make", error="Busy.", times=2, retry=True)
    with pytest.raises(Broken, match="No such bridge"):
        run(networks.make(PORT))
    for _ in range(2):
        with pytest.raises(Retry, match="Busy"):
            run(networks.make(PORT))
    assert networks.world.parts == {}
    assert run(networks.make(PORT))["state"] == "present"
    assert networks.world.calls["port.make"] == 4


def test_a_delay_holds_only_its_own_operation(tmp_path):
    networks = driver(tmp_path)
    networks.delay("port.make", 0.05)

    async def both() -> list[str]:
        ended = []

        async def make():
            await networks.make(PORT)
            ended.append("make")

        async def look():
            await networks.look()
            ended.append("look")

        await asyncio.gather(make(), look())
        return ended

    assert run(both()) == ["look", "make"]


def test_a_port_that_was_not_made_cannot_be_plugged(tmp_path):
    networks = driver(tmp_path)
    with pytest.raises(Retry, match="has not been made"):
        run(networks.plug(PORT["id"]))
    run(networks.make(PORT))
    answer = run(networks.plug(PORT["id"]))
    assert answer == {"args": ["-netdev", "user,id=n-b7a1f0f2-11,restrict=on"], "fds": []}
    run(networks.unplug(PORT["id"]))
    assert networks.world.plugged == set()


def test_a_kind_that_is_no_network_is_refused_in_words(tmp_path):
    with pytest.raises(Broken, match="none of them"):
        run(driver(tmp_path).make({"kind": "server", "id": "x", "version": 1, "desired": "present"}))


def test_the_world_outlives_the_program_and_its_history_is_dropped(tmp_path):
    before = driver(tmp_path, persist=True)
    run(before.start())
    for version in range(20):
        run(before.make(PORT | {"version": version}))
    run(before.make(PORT | {"id": "gone", "version": 1}))
    run(before.unmake("port", "gone"))

    after = driver(tmp_path, persist=True)
    run(after.start())
    assert after.world.parts == {("port", PORT["id"]): PORT | {"version": 19}}
    assert len((tmp_path / JOURNAL).read_bytes().splitlines()) == 1


def test_a_line_cut_short_by_a_kill_never_happened(tmp_path):
    before = driver(tmp_path, persist=True)
    run(before.start())
    run(before.make(PORT))
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'["port","half",{"kind":"po')
    after = driver(tmp_path, persist=True)
    run(after.start())
    assert set(after.world.parts) == {("port", PORT["id"])}
    run(after.make(PORT | {"id": "next"}))
    last = driver(tmp_path, persist=True)
    run(last.start())
    assert set(last.world.parts) == {("port", PORT["id"]), ("port", "next")}


def test_without_the_option_nothing_is_written(tmp_path):
    networks = driver(tmp_path)
    run(networks.start())
    run(networks.make(PORT))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_driver_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="linux, user, simulated"):
        open_networks("carrier-pigeon", tmp_path, CLOUD)
    assert open_networks("simulated", tmp_path, CLOUD).name == "simulated"
