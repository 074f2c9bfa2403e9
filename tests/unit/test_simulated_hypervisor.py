"""The simulated hypervisor: what was asked is done once, faults come when arranged, a kill loses nothing."""

import asyncio
import shutil
import subprocess

import pytest

from monostack.kit import crash
from monostack.node.errors import Broken, Retry
from monostack.node.hypervisors import open_hypervisor
from monostack.node.hypervisors import simulated as module
from monostack.node.hypervisors.simulated import JOURNAL, SimulatedHypervisor

CLOUD = "8d1e5a52-3c50-4b8e-9d3a-0f8b8b2f3a11"
ID = "5b0d1f9e-1111-4222-8333-444455556666"
PORT = "b7a1f0f2-1111-4222-8333-444455556666"
PART = {
    "kind": "server",
    "id": ID,
    "version": 1,
    "desired": "present",
    "place": 1,
    "boot": 1,
    "disk": 1,
    "name": "web",
    "instance_name": "instance-00000001",
    "power": "running",
    "reboot": "soft",
    "vcpus": 1,
    "ram": 128,
    "disk_gb": 1,
    "swap_mb": 0,
    "ephemeral_gb": 0,
    "image": None,
    "config_drive": None,
    "nics": [{"port_id": PORT, "mac": "fa:16:3e:00:00:01", "mtu": 1450}],
    "metadata_ok": True,
}


class Plugs:
    """Networks that only remember what was plugged in."""

    def __init__(self):
        self.plugged = []

    async def plug(self, port_id):
        self.plugged.append(port_id)
        return {"args": [], "fds": []}

    async def unplug(self, port_id):
        self.plugged.remove(port_id)


@pytest.fixture
def driver(tmp_path):
    return SimulatedHypervisor(tmp_path, CLOUD, Plugs())


@pytest.fixture(autouse=True)
def disarmed():
    yield
    crash.disarm()


def power(driver):
    return driver.world.servers[ID]["power"]


async def test_a_server_that_was_made_is_in_the_world_and_in_the_look(driver):
    facts = await driver.make(PART)
    assert facts == {
        "kind": "server",
        "id": ID,
        "version": 1,
        "desired": "present",
        "state": "present",
        "error": None,
        "place": 1,
        "boot": 1,
        "disk": 1,
        "power": "running",
    }
    assert await driver.look() == {ID: facts}
    assert driver.networks.plugged == [PORT]
    assert driver.world.calls == {"spawn": 1, "plug": 1, "look": 1}


async def test_making_it_again_touches_nothing(driver):
    await driver.make(PART)
    before = driver.world.servers[ID]
    await driver.make(dict(PART))
    assert driver.world.servers[ID] is before
    assert driver.world.calls == {"spawn": 1, "plug": 1}


@pytest.mark.parametrize(
    ("to", "step", "back"),
    [("off", "stop", "start"), ("paused", "pause", "unpause"), ("suspended", "suspend", "resume")],
)
async def test_every_power_state_is_reached_and_left_by_its_own_step(driver, to, step, back):
    await driver.make(PART)
    assert (await driver.make(PART | {"power": to, "version": 2}))["power"] == to
    assert (await driver.make(PART | {"version": 3}))["power"] == "running"
    assert driver.world.calls == {"spawn": 1, "plug": 1, step: 1, back: 1}


async def test_the_boot_epoch_reboots_once(driver):
    await driver.make(PART)
    assert (await driver.make(PART | {"boot": 2}))["boot"] == 2
    await driver.make(PART | {"boot": 2})
    assert driver.world.calls["reboot"] == 1
    assert (await driver.ask(ID, "console_log", {})).count("login:") == 2


async def test_the_boot_epoch_of_a_server_that_shall_be_off_starts_nothing(driver):
    await driver.make(PART | {"power": "off"})
    facts = await driver.make(PART | {"power": "off", "boot": 5})
    assert (facts["boot"], facts["power"]) == (5, "off")
    assert set(driver.world.calls) == {"spawn", "plug"}


