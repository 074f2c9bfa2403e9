"""What of the QEMU driver needs no QEMU: plan, command line, config drive, record, monitor, probe."""

import asyncio
import base64
import json
import os
import shutil
import socket
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monostack.node import guest_image
from monostack.node.errors import Broken
from monostack.node.hypervisors import accel, config_drive, plan, qemu_machine
from monostack.node.hypervisors.qemu_folder import (
    Folder,
    all_folders,
    guest_of,
    running_guests,
    write_durably,
)
from monostack.node.hypervisors.qmp import Qmp, QmpError, QmpGone

CLOUD = "8d1e5a52-3c50-4b8e-9d3a-0f8b8b2f3a11"
ID = "5b0d1f9e-1111-4222-8333-444455556666"
PORT = "b7a1f0f2-1111-4222-8333-444455556666"
PART = {
    "id": ID,
    "boot": 3,
    "disk": 1,
    "power": "running",
    "vcpus": 2,
    "ram": 512,
    "disk_gb": 1,
    "swap_mb": 0,
    "ephemeral_gb": 0,
    "config_drive": None,
    "nics": [{"port_id": PORT, "mac": "fa:16:3e:00:00:01", "mtu": 1450}],
}
PLUG = {"args": ["-netdev", "tap,id=n-b7a1f0f2-11,fd=7"], "fds": [7]}


class TestPlan:
    def known(self, **change):
        known = {"power": "running", "applied": "running", "boot": 3, "disk": 1, "shape": [2, 512]}
        return {**known, "lost": False, **change}

    def test_nothing_is_done_when_all_is_as_it_should_be(self):
        assert plan.steps(PART, self.known()) == []

    def test_a_server_that_is_not_there_is_made_and_brought_to_its_power_state(self):
        assert plan.steps(PART, None) == ["spawn", "start"]
        assert plan.steps({**PART, "power": "off"}, None) == ["spawn"]
        assert plan.steps({**PART, "power": "paused"}, None) == ["spawn", "start", "pause"]

    @pytest.mark.parametrize("power", plan.POWERS)
    @pytest.mark.parametrize("target", plan.POWERS)
    def test_every_power_state_leads_to_every_other(self, power, target):
        moves = {
            "start": "running",
            "stop": "off",
            "pause": "paused",
            "unpause": "running",
            "suspend": "suspended",
            "resume": "running",
        }
        for step in plan.steps({**PART, "power": target}, self.known(power=power, applied=power)):
            power = moves[step]
        assert power == target

    def test_a_new_boot_epoch_reboots_what_runs_and_starts_what_is_gone(self):
        again = {**PART, "boot": 4}
        assert plan.steps(again, self.known()) == ["reboot"]
        assert plan.steps(again, self.known(power="paused", applied="paused")) == ["reboot"]
        assert plan.steps(again, self.known(power="crashed")) == ["start"]
        assert plan.steps({**again, "power": "off"}, self.known()) == ["stop"]

    def test_a_new_disk_epoch_or_a_half_made_disk_rebuilds(self):
        assert plan.steps({**PART, "disk": 2}, self.known()) == ["stop", "rebuild", "start"]
        assert plan.steps(PART, self.known(disk=None, power="off")) == ["rebuild", "start"]

    def test_another_shape_restarts(self):
        assert plan.steps({**PART, "ram": 1024}, self.known()) == ["stop", "resize", "start"]

    def test_what_went_by_itself_is_left_and_what_the_host_took_is_started(self):
        assert plan.steps(PART, self.known(power="off")) == []
        assert plan.steps(PART, self.known(power="crashed")) == []
        assert plan.steps(PART, self.known(power="off", lost=True)) == ["start"]
        assert plan.steps(PART, self.known(power="off", applied="off")) == ["start"]


