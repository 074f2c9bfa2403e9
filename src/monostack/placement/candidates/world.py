"""All providers, as a search for candidates looks at them.

A search asks the same of a thousand hosts, and most of them have not changed since the last one. So the
picture is kept, and with each search the stamps of the providers' rows (generation and time of the last
change) are read and compared: only what has another stamp is read again. Every change of a provider, its
inventories, usages, traits or aggregates gives it another stamp in the same transaction, so the picture is
exactly what the asking snapshot holds, on any database and with any number of processes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from monostack.kit.db import Db, Values, query
from monostack.placement import vocabulary
from monostack.placement.tables import AGGREGATES, INVENTORIES, PROVIDER_TRAITS, PROVIDERS

SHARES = "MISC_SHARES_VIA_AGGREGATE"
"""The trait of a provider that gives to every tree with which it has an aggregate in common."""

FEW = 200
"""Up to so many changed providers are read by their ids; of more, whole tables are quicker."""

STAMPS = query(
    sa.select(
        PROVIDERS.c.id,
        PROVIDERS.c.generation,
        sa.func.coalesce(PROVIDERS.c.updated_at, PROVIDERS.c.created_at),
    )
)


class Offer(NamedTuple):
    """What a provider has of one class."""

    capacity: int
    used: int
    min_unit: int
    max_unit: int
    step_size: int

    def fits(self, amount: int) -> bool:
        """Whether the amount may be taken now."""
        return (
            self.used + amount <= self.capacity
            and self.min_unit <= amount <= self.max_unit
            and not amount % self.step_size
        )


class Provider:
    """One provider; never changed, so that pictures can share it."""

    __slots__ = ("_shown", "aggregates", "born", "id", "offers", "parent_id", "root_id", "stamp", "traits")

    def __init__(
        self,
        row: Mapping[str, Any],
        offers: dict[str, Offer],
        traits: frozenset[str] = frozenset(),
        aggregates: frozenset[str] = frozenset(),
    ) -> None:
        self.id, self.parent_id, self.root_id = row["id"], row["parent_id"], row["root_id"]
        self.born = row["created_at"]
        self.stamp = (row["id"], row["generation"], row["updated_at"] or row["created_at"])
        self.offers, self.traits, self.aggregates = offers, traits, aggregates
        self._shown: bytes | None = None

    @property
    def whole(self) -> bytes:
        """The provider as a member of `provider_summaries` in its newest form: `"uuid":{...}`."""
        if self._shown is None:
            shown = self.summary(self.offers) | {
                "traits": sorted(self.traits),
                "parent_provider_uuid": self.parent_id,
                "root_provider_uuid": self.root_id,
            }
            self._shown = msgspec.json.encode(self.id) + b":" + msgspec.json.encode(shown)
        return self._shown

    def summary(self, classes: Iterable[str]) -> dict[str, Any]:
        """What it has of the classes, in the order in which answers show them."""
        shown = sorted((name for name in classes if name in self.offers), key=vocabulary.place)
        return {
            "resources": {
                name: {"capacity": self.offers[name].capacity, "used": self.offers[name].used}
                for name in shown
            }
        }


class World:
    """The picture: providers by id, in the order of their birth, and their trees.

    sharing   by provider that shares: the roots of the trees it gives to
    alone     the providers that are a tree by themselves and that nobody shares with
    """

    def __init__(self, providers: Iterable[Provider]) -> None:
        self.providers = {each.id: each for each in sorted(providers, key=lambda each: (each.born, each.id))}
        self.trees: dict[str, list[Provider]] = {}
        self.sharing: dict[str, tuple[str, ...]] = {}
        for each in self.providers.values():
            self.trees.setdefault(each.root_id, []).append(each)
        self._rooms: dict[str, list[tuple]] = {}
        self._find_sharing()
        reached = {root for roots in self.sharing.values() for root in roots}
        self.alone = {tree[0] for root, tree in self.trees.items() if len(tree) == 1 and root not in reached}

    def _find_sharing(self) -> None:
        sharing = [each for each in self.providers.values() if SHARES in each.traits]
        if not sharing:
            return
        roots_in: dict[str, dict[str, None]] = {}
        for each in self.providers.values():
            for aggregate in each.aggregates:
                roots_in.setdefault(aggregate, {})[each.root_id] = None
        for each in sharing:
            reached = {each.root_id: None}
            for aggregate in sorted(each.aggregates):
                reached |= roots_in[aggregate]
            self.sharing[each.id] = tuple(reached)

    def summaries(self, roots: Iterable[str]) -> msgspec.Raw:
        """`provider_summaries` of whole trees, encoded."""
        trees = map(self.trees.__getitem__, roots)
        return msgspec.Raw(b"{" + b",".join([each.whole for tree in trees for each in tree]) + b"}")

    def with_room(self, name: str, amount: int) -> list[Provider]:
        """The providers that would give so much of a class now."""
        rooms = self._rooms.get(name)
        if rooms is None:
            rooms = self._rooms[name] = [
                (each, offer.capacity - offer.used, offer.min_unit, offer.max_unit, offer.step_size)
                for each in self.providers.values()
                if (offer := each.offers.get(name)) is not None
            ]
        return [
            each
            for each, free, least, most, step in rooms
            if amount <= free and least <= amount <= most and not amount % step
        ]

    def fits(self, provider_id: str, name: str, amount: int) -> bool:
        """Whether a provider would give so much of a class now."""
        offer = self.providers[provider_id].offers.get(name)
        return offer is not None and offer.fits(amount)

    def above(self, provider_id: str | None) -> Iterable[str]:
        """The provider itself, its parent, and so on."""
        while provider_id is not None:
            yield provider_id
            above = self.providers.get(provider_id)
            provider_id = None if above is None else above.parent_id


class Kept:
    """The picture of a cloud, as it was seen last."""

    def __init__(self) -> None:
        self._world = World(())
        self._stamps: list[tuple] = []
        self._lock = threading.Lock()

    def of(self, db: Db) -> World:
        """The picture of what the snapshot holds."""
        stamps = db.tuples(STAMPS)
        with self._lock:
            world, seen = self._world, self._stamps
        if stamps == seen:
            return world
        known = world.providers
        changed = [stamp[0] for stamp in stamps if stamp[0] not in known or known[stamp[0]].stamp != stamp]
        if changed or len(stamps) != len(known):
            now = {stamp[0]: known.get(stamp[0]) for stamp in stamps}
            now |= {each.id: each for each in _read(db, changed)}
            world = World(each for each in now.values() if each is not None)
        with self._lock:
            self._world, self._stamps = world, stamps
        return world


def _read(db: Db, wanted: list[str]) -> list[Provider]:
    """Providers with all that belongs to them."""
    few = len(wanted) <= FEW
    where: Values = {"provider_id": wanted} if few else {}
    named: Values = {"id": wanted} if few else {}
    offers: dict[str, dict[str, Offer]] = {}
    for row in db.all(INVENTORIES, order="created_at", **where):
        offers.setdefault(row["provider_id"], {})[row["resource_class"]] = Offer(
            row["capacity"], row["used"], row["min_unit"], row["max_unit"], row["step_size"]
        )
    traits: dict[str, list[str]] = {}
    for row in db.all(PROVIDER_TRAITS, **where):
        traits.setdefault(row["provider_id"], []).append(row["name"])
    aggregates: dict[str, list[str]] = {}
    for row in db.all(AGGREGATES, **where):
        aggregates.setdefault(row["provider_id"], []).append(row["aggregate_id"])
    return [
        Provider(
            row,
            offers.get(row["id"], {}),
            frozenset(traits.get(row["id"], ())),
            frozenset(aggregates.get(row["id"], ())),
        )
        for row in db.all(PROVIDERS, **named)
    ]
