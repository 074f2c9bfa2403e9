"""Allocation candidates: ways in which what is asked for would fit now.

A tree of providers is looked at as a whole. The group without a suffix may be spread over the tree, each
group with a suffix (from 1.25 on) must be met by one provider. What is found is a proposal: only the claim
decides. Providers that share with others through aggregates are not considered.

Combinations grow quickly, so at most `MOST` are looked at for a tree.
"""

from collections.abc import Iterator
from itertools import islice, product
from typing import Any

from monostack.kit.errors import Error
from monostack.kit.resource import Route
from monostack.placement import upkeep, vocabulary
from monostack.placement.api import searching
from monostack.placement.api.searching import Group
from monostack.placement.claims import fits
from monostack.placement.tables import INVENTORIES, PROVIDERS
from monostack.placement.wire import UNDEFINED, WIRE, bad_value

MOST = 10_000
Choice = dict[str, tuple[str, ...]]
"""The providers that meet a group, by the group's suffix."""


class Tree:
    """Providers that stand together, with what is needed to judge them."""

    def __init__(self, providers: list[dict], inventories: dict, names: dict, aggregates: dict) -> None:
        self.providers = providers
        self.inventories = {each["id"]: inventories.get(each["id"], {}) for each in providers}
        self.traits = names
        self.aggregates = aggregates
        self.parents = {each["id"]: each["parent_id"] for each in providers}

    def above(self, provider_id: str | None) -> Iterator[str]:
        """The provider itself, its parent, and so on."""
        while provider_id is not None:
            yield provider_id
            provider_id = self.parents.get(provider_id)


class Search:
    """All that one request asks for."""

    def __init__(self, request, db) -> None:
        self.suffixes = _suffixes(request)
        self.groups = {suffix: searching.group(request, db, suffix) for suffix in self.suffixes}
        self.isolate = request.query.get("group_policy") == "isolate"
        self.root_required = searching.Group()
        if "root_required" in request.query:
            _root_required(request, db, self.root_required)
        self.subtrees = [text.split(",") for text in request.query_all("same_subtree")]
        limit = request.query.get("limit")
        self.limit = None if limit is None or len(limit) > 9 else int(limit)
        self._check(request)

    def _check(self, request) -> None:
        named = [suffix for suffix in self.suffixes if suffix]
        if not any(each.resources for each in self.groups.values()):
            raise bad_value(
                "At least one group of resources is needed, such as ?resources=VCPU:1,MEMORY_MB:512."
            )
        if len(named) > 1 and "group_policy" not in request.query:
            raise bad_value(
                'The "group_policy" parameter is required when specifying more than one "resources{N}" '
                "parameter: none or isolate."
            )
        wanted = {suffix for subtree in self.subtrees for suffix in subtree}
        if wanted - set(named):
            raise bad_value(
                f"same_subtree names groups that are not asked for: {', '.join(sorted(wanted - set(named)))}."
            )
        for suffix, each in self.groups.items():
            if each.resources or suffix in wanted:
                continue
            if suffix or each.required or each.forbidden or each.member_of or each.in_tree:
                raise bad_value(
                    f"All traits and aggregates need resources in their group: add resources{suffix}."
                )

    @property
    def classes(self) -> list[str]:
        return sorted({name for each in self.groups.values() for name in each.resources})


def index(request, db):
    search = Search(request, db)
    trees = _trees(request, db, search)
    found: list[tuple[Tree, Choice, dict]] = []
    for tree in trees:
        left = None if search.limit is None else search.limit - len(found)
        if left is not None and left <= 0:
            break
        found += islice(((tree, choice, took) for choice, took in _choices(search, tree)), left)
    WIRE.dated(request)
    return {
        "allocation_requests": [_allocation_request(request, choice, took) for _, choice, took in found],
        "provider_summaries": _summaries(request, db, search, found),
    }


def _suffixes(request) -> list[str]:
    kinds = ("resources", "required", "member_of", "in_tree")
    found = {""}
    for name in request.query:
        for kind in kinds:
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


def _trees(request, db, search: Search) -> list[Tree]:
    """The trees in which something fits, in the order of their roots' birth."""
    inventories: dict[str, dict] = {}
    for row in db.all(INVENTORIES, resource_class=search.classes):
        inventories.setdefault(row["provider_id"], {})[row["resource_class"]] = row
    providers = db.all(PROVIDERS, order=("created_at", "id"))
    by_root: dict[str, list[dict]] = {}
    for row in providers:
        key = row["root_id"] if request.version >= (1, 29) else row["id"]
        by_root.setdefault(key, []).append(row)
    wanted = [
        rows
        for rows in by_root.values()
        if set(search.classes) <= {name for row in rows for name in inventories.get(row["id"], ())}
    ]
    ids_ = [row["id"] for rows in wanted for row in rows]
    names, aggregates = upkeep.traits_of(db, ids_), searching.aggregates_of(db, ids_)
    roots = {
        each.in_tree: searching.root_of(db, each.in_tree) for each in search.groups.values() if each.in_tree
    }
    out = []
    for rows in wanted:
        root = rows[0]["root_id"]
        if any(each.in_tree and roots[each.in_tree] != root for each in search.groups.values()):
            continue
        if root in names and not search.root_required.traits_fit(names[root]):
            continue
        out.append(Tree(rows, inventories, names, aggregates))
    return out


