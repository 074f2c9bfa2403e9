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
from importlib.util import find_spec
from pathlib import Path

import pytest

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
[filter:slo]
use = egg:swift#slo
"""


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


class Swift(Peer):
    """A Swift of one replica, with the accounts of its own login (v1)."""

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
        from swift.common.ring import RingBuilder

        builder = RingBuilder(2, 1, 0)
        builder.add_dev(
            {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d", "weight": 1.0}
        )
        builder.rebalance()
        builder.get_ring().save(str(self.folder / f"{kind}.ring.gz"))

    def _start(self, kind: str, port: int) -> None:
        import pwd

        proxy = kind == "proxy"
        before = "catch_errors listing_formats tempauth slo " if proxy else ""
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
