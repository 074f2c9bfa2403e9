"""One real guest through its whole life, and the driver under its killers.

The tests of a class share one guest and run in their order, because an emulated guest needs seconds to
boot. They need QEMU and the tools that build the guest's image, no root and no network of their own.
"""

import asyncio
import base64
import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
import uvloop

from monostack.kit import crash
from monostack.kit.ids import new_uuid
from monostack.node import guest_image, hypervisors
from monostack.node.errors import Broken
from monostack.node.hypervisors import qemu_disk
from monostack.node.hypervisors.qemu import Qemu
from monostack.node.hypervisors.qemu_folder import running_guests

pytestmark = [pytest.mark.guests, pytest.mark.slow]

CLOUD = new_uuid()  # guests are found by the ids in their names, so no two runs may share them
ID = new_uuid()
PORT = "b7a1f0f2-1111-4222-8333-444455556666"
OTHER_PORT = "c7a1f0f2-1111-4222-8333-444455556666"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "monostack"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


METADATA = {"uuid": ID, "hostname": "web.example", "public_keys": {"mine": "ssh-ed25519 AAAA someone"}}
SERVER = {
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
    "swap_mb": 64,
    "ephemeral_gb": 0,
    "image": {"id": "guest", "disk_format": "qcow2", "min_disk": 0, "size": 0, "properties": {}},
    "config_drive": {
        "openstack/latest/meta_data.json": encoded(json.dumps(METADATA)),
        "openstack/latest/user_data": encoded("#!/bin/sh\ndf -m / | tail -n 1\necho script-ran\n"),
    },
    "nics": [{"port_id": PORT, "mac": "fa:16:3e:00:00:01", "mtu": 1450}],
    "metadata_ok": True,
}


class Plugs:
    """Networks that give each guest the stack inside its own QEMU."""

    def __init__(self):
        self.plugged = set()

    async def plug(self, port_id):
        self.plugged.add(port_id)
        return {"args": ["-netdev", f"user,id=n-{port_id[:11]},restrict=on"], "fds": []}

    async def unplug(self, port_id):
        self.plugged.discard(port_id)


@pytest.fixture(scope="module")
def image():
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed: apt-get install qemu-system-x86")
    missing = guest_image.missing_tools()
    if missing:
        pytest.skip(f"The guest image cannot be built here, {missing[0][0]} is missing.")
    try:
        return guest_image.build(CACHE / "guest.qcow2", CACHE)
    except guest_image.BuildError as reason:
        pytest.skip(f"The guest image cannot be built here: {reason}")


class Host:
    """A host with its driver and one event loop, as the agent would hold them."""

    def __init__(self, state, image):
        self.state = state
        self.image = image
        self.networks = Plugs()
        self.told = []
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.driver = None
        self.open()

    def open(self, **options):
        options = {"acceleration": "tcg", "power_off_seconds": 60, "soft_reboot_seconds": 60, **options}
        self.driver = Qemu(self.state, CLOUD, self.networks, self._bring, options)
        self.driver.on_change = self.told.append
        return self.run(self.driver.start())

    def run(self, coroutine):
        return self.runner.run(coroutine)

    def make(self, **change):
        return self.run(self.driver.make({**SERVER, **change}))

    def running(self):
        return running_guests(CLOUD, self.state / "servers")

    def pid(self):
        return self.running()[ID][0]

    def until(self, seen, seconds=90.0):
        """Wait until a look at the world says so."""

        async def wait():
            for _ in range(int(seconds / 0.05)):
                if seen():
                    return True
                await asyncio.sleep(0.05)
            return False

        assert self.run(wait()), (self.console() or "The console is empty.")[-2000:]

    def console(self):
        return self.run(self.driver.ask(ID, "console_log", {}))

    def until_console(self, words, times=1, seconds=90.0):
        log = self.state / "servers" / ID / "console.log"
        self.until(lambda: log.read_text(errors="replace").count(words) >= times, seconds)

    async def _bring(self, image):
        return self.image

    def close(self):
        self.run(self.driver.unmake(ID))
        self.run(self.driver.stop())
        self.runner.close()


@pytest.fixture(scope="module")
def host(image, tmp_path_factory):
    state = tmp_path_factory.mktemp("a-state-folder-whose-path-is-longer-than-the-address-of-a-socket")
    host = Host(state, image)
    yield host
    host.close()


async def typed(host, words, answer):
    """Type at the serial console until the answer comes back."""
    where = await host.driver.ask(ID, "serial", {})
    reader, writer = await asyncio.open_unix_connection(where["unix"])
    try:
        said = ""
        async with asyncio.timeout(60):
            for line, expected in (*words, ("", answer)):
                writer.write((line + "\n").encode())
                while not re.search(expected, said):
                    said += (await reader.read(4096)).decode(errors="replace")
                said = ""
    finally:
        writer.close()


LOGIN = (("", "login: $"), ("cloud", "Password: $"), ("gocloudgo", r"\$ "))