async def test_the_disk_epoch_rebuilds_and_the_place_epoch_is_taken_over(driver):
    await driver.make(PART)
    facts = await driver.make(PART | {"disk": 2, "place": 3})
    assert (facts["disk"], facts["place"], facts["power"]) == (2, 3, "running")
    assert driver.world.calls == {"spawn": 1, "plug": 1, "stop": 1, "rebuild": 1}


async def test_another_flavor_stops_the_machine_and_starts_it_with_the_new_shape(driver):
    await driver.make(PART)
    assert (await driver.make(PART | {"vcpus": 2, "ram": 256}))["power"] == "running"
    assert driver.world.servers[ID]["shape"] == [2, 256]
    assert driver.world.calls == {"spawn": 1, "plug": 1, "stop": 1, "resize": 1}


async def test_a_guest_that_powered_itself_off_stays_off_until_something_new_is_asked(driver):
    told = []
    driver.on_change = told.append
    await driver.make(PART)
    driver.guest_powers_off(ID)
    assert told == [ID]
    assert (await driver.make(PART | {"version": 2}))["power"] == "off"
    assert (await driver.make(PART | {"power": "off", "version": 3}))["power"] == "off"
    assert (await driver.make(PART | {"version": 4}))["power"] == "running"


async def test_a_crashed_guest_is_started_by_the_next_boot_epoch(driver):
    await driver.make(PART)
    driver.guest_crashes(ID)
    assert (await driver.make(PART))["power"] == "crashed"
    assert (await driver.make(PART | {"boot": 2}))["power"] == "running"


async def test_guests_that_went_down_with_the_host_are_started_again(driver):
    await driver.make(PART)
    await driver.stop(stop_guests=True)
    assert power(driver) == "off"
    assert (await driver.make(PART))["power"] == "running"


async def test_interfaces_are_plugged_and_unplugged_as_the_part_names_them(driver):
    other = {"port_id": "other", "mac": "fa:16:3e:00:00:02", "mtu": 1450}
    await driver.make(PART)
    await driver.make(PART | {"nics": [*PART["nics"], other]})
    assert driver.networks.plugged == [PORT, "other"]
    await driver.make(PART | {"nics": [other]})
    assert driver.networks.plugged == ["other"]
    await driver.unmake(ID)
    assert driver.networks.plugged == []


async def test_removing_is_confirmed_also_when_nothing_was_there(driver):
    assert await driver.unmake(ID) is True
    await driver.make(PART)
    assert (await driver.make(PART | {"desired": "absent", "version": 2}))["state"] == "absent"
    assert driver.world.servers == {}


async def test_faults_come_as_often_as_asked_and_change_nothing(driver):
    driver.fail(next="spawn", error="No such image.")
    driver.fail(next="spawn", error="Busy.", times=2, retry=True)
    with pytest.raises(Broken, match="No such image"):
        await driver.make(PART)
    for _ in range(2):
        with pytest.raises(Retry, match="Busy"):
            await driver.make(PART)
    assert driver.world.servers == {}
    assert (await driver.make(PART))["state"] == "present"


async def test_a_fault_of_an_unknown_step_is_refused_with_the_known_ones(driver):
    with pytest.raises(ValueError, match="the steps are spawn, reboot"):
        driver.fail(next="explode")


async def test_delays_pass_through_the_clock_that_was_given(tmp_path):
    class Slept:
        seconds = 0.0

        async def sleep(self, seconds):
            self.seconds += seconds

    clock = Slept()
    driver = SimulatedHypervisor(tmp_path, CLOUD, options={"clock": clock, "delays": {"spawn": 30.0}})
    driver.delay("delete", 60.0)
    await driver.make(PART)
    await driver.unmake(ID)
    assert clock.seconds == 90.0


async def test_two_callers_make_one_server(tmp_path):
    driver = SimulatedHypervisor(tmp_path, CLOUD, Plugs(), options={"delays": {"spawn": 0.01}})
    await asyncio.gather(driver.make(PART), driver.make(PART))
    assert driver.world.calls["spawn"] == 1
    assert driver.networks.plugged == [PORT]