def _choices(search: Search, tree: Tree) -> Iterator[tuple[Choice, dict]]:
    """The ways in which a tree meets all groups: who meets which, and how much is taken of whom."""
    ways = [_ways(search.groups[suffix], suffix, tree) for suffix in search.suffixes]
    seen = set()
    for combination in islice(product(*ways), MOST):
        choice = {
            suffix: tuple(dict.fromkeys(way.values()) if suffix == "" else (way["*"],))
            for suffix, way in zip(search.suffixes, combination, strict=True)
        }
        took = _taken(search, combination)
        key = str(sorted((provider, sorted(each.items())) for provider, each in took.items())) + str(choice)
        if key in seen or not _possible(search, tree, choice, took):
            continue
        seen.add(key)
        yield {suffix: providers for suffix, providers in choice.items() if providers}, took


def _ways(group: Group, suffix: str, tree: Tree) -> list[dict[str, str]]:
    """The ways in which a tree meets one group: {class: provider} without a suffix, {"*": provider} with
    one."""
    able = [row["id"] for row in tree.providers if not group.forbidden & tree.traits[row["id"]]]
    root = tree.providers[0]["root_id"]
    if suffix:
        return [
            {"*": each}
            for each in able
            if group.traits_fit(tree.traits[each])
            and group.aggregates_fit(tree.aggregates[each])
            and all(_fits(tree, each, name, amount) for name, amount in group.resources.items())
        ]
    able = [
        each
        for each in able
        if group.aggregates_fit(tree.aggregates[each] | tree.aggregates.get(root, frozenset()))
    ]
    options = [
        [each for each in able if _fits(tree, each, name, amount)] for name, amount in group.resources.items()
    ]
    out = []
    for chosen in islice(product(*options), MOST):
        together = frozenset().union(*(tree.traits[each] for each in chosen))
        if group.traits_fit(together):
            out.append(dict(zip(group.resources, chosen, strict=True)))
    return out


def _fits(tree: Tree, provider_id: str, name: str, amount: int) -> bool:
    inventory = tree.inventories[provider_id].get(name)
    return inventory is not None and fits(inventory, amount)


def _taken(search: Search, combination: tuple[dict[str, str], ...]) -> dict[str, dict[str, int]]:
    took: dict[str, dict[str, int]] = {}
    for suffix, way in zip(search.suffixes, combination, strict=True):
        for name, amount in search.groups[suffix].resources.items():
            each = took.setdefault(way["*"] if suffix else way[name], {})
            each[name] = each.get(name, 0) + amount
    return took


def _possible(search: Search, tree: Tree, choice: Choice, took: dict) -> bool:
    if search.isolate:
        alone = [
            providers[0] for suffix, providers in choice.items() if suffix and search.groups[suffix].resources
        ]
        if len(set(alone)) < len(alone):
            return False
    for subtree in search.subtrees:
        members = {choice[suffix][0] for suffix in subtree}
        if not any(all(top in tree.above(each) for each in members) for top in members):
            return False
    return all(
        _fits(tree, provider, name, amount)
        for provider, each in took.items()
        for name, amount in each.items()
    )


def _allocation_request(request, choice: Choice, took: dict) -> dict:
    if request.version < (1, 12):
        return {
            "allocations": [
                {"resource_provider": {"uuid": provider}, "resources": resources}
                for provider, resources in took.items()
            ]
        }
    out: dict = {"allocations": {provider: {"resources": resources} for provider, resources in took.items()}}
    if request.version >= (1, 34):
        out["mappings"] = {suffix: list(providers) for suffix, providers in choice.items()}
    return out


def _summaries(request, db, search: Search, found: list) -> dict:
    providers = {row["id"]: row for tree, *_ in found for row in tree.providers}
    if request.version < (1, 29):
        used = {provider for _, _, took in found for provider in took}
        providers = {key: row for key, row in providers.items() if key in used}
    if not providers:
        return {}
    resources: dict[str, dict] = {key: {} for key in providers}
    for row in db.all(INVENTORIES, order=("created_at",), provider_id=list(providers)):
        if request.version >= (1, 27) or row["resource_class"] in search.classes:
            resources[row["provider_id"]][row["resource_class"]] = {
                "capacity": row["capacity"],
                "used": row["used"],
            }
    names = upkeep.traits_of(db, providers)
    out: dict[str, dict[str, Any]] = {}
    for key, row in providers.items():
        shown = sorted(resources[key].items(), key=lambda item: vocabulary.place(item[0]))
        out[key] = {"resources": dict(shown)}
        if request.version >= (1, 17):
            out[key]["traits"] = sorted(names[key])
        if request.version >= (1, 29):
            out[key] |= {"parent_provider_uuid": row["parent_id"], "root_provider_uuid": row["root_id"]}
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