class TestCommandLine:
    def words(self, part=PART, plugs=(PLUG,), acceleration="tcg", **options):
        return qemu_machine.command(
            "/usr/bin/qemu", acceleration, CLOUD, part, Path("/state/servers") / ID, list(plugs), **options
        )

    def devices(self, words):
        return [json.loads(word) for word in words if word.startswith("{")]

    def test_the_name_says_whose_it_is_and_is_read_back_from_the_process_list(self):
        said = "\0".join(self.words()).encode() + b"\0"
        assert guest_of(said) == (CLOUD, ID, 3, Path("/state/servers") / ID / "pid")
        assert guest_of(b"/usr/bin/qemu\0-name\0guest=somebody\0-daemonize\0") is None
        assert guest_of(b"vi\0guest=monostack:" + CLOUD.encode()) is None

    def test_the_serial_number_of_the_machine_is_the_servers_id(self):
        words = self.words()
        assert words[words.index("-uuid") + 1] == ID

    def test_emulated_it_bounds_the_translation_cache_accelerated_it_passes_the_processor_on(self):
        assert "tcg,tb-size=32" in self.words()
        assert "host" in self.words(acceleration="kvm")

    def test_every_disk_has_its_place_in_the_boot_order(self):
        part = {**PART, "swap_mb": 64, "ephemeral_gb": 1, "config_drive": {}}
        devices = self.devices(self.words(part))
        disks = [device for device in devices if device["driver"] == "virtio-blk-pci"]
        assert [(device["drive"], device["bootindex"]) for device in disks] == [
            ("disk0", 1),
            ("ephemeral0", 2),
            ("swap0", 3),
            ("config0", 4),
        ]
        assert "strict=on" in self.words(part)

    def test_the_format_of_every_file_is_said(self):
        devices = self.devices(self.words({**PART, "config_drive": {}}))
        layers = [layer for layer in devices if "file" in layer]
        assert [layer["driver"] for layer in layers] == ["qcow2", "raw"]
        assert layers[1]["read-only"] is True

    def test_an_interface_has_the_mac_and_the_mtu_of_its_port(self):
        words = self.words()
        nic = next(device for device in self.devices(words) if device["driver"] == "virtio-net-pci")
        assert (nic["mac"], nic["host_mtu"], nic["netdev"]) == ("fa:16:3e:00:00:01", 1450, "n-b7a1f0f2-11")
        assert "tap,id=n-b7a1f0f2-11,fd=7" in words

    @pytest.mark.parametrize(
        ("bus", "places"),
        [
            ("ide", [("ide-hd", "ide.0", 0), ("ide-hd", "ide.0", 1), ("ide-cd", "ide.1", 0)]),
            ("sata", [("ide-hd", "sata.0", None), ("ide-hd", "sata.1", None), ("ide-cd", "sata.2", None)]),
            ("scsi", [("scsi-hd", "scsi.0", None), ("scsi-hd", "scsi.0", None), ("scsi-cd", "scsi.0", None)]),
        ],
    )
    def test_an_image_may_ask_for_another_bus(self, bus, places):
        image = {"properties": {"hw_disk_bus": bus}}
        part = {**PART, "image": image, "swap_mb": 64, "config_drive": {}}
        disks = [device for device in self.devices(self.words(part)) if "bootindex" in device]
        assert [(disk["driver"], disk["bus"], disk.get("unit")) for disk in disks] == places

    def test_an_image_may_ask_for_another_interface(self):
        part = {**PART, "image": {"properties": {"hw_vif_model": "e1000"}}}
        nic = next(device for device in self.devices(self.words(part)) if "mac" in device)
        assert nic["driver"] == "e1000"
        assert "host_mtu" not in nic

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("hw_disk_bus", "floppy", "this host has virtio, scsi, sata, ide"),
            ("hw_vif_model", "token-ring", "this host has virtio, e1000"),
            ("hw_firmware_type", "uefi", "hw_firmware_type=uefi; this host has bios"),
        ],
    )
    def test_what_this_host_does_not_have_is_refused_in_words(self, name, value, words):
        with pytest.raises(Broken, match=words):
            self.words({**PART, "image": {"properties": {name: value}}})

    def test_a_guest_that_shall_not_run_yet_is_started_standing_still(self):
        assert "-S" in self.words(paused=True)
        assert "-S" not in self.words()


