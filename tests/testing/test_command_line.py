"""The command line on a real process: ready, held, ended by a signal, asked about itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tests.conftest import PLAIN


def free_offset() -> int:
    """A port offset under which the identity port is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1] % 9000 + 16000


def monostack(*words: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "monostack", *words], capture_output=True, text=True, timeout=60, **options
    )


class Up:
    def __init__(self, state: Path) -> None:
        self.state = state
        self.offset = free_offset()
        self.words = ["--state", str(state), "--hypervisor", "simulated"]
        self.process = None

    def start(self) -> None:
        words = [sys.executable, "-m", "monostack", "up", *self.words, "--port-offset", str(self.offset)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        deadline = time.monotonic() + 60
        while not (self.state / "ready").exists():
            assert self.process.poll() is None, self.process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def end(self, number: int = signal.SIGTERM) -> float:
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(20)
        return time.monotonic() - started


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    running = Up(tmp_path_factory.mktemp("cloud"))
    running.start()
    yield running
    if running.process.poll() is None:
        running.end()


def test_the_files_of_clients_are_private_and_work(up):
    for name in ("clouds.yaml", "admin-openrc", "demo-openrc"):
        assert (up.state / name).stat().st_mode & 0o777 == 0o600
    clouds = yaml.safe_load((up.state / "clouds.yaml").read_text())["clouds"]
    assert set(clouds) == {"monostack", "monostack-demo", "monostack-system"}
    auth = clouds["monostack"]["auth"]
    user = {"name": auth["username"], "domain": {"id": "default"}, "password": auth["password"]}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    assert PLAIN.post(auth["auth_url"] + "/auth/tokens", json=body).status_code == 201


def test_a_second_up_says_who_holds_the_directory(up):
    done = monostack("up", *up.words, "--port-offset", str(up.offset + 1))
    assert done.returncode == 1
    assert f"process {up.process.pid}" in done.stderr


def test_a_taken_port_is_told(up, tmp_path):
    done = monostack(
        "up", "--state", str(tmp_path), "--hypervisor", "simulated", "--port-offset", str(up.offset)
    )
    assert done.returncode == 1
    assert str(5000 + up.offset) in done.stderr
    assert "--port-offset" in done.stderr


def test_status_tells_what_is_there(up):
    facts = json.loads(monostack("status", "--json", *up.words).stdout)
    assert facts["running"]
    assert {"users", "images", "networks", "flavors", "instances"} <= set(facts["sections"])
    assert facts["hosts"][0]["alive"]
    assert facts["unknown"] == []


def test_why_tells_a_story(up):
    known = monostack("why", "public", *up.words)
    assert known.returncode == 0
    unknown = monostack("why", "no-such-thing", *up.words)
    assert unknown.returncode == 1
    assert "no-such-thing" in unknown.stderr


def test_policy_explains_itself(up):
    own = monostack("policy", *up.words, "check", "os_compute_api:servers:create", "--roles", "member")
    assert own.returncode == 0, own.stdout + own.stderr
    foreign = monostack("policy", *up.words, "check", "os_compute_api:servers:create", "--roles", "reader")
    assert foreign.returncode == 1
    assert "refused" in foreign.stdout


def test_nothing_is_missing_in_its_database(up):
    done = monostack("up", "--check", *up.words)
    assert "as this program wants it" in done.stdout


def test_a_signal_ends_it_and_the_next_start_has_all(up):
    up.end(signal.SIGINT)
    assert not (up.state / "ready").exists()
    before = (up.state / "clouds.yaml").read_text()
    up.start()
    assert (up.state / "clouds.yaml").read_text() == before
    up.end(signal.SIGTERM)


def test_help_and_version_answer():
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    assert "demo" in monostack("--help", env=environment).stdout
    assert monostack("--version").stdout.startswith("monostack ")
    assert monostack("nonsense").returncode == 2


def test_a_wrong_setting_is_told(tmp_path):
    done = monostack("up", "--state", str(tmp_path), "--set", "compute.nonsense=1")
    assert done.returncode == 1
    assert "compute.nonsense" in done.stderr


def test_metadata_definitions_go_to_files_and_back(up, tmp_path):
    state = ("--state", str(up.state))
    told = monostack("image", "metadefs", "export", str(tmp_path), *state)
    assert told.returncode == 0, told.stderr
    stock = len(list(tmp_path.glob("*.json")))
    assert stock > 30
    assert monostack("image", "metadefs", "unload", *state).stdout == f"{stock} namespaces taken out\n"
    (tmp_path / "mine.json").write_text('{"namespace": "Mine", "tags": [{"name": "t"}]}')
    told = monostack("image", "metadefs", "load", str(tmp_path), *state)
    assert told.stdout == f"{stock + 1} namespaces loaded\n"
    told = monostack("image", "metadefs", "load", *state)
    assert told.stdout == f"0 namespaces loaded, {stock} were there and left alone\n"
    (tmp_path / "bad.json").write_text('{"name": "Mine"}')
    told = monostack("image", "metadefs", "load", str(tmp_path), *state)
    assert told.returncode == 1 and "bad.json is no namespace" in told.stderr


@pytest.mark.parametrize("words", [("-k", "nothing_is_called_so"), ("--collect-only", "-q"), ("-q",)])
def test_what_follows_test_is_for_pytest(words, monkeypatch):
    from monostack import cli

    run: list[list[str]] = []

    def started(command: list[str], **_) -> subprocess.CompletedProcess:
        run.append(command)
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr("monostack.cli.test.subprocess.run", started)
    assert cli.main(["test", "tests/unit", *words]) == 3
    assert run[0][-len(words) - 1 :] == ["tests/unit", *words]
    assert cli.main(["test", *words]) == 3
    assert run[1][-len(words) :] == list(words)
    assert "-n" not in run[1]
    assert cli.main(["test"]) == 3
    assert "-n" in run[2], "the whole suite runs side by side"
