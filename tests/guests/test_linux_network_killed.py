"""The linux networks when the program ends at the worst moment: the next one goes on from there.

First at each crash point in turn, then by SIGKILL at random moments of a program of its own.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.guests.linux_network_world import (
    REASON,
    Machine,
    group,
    network,
    new,
    outside,
    port,
    router,
    rule,
    subnet,
)

from monostack.kit import crash
from monostack.node.networks.linux import LinuxNetworks

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

WORKER = """
import asyncio, json, sys
from pathlib import Path
from monostack.node.networks.linux import LinuxNetworks

async def work(cloud_id, state, parts):
    networks = LinuxNetworks(Path(state), cloud_id, {})
    await networks.start()
    print("started", flush=True)
    while True:
        for part in parts:
            await networks.make(part)
        for part in reversed(parts):
            assert await networks.unmake(part["kind"], part["id"])

asyncio.run(work(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    machine = Machine(tmp_path_factory.mktemp("machine"))
    yield machine
    machine.end()


def everything() -> list[dict]:
    """One part of each kind, and two where they refer to each other."""
    public = network(subnet("172.24.4.0/24", enable_dhcp=False, dhcp_ip=None), external=True)
    inside = network(subnet("10.0.0.0/24"))
    open_group = group(rule())
    friends = group(rule(remote_group_id=open_group["id"]))
    guest = port(inside, "10.0.0.11", 11, [open_group["id"], friends["id"]])
    way_out = router(
        [inside],
        outside(public, "172.24.4.10", 1),
        [("172.24.4.100", "10.0.0.11")],
        routes=[{"destination": "10.7.0.0/16", "nexthop": "10.0.0.11"}],
    )
    return [open_group, friends, public, inside, guest, way_out]


def assert_nothing_is_left(machine: Machine) -> None:
    assert "ms" not in machine.run("ip", "netns", "list").stdout
    assert "mse-" not in machine.run("ip", "link").stdout


def test_every_step_may_be_the_last_one(machine, tmp_path):
    """End one program after the other, each at another crash point, and let the next go on from there: in the
    end everything is made, and in the end everything is gone."""
    parts = everything()
    cloud_id = new()

    class Killed(BaseException):
        pass

    def live(work, armed: str | None = None) -> list[str]:
        """One life of the program, ended at the armed point; answers the points that it met."""
        met: list[str] = []

        def at(name: str) -> None:
            met.append(name)
            if name == armed and met.count(name) == 1:
                raise Killed(name)

        networks = LinuxNetworks(tmp_path, cloud_id, {})
        crash.arm(at)
        try:
            machine.do(networks.start())
            machine.do(work(networks))
        except Killed:
            pass
        finally:
            crash.disarm()
            if networks.thread is not None:
                networks.thread.shutdown()
            for listener in networks.listeners.values():
                machine.loop.call_soon_threadsafe(listener.close)
        return met

    async def make(networks) -> None:
        for part in parts:
            await networks.make(part)
        assert {key: facts["version"] for key, facts in (await networks.look()).items()} == {
            (part["kind"], part["id"]): 1 for part in parts
        }

    async def unmake(networks) -> None:
        for part in reversed(parts):
            assert await networks.unmake(part["kind"], part["id"])
        await networks.stop()

    points = [list(dict.fromkeys(live(work))) for work in (make, unmake)]
    ended = set()
    for work, names_met in zip((make, unmake), points, strict=True):
        for name in names_met:
            if name in live(work, name):
                ended.add(name)
        live(work)
    assert ended == {name for names_met in points for name in names_met}
    assert len(ended) >= 38
    assert_nothing_is_left(machine)


def test_a_program_killed_at_random_leaves_nothing_that_the_next_one_cannot_finish(machine, tmp_path):
    parts, cloud_id, chance = everything(), new(), random.Random(7)
    source = str(Path(crash.__file__).parents[2])
    command = [sys.executable, "-c", WORKER, cloud_id, str(tmp_path), json.dumps(parts)]

    def begin() -> subprocess.Popen:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": source}
        )

    for _ in range(5):
        program = machine.call(begin)
        assert program.stdout.readline() == b"started\n", program.stderr.read().decode()
        time.sleep(chance.random() * 0.5)
        program.send_signal(signal.SIGKILL)
        _, words = program.communicate()
        assert program.returncode == -signal.SIGKILL, words.decode()

    async def finish() -> None:
        networks = LinuxNetworks(tmp_path, cloud_id, {})
        await networks.start()
        for part in parts:
            await networks.make(part)
        assert set(await networks.look()) == {(part["kind"], part["id"]) for part in parts}
        for part in reversed(parts):
            assert await networks.unmake(part["kind"], part["id"])
        assert await networks.look() == {}
        await networks.stop()

    machine.do(finish())
    assert_nothing_is_left(machine)
