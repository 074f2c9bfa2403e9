"""Identity under SIGKILL: nothing acknowledged is lost, and what was ended stays ended, in every process.

CHAOS_IDENTITY_SECONDS says for how long processes are killed (default 8).
"""

from __future__ import annotations

import os
import random
import time

import pytest
from tests.chaos.identity_load import House, operators

SECONDS = float(os.environ.get("CHAOS_IDENTITY_SECONDS", "8"))


@pytest.mark.chaos
@pytest.mark.timeout(SECONDS + 90)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_was_acknowledged_outlives_every_kill(engine, request):
    """One process on SQLite, or one of two on PostgreSQL, is killed at random and started again."""
    if engine == "sqlite":
        house = House(1)
    else:
        house = House(2, request.getfixturevalue("postgresql").database("chaos_identity"))
    dice = random.Random(11)
    with house:
        with operators(house, 3) as crowd:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                time.sleep(dice.uniform(0.5, 1.5))
                house.kill_one(dice)
        wrong = [words for each in crowd for words in each.judge()]
        assert wrong == [], "\n".join(wrong[:20])
        done = {name: sum(each.done[name] for each in crowd) for name in crowd[0].done}
        print(f"\n{house.deaths} deaths, {done}, nothing lost, nothing came back")
        assert house.deaths
        assert all(done.values())
