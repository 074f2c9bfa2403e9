"""The search: every way in which a demand would be met now.

**The problem.** Providers stand in trees. A demand is a set of groups. A group with a suffix must be met by
one provider: it has room for all the group's amounts, the traits and the aggregates. The group without a
suffix may be spread: each of its classes comes from some provider, together they have the required traits,
none has a forbidden one. All groups of a candidate must come from one tree, or from providers that *share*
with it: they have the trait MISC_SHARES_VIA_AGGREGATE and an aggregate in common with any provider of the
tree. And the whole must hold together: what several groups take of one provider fits as a sum, isolated
groups have providers of their own, groups of one subtree stand under one of themselves, the root is as it
must be.

**The data.** A `World`: all providers in memory, and for each class who has how much free.

**The plan.** A candidate is looked for at an *anchor*: a root whose tree, with all that shares with it, may
give. For each class of the spread group, and for each group with a suffix, the providers that could give are
found over the whole world at once, in one pass over a list of numbers, and sorted to the anchors that they
may give to: their own root, and where they share, every root they share with. Only an anchor that occurs in
all of these tables can have candidates; there, and only there, the combinations are tried one by one. Hosts
that are alone in their tree, the usual case, have one way at most: for a demand of the spread group only,
they are found first, without tables.

A provider that shares with many anchors would be found at each of them, so candidates are told apart by what
they take and for whom, not by their anchor. Combinations grow quickly, so at most `MOST` are tried at an
anchor. What is found is a proposal: only the claim decides.

Source: placement API reference and its user guide, "Provider tree modelling".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from itertools import chain, islice, product
from typing import NamedTuple

from monostack.placement.candidates.demand import Demand, Group
from monostack.placement.candidates.world import Provider, World

MOST = 10_000

Givers = dict[str, list[Provider]]
"""By anchor: the providers that may give there."""


class Candidate(NamedTuple):
    """One way: {provider: {class: amount}}, and {suffix: providers that meet the group}."""

    taken: dict[str, dict[str, int]]
    groups: dict[str, tuple[str, ...]]


class Whole(NamedTuple):
    """The way of one provider that meets the spread group, and so all that is asked, alone: a Candidate of
    which there may be one a host, and so no more than what tells it from the others."""

    provider: str
    amounts: dict[str, int]

    @property
    def taken(self) -> dict[str, dict[str, int]]:
        return {self.provider: self.amounts}

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        return {"": (self.provider,)}


def search(world: World, demand: Demand) -> Iterator[Candidate | Whole]:
    """The candidates."""
    if list(demand.groups) != [""]:
        return _in_trees(world, demand, frozenset())
    if len(world.alone) == len(world.providers):
        return _alone(world, demand)
    return chain(_alone(world, demand), _in_trees(world, demand, world.alone))


def _in_trees(world: World, demand: Demand, leave_out: Set[Provider]) -> Iterator[Candidate]:
    """The candidates at each anchor."""
    spread, single = _givers(world, demand, leave_out)
    tables = [*spread.values(), *single.values()]
    rarest = min(tables, key=len)
    seen: set = set()
    for root in world.trees:
        if root not in rarest or not all(root in each for each in tables):
            continue
        if not _root_fits(demand, world.providers[root]):
            continue
        for candidate in _at(world, demand, root, spread, single):
            key = _identity(candidate)
            if key not in seen:
                seen.add(key)
                yield candidate


def _alone(world: World, demand: Demand) -> Iterator[Whole]:
    """The candidates for the spread group of hosts that are alone."""
    group = demand.groups[""]
    rooms = [world.with_room(name, amount) for name, amount in group.resources.items()]
    able = world.alone.intersection(*rooms)
    rarest = min(rooms, key=len)
    found = [each for each in rarest if each in able] if len(able) < len(rarest) else rarest
    if not (group.bare and demand.root_required.bare):
        found = [
            each
            for each in found
            if _may_take_part(world, group, each)
            and group.traits_fit(each.traits)
            and _root_fits(demand, each)
        ]
    return (Whole(each.id, group.resources) for each in found)


def _givers(
    world: World, demand: Demand, leave_out: Set[Provider]
) -> tuple[dict[str, Givers], dict[str, Givers]]:
    """Who may give: for each class of the spread group, and for each group with a suffix."""
    spread, single = {}, {}
    for suffix, group in demand.groups.items():
        if suffix:
            single[suffix] = _sorted(world, _able(world, group), None)
        else:
            tree = _root_of(world, group.in_tree) if group.in_tree else None
            for name, amount in group.resources.items():
                able = [each for each in world.with_room(name, amount) if each not in leave_out]
                if not group.bare:
                    able = [each for each in able if _may_take_part(world, group, each)]
                spread[name] = _sorted(world, able, tree)
    return spread, single


def _able(world: World, group: Group) -> Iterable[Provider]:
    """The providers that meet a whole group alone."""
    rooms = [world.with_room(name, amount) for name, amount in group.resources.items()]
    if not rooms:
        found = list(world.providers.values())
    else:
        found = rooms[0]
        for others in rooms[1:]:
            also = {each.id for each in others}
            found = [each for each in found if each.id in also]
    if group.bare:
        return found
    tree = _root_of(world, group.in_tree) if group.in_tree else None
    return [
        each
        for each in found
        if group.traits_fit(each.traits)
        and group.aggregates_fit(each.aggregates)
        and (group.in_tree is None or each.root_id == tree)
    ]


def _may_take_part(world: World, group: Group, provider: Provider) -> bool:
    """Whether a provider may give a part of the spread group. A tree whose root is in an aggregate is in it
    as a whole."""
    if group.forbidden & provider.traits:
        return False
    if group.in_tree and provider.root_id != _root_of(world, group.in_tree):
        return False
    return group.aggregates_fit(provider.aggregates | world.providers[provider.root_id].aggregates)


def _root_of(world: World, provider_id: str) -> str | None:
    found = world.providers.get(provider_id)
    return None if found is None else found.root_id


def _sorted(world: World, able: Iterable[Provider], tree: str | None) -> Givers:
    """The providers by the anchors that they may give to; `tree` is the only one that may be."""
    out: Givers = {}
    sharing = world.sharing
    for each in able:
        if each.id in sharing and tree is None:
            for root in sharing[each.id]:
                out.setdefault(root, []).append(each)
        elif each.root_id in out:
            out[each.root_id].append(each)
        else:
            out[each.root_id] = [each]
    return out


def _root_fits(demand: Demand, root: Provider) -> bool:
    return demand.root_required.bare or demand.root_required.traits_fit(root.traits)


def _at(
    world: World, demand: Demand, root: str, spread: dict[str, Givers], single: dict[str, Givers]
) -> Iterator[Candidate]:
    """The combinations at an anchor that hold together."""
    ways: list[dict[str, str]] = _ways(demand.groups[""], root, spread) if spread else [{}]
    places = [[each.id for each in givers[root]] for givers in single.values()]
    for together, *chosen in islice(product(ways, *places), MOST):
        alone = dict(zip(single, chosen, strict=True))
        taken = _taken(demand, together, alone)
        if not _holds(world, demand, alone, taken):
            continue
        groups: dict[str, tuple[str, ...]] = {suffix: (provider,) for suffix, provider in alone.items()}
        if together:
            groups = {"": tuple(dict.fromkeys(together.values()))} | groups
        yield Candidate(taken, groups)


def _ways(group: Group, root: str, spread: dict[str, Givers]) -> list[dict[str, str]]:
    """How the spread group may be met at an anchor: {class: provider}."""
    out = []
    for chosen in islice(product(*(givers[root] for givers in spread.values())), MOST):
        if not group.required or group.traits_fit(frozenset().union(*(each.traits for each in chosen))):
            out.append(dict(zip(spread, (each.id for each in chosen), strict=True)))
    return out


def _taken(demand: Demand, together: dict[str, str], alone: dict[str, str]) -> dict[str, dict[str, int]]:
    """What is taken of whom, summed over the groups."""
    out: dict[str, dict[str, int]] = {}
    for name, provider in together.items():
        out.setdefault(provider, {})[name] = demand.groups[""].resources[name]
    for suffix, provider in alone.items():
        for name, amount in demand.groups[suffix].resources.items():
            each = out.setdefault(provider, {})
            each[name] = each.get(name, 0) + amount
    return out


def _holds(world: World, demand: Demand, alone: dict[str, str], taken: dict[str, dict[str, int]]) -> bool:
    """Whether a combination holds together as a whole."""
    if demand.isolate and len(set(alone.values())) < len(alone):
        return False
    for suffixes in demand.same_subtree:
        members = {alone[suffix] for suffix in suffixes}
        if not any(all(top in world.above(each) for each in members) for top in members):
            return False
    return all(
        world.fits(provider, name, amount)
        for provider, amounts in taken.items()
        for name, amount in amounts.items()
    )


def _identity(candidate: Candidate) -> tuple:
    return (
        frozenset((who, name, n) for who, each in candidate.taken.items() for name, n in each.items()),
        frozenset((suffix, frozenset(providers)) for suffix, providers in candidate.groups.items()),
    )
