"""At random: users at work while the cloud is killed, frozen, and its database with it.

CHAOS_SECONDS says for how long (default 60 for SQLite, a third of it for each other way).
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time

import pytest
from tests.chaos.load import judge, users
from tests.chaos.scenario import Scenario
from tests.chaos.victim import Victim

SECONDS = float(os.environ.get("CHAOS_SECONDS", "60"))
USERS = 4


def prepared(victim: Victim) -> tuple[str, str]:
    """A network and an image; quotas wide enough for the users."""
    scenario = Scenario(victim)
    scenario.image()
    scenario.network()
    project = victim.request("GET", "identity", "/projects?name=admin").json()["projects"][0]["id"]
    wide = {"instances": 1000, "cores": 1000, "ram": 10_000_000}
    answer = victim.request("PUT", "compute", f"/os-quota-sets/{project}", json={"quota_set": wide})
    assert answer.status_code == 200, answer.text
    answer = victim.request("PUT", "network", f"/quotas/{project}", json={"quota": {"port": 10000}})
    assert answer.status_code == 200, answer.text
    network = scenario.named("network", "/networks", "networks", "chaos")["id"]
    image = scenario.named("image", "/images", "images", "chaos")["id"]
    return network, image


def quiet(victim: Victim, crowd) -> None:
    """Everything acknowledged is there, nothing is stuck, nothing leaks."""
    if not victim.alive:
        assert victim.start(), victim.last_words()
    wrong = victim.settle(60)
    assert wrong == [], "\n".join(wrong[:20])
    lost = judge(victim, [user.notes for user in crowd])
    assert lost == [], "\n".join(lost[:20])
    made = sum(len(user.notes.made) for user in crowd)
    requests = sum(user.notes.requests for user in crowd)
    print(f"\n{victim.deaths} deaths, {requests} requests, {made} things made, none lost")
    assert made > 10


@pytest.mark.chaos
@pytest.mark.timeout(SECONDS + 180)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_killed_again_and_again(engine, request):
    database = request.getfixturevalue("postgresql").database("chaos_kill") if engine == "postgresql" else ""
    victim = Victim(database)
    dice = random.Random(7)
    seconds = SECONDS if engine == "sqlite" else SECONDS / 3
    try:
        assert victim.start(), victim.last_words()
        network, image = prepared(victim)
        with users(victim, USERS, network, image) as crowd:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(dice.uniform(0.3, 2.0))
                victim.kill()
                assert victim.start(), victim.last_words()
        quiet(victim, crowd)
    finally:
        victim.bury()


@pytest.mark.chaos
@pytest.mark.timeout(180)
def test_frozen_for_seconds():
    victim = Victim()
    try:
        assert victim.start(), victim.last_words()
        network, image = prepared(victim)
        with users(victim, USERS, network, image) as crowd:
            for _ in range(3):
                time.sleep(1.0)
                victim.freeze(3.0)
        quiet(victim, crowd)
    finally:
        victim.bury()


@pytest.mark.chaos
@pytest.mark.timeout(180)
def test_postgresql_itself_killed(postgresql):
    victim = Victim(postgresql.database("chaos_server"))
    try:
        assert victim.start(), victim.last_words()
        network, image = prepared(victim)
        with users(victim, USERS, network, image) as crowd:
            for _ in range(3):
                time.sleep(2.0)
                postgresql.stop("immediate")
                time.sleep(0.5)
                postgresql.start()
            time.sleep(2.0)
        for user in crowd:
            # while the database was away a change may have happened whose answer was "nobody knows"
            user.notes.wrong = [
                words
                for words in user.notes.wrong
                if "ServiceUnavailable" not in words and "503" not in words and "Unavailable" not in words
            ]
        quiet(victim, crowd)
    finally:
        victim.bury()


@pytest.mark.chaos
@pytest.mark.timeout(180)
def test_an_old_database_destroys_nothing(tmp_path):
    """After a restore of yesterday's backup, everything newer in the world stays and is listed as unknown."""
    victim = Victim()
    try:
        assert victim.start(), victim.last_words()
        prepared(victim)
        scenario = Scenario(victim)
        scenario.security_group()
        scenario.server("old")
        backup = tmp_path / "backup.db"
        with sqlite3.connect(victim.state / "monostack.db") as source, sqlite3.connect(backup) as copy:
            source.backup(copy)
        scenario.server("new")
        scenario.delete("old")
        scenario.server("newer")
        newer = {scenario.show(name)["id"] for name in ("new", "newer")}
        before = victim.client.get("/_cloud/world").json()
        victim.kill()
        for name in ("monostack.db", "monostack.db-wal", "monostack.db-shm"):
            (victim.state / name).unlink(missing_ok=True)
        shutil.copy(backup, victim.state / "monostack.db")
        victim.token = None
        assert victim.start(), victim.last_words()
        scenario.wait(lambda: scenario.status("old") == "ACTIVE")
        time.sleep(3.0)
        after = victim.client.get("/_cloud/world").json()
        assert newer <= set(after["servers"])
        assert set(before["parts"]) <= set(after["parts"])
        wrong = victim.violations()
        assert {words.split()[0] for words in wrong if "has no row" in words} >= {
            f"server/{id}" for id in newer
        }
        unknown = victim.client.get("/_cloud/unknown").json()["unknown"]
        assert newer <= {thing["id"] for thing in unknown}
    finally:
        victim.bury()


@pytest.mark.chaos
@pytest.mark.timeout(120)
def test_a_full_disk_is_told_and_passes():
    """While nothing more can be written, changes are refused in words and reads go on; afterwards all is
    well."""
    victim = Victim()
    try:
        assert victim.start(), victim.last_words()
        network, image = prepared(victim)
        victim.client.post("/_cloud/disk", json={"pages": 0})
        body = {"name": "p", "network_id": network, "description": "x" * 250}
        codes = [
            victim.request("POST", "network", "/ports", json={"port": body | {"name": f"p{n}"}}).status_code
            for n in range(40)
        ]
        assert 507 in codes
        assert set(codes) <= {201, 507}
        assert victim.request("GET", "network", "/networks").status_code == 200
        victim.client.post("/_cloud/disk", json={"pages": None})
        made = sum(code == 201 for code in codes)
        ports = victim.request("GET", "network", f"/ports?network_id={network}").json()["ports"]
        assert sum(port["name"].startswith("p") for port in ports) == made
        with users(victim, 2, network, image) as crowd:
            time.sleep(2.0)
        quiet(victim, crowd)
    finally:
        victim.bury()
