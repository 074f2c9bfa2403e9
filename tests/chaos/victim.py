"""The cloud under attack, seen from outside: a process, its HTTP API, and what it must look like at the
end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from monostack import testing

RUNNER = Path(__file__).with_name("runner.py")
MOUNTS = {
    "identity": "/identity/v3",
    "image": "/image/v2",
    "network": "/network/v2.0",
    "compute": "/compute/v2.1",
    "placement": "/placement",
}
GONE = (httpx.TransportError,)


class Victim:
    """A cloud that may be killed at any moment and is started again on the same state."""

    def __init__(self, database: str = "", settings: Mapping[str, str] | None = None) -> None:
        """`settings` may name the state directory as STATE."""
        self.state = Path(tempfile.mkdtemp(prefix="monostack-chaos-", dir="/dev/shm"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.database = database
        self.settings = [
            f"{name}={value.replace('STATE', str(self.state))}" for name, value in (settings or {}).items()
        ]
        self.process: subprocess.Popen | None = None
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20, verify=False)
        self.token: str | None = None
        self.deaths = 0

    # life and death

    def start(self, point: str = "", nth: int = 1) -> bool:
        """Start it; whether it lived until it answered (it may be told to die while starting)."""
        ready = self.state / "ready"
        ready.unlink(missing_ok=True)
        words = [sys.executable, str(RUNNER), str(self.state), str(self.port), self.database]
        log = open(self.state / "log", "ab")  # noqa: SIM115 - the child keeps it
        self.process = subprocess.Popen([*words, point, str(nth), *self.settings], stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + 30
        while not ready.exists():
            if self.process.poll() is not None:
                self.deaths += 1
                return False
            assert time.monotonic() < deadline, self.last_words()
            time.sleep(0.01)
        return True

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(10)
        self.deaths += 1

    def freeze(self, seconds: float) -> None:
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def bury(self) -> None:
        """End it and remove its files (kept when CHAOS_KEEP is set)."""
        if self.alive:
            self.kill()
        self.client.close()
        if not os.environ.get("CHAOS_KEEP"):
            shutil.rmtree(self.state, ignore_errors=True)

    def last_words(self) -> str:
        return (self.state / "log").read_text(errors="replace")[-4000:]

    # requests

    def request(
        self, method: str, service: str, path: str, version: str | None = None, **options
    ) -> httpx.Response:
        """A request as admin; raises httpx.TransportError when the cloud dies under it."""
        if self.token is None:
            self._log_in()
        headers = {"X-Auth-Token": self.token} | options.pop("headers", {})
        if service == "compute":
            headers["OpenStack-API-Version"] = f"compute {version or '2.96'}"
        answer = self.client.request(method, MOUNTS[service] + path, headers=headers, **options)
        if answer.status_code == 401:
            self.token = None
            return self.request(method, service, path, version, **options)
        assert answer.status_code != 500, f"{method} {path}: {answer.text}\n{self.last_words()}"
        return answer

    def _log_in(self) -> None:
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        user = {"name": "admin", "domain": {"id": "default"}, "password": testing.PASSWORD}
        identity = {"methods": ["password"], "password": {"user": user}}
        answer = self.client.post(
            "/identity/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}
        )
        assert answer.status_code == 201, answer.text
        self.token = answer.headers["X-Subject-Token"]

    def violations(self) -> list[str]:
        """What is wrong with the quiet cloud, by its own checks."""
        return self.client.get("/_cloud/check", timeout=30).json()["violations"]

    def settle(self, seconds: float = 30.0) -> list[str]:
        """Wait until nothing is wrong any more; what still is at the end of the time."""
        deadline = time.monotonic() + seconds
        while True:
            wrong = self.violations()
            if not wrong or time.monotonic() > deadline:
                return wrong
            time.sleep(0.2)