def read_disc(disc):
    """Names and contents of the Joliet tree of a CD image, read independently of the writer."""
    sector = 2048
    descriptor = disc[17 * sector : 18 * sector]
    assert descriptor[:7] == b"\x02CD001\x01"
    assert descriptor[88:91] == b"%/E"
    files = {}

    def walk(extent, size, path):
        data, place = disc[extent * sector : extent * sector + size], 0
        while place < len(data):
            length = data[place]
            if not length:
                place = (place // sector + 1) * sector
                continue
            record = data[place : place + length]
            start, count = struct.unpack_from("<I", record, 2)[0], struct.unpack_from("<I", record, 10)[0]
            assert struct.unpack_from(">I", record, 6)[0] == start
            name = record[33 : 33 + record[32]]
            if name not in (b"\0", b"\1"):
                full = f"{path}/{name.decode('utf-16-be')}".lstrip("/")
                if record[25] & 2:
                    walk(start, count, full)
                else:
                    files[full] = disc[start * sector : start * sector + count]
            place += length

    root = descriptor[156:190]
    walk(struct.unpack_from("<I", root, 2)[0], struct.unpack_from("<I", root, 10)[0], "")
    return files


class TestConfigDrive:
    FILES = {
        "openstack/latest/meta_data.json": b'{"uuid": "1"}',
        "openstack/2018-08-27/meta_data.json": b"{}",
        "openstack/latest/user_data": os.urandom(5000),
        "openstack/content/0000": b"x" * 2048,
        "ec2/latest/meta-data.json": b"",
        **{f"openstack/content/a-file-with-a-long-name-{number:03}": b"%d" % number for number in range(80)},
    }

    def test_what_was_put_on_it_is_read_from_it(self):
        assert read_disc(config_drive.image(self.FILES)) == self.FILES

    def test_its_label_is_the_one_that_guests_look_for(self):
        disc = config_drive.image(self.FILES)
        assert disc[16 * 2048 + 40 : 16 * 2048 + 72] == b"config-2".ljust(32)
        assert disc[17 * 2048 + 40 : 17 * 2048 + 56] == "config-2".encode("utf-16-be")

    def test_it_is_as_long_as_it_says_and_no_shorter_than_what_looks_for_file_systems_reads(self):
        disc = config_drive.image({"a": b"b"})
        assert struct.unpack_from("<I", disc, 16 * 2048 + 80)[0] * 2048 == len(disc) == 192 * 2048

    @pytest.mark.skipif(shutil.which("isoinfo") is None, reason="isoinfo (genisoimage) is not installed")
    def test_another_program_reads_both_of_its_trees(self, tmp_path):
        (tmp_path / "disc").write_bytes(config_drive.image(self.FILES))
        for options, name in ((["-J"], "/openstack/latest/user_data"), ([], "/OPENSTACK/LATEST/USER_DATA;1")):
            said = subprocess.run(
                ["isoinfo", "-i", tmp_path / "disc", *options, "-x", name], capture_output=True, check=True
            )
            assert said.stdout == self.FILES["openstack/latest/user_data"]

    def test_bad_paths_and_contents_are_refused_in_words(self):
        with pytest.raises(ValueError, match="no path for a file"):
            config_drive.image({"openstack/../passwd": b""})
        with pytest.raises(ValueError, match="needs a folder where there is a file"):
            config_drive.image({"a": b"", "a/b": b""})
        with pytest.raises(ValueError, match="meta_data.json is not base64"):
            config_drive.from_part({"meta_data.json": "*"})
        assert read_disc(config_drive.from_part({"a": base64.b64encode(b"c").decode()})) == {"a": b"c"}


class TestFolder:
    def folder(self, tmp_path):
        folder = Folder(tmp_path, ID)
        folder.path.mkdir()
        return folder

    def test_a_record_is_whole_and_private_or_not_there(self, tmp_path):
        folder = self.folder(tmp_path)
        assert folder.read() is None
        folder.write({"boot": 1})
        assert folder.read() == {"boot": 1}
        assert stat.S_IMODE((folder / "facts.json").stat().st_mode) == 0o600
        (folder / "facts.json").write_text("{")
        with pytest.raises(Broken, match="cannot be read"):
            folder.read()

    def test_great_contents_are_written_completely(self, tmp_path):
        content = os.urandom(3 * 1024 * 1024)
        write_durably(tmp_path / "great", content)
        assert (tmp_path / "great").read_bytes() == content

    def test_the_console_log_ends_with_its_last_lines(self, tmp_path):
        folder = self.folder(tmp_path)
        assert folder.console_log(None) == ""
        (folder / "console.log").write_bytes(b"one\r\ntwo\r\nthree\r\n")
        assert folder.console_log(None) == "one\ntwo\nthree\n"
        assert folder.console_log(2) == "two\nthree"
        assert folder.console_log(0) == ""

    def test_a_console_log_that_grows_too_long_keeps_its_end(self, tmp_path):
        folder = self.folder(tmp_path)
        (folder / "console.log").write_bytes(b"x" * 9 * 1024 * 1024 + b"the end")
        folder.trim_console_log()
        kept = (folder / "console.log").read_bytes()
        assert len(kept) == 1024 * 1024
        assert kept.endswith(b"the end")

    def test_a_half_removed_folder_is_no_server_and_is_swept_away(self, tmp_path):
        self.folder(tmp_path)
        (tmp_path / ".gone-other").mkdir()
        assert [folder.id for folder in all_folders(tmp_path)] == [ID]
        assert not (tmp_path / ".gone-other").exists()


class TestProcesses:
    @pytest.fixture
    def process(self, tmp_path):
        """A process that looks like a guest of this cloud: Python under QEMU's arguments."""
        folder = tmp_path / "servers" / ID
        words = [sys.executable, "-c", "import time; time.sleep(60)", "-name"]
        words += [f"guest=monostack:{CLOUD}:{ID}:7,process=x", "-pidfile", str(folder / "pid"), "-daemonize"]
        process = subprocess.Popen(words)
        yield process
        process.kill()
        process.wait()

    def test_guests_are_found_by_cloud_and_folder(self, process, tmp_path):
        deadline = time.monotonic() + 5
        while not (found := running_guests(CLOUD, tmp_path / "servers")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert found == {ID: (process.pid, 7)}
        assert running_guests(ID, tmp_path / "servers") == {}
        assert running_guests(CLOUD, tmp_path / "a copy of the cloud") == {}

    def test_a_process_of_another_user_is_no_guest(self, process, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        assert running_guests(CLOUD, tmp_path / "servers") == {}


class Monitor:
    """The other end of a monitor: greets, answers by a table, remembers the files that came along."""

    def __init__(self, path, answers):
        self.path, self.answers, self.files, self.writer = path, answers, [], None

    async def __aenter__(self):
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(self.path))
        self.listening.listen()
        self.listening.setblocking(False)
        self.task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        self.listening.close()

    async def _serve(self):
        loop = asyncio.get_running_loop()
        self.stream, _ = await loop.sock_accept(self.listening)
        await self.send({"QMP": {"version": {}}})
        rest = b""
        while True:
            await asyncio.sleep(0.002)
            try:
                said, files, _, _ = socket.recv_fds(self.stream, 65536, 4)
            except BlockingIOError:
                continue
            self.files += files
            if not said:
                return
            *lines, rest = (rest + said).split(b"\n")
            for line in map(json.loads, lines):
                answer = self.answers.get(line["execute"], {"return": {}})
                if answer is not None:
                    await self.send({**answer, "id": line["id"]})

    async def send(self, message):
        await asyncio.get_running_loop().sock_sendall(self.stream, json.dumps(message).encode() + b"\r\n")


class TestMonitor:
    async def test_answers_refusals_and_events_find_their_way(self, tmp_path):
        events, gone = [], asyncio.Event()
        answers = {"query-status": {"return": {"status": "running"}}, "cont": {"error": {"desc": "No."}}}
        async with Monitor(tmp_path / "m", answers) as monitor:
            qmp = Qmp(lambda name, data: events.append((name, data)), gone.set)
            await qmp.connect(tmp_path / "m")
            assert await qmp.execute("query-status") == {"status": "running"}
            with pytest.raises(QmpError, match=r"^No\.$"):
                await qmp.execute("cont")
            await monitor.send({"event": "SHUTDOWN", "data": {"guest": True}})
            await qmp.execute("query-status")
            assert events == [("SHUTDOWN", {"guest": True})]
            monitor.stream.close()
            await asyncio.wait_for(gone.wait(), 2)
            with pytest.raises(QmpGone):
                await qmp.execute("query-status")

    async def test_the_end_of_the_other_side_fails_what_is_waiting(self, tmp_path):
        async with Monitor(tmp_path / "m", {"hang": None}) as monitor:
            qmp = Qmp(lambda name, data: None, lambda: None)
            await qmp.connect(tmp_path / "m")
            waiting = asyncio.create_task(qmp.execute("hang"))
            await asyncio.sleep(0.02)
            monitor.stream.close()
            with pytest.raises(QmpGone):
                await waiting

    async def test_a_command_that_is_not_answered_ends_in_words(self, tmp_path):
        async with Monitor(tmp_path / "m", {"hang": None}):
            qmp = Qmp(lambda name, data: None, lambda: None)
            await qmp.connect(tmp_path / "m")
            with pytest.raises(QmpError, match="did not answer hang within 0.05 seconds"):
                await qmp.execute("hang", seconds=0.05)
            await qmp.close()

    async def test_open_files_travel_with_a_command(self, tmp_path):
        async with Monitor(tmp_path / "m", {}) as monitor:
            qmp = Qmp(lambda name, data: None, lambda: None)
            await qmp.connect(tmp_path / "m")
            with (tmp_path / "file").open("wb") as file:
                await qmp.execute("getfd", {"fdname": "x"}, files=[file.fileno()])
            os.write(monitor.files[0], b"came along")
            os.close(monitor.files[0])
            assert (tmp_path / "file").read_bytes() == b"came along"
            await qmp.close()

    async def test_a_socket_deeper_than_an_address_is_reached(self, tmp_path):
        deep = tmp_path / ("d" * 60) / ("e" * 60)
        deep.mkdir(parents=True)
        short = os.open(deep, os.O_PATH)
        async with Monitor(f"/proc/self/fd/{short}/m", {}):
            qmp = Qmp(lambda name, data: None, lambda: None)
            await qmp.connect(deep / "m")
            await qmp.close()
        os.close(short)

    async def test_nobody_there_is_said_in_words(self, tmp_path):
        with pytest.raises(QmpGone, match="does not answer"):
            await Qmp(lambda name, data: None, lambda: None).connect(tmp_path / "m")


class TestAcceleration:
    def program(self, tmp_path, script):
        program = tmp_path / "qemu"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return str(program)

    @pytest.fixture
    def device(self, monkeypatch):
        monkeypatch.setattr(accel.os.path, "exists", lambda path: True)
        monkeypatch.setattr(accel.os, "access", lambda path, mode: True)
        monkeypatch.setattr(accel, "SECONDS", 0.5)

    async def test_a_trial_guest_that_runs_proves_it(self, device, tmp_path):
        acceleration, why = await accel.probe(self.program(tmp_path, "exit 85"), tmp_path)
        assert acceleration == "kvm"
        assert "a trial guest ran in" in why

    @pytest.mark.parametrize(
        ("script", "words"),
        [
            ("exec sleep 30", "did not run within 0.5 seconds"),
            ("echo 'qemu: error: no MSR 0x48' >&2; exit 134", "did not run: no MSR 0x48"),
            ("exit 0", "did not run"),
        ],
    )
    async def test_one_that_does_not_is_said_in_words(self, device, tmp_path, script, words):
        acceleration, why = await accel.probe(self.program(tmp_path, script), tmp_path)
        assert acceleration == "tcg"
        assert words in why

    async def test_the_answer_holds_until_the_host_is_started_again(self, device, tmp_path, monkeypatch):
        qemu = self.program(tmp_path, f"echo tried >> {tmp_path}/tries; exit 85")
        for _ in range(2):
            assert (await accel.probe(qemu, tmp_path))[0] == "kvm"
        assert (tmp_path / "tries").read_text() == "tried\n"
        monkeypatch.setattr(accel, "host_boot_id", lambda: "another")
        await accel.probe(qemu, tmp_path)
        assert (tmp_path / "tries").read_text() == "tried\ntried\n"

    async def test_emulation_that_was_asked_for_is_not_tried(self, tmp_path):
        assert (await accel.probe("/nowhere", tmp_path, "tcg"))[0] == "tcg"


class TestGuestImage:
    def test_what_is_missing_is_named_with_its_package(self, monkeypatch):
        monkeypatch.setattr(guest_image, "_find", lambda tool: None if tool == "mcopy" else "/bin/true")
        assert guest_image.missing_tools() == [("mcopy", "mtools")]
        with pytest.raises(guest_image.BuildError, match="apt-get install mtools"):
            guest_image.build(Path("/nowhere/image"), Path("/nowhere/cache"))

    def test_modules_come_after_what_they_depend_on(self, tmp_path):
        modules = {}
        for name, needs in (("net", "ring,bus"), ("ring", "bus"), ("bus", "")):
            modules[name] = tmp_path / f"{name}.ko"
            modules[name].write_bytes(b"\0name=x\0depends=" + needs.encode() + b"\0")
        assert [path.stem for path in guest_image._in_order(["net"], modules)] == ["bus", "ring", "net"]

    @pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio is not installed")
    def test_the_memory_disk_is_an_archive_that_others_read(self, tmp_path):
        archive = b"".join(
            (
                guest_image._archived("folder", stat.S_IFDIR | 0o755, b""),
                guest_image._archived("folder/file", stat.S_IFREG | 0o644, b"content"),
                guest_image._archived("TRAILER!!!", 0, b""),
            )
        )
        subprocess.run(["cpio", "-i", "--quiet"], input=archive, cwd=tmp_path, check=True)
        assert (tmp_path / "folder/file").read_bytes() == b"content"

    @pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox is not installed")
    def test_the_guest_reads_its_metadata(self):
        metadata = {
            "uuid": ID,
            "public_keys": {"a key": "ssh-rsa A me\n"},
            "keys": [{"data": 'x"y'}],
            "n": 1,
            "empty": {},
            "list": [],
            "no": None,
        }
        said = subprocess.run(
            ["busybox", "awk", "-f", guest_image.FILES / "flatten.awk"],
            input=json.dumps(metadata, indent=1),
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        )
        assert said.stdout.splitlines() == [
            f"/uuid\t{ID}",
            "/public_keys/a key\tssh-rsa A me",
            '/keys/0/data\tx"y',
            "/n\t1",
            "/no\tnull",
        ]

    @pytest.mark.skipif(os.uname().machine != "x86_64", reason="the program is for x86-64")
    def test_the_program_that_becomes_root_passes_its_arguments_on(self, tmp_path):
        script, program = tmp_path / "script", tmp_path / "program"
        script.write_text('#!/bin/sh\necho "$1|$2|$WORD"\n')
        program.write_bytes(guest_image._program_that_becomes_root(str(script)))
        for path in (script, program):
            path.chmod(0o755)
        words = [program, "a", "b c"]
        said = subprocess.run(words, env={"WORD": "d"}, capture_output=True, text=True, check=False)
        assert said.stdout == "a|b c|d\n"
