"""What an agent reports and the cloud cannot take in: the rest counts, the agent hears of it, tells again."""

from __future__ import annotations

import asyncio

import pytest

from monostack.kit.agents import HOSTS, Hub, stamp
from monostack.kit.db.rows import DiskFull
from monostack.kit.errors import Error
from monostack.kit.resource import PartKind
from monostack.node.agent import Agent


class Engine:
    """A database that settles by calling, and rolls back nothing because nothing is kept."""

    problem: Exception | None = None

    async def write(self, function, *args):
        if self.problem is not None:
            raise self.problem
        return function(self, *args)


class World:
    """A cloud with one kind of part; settling `troublesome` fails."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.settled: list[str] = []
        self.troublesome: set[str] = set()
        self.hub = Hub(self)
        self.hub.add(PartKind("port", lambda *_: [], lambda *_: None, self._settle))

    def _settle(self, tx, host, fact) -> None:
        if fact["id"] in self.troublesome:
            raise KeyError("segment")
        self.settled.append(fact["id"])

    def report(self, *ids: str) -> dict:
        facts = [{"kind": "port", "id": id, "version": 1, "state": "present"} for id in ids]
        return asyncio.run(self.hub.report({"host": "host", "facts": facts}))


def test_a_fact_that_cannot_be_settled_is_named_and_the_rest_counts():
    world = World()
    world.troublesome = {"b"}
    assert world.report("a", "b", "c") == {"refused": [[1, "KeyError: 'segment'"]]}
    assert {"a", "c"} <= set(world.settled)


def test_alone_it_is_refused_too_instead_of_being_sent_for_ever():
    world = World()
    world.troublesome = {"b"}
    assert world.report("b") == {"refused": [[0, "KeyError: 'segment'"]]}


@pytest.mark.parametrize("problem", [DiskFull("full"), Error(503, "ServiceUnavailable", "away")])
def test_what_no_fact_is_to_blame_for_is_raised(problem):
    world = World()
    world.engine.problem = problem
    with pytest.raises(type(problem)):
        world.report("a", "b")


class Transport:
    """A cloud that refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.refusing: dict[str, str] = {}
        self.heard: list[str] = []
        self.beats: list[list[dict]] = []

    async def hello(self, body):
        return {"speaks": 1, "cloud": "c"}

    async def sync(self, body):
        await asyncio.sleep(3600)

    async def report(self, body):
        told = [fact["id"] for fact in body["facts"]]
        refused = [[place, self.refusing[id]] for place, id in enumerate(told) if id in self.refusing]
        self.heard += [fact["id"] for fact in body["facts"] if fact["id"] not in self.refusing]
        return {"refused": refused}

    async def beat(self, host, unknown=None, refused=None):
        if refused is not None:
            self.beats.append(refused)


class Networks:
    """Networks that make anything at once, and count."""

    def __init__(self) -> None:
        self.made: list[str] = []

    async def start(self):
        return {}

    async def stop(self):
        pass

    async def look(self):
        return []

    async def make(self, part):
        self.made.append(part["id"])
        state = part["desired"]
        return {key: part[key] for key in ("kind", "id", "version", "desired")} | {"state": state}


class Hypervisor:
    on_change = None

    async def start(self):
        return {}

    async def stop(self, stop_guests):
        pass

    async def look(self):
        return {}


@pytest.fixture
async def agent(monkeypatch):
    monkeypatch.setattr("monostack.node.agent.LONGEST_PAUSE", 0.05)
    agent = Agent("host", Transport(), Hypervisor(), Networks(), stamp)
    await agent.start()
    yield agent
    await agent.stop()


def port(id: str, desired: str = "present") -> dict:  # noqa: A002 - the field's word
    return {"kind": "port", "id": id, "version": 1, "desired": desired}


async def until(holds) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


async def test_what_was_refused_is_looked_at_again_and_told_as_it_is_then(agent):
    agent.transport.refusing = {"a": "KeyError: 'segment'"}
    agent._put(port("a"))
    agent._put(port("b"))
    await until(lambda: agent.networks.made.count("a") >= 3)
    assert "b" in agent.transport.heard
    assert agent.networks.made.count("b") == 1
    (told,) = agent.transport.beats[-1]
    assert (told["kind"], told["id"], told["reason"]) == ("port", "a", "KeyError: 'segment'")
    assert told["tried"] >= 2
    agent.transport.refusing = {}
    await until(lambda: "a" in agent.transport.heard and agent.transport.beats[-1] == [])
    made = agent.networks.made.count("a")
    await asyncio.sleep(0.2)
    assert agent.networks.made.count("a") == made


async def test_a_tombstone_is_watched_until_its_absence_was_taken_in(agent):
    agent.transport.refusing = {"a": "no"}
    agent._put(port("a", "absent"))
    await until(lambda: agent.networks.made.count("a") >= 2)
    assert ("port", "a") in agent.parts
    agent.transport.refusing = {}
    await until(lambda: ("port", "a") not in agent.parts)


def test_the_column_for_it_is_there():
    assert "refused_facts" in HOSTS.c
