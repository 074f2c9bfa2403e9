"""Keeping the providers that hosts stand behind: made and changed by the services, not by hand."""

from collections.abc import Iterable, Mapping
from typing import Any

from monostack.kit.errors import Error
from monostack.placement import vocabulary
from monostack.placement.tables import AGGREGATES, ALLOCATIONS, INVENTORIES, PROVIDER_TRAITS, PROVIDERS

LIMITS = ("total", "reserved", "min_unit", "max_unit", "step_size", "allocation_ratio")


def inventory(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The stored form of an inventory: what was asked, the defaults for the rest, and the capacity."""
    out = {
        "total": asked["total"],
        "reserved": asked.get("reserved", 0),
        "min_unit": asked.get("min_unit", 1),
        "max_unit": asked.get("max_unit", vocabulary.LARGEST),
        "step_size": asked.get("step_size", 1),
        "allocation_ratio": float(asked.get("allocation_ratio", 1.0)),
    }
    capacity = (out["total"] - out["reserved"]) * out["allocation_ratio"]
    return out | {"capacity": max(0, min(int(capacity), vocabulary.LARGEST))}


def ensure_provider(
    tx,
    uuid: str,
    name: str,
    inventories: Mapping[str, Mapping[str, Any]],
    traits: frozenset[str],
    parent: str | None,
) -> dict:
    """See `monostack.placement.ensure_provider`."""
    row = tx.one(PROVIDERS, id=uuid)
    changed = False
    taken = Error(
        409,
        "placement.duplicate_name",
        f"There is another resource provider called {name}. Give the host another name, or delete that one.",
    )
    if row is None:
        root = uuid if parent is None else _root_of(tx, parent)
        row = tx.insert(
            PROVIDERS, id=uuid, name=name, generation=0, parent_id=parent, root_id=root, taken=taken
        )
    elif row["name"] != name:
        tx.set(row, name=name, taken=taken)
        changed = True
    changed |= _ensure_inventories(tx, uuid, inventories)
    changed |= _ensure_traits(tx, uuid, traits)
    if changed:
        tx.set(row, generation=row["generation"] + 1)
    return row


def _root_of(tx, parent: str) -> str:
    missing = Error(400, "placement.undefined_code", f"The parent provider {parent} does not exist.")
    return tx.one(PROVIDERS, id=parent, missing=missing)["root_id"]


def _ensure_inventories(tx, uuid: str, inventories: Mapping[str, Mapping[str, Any]]) -> bool:
    changed = False
    have = {row["resource_class"]: row for row in tx.all(INVENTORIES, provider_id=uuid, lock=True)}
    for name, asked in inventories.items():
        values = inventory(asked)
        row = have.pop(name, None)
        if row is None:
            tx.insert(INVENTORIES, provider_id=uuid, resource_class=name, used=0, **values)
            changed = True
        elif any(row[key] != value for key, value in values.items()):
            tx.set(row, **values)
            changed = True
    for row in have.values():
        if row["used"] == 0:
            tx.delete(row)
            changed = True
    return changed


def _ensure_traits(tx, uuid: str, traits: frozenset[str]) -> bool:
    have = {row["name"] for row in tx.all(PROVIDER_TRAITS, provider_id=uuid)}
    gone = [name for name in have - traits if not vocabulary.is_custom(name)]
    if gone:
        tx.delete_all(PROVIDER_TRAITS, provider_id=uuid, name=gone)
    new = sorted(traits - have)
    for name in new:
        tx.insert(PROVIDER_TRAITS, provider_id=uuid, name=name)
    return bool(gone or new)


def remove_provider(tx, uuid: str) -> bool:
    """See `monostack.placement.remove_provider`."""
    row = tx.one(PROVIDERS, id=uuid)
    if row is None:
        return True
    if tx.count(ALLOCATIONS, provider_id=uuid) or tx.count(PROVIDERS, parent_id=uuid):
        return False
    forget(tx, row)
    return True


def forget(tx, row) -> None:
    """Delete a provider with all that hangs on it."""
    for table in (INVENTORIES, PROVIDER_TRAITS, AGGREGATES):
        tx.delete_all(table, provider_id=row["id"])
    tx.delete(row)


def traits_of(db, providers: Iterable[str]) -> dict[str, frozenset[str]]:
    """See `monostack.placement.traits`."""
    wanted = list(providers)
    out: dict[str, set[str]] = {provider: set() for provider in wanted}
    for row in db.all(PROVIDER_TRAITS, provider_id=wanted) if wanted else ():
        out[row["provider_id"]].add(row["name"])
    return {provider: frozenset(names) for provider, names in out.items()}