class TestOneGuest:
    def test_it_boots_to_a_login_and_does_what_its_config_drive_says(self, host):
        facts = host.make()
        assert (facts["power"], facts["boot"], facts["disk"], facts["place"]) == ("running", 1, 1, 1)
        host.until_console("web login:")
        host.until_console("cloud-init: source=config-drive")
        line = re.search(r"cloud-init: (.*)", host.console())[1]
        assert f"instance={ID} name=web keys=1 script=0" in line
        assert "script-ran" in host.console()
        megabytes = int(re.search(r"/dev/vda2\s+(\d+)", host.console())[1])
        assert megabytes > 900, "the root file system has not grown to its disk"
        assert len(host.run(host.driver.ask(ID, "console_log", {"length": 2})).split("\n")) == 2

    def test_making_it_again_starts_nothing(self, host):
        pid = host.pid()
        host.make(version=2)
        assert host.pid() == pid
        assert host.run(host.driver.look())[ID]["version"] == 2

    def test_its_disk_stands_on_the_image_and_has_the_size_of_the_flavor(self, host):
        disk = host.state / "servers" / ID / "disk.qcow2"
        shown = json.loads(host.run(qemu_disk.run("info", "-U", "--output=json", str(disk))))
        assert shown["full-backing-filename"] == str(host.image)
        assert shown["backing-filename-format"] == "qcow2"
        assert shown["virtual-size"] == 1024**3

    def test_it_is_paused_and_goes_on(self, host):
        assert host.make(power="paused")["power"] == "paused"
        assert host.make()["power"] == "running"

    def test_an_interface_is_plugged_in_and_taken_out_while_it_runs(self, host):
        other = {"port_id": OTHER_PORT, "mac": "fa:16:3e:00:00:02", "mtu": 1450}
        host.make(nics=[*SERVER["nics"], other])
        assert host.networks.plugged == {PORT, OTHER_PORT}
        assert host.run(host.driver.ask(ID, "diagnostics", {}))["num_nics"] == 2
        host.make()
        assert host.networks.plugged == {PORT}

    def test_its_screen_answers_as_a_vnc_server(self, host):
        async def greeting():
            where = await host.driver.ask(ID, "vnc", {})
            reader, writer = await asyncio.open_unix_connection(where["unix"])
            said = await asyncio.wait_for(reader.readexactly(12), 5)
            writer.close()
            return said

        assert host.run(greeting()) == b"RFB 003.008\n"

    def test_its_disk_is_copied_while_it_runs_to_a_file_that_stands_alone(self, host):
        copy = host.state / "copy.qcow2"
        answer = host.run(host.driver.ask(ID, "snapshot", {"path": str(copy), "disk_format": "qcow2"}))
        assert answer == {"size": copy.stat().st_size, "virtual_size": 1024**3}
        shown = json.loads(host.run(qemu_disk.run("info", "--output=json", str(copy))))
        assert "backing-filename" not in shown
        assert shown["actual-size"] > 10 * 1024**2
        host.run(qemu_disk.run("check", "-q", str(copy)))
        copy.unlink()

    def test_a_person_can_log_in_at_the_serial_console(self, host):
        host.run(typed(host, (*LOGIN, ("sudo id", "uid=0")), r"\$ "))
        host.run(typed(host, (("echo kept > /tmp/memory", r"\$ "),), r"\$ "))

    def test_suspended_and_resumed_it_still_remembers(self, host):
        pid = host.pid()
        assert host.make(power="suspended")["power"] == "suspended"
        assert host.running() == {}
        assert host.run(host.driver.look())[ID]["power"] == "suspended"
        assert host.make()["power"] == "running"
        assert host.pid() != pid
        host.run(typed(host, (("cat /tmp/memory", "kept"),), r"\$ "))

    def test_it_outlives_the_program_and_is_taken_up_by_the_next(self, host):
        pid = host.pid()
        host.run(host.driver.stop())
        assert host.pid() == pid
        inventory = host.open()
        assert inventory["acceleration"] == "tcg"
        assert host.run(host.driver.look())[ID]["power"] == "running"
        host.make(version=3)
        assert host.pid() == pid

    def test_a_soft_reboot_goes_through_its_power_button_and_keeps_its_disk(self, host):
        logins = host.console().count("web login:")
        facts = host.make(boot=2, reboot="soft")
        assert (facts["boot"], facts["power"]) == (2, "running")
        assert "reboot: Power down" in host.console()
        host.until_console("web login:", logins + 1)
        host.until_console("cloud-init: source=config-drive", 2)
        assert "script=kept" in host.console()

    def test_powered_off_from_the_inside_it_is_told_and_left_off(self, host):
        host.told.clear()
        host.run(typed(host, (*LOGIN, ("sudo poweroff", "going down")), "Power down"))
        host.until(lambda: host.told == [ID], 30)
        assert host.make(boot=2)["power"] == "off"
        assert host.running() == {}

    def test_the_next_boot_epoch_starts_it_and_its_power_button_stops_it(self, host):
        offs = host.console().count("reboot: Power down")
        assert host.make(boot=3)["power"] == "running"
        host.until_console("cloud-init: source=config-drive", 3)
        assert host.make(boot=3, power="off")["power"] == "off"
        assert host.console().count("reboot: Power down") == offs + 1
        assert host.running() == {}

    def test_a_killed_one_is_reported_crashed(self, host):
        host.make(boot=3)
        host.told.clear()
        os.kill(host.pid(), signal.SIGKILL)
        host.until(lambda: host.told == [ID], 30)
        assert host.run(host.driver.look())[ID]["power"] == "crashed"

    def test_removed_nothing_is_left_of_it(self, host):
        host.make(boot=4)
        assert host.run(host.driver.unmake(ID)) is True
        assert host.running() == {}
        assert list((host.state / "servers").iterdir()) == []
        assert host.networks.plugged == set()
        assert host.run(host.driver.look()) == {}
        assert host.run(host.driver.unmake(ID)) is True


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("bus", "interface"),
    [("scsi", "e1000"), ("sata", "rtl8139"), ("ide", "e1000e"), ("virtio", "vmxnet3"), ("virtio", "pcnet")],
)
def test_qemu_has_what_an_image_may_ask_for(killed_host, bus, interface):
    properties = {"hw_disk_bus": bus, "hw_vif_model": interface}
    assert killed_host.make(image={**SERVER["image"], "properties": properties})["power"] == "running"


