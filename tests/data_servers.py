"""Real servers of other projects, started by tests on free ports of loopback, their files in temporary
folders.

Where a server is not installed the test is skipped and says so.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from importlib.util import find_spec
from pathlib import Path

import pytest

from monostack.image.stores import rbd

SWIFT = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
fallocate_reserve = 0
log_level = ERROR
[pipeline:main]
pipeline = {pipeline}
[app:{kind}-server]
use = egg:swift#{kind}
{more}
"""
FILTERS = """account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:tempauth]
use = egg:swift#tempauth
user_cloud_images = secret .admin
# tokens that need no memcached
fernet_key_one = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
active_fernet_key_id = one
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:slo]
use = egg:swift#slo
"""

CEPH = """[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{port}/0
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {folder}/keyring
run dir = {folder}
log file = {folder}/$name.log
admin socket = {folder}/$name.$pid.asok
mon data = {folder}/mon
mon data avail warn = 1
mon data avail crit = 1
mon allow pool size one = true
osd data = {folder}/osd
osd objectstore = bluestore
osd memory target = 939524096
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
# a client that was killed is forgotten soon
osd client watch timeout = 5
# what is new is told at once
paxos propose interval = 0.05
osd heartbeat interval = 1
bluestore block size = 4294967296
ms bind msgr2 = false
"""
CEPH_USERS = {
    "mon.": {"mon": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *"},
    "client.images": {"mon": "profile rbd", "osd": "profile rbd pool=images"},
}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def answers(port: int, process: subprocess.Popen) -> bool:
    """Whether an HTTP server answers within some seconds."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
            return True
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    return False


class Peer:
    """Processes that end with the test."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="monostack-peer-", dir="/var/tmp"))
        self.processes: list[subprocess.Popen] = []

    def run(self, port: int, *words: str, **environment: str) -> None:
        with open(self.folder / "log", "ab") as log:
            process = subprocess.Popen(
                words, stdout=log, stderr=log, cwd=self.folder, env=dict(os.environ) | environment
            )
        self.processes.append(process)
        assert answers(port, process), (self.folder / "log").read_text()[-3000:]

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


class Moto(Peer):
    """An S3 service."""

    def __init__(self) -> None:
        for name in ("moto", "flask", "flask_cors", "boto3"):
            if find_spec(name) is None:
                pytest.skip(f"S3 needs {name} (Python's package)")
        super().__init__()
        self.port = free_ports(1)[0]
        self.run(self.port, sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port))

    @property
    def options(self) -> dict:
        """What a store needs to know."""
        return {
            "endpoint": f"http://127.0.0.1:{self.port}",
            "access_key": "key",
            "secret_key": "secret",
            "bucket": "images",
            "region": "us-east-1",
            "create_bucket": True,
            "part_mib": 5,
        }


RING = """
import sys
from swift.common.ring import RingBuilder
builder = RingBuilder(2, 1, 0)
device = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(sys.argv[1]), "device": "d", "weight": 1.0}
builder.add_dev(device)
builder.rebalance()
builder.get_ring().save(sys.argv[2])
"""


