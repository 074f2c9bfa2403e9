"""The search for candidates, held against a model that tries everything.

The model knows nothing of anchors' tables or kept pictures: it walks over every tree, every assignment of
classes and groups to providers, and asks for each whether it is one that the API reference allows."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from monostack.placement.candidates.demand import Demand, Group
from monostack.placement.candidates.search import search
from monostack.placement.candidates.world import SHARES, Offer, Provider, World

CLASSES = ("VCPU", "DISK_GB", "VGPU")
TRAITS = ("CUSTOM_A", "CUSTOM_B", SHARES)
AGGREGATES = ("x", "y")


def sometimes(strategy, otherwise, of: int = 5):
    """One time in `of` something of the strategy: most of what is asked for must be possible at all."""
    return st.integers(1, of).flatmap(lambda n: strategy if n == of else st.just(otherwise))


@st.composite
def worlds(draw) -> list[Provider]:
    found: list[Provider] = []
    for number in range(draw(st.integers(1, 5))):
        parent = draw(st.sampled_from([None, *found])) if found else None
        root = parent.root_id if parent else f"p{number}"
        offers = {
            name: Offer(
                capacity=draw(st.integers(1, 6)),
                used=draw(st.integers(0, 1)),
                min_unit=draw(sometimes(st.just(2), 1)),
                max_unit=draw(sometimes(st.integers(1, 2), 9)),
                step_size=draw(sometimes(st.just(2), 1)),
            )
            for name in CLASSES
            if draw(st.integers(1, 3)) > 1
        }
        row = {
            "id": f"p{number}",
            "parent_id": parent and parent.id,
            "root_id": root,
            "generation": 1,
            "created_at": f"{number}",
            "updated_at": None,
        }
        traits = draw(st.frozensets(st.sampled_from(TRAITS)))
        found.append(Provider(row, offers, traits, draw(st.frozensets(st.sampled_from(AGGREGATES)))))
    return found


@st.composite
def groups(draw, providers: list[Provider], may_be_empty: bool = False) -> Group:
    least = 0 if may_be_empty else 1
    some = st.frozensets(st.sampled_from(TRAITS), min_size=1, max_size=2)
    places = st.frozensets(st.sampled_from(AGGREGATES), min_size=1, max_size=2)
    trees = st.sampled_from([each.id for each in providers])
    return Group(
        resources=draw(
            st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 2), min_size=least, max_size=2)
        ),
        required=draw(sometimes(st.lists(some, min_size=1, max_size=2), [])),
        forbidden=draw(sometimes(st.frozensets(st.sampled_from(TRAITS[:2]), min_size=1), frozenset())),
        member_of=draw(sometimes(st.lists(places, min_size=1, max_size=2), [])),
        not_member_of=draw(sometimes(st.frozensets(st.sampled_from(AGGREGATES), max_size=1), frozenset())),
        in_tree=draw(sometimes(trees, None, of=8)),
    )


@st.composite
def searches(draw) -> tuple[list[Provider], Demand]:
    providers = draw(worlds())
    named = draw(st.sampled_from(((), ("1",), ("1", "2"))))
    subtree = [list(named)] if named and draw(st.booleans()) else []
    asked = {"": draw(groups(providers))} if not named or draw(st.booleans()) else {"": Group()}
    for suffix in named:
        asked[suffix] = draw(groups(providers, may_be_empty=bool(subtree)))
    unwanted = st.frozensets(st.sampled_from(TRAITS[:2]), min_size=1, max_size=1)
    root = Group(forbidden=draw(sometimes(unwanted, frozenset())))
    return providers, Demand(asked, draw(st.booleans()), subtree, root)


def allowed(providers: list[Provider], demand: Demand) -> set:
    """All candidates, by trying everything."""
    by_id = {each.id: each for each in providers}
    found = set()
    for root in (each for each in providers if each.parent_id is None):
        if not demand.root_required.traits_fit(root.traits):
            continue
        tree = [each for each in providers if each.root_id == root.id]
        near = frozenset().union(*(each.aggregates for each in tree))
        pool = tree + [
            each
            for each in providers
            if each not in tree and SHARES in each.traits and each.aggregates & near
        ]
        spread = list(demand.groups[""].resources)
        named = [suffix for suffix in demand.groups if suffix]
        for chosen in product(pool, repeat=len(spread) + len(named)):
            of_class = dict(zip(spread, chosen, strict=False))
            of_group = dict(zip(named, chosen[len(spread) :], strict=True))
            if fits(by_id, demand, root, of_class, of_group):
                found.add(identity(demand, of_class, of_group))
    return found


def fits(by_id, demand: Demand, root: Provider, of_class: dict, of_group: dict) -> bool:
    group = demand.groups[""]
    for name, provider in of_class.items():
        if name not in provider.offers or not provider.offers[name].fits(group.resources[name]):
            return False
        if group.forbidden & provider.traits:
            return False
        if not group.aggregates_fit(provider.aggregates | by_id[provider.root_id].aggregates):
            return False
        if group.in_tree and (
            provider.root_id != by_id[group.in_tree].root_id or provider.root_id != root.id
        ):
            return False
    if of_class:
        together = frozenset().union(*(each.traits for each in of_class.values()))
        if not all(together & any_of for any_of in group.required):
            return False
    for suffix, provider in of_group.items():
        group = demand.groups[suffix]
        if not group.traits_fit(provider.traits) or not group.aggregates_fit(provider.aggregates):
            return False
        if group.in_tree and provider.root_id != by_id[group.in_tree].root_id:
            return False
        for name, amount in group.resources.items():
            if name not in provider.offers or not provider.offers[name].fits(amount):
                return False
    if demand.isolate and len({each.id for each in of_group.values()}) < len(of_group):
        return False
    for suffixes in demand.same_subtree:
        lines = [ancestry(by_id, of_group[suffix]) for suffix in suffixes]
        if not set.intersection(*lines) & {of_group[suffix].id for suffix in suffixes}:
            return False
    sums: dict[tuple[str, str], int] = {}
    for provider, name, amount in amounts(demand, of_class, of_group):
        sums[provider, name] = sums.get((provider, name), 0) + amount
    return all(by_id[provider].offers[name].fits(total) for (provider, name), total in sums.items())


def ancestry(by_id, provider: Provider) -> set[str]:
    out = set()
    while provider is not None:
        out.add(provider.id)
        provider = by_id.get(provider.parent_id)
    return out


def amounts(demand: Demand, of_class: dict, of_group: dict):
    for name, provider in of_class.items():
        yield provider.id, name, demand.groups[""].resources[name]
    for suffix, provider in of_group.items():
        for name, amount in demand.groups[suffix].resources.items():
            yield provider.id, name, amount


def identity(demand: Demand, of_class: dict, of_group: dict) -> tuple:
    taken: dict[tuple[str, str], int] = {}
    for provider, name, amount in amounts(demand, of_class, of_group):
        taken[provider, name] = taken.get((provider, name), 0) + amount
    groups = {suffix: frozenset((provider.id,)) for suffix, provider in of_group.items()}
    if of_class:
        groups[""] = frozenset(each.id for each in of_class.values())
    return frozenset(taken.items()), frozenset(groups.items())


@settings(max_examples=250, deadline=None)
@given(searches())
def test_the_search_finds_what_trying_everything_finds(asked):
    providers, demand = asked
    found = [
        (
            frozenset(((who, name), n) for who, each in one.taken.items() for name, n in each.items()),
            frozenset((suffix, frozenset(ids)) for suffix, ids in one.groups.items()),
        )
        for one in search(World(providers), demand)
    ]
    assert len(found) == len(set(found)), "a candidate is told twice"
    assert set(found) == allowed(providers, demand)
