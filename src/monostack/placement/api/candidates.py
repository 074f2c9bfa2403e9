"""Allocation candidates over HTTP: the query read into a demand, and what was found shown.

How they are found is `placement/candidates/search.py`. Up to 1.28 a candidate that takes of several providers
of one tree is left out, because older clients could not understand it.

Source: placement API reference, "List allocation candidates".
"""

from itertools import islice
from typing import Any

import msgspec

from monostack.kit.errors import Error
from monostack.kit.resource import Route
from monostack.placement import vocabulary
from monostack.placement.api import searching
from monostack.placement.candidates.demand import Demand, Group
from monostack.placement.candidates.search import Candidate, Whole, search
from monostack.placement.candidates.world import World
from monostack.placement.wire import UNDEFINED, WIRE, bad_value

KINDS = ("resources", "required", "member_of", "in_tree")


def index(request, db):
    demand = _demand(request, db)
    world = db.cloud.placement.of(db)
    found = search(world, demand)
    if request.version < (1, 29):
        found = (each for each in found if _of_different_trees(world, each))
    limit = next(iter(request.query_all("limit")), None)
    shown = list(islice(found, None if limit is None or len(limit) > 9 else int(limit)))
    WIRE.dated(request)
    return {
        "allocation_requests": _allocation_requests(request, shown),
        "provider_summaries": _summaries(request, world, demand, shown),
    }


def _demand(request, db) -> Demand:
    """What the query asks for; raises 400 for what makes no sense."""
    out = Demand(
        groups={suffix: searching.group(request, db, suffix) for suffix in _suffixes(request)},
        isolate=request.query.get("group_policy") == "isolate",
        same_subtree=[text.split(",") for text in request.query_all("same_subtree")],
    )
    if "root_required" in request.query:
        _root_required(request, db, out.root_required)
    _check(request, out)
    return out


def _suffixes(request) -> list[str]:
    found = {""}
    for name in request.query:
        for kind in KINDS:
            if name.startswith(kind):
                found.add(name.removeprefix(kind))
    return sorted(found)


def _root_required(request, db, group: Group) -> None:
    for name in request.query["root_required"].split(","):
        if name.startswith("!"):
            group.forbidden |= {name[1:]}
        else:
            group.required.append(frozenset((name,)))
    strange = vocabulary.unknown_traits(db, set().union(group.forbidden, *group.required))
    if strange:
        raise Error(400, UNDEFINED, f"No such trait(s): {', '.join(strange)}.")
    searching.refuse_clash(group, "root_required")


def _check(request, demand: Demand) -> None:
    named = [suffix for suffix in demand.groups if suffix]
    if not any(each.resources for each in demand.groups.values()):
        raise bad_value("At least one group of resources is needed, such as ?resources=VCPU:1,MEMORY_MB:512.")
    if len(named) > 1 and "group_policy" not in request.query:
        raise bad_value(
            'The "group_policy" parameter is required when specifying more than one "resources{N}" '
            "parameter: none or isolate."
        )
    in_subtrees = {suffix for subtree in demand.same_subtree for suffix in subtree}
    if in_subtrees - set(named):
        strange = ", ".join(sorted(in_subtrees - set(named)))
        raise bad_value(f"same_subtree names groups that are not asked for: {strange}.")
    for suffix, each in demand.groups.items():
        if each.resources or suffix in in_subtrees:
            continue
        if suffix or not each.bare:
            raise bad_value(
                f"All traits and aggregates need resources in their group: add resources{suffix}."
            )


def _of_different_trees(world: World, candidate: Candidate | Whole) -> bool:
    roots = [world.providers[each].root_id for each in candidate.taken]
    return len(set(roots)) == len(roots)


def _allocation_requests(request, shown: list[Candidate | Whole]) -> msgspec.Raw:
    """The candidates as they are shown, encoded. Those of one provider differ in nothing but its id, so the
    first of them is encoded, and the others are its copies."""
    out: list[str] = []
    pieces: list[str] | None = None
    for candidate in shown:
        if not isinstance(candidate, Whole):
            out.append(_encoded(request, candidate))
            continue
        if pieces is None:
            pieces = _encoded(request, candidate).split(candidate.provider)
        out.append(candidate.provider.join(pieces))
    return msgspec.Raw(f"[{','.join(out)}]".encode())


def _encoded(request, candidate: Candidate | Whole) -> str:
    return msgspec.json.encode(_allocation_request(request, candidate)).decode()


def _allocation_request(request, candidate: Candidate | Whole) -> dict:
    taken = candidate.taken
    if request.version < (1, 12):
        return {
            "allocations": [
                {"resource_provider": {"uuid": provider}, "resources": resources}
                for provider, resources in taken.items()
            ]
        }
    allocations = {provider: {"resources": resources} for provider, resources in taken.items()}
    if request.version < (1, 34):
        return {"allocations": allocations}
    return {"allocations": allocations, "mappings": candidate.groups}


def _summaries(request, world: World, demand: Demand, shown: list[Candidate | Whole]) -> dict | msgspec.Raw:
    """What the providers have: from 1.29 on of whole trees, before of those that are taken of."""
    used: dict[str, None] = {}
    for each in shown:
        if isinstance(each, Whole):
            used[each.provider] = None
        else:
            used |= dict.fromkeys(each.taken)
    if request.version >= (1, 29):
        return world.summaries(dict.fromkeys([world.providers[each].root_id for each in used]))
    out: dict[str, dict[str, Any]] = {}
    for provider_id in used:
        provider = world.providers[provider_id]
        out[provider_id] = provider.summary(provider.offers if request.version >= (1, 27) else demand.classes)
        if request.version >= (1, 17):
            out[provider_id]["traits"] = sorted(provider.traits)
    return out


ROUTES = (
    Route(
        "GET",
        "/allocation_candidates",
        index,
        "placement:allocation_candidates:list",
        since=(1, 10),
        query="allocation_candidates.index",
    ),
)