class Swift(Peer):
    """A Swift of one replica, with the accounts of its own login (v1). It speaks S3, too."""

    def __init__(self) -> None:
        if find_spec("swift") is None:
            pytest.skip("Swift needs swift (Python's package)")
        super().__init__()
        try:
            os.setxattr(self.folder, "user.swift", b"1")
        except OSError:
            self.stop()
            pytest.skip("Swift needs extended attributes in /var/tmp")
        self.ports = dict(zip(("account", "container", "object", "proxy"), free_ports(4), strict=True))
        (self.folder / "devices" / "d").mkdir(parents=True)
        (self.folder / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n"
        )
        for kind, port in self.ports.items():
            if kind != "proxy":
                self._ring(kind, port)
            self._start(kind, port)

    def _ring(self, kind: str, port: int) -> None:
        """In a process of its own: importing Swift puts other threads and sockets under whoever does."""
        words = [sys.executable, "-c", RING, str(port), str(self.folder / f"{kind}.ring.gz")]
        subprocess.run(words, check=True, capture_output=True, timeout=60)

    def _start(self, kind: str, port: int) -> None:
        import pwd

        proxy = kind == "proxy"
        before = "catch_errors listing_formats s3api tempauth slo " if proxy else ""
        text = SWIFT.format(
            port=port,
            folder=self.folder,
            kind=kind,
            user=pwd.getpwuid(os.geteuid()).pw_name,
            pipeline=f"{before}{kind}-server",
            more=FILTERS if proxy else "",
        )
        conf = self.folder / f"{kind}-server.conf"
        conf.write_text(text)
        program = Path(sys.executable).with_name(f"swift-{kind}-server")
        # the others' byte code is worth keeping: without it Swift starts for ten seconds
        self.run(port, sys.executable, str(program), str(conf), PYTHONDONTWRITEBYTECODE="")

    @property
    def options(self) -> dict:
        """What a store needs to know."""
        return {
            "auth_url": f"http://127.0.0.1:{self.ports['proxy']}/auth/v1.0",
            "auth_version": 1,
            "user": "cloud:images",
            "key": "secret",
            "segment_mib": 1,
        }

    @property
    def s3_options(self) -> dict:
        """What a store needs to know to come by the other door."""
        return {
            "endpoint": f"http://127.0.0.1:{self.ports['proxy']}",
            "access_key": "cloud:images",
            "secret_key": "secret",
            "bucket": "images",
            "region": "us-east-1",
            "create_bucket": True,
            "part_mib": 5,
        }


class Ceph(Peer):
    """A Ceph of one monitor and one OSD, its disk a file, with a pool of images and a user for it."""

    def __init__(self) -> None:
        for program, package in (("ceph-mon",) * 2, ("ceph-osd",) * 2, ("rbd", "ceph-common")):
            if shutil.which(program) is None:
                pytest.skip(f"Ceph needs {program} (Debian: {package})")
        if any(rbd._place(module) is None for module in rbd.MODULES):
            pytest.skip("Ceph needs its Python modules (Debian: python3-rbd, for Debian's version of Python)")
        super().__init__()
        self.conf = self.folder / "ceph.conf"
        try:
            self._build()
        except BaseException:
            self.stop()
            raise

    def _build(self) -> None:
        fsid, disk = str(uuid.uuid4()), str(uuid.uuid4())
        port = free_ports(1)[0]
        self.conf.write_text(CEPH.format(fsid=fsid, port=port, folder=self.folder))
        keyring, monitors = str(self.folder / "keyring"), str(self.folder / "monmap")
        for user, rights in CEPH_USERS.items():
            words = [word for service, right in rights.items() for word in ("--cap", service, right)]
            new = () if user != "mon." else ("--create-keyring",)
            self.tool("ceph-authtool", keyring, *new, "--gen-key", "-n", user, *words)
        for name in ("mon", "osd"):
            (self.folder / name).mkdir()
        self.tool("monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{port}]", "--fsid", fsid, monitors)
        self.tool("ceph-mon", "-i", "a", "--mkfs", "--monmap", monitors, "--keyring", keyring)
        self.daemon("ceph-mon", "-f", "-i", "a")
        self.tool("ceph", "osd", "new", disk)
        self.tool("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self.daemon("ceph-osd", "-f", "-i", "0")
        self.tool("ceph", "osd", "pool", "create", "images", "8", "8")
        self.tool("rbd", "ls", "images")  # answers as soon as the OSD does

    def tool(self, *words: str) -> str:
        """What a program of Ceph's says."""
        done = subprocess.run(
            (words[0], "-c", str(self.conf), *words[1:]),
            cwd=self.folder,
            timeout=60,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout[-2000:]}"
        return done.stdout

    def daemon(self, *words: str) -> None:
        with open(self.folder / "log", "ab") as log:
            command = (words[0], "-c", str(self.conf), *words[1:])
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder))

    @property
    def options(self) -> dict:
        """What a store needs to know."""
        return {"rbd_store_user": "images", "rbd_store_ceph_conf": str(self.conf), "rbd_store_chunk_size": 4}
