"""`monostack serve` as real processes: what it refuses, what `status` tells of them, what a kill leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from tests.chaos.identity_load import House
from tests.conftest import PLAIN

from monostack import testing


def monostack(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "monostack", *words], capture_output=True, text=True, timeout=60
    )


@pytest.fixture(scope="module")
def database(postgresql) -> str:
    return postgresql.database("processes_serve")


@pytest.fixture(scope="module")
def house(database) -> Iterator[House]:
    with House(2, database) as house:
        yield house


def processes(house: House, database: str) -> list[dict]:
    told = monostack("status", "--json", "--state", str(house.state), "--database", database)
    assert told.returncode == 0, told.stderr
    facts = json.loads(told.stdout)
    assert facts["running"]
    return facts["processes"]


def test_sqlite_is_refused_in_words(tmp_path):
    refused = monostack("serve", "--state", str(tmp_path))
    assert refused.returncode == 1
    assert "SQLite is held by a single one" in refused.stderr
    assert "monostack up" in refused.stderr


def test_a_database_that_is_not_there_is_told_in_words(tmp_path):
    url = "postgresql://cloud:hidden@127.0.0.1:1/cloud"
    refused = monostack("serve", "--state", str(tmp_path), "--database", url, "--set", "shared_port=0")
    assert refused.returncode == 1
    assert refused.stderr.startswith("monostack: the database cannot be reached")
    assert "hidden" not in refused.stderr


def test_a_public_url_that_is_none_is_refused_in_words(tmp_path):
    words = ("--set", "shared_port=0", "--set", "public_url=cloud.example.org")
    refused = monostack("up", "--state", str(tmp_path), *words)
    assert refused.returncode == 1
    assert "public_url is 'cloud.example.org'" in refused.stderr


def test_up_does_not_share_their_directory(house, database):
    refused = monostack("up", "--state", str(house.state), "--database", database, "--set", "shared_port=0")
    assert refused.returncode == 1
    assert "is in use by process" in refused.stderr


@pytest.mark.parametrize("word", ["serve", "up"])
def test_who_has_other_keys_does_not_join(house, database, tmp_path, word):
    refused = monostack(
        word, "--state", str(tmp_path), "--database", database, "--set", "shared_port=0", "--only", "identity"
    )
    assert refused.returncode == 1
    assert "has its keys elsewhere" in refused.stderr
    assert not (tmp_path / "fernet-keys").exists()


def rows(database: str) -> list[tuple[int, int]]:
    """(process id, loops held) of each process."""
    with psycopg.connect(database) as connection:
        return connection.execute(
            "select pid, (select count(*) from loop_leases where holder = id) from processes"
        ).fetchall()


def soon(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def log_in(url: str) -> str:
    admin = {"name": "admin", "domain": {"id": "default"}}
    identity = {"methods": ["password"], "password": {"user": admin | {"password": testing.PASSWORD}}}
    auth = {"identity": identity, "scope": {"project": admin}}
    return PLAIN.post(url + "/auth/tokens", json={"auth": auth}).headers["X-Subject-Token"]


def test_one_that_was_frozen_comes_back_to_what_is_true(house, database):
    """It missed every message: its loops went to the other, and a token was ended."""
    holder, held = max(rows(database), key=lambda row: row[1])
    frozen, other = sorted(house.processes, key=lambda each: each.process.pid != holder)
    token, admin = log_in(frozen.url), log_in(other.url)
    headers = {"X-Auth-Token": token}
    assert PLAIN.get(frozen.url + "/auth/projects", headers=headers).status_code == 200
    frozen.process.send_signal(signal.SIGSTOP)
    try:
        ended = {"X-Auth-Token": admin, "X-Subject-Token": token}
        assert PLAIN.delete(other.url + "/auth/tokens", headers=ended).status_code == 204
        soon(lambda: rows(database) == [(other.process.pid, held)], 12)
    finally:
        frozen.process.send_signal(signal.SIGCONT)
    assert PLAIN.get(frozen.url + "/auth/projects", headers=headers).status_code == 401
    soon(lambda: set(rows(database)) == {(other.process.pid, held), (holder, 0)}, 5)


def test_status_tells_of_both_and_a_killed_one_passes_its_loops_on(house, database):
    told = processes(house, database)
    assert {each["pid"] for each in told} == {each.process.pid for each in house.processes}
    assert {each["kind"] for each in told} == {"serve"}
    held = sum(each["loops"] for each in told)
    assert held
    holder = next(each for each in told if each["loops"])
    next(each for each in house.processes if each.process.pid == holder["pid"]).kill()
    soon(lambda: [loops for _, loops in rows(database)] == [held], 5)
