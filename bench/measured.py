"""The cloud under measurement: `monostack up` in a process of its own, on free ports, with simulated hosts
unless another hypervisor is named."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import yaml

TICKS = os.sysconf("SC_CLK_TCK")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Without compiled modules every start would be twice as long as users see it."""


class Measured:
    def __init__(
        self,
        offset: int = 21000,
        *,
        options: tuple[str, ...] = (),
        folder: Path | None = None,
        hypervisor: str = "simulated",
    ) -> None:
        self.state = folder or Path(tempfile.mkdtemp(prefix="monostack-bench-", dir="/var/tmp"))
        self.offset = offset
        self.options = ("--hypervisor", hypervisor, *options)
        self.process: subprocess.Popen | None = None
        self.ready_seconds = 0.0

    def __enter__(self) -> Measured:
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()
        shutil.rmtree(self.state, ignore_errors=True)

    def start(self) -> None:
        """Start, and wait until it says that it is ready."""
        started = time.perf_counter()
        self.launch()
        while not (self.state / "ready").exists():
            assert self.process.poll() is None, "the cloud did not start"
            time.sleep(0.002)
        self.ready_seconds = time.perf_counter() - started

    def launch(self) -> None:
        """Start, and wait for nothing."""
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "monostack",
                "up",
                "--state",
                str(self.state),
                "--port-offset",
                str(self.offset),
                *self.options,
            ],
            stdout=subprocess.DEVNULL,
            env=ENVIRONMENT,
        )

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def port(self, customary: int) -> int:
        return customary + self.offset

    def cpu(self) -> float:
        """Seconds of CPU that the process has used, all threads."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICKS

    def pss(self) -> float:
        """MiB of memory, shared pages counted by their share."""
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def password(self, entry: str = "monostack") -> str:
        return yaml.safe_load((self.state / "clouds.yaml").read_text())["clouds"][entry]["auth"]["password"]

    def login(self, project: str = "admin", user: str = "admin") -> str:
        """A token of a user for his project."""
        entry = "monostack-demo" if user == "demo" else "monostack"
        body = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {
                        "user": {"name": user, "domain": {"id": "default"}, "password": self.password(entry)}
                    },
                },
                "scope": {"project": {"name": project, "domain": {"id": "default"}}},
            }
        }
        answer = self.call("POST", 5000, "/v3/auth/tokens", body, raw=True)
        return answer.headers["X-Subject-Token"]

    def call(
        self,
        method: str,
        port: int,
        path: str,
        body=None,
        token: str | None = None,
        raw: bool = False,
        headers: dict | None = None,
    ):
        """One request; its JSON, or with `raw` the answer itself."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port(port)}{path}", data=data, method=method)
        if data is not None:
            kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
            asked.add_header("Content-Type", kind)
        if token:
            asked.add_header("X-Auth-Token", token)
        for name, value in (headers or {}).items():
            asked.add_header(name, value)
        answer = urllib.request.urlopen(asked, timeout=60)
        if raw:
            return answer
        text = answer.read()
        return json.loads(text) if text else None
