"""The cloud dies over a server's disk: over its copy into an image, and over its exchange.

Whatever was acknowledged becomes true once the cloud lives again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.chaos.scenario import Scenario
from tests.chaos.victim import Victim


@pytest.fixture
def victim() -> Iterator[Victim]:
    victim = Victim()
    yield victim
    victim.bury()


@pytest.fixture
def act(victim):
    """A server that runs; the function makes the cloud die at a point of what it is asked to do."""
    assert victim.start()
    scenario = Scenario(victim)
    for step in (scenario.image, scenario.network, scenario.security_group):
        step()
    scenario.server("one")
    server_id = scenario.show("one")["id"]

    def ask_and_die(point: str, action: dict) -> dict:
        victim.kill()
        victim.start(point)
        path = f"/servers/{server_id}/action"
        answer = victim.request("POST", "compute", path, json=action)
        assert answer.status_code == 202, answer.text
        victim.process.wait(20)
        assert victim.start()
        deadline = time.monotonic() + 20
        while scenario.show("one")["OS-EXT-STS:task_state"] is not None:
            assert time.monotonic() < deadline, victim.last_words()
            time.sleep(0.05)
        assert victim.settle() == []
        return answer.json()

    ask_and_die.scenario = scenario
    return ask_and_die


@pytest.mark.parametrize("point", ["image.link.before", "image.link.after"])
def test_a_copy_that_was_promised_is_made_by_the_next_process(victim, act, point):
    image_id = act(point, {"createImage": {"name": "copy"}})["image_id"]
    image = victim.request("GET", "image", f"/images/{image_id}").json()
    assert (image["status"], image["image_type"]) == ("active", "snapshot")
    data = victim.request("GET", "image", f"/images/{image_id}/file").content
    assert len(data) == image["size"] > 0


@pytest.mark.parametrize("point", ["simulated.rebuild.before", "simulated.rebuild.after"])
def test_a_new_disk_that_was_promised_is_made_by_the_next_process(act, point):
    image_id = act.scenario.named("image", "/images", "images", "chaos")["id"]
    assert act(point, {"rebuild": {"imageRef": image_id, "name": "one"}})["server"]["status"] == "REBUILD"
    assert act.scenario.status("one") == "ACTIVE"