def test_guests_that_went_down_with_the_host_come_up_with_it(killed_host):
    host = killed_host
    host.run(host.driver.stop())
    host.open(power_off_seconds=0)
    host.make(**BARE)
    host.run(host.driver.stop(stop_guests=True))
    assert host.running() == {}
    host.open()
    assert host.run(host.driver.look())[ID]["power"] == "off"
    assert host.make(**BARE)["power"] == "running"


def test_the_disk_of_a_server_that_is_off_is_copied_too(killed_host):
    host = killed_host
    host.make(**{**BARE, "power": "off"})
    copy = host.state / "copy.raw"
    answer = host.run(host.driver.ask(ID, "snapshot", {"path": str(copy), "disk_format": "raw"}))
    assert answer == {"size": 1024**3, "virtual_size": 1024**3}


# A machine without a system: its firmware runs, which is enough for everything but the power button.
BARE = {**SERVER, "image": None, "config_drive": None, "swap_mb": 0, "reboot": "hard"}
NO_PORT = {**BARE, "nics": []}
LIFE = (
    BARE,
    {**BARE, "disk_gb": 2},
    {**BARE, "power": "paused"},
    BARE,
    {**BARE, "power": "suspended"},
    BARE,
    {**BARE, "boot": 2},
    {**BARE, "boot": 2, "power": "off"},
    {**NO_PORT, "boot": 2, "power": "off"},
    {**NO_PORT, "boot": 2},
    {**BARE, "boot": 2},
    {**BARE, "boot": 2, "disk": 2},
    {**BARE, "boot": 2, "disk": 2, "ram": 160},
    {**BARE, "boot": 3, "disk": 2, "ram": 160},
)


@pytest.fixture
def killed_host(image, tmp_path):
    host = Host(tmp_path, image)
    yield host
    crash.disarm()
    host.close()


def test_killed_once_at_every_crash_point_the_world_still_gets_there(killed_host):
    host = killed_host
    names = [name for name in crash.names(Path(hypervisors.__file__).parent) if name.startswith("qemu.")]
    due = set(names)

    def die(name):
        if name in due:
            due.discard(name)
            raise Killed(name)

    def reopen():
        host.run(host.driver.stop())
        host.open(power_off_seconds=0)

    reopen()
    crash.arm(die)
    for part in LIFE:
        for _ in range(len(names)):
            try:
                facts = host.run(host.driver.make(part))
                break
            except Killed:
                reopen()
        assert (facts["power"], facts["boot"], facts["disk"]) == (part["power"], part["boot"], part["disk"])
        assert (ID in host.running()) == (part["power"] in ("running", "paused"))
    for _ in range(len(names)):
        try:
            assert host.run(host.driver.unmake(ID))
            break
        except Killed:
            reopen()
    assert host.running() == {}
    assert list((host.state / "servers").iterdir()) == []
    never = {"qemu.went.before", "qemu.went.after", "qemu.snapshot.before", "qemu.snapshot.after"}
    assert due == never, "points that this life did not pass"


def test_an_image_greater_than_the_flavors_disk_is_refused_in_words(image, tmp_path):
    async def overlay():
        await qemu_disk.blank(3 * 1024**3, tmp_path / "big.qcow2")
        await qemu_disk.overlay(tmp_path / "big.qcow2", "qcow2", 2, tmp_path / "disk.qcow2")

    with pytest.raises(Broken, match=r"needs a disk of 3 GB .* the flavor has 2"):
        asyncio.run(overlay())


def test_an_image_that_refers_to_another_file_is_refused(image, tmp_path):
    async def overlay():
        await qemu_disk.run(
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "raw",
            "-b",
            "/etc/passwd",
            str(tmp_path / "evil.qcow2"),
            "1G",
        )
        await qemu_disk.overlay(tmp_path / "evil.qcow2", "qcow2", 2, tmp_path / "disk.qcow2")

    with pytest.raises(Broken, match="refers to another file"):
        asyncio.run(overlay())