async def test_questions_are_answered_or_refused_in_words(driver):
    with pytest.raises(LookupError, match="not on this host"):
        await driver.ask(ID, "console_log", {})
    await driver.make(PART)
    assert (await driver.ask(ID, "console_log", {"length": 1})) == "web login: "
    assert (await driver.ask(ID, "diagnostics", {}))["nic_details"][0]["mac_address"] == "fa:16:3e:00:00:01"
    await driver.ask(ID, "nmi", {})
    assert driver.world.servers[ID]["interrupts"] == 1
    with pytest.raises(LookupError, match="no screen"):
        await driver.ask(ID, "vnc", {})
    with pytest.raises(LookupError, match="it answers console_log"):
        await driver.ask(ID, "meaning", {})


async def test_its_disk_is_copied_to_a_file_that_qemu_reads(driver, tmp_path):
    await driver.make(PART)
    answer = await driver.ask(ID, "snapshot", {"path": str(tmp_path / "copy"), "disk_format": "qcow2"})
    assert answer == {"size": (tmp_path / "copy").stat().st_size, "virtual_size": 1024**3}
    raw = await driver.ask(ID, "snapshot", {"path": str(tmp_path / "raw"), "disk_format": "raw"})
    assert raw["size"] == raw["virtual_size"] == 1024**3
    with pytest.raises(LookupError, match="qcow2 or raw, not as 'vmdk'"):
        await driver.ask(ID, "snapshot", {"path": str(tmp_path / "no"), "disk_format": "vmdk"})
    if shutil.which("qemu-img"):
        subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", tmp_path / "copy"], check=True)


async def test_the_world_outlives_the_program_and_its_history_is_dropped(tmp_path):
    before = SimulatedHypervisor(tmp_path, CLOUD, options={"persist": True})
    await before.start()
    for boot in range(1, 20):
        await before.make(PART | {"boot": boot})
    await before.make(PART | {"id": "gone"})
    await before.unmake("gone")
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'["half",{"part":{"kind":"se')

    after = SimulatedHypervisor(tmp_path, CLOUD, options={"persist": True})
    await after.start()
    assert after.world.servers == before.world.servers
    assert len((tmp_path / JOURNAL).read_bytes().splitlines()) == 1
    assert (await after.make(PART | {"boot": 20}))["boot"] == 20


class Killed(BaseException):
    pass


LIFE = (
    PART,
    PART | {"boot": 2},
    PART | {"power": "paused"},
    PART,
    PART | {"power": "suspended"},
    PART,
    PART | {"power": "off"},
    PART,
    PART | {"disk": 2},
    PART | {"disk": 2, "ram": 256},
)


async def test_killed_at_every_crash_point_the_world_still_gets_there(tmp_path):
    """The program dies once at each point; whoever comes after it ends with the same server."""
    names = crash.names(module.__file__)
    passed = set()
    for number, name in enumerate(names):
        state = tmp_path / str(number)

        def die(here, name=name):
            passed.add(here)
            if here == name:
                crash.disarm()
                raise Killed

        driver = await _born_again(state)
        crash.arm(die)
        for part in [*LIFE, None]:
            while True:
                try:
                    if part is None:
                        assert await driver.unmake(ID)
                    else:
                        facts = await driver.make(part)
                        assert facts["power"] == part["power"]
                    break
                except Killed:
                    driver = await _born_again(state)
        assert driver.world.servers == {}
    assert passed == set(names)


async def _born_again(state):
    driver = SimulatedHypervisor(state, CLOUD, options={"persist": True})
    await driver.start()
    return driver


def test_an_unknown_driver_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="the drivers are qemu, simulated"):
        open_hypervisor("abacus", tmp_path, CLOUD, None, None)
    assert open_hypervisor("simulated", tmp_path, CLOUD, None, None).name == "simulated"
