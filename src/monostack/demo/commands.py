"""The hands of the story: the `openstack` client, ping, ssh."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class StepFailed(Exception):
    """A step did not hold; the words say what was expected and what was seen."""


def openstack_program() -> str:
    """The client beside this Python, or the one on PATH; raises StepFailed."""
    beside = Path(sys.executable).parent / "openstack"
    found = str(beside) if beside.exists() else shutil.which("openstack")
    if found is None:
        raise StepFailed("the `openstack` client is not installed: pip install python-openstackclient")
    return found


class Loaded:
    """A process that holds the client ready; see `client_host`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="monostack-client-"))
        self.process = process = subprocess.Popen(
            [sys.executable, "-m", "monostack.demo.client_host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        if process.stdin is None or process.stdout is None:
            raise StepFailed("there is no pipe to the client's process")
        self.asked, self.answers = process.stdin, process.stdout

    def run(self, words: list[str], environment: dict[str, str], **more: Any) -> tuple[int, str, str]:
        """Status, output and errors of one command; `more` is what else `client_host` takes."""
        output = self.folder / "output"
        asked = {"words": words, "environment": environment, "output": str(output)} | more
        self.asked.write(json.dumps(asked) + "\n")
        self.asked.flush()
        answer = self.answers.readline()
        if not answer:
            raise StepFailed("the `openstack` client cannot be loaded: pip install python-openstackclient")
        status = json.loads(answer)["status"]
        errors = output.with_name("output.err")
        return status, output.read_text(errors="replace"), errors.read_text(errors="replace")

    def close(self) -> None:
        self.asked.close()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


class Client:
    """The `openstack` client for one entry of clouds.yaml. `shown` is told every command line."""

    def __init__(self, loaded: Loaded, clouds: Path, entry: str, shown: Callable[[str], None]) -> None:
        self.loaded = loaded
        self.clouds = clouds
        self.entry = entry
        self.shown = shown

    def __call__(self, *words: str, expect: int = 0) -> str:
        """Run `openstack WORDS`; its output. Raises StepFailed when it ends otherwise than expected."""
        self.shown("openstack " + " ".join(words))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        environment |= {"OS_CLIENT_CONFIG_FILE": str(self.clouds), "OS_CLOUD": self.entry}
        status, output, errors = self.loaded.run(list(words), environment)
        if status != expect:
            raise StepFailed(
                f"`openstack {' '.join(words)}` ended with {status}: {(errors or output).strip()}"
            )
        return output

    def json(self, *words: str) -> Any:
        """The output of a command that knows `-f json`."""
        return json.loads(self(*words, "-f", "json"))

    def gone(self, *words: str) -> bool:
        """Whether a show command ends with "not found"."""
        try:
            self(*words)
        except StepFailed as reason:
            text = str(reason)
            return "No " in text or "not found" in text.lower() or "could not be found" in text
        return False


class Guest:
    """The way to a guest: its address, the key, and the port of its ssh server."""

    def __init__(self, address: str, port: int, key: Path, user: str = "cloud") -> None:
        self.address, self.port, self.key, self.user = address, port, key, user

    @property
    def command(self) -> list[str]:
        return [
            "ssh",
            "-i",
            str(self.key),
            "-p",
            str(self.port),
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=5",
            f"{self.user}@{self.address}",
        ]

    def run(self, command: str, seconds: float = 60.0) -> str:
        """The output of a command in the guest, tried until the time is up; raises StepFailed."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                done = subprocess.run([*self.command, command], capture_output=True, text=True, timeout=30)
                if done.returncode == 0:
                    return done.stdout.strip()
                last = done.stderr.strip()
            except subprocess.TimeoutExpired:
                last = "no answer"
            if time.monotonic() > deadline:
                raise StepFailed(f"ssh to {self.address}:{self.port} failed for {seconds:.0f} s: {last}")
            time.sleep(0.5)


def pings(address: str, tries: int = 1) -> bool:
    """Whether the address answers one of some pings of a second each."""
    for _ in range(tries):
        done = subprocess.run(["ping", "-n", "-c", "1", "-W", "1", address], capture_output=True)
        if done.returncode == 0:
            return True
    return False


def until(look: Callable[[], Any], seconds: float, words: str, every: float = 0.5) -> Any:
    """Look until something true comes back; raises StepFailed with the words."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise StepFailed(f"{words} within {seconds:.0f} s")
        time.sleep(every)
