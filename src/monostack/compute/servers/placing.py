"""Where a server goes: the one place that chooses a host, for a new server, a retry, and whatever moves one.

Candidates come from placement in one statement, with what each has free. Small functions then take hosts
away, in order, and each keeps count of what it took, because "No valid host" without a reason is what
operators dread. The weighers put the rest in order, and the first whose room can still be claimed is it:
claim and choice are one transaction.

Source: compute administration guide, "Scheduling" (names and meaning of the filters).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from monostack import placement
from monostack.compute import hosts
from monostack.compute.servers.rows import LEFTOVERS, SERVERS
from monostack.kit.db import query

NO_HOST = "No valid host was found."


class NoHost(Exception):
    """Nothing fits; the words say what took the hosts away."""


@dataclass
class Place:
    """A host, claimed."""

    host: str
    zone: str


@dataclass
class Ask:
    """What a server needs of a host."""

    row: Any
    spec: Any
    amounts: dict[str, int]
    exclude: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    properties: dict[str, str] = field(default_factory=dict)
    group_hosts: dict[str, int] = field(default_factory=dict)
    policy: str | None = None
    most_per_host: int = 1
    near: frozenset[str] = frozenset()
    far: frozenset[str] = frozenset()


_GROUP_HOSTS = query(
    sa.select(SERVERS.c.host, sa.func.count().label("servers"))
    .where(
        SERVERS.c.group_id == sa.bindparam("group"),
        SERVERS.c.live == 1,
        SERVERS.c.host.is_not(None),
        SERVERS.c.id != sa.bindparam("server"),
    )
    .group_by(SERVERS.c.host)
)


def amounts(flavor: dict[str, Any]) -> dict[str, int]:
    """What a flavor takes of a host, by resource class."""
    disk = flavor["disk"] + flavor["ephemeral"] + -(-flavor["swap"] // 1024)
    asked = {"VCPU": flavor["vcpus"], "MEMORY_MB": flavor["ram"], "DISK_GB": disk}
    for name, value in flavor["extra_specs"].items():
        if name.startswith("resources:") and value.isdigit():
            asked[name.removeprefix("resources:")] = int(value)
    return {name: value for name, value in asked.items() if value > 0}


def place(tx, row, spec, exclude: frozenset[str] = frozenset()) -> Place:
    """Choose a host for the server and claim room on it; raises NoHost."""
    ask = _ask(tx, row, spec, exclude)
    candidates, removed = _candidates(tx, ask)
    refused = 0
    for host in _weighed(ask, candidates):
        try:
            placement.claim(tx, row["id"], {host["id"]: ask.amounts}, row["project_id"], row["user_id"])
        except placement.NoRoom:
            refused += 1
            continue
        return Place(host["name"], host["zone"])
    if refused:
        removed.append(f"room was gone before it could be claimed on {refused}")
    raise NoHost(_words(tx, ask, removed))


def _ask(tx, row, spec, exclude: frozenset[str]) -> Ask:
    flavor = row["flavor"]
    properties = (spec["image"] or {}).get("properties") or {}
    traits = {
        name[6:]: value
        for source in (flavor["extra_specs"], properties)
        for name, value in source.items()
        if name.startswith("trait:")
    }
    ask = Ask(
        row,
        spec,
        amounts(flavor),
        exclude,
        required=frozenset(name for name, value in traits.items() if value == "required"),
        forbidden=frozenset(name for name, value in traits.items() if value == "forbidden"),
        properties=properties,
    )
    if row["group_id"] is not None:
        _join_group(tx, row, ask)
    hints = row["hints"] or {}
    ask.near = _hosts_of(tx, hints.get("same_host"))
    ask.far = _hosts_of(tx, hints.get("different_host"))
    return ask


def _join_group(tx, row, ask: Ask) -> None:
    from monostack.compute import server_groups

    policy, rules = server_groups.policy_of(tx, row["group_id"])
    ask.policy = policy
    ask.most_per_host = int((rules or {}).get("max_server_per_host", 1))
    found = tx.run(_GROUP_HOSTS, group=row["group_id"], server=row["id"])
    ask.group_hosts = {each["host"]: each["servers"] for each in found}


def _hosts_of(tx, hint) -> frozenset[str]:
    """The hosts of the servers that a hint names."""
    if not hint:
        return frozenset()
    ids = [hint] if isinstance(hint, str) else list(hint)
    return frozenset(row["host"] for row in tx.all(SERVERS, id=ids) if row["host"] is not None)


def _candidates(tx, ask: Ask) -> tuple[list[dict[str, Any]], list[str]]:
    """The hosts that nothing speaks against, and in words what spoke against the others."""
    found = hosts.known(tx)
    offers = {each["id"]: each for each in placement.capacities(tx, tuple(ask.amounts))}
    traits = placement.traits(tx, [host["id"] for host in found]) if ask.required or ask.forbidden else {}
    leftovers = (
        {each["host"] for each in tx.all(LEFTOVERS, server_id=ask.row["id"])} if ask.row["place"] else set()
    )
    for host in found:
        host["offer"] = offers.get(host["id"])
        host["traits"] = traits.get(host["id"], frozenset())
        host["leftover"] = host["name"] in leftovers
    removed: list[str] = []
    enabled = set(tx.cloud.settings.compute.enabled_filters) | ALWAYS
    for name, why, fits in FILTERS:
        if name not in enabled or not found:
            continue
        kept = [host for host in found if fits(ask, host)]
        if len(kept) < len(found):
            removed.append(f"{name} removed {len(found) - len(kept)} ({why(ask, found)})")
        found = kept
    return found, removed


def _words(tx, ask: Ask, removed: list[str]) -> str:
    count = tx.count(hosts.HOSTS)
    if not count:
        return f"{NO_HOST} No host has said hello to this cloud yet."
    reasons = "; ".join(removed) or "none was left"
    return f"{NO_HOST} There are not enough hosts available. Of {count} hosts: {reasons}."


# Filters: what speaks against a host


def _compute(ask: Ask, host) -> bool:
    return host["up"] and not host["disabled"]


def _zone(ask: Ask, host) -> bool:
    return ask.row["pinned_zone"] is None or host["zone"] == ask.row["pinned_zone"]


def _requested(ask: Ask, host) -> bool:
    wanted = ask.spec["requested_host"]
    return wanted is None or host["name"] == wanted


def _tried(ask: Ask, host) -> bool:
    return host["name"] not in ask.exclude and not host["leftover"]


def _room(ask: Ask, host) -> bool:
    offer = host["offer"]
    return offer is not None and all(
        offer["free"].get(name, 0) >= amount for name, amount in ask.amounts.items()
    )


def _traits(ask: Ask, host) -> bool:
    return ask.required <= host["traits"] and not ask.forbidden & host["traits"]


def _capabilities(ask: Ask, host) -> bool:
    """Extra specs `capabilities:NAME` compare with what the host says of itself."""
    for name, value in ask.row["flavor"]["extra_specs"].items():
        if not name.startswith("capabilities:"):
            continue
        have = host.get(name.removeprefix("capabilities:"))
        wanted = value.removeprefix("s== ").removeprefix("= ").strip()
        if have is None or str(have).lower() != wanted.lower():
            return False
    return True


def _image_properties(ask: Ask, host) -> bool:
    """The image may ask for an architecture and a kind of hypervisor."""
    wanted = ask.properties
    architecture = wanted.get("hw_architecture") or wanted.get("architecture")
    if architecture and architecture != (host["cpu_info"] or {}).get("arch", architecture):
        return False
    kind = wanted.get("img_hv_type") or wanted.get("hypervisor_type")
    return not kind or kind.lower() in (str(host["hypervisor_type"]).lower(), "qemu", "kvm")


def _apart(ask: Ask, host) -> bool:
    return ask.policy != "anti-affinity" or ask.group_hosts.get(host["name"], 0) < ask.most_per_host


def _together(ask: Ask, host) -> bool:
    return ask.policy != "affinity" or not ask.group_hosts or host["name"] in ask.group_hosts


def _same_host(ask: Ask, host) -> bool:
    return not ask.near or host["name"] in ask.near


def _different_host(ask: Ask, host) -> bool:
    return host["name"] not in ask.far


def _shortage(ask: Ask, found) -> str:
    """What is short on the hosts: the class, the amount, and the most that any of them has free."""
    parts = []
    for name, amount in ask.amounts.items():
        most = max((host["offer"]["free"].get(name, 0) if host["offer"] else 0) for host in found)
        if most < amount:
            parts.append(f"{amount} {name} asked, at most {max(most, 0)} free")
    return ", ".join(parts) or "no host has enough of everything at once"


def _say(words: str) -> Callable:
    return lambda ask, found: words


ALWAYS = frozenset(("RequestedHost", "RetryFilter", "AvailabilityZone", "Traits", "Capacity"))
FILTERS: tuple[tuple[str, Callable, Callable], ...] = (
    (
        "RequestedHost",
        lambda ask, found: f"another host, {ask.spec['requested_host']}, was asked for",
        _requested,
    ),
    ("RetryFilter", _say("the server could not be built there"), _tried),
    ("ComputeFilter", _say("not heard of lately, or disabled"), _compute),
    ("AvailabilityZone", lambda ask, found: f"not in the zone {ask.row['pinned_zone']}", _zone),
    (
        "Traits",
        lambda ask, found: (
            "traits: required "
            + (", ".join(sorted(ask.required)) or "none")
            + ", forbidden "
            + (", ".join(sorted(ask.forbidden)) or "none")
        ),
        _traits,
    ),
    ("Capacity", _shortage, _room),
    ("ComputeCapabilitiesFilter", _say("the flavor's capabilities ask for something else"), _capabilities),
    ("ImagePropertiesFilter", _say("the image's properties ask for something else"), _image_properties),
    ("ServerGroupAntiAffinityFilter", _say("the server group wants its servers apart"), _apart),
    ("ServerGroupAffinityFilter", _say("the server group wants its servers on one host"), _together),
    ("SameHostFilter", _say("the hint same_host"), _same_host),
    ("DifferentHostFilter", _say("the hint different_host"), _different_host),
)


# Weighers: which of the rest comes first


def _weighed(ask: Ask, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Soft wishes of the server group first, then the host with the most free memory."""

    def weight(host) -> tuple:
        members = ask.group_hosts.get(host["name"], 0)
        soft = {"soft-affinity": -members, "soft-anti-affinity": members}.get(ask.policy or "", 0)
        return soft, -host["offer"]["free"].get("MEMORY_MB", 0), host["number"]

    return sorted(found, key=weight)
