"""Every named crash point is cut once: the process dies there as by SIGKILL, is started again, and all must
be well."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.chaos.scenario import Scenario
from tests.chaos.victim import Victim

import monostack
from monostack.kit import crash

REAL = ("linux.", "qemu.", "user.")
"""Points of drivers that need real guests or networks; tests/guests cut those."""
NOT_ON_THE_WAY = ("simulated.rebuild.", "simulated.resize.")
"""Points of verbs that no route asks for yet."""
ELSEWHERE = ("image.", "identity.keys.")
"""Points of data in stores, which test_images cuts, and of key files, which unit/test_identity_keys does."""
COMMITS = range(1, 46) if os.environ.get("CHAOS_ALL") else (1, 2, 3, 5, 8, 13, 21, 34, 40)
"""Which of the scenario's commits are cut; with CHAOS_ALL set, each one."""

ALL = crash.names(Path(monostack.__file__).parent)
POINTS = [
    name for name in ALL if not name.startswith(REAL) and not name.startswith(NOT_ON_THE_WAY + ELSEWHERE)
]
CUTS = [(name, nth) for name in POINTS for nth in (COMMITS if name.startswith("db.commit.") else (1,))]


def test_every_point_has_its_sister():
    pairs = {name.rsplit(".", 1)[0] for name in ALL}
    assert {f"{pair}.{end}" for pair in pairs for end in ("before", "after")} == set(ALL)


@pytest.mark.chaos
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("point", "nth"), CUTS, ids=[f"{name}-{nth}" for name, nth in CUTS])
def test_cut(point, nth):
    victim = Victim()
    try:
        if not victim.start(point, nth):
            assert victim.start(), victim.last_words()
        Scenario(victim).run()
        assert victim.deaths >= 1, f"the scenario never came by {point} ({nth})"
        assert victim.settle() == []
    finally:
        victim.bury()
