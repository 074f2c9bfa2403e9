"""Taking and giving back: the one place that moves `used`.

A claim locks the inventories it needs (in one order, so that two claims never wait for each other), looks
whether each amount fits, and then takes all of them with updates that carry the condition once more. Nothing
is written before everything is known to fit, so a caller may catch NoRoom and try another provider in the
same transaction.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa

from monostack.kit.db import query
from monostack.kit.db.rows import Query
from monostack.placement import Amounts, NoRoom
from monostack.placement.tables import ALLOCATIONS, CONSUMERS, INVENTORIES, PROVIDERS

Held = dict[str, dict[str, int]]

_USED, _AMOUNT = sa.bindparam("delta", type_=sa.Integer), sa.bindparam("amount", type_=sa.Integer)
_INVENTORY = sa.and_(
    INVENTORIES.c.provider_id == sa.bindparam("provider"),
    INVENTORIES.c.resource_class == sa.bindparam("resource_class"),
)
TAKE = query(
    sa.update(INVENTORIES)
    .where(_INVENTORY, INVENTORIES.c.used + _USED <= INVENTORIES.c.capacity)
    .values(used=INVENTORIES.c.used + _USED)
)
GIVE = query(sa.update(INVENTORIES).where(_INVENTORY).values(used=INVENTORIES.c.used - _AMOUNT))
BUMP = query(
    sa.update(PROVIDERS)
    .where(PROVIDERS.c.id == sa.bindparam("provider"))
    .values(generation=PROVIDERS.c.generation + 1, updated_at=sa.bindparam("now"))
)
TOUCH = query(
    sa.update(PROVIDERS)
    .where(PROVIDERS.c.id == sa.bindparam("provider"))
    .values(updated_at=sa.bindparam("now"))
)
"""What is given back leaves the generation as it is, so nobody's view of a provider grows old by it; the kept
picture of the providers goes by the time, too."""


def claim(
    tx, consumer: str, wanted: Mapping[str, Amounts], project_id: str, user_id: str, consumer_type: str
) -> None:
    """See `monostack.placement.claim`."""
    row = tx.one(CONSUMERS, id=consumer)
    if row is None:
        take(tx, consumer, {}, wanted)
        add_consumer(tx, consumer, project_id, user_id, consumer_type)
        return
    take(tx, consumer, held(tx, consumer), wanted)
    tx.set(row, generation=row["generation"] + 1, project_id=project_id, user_id=user_id, type=consumer_type)


def release(tx, consumer: str) -> bool:
    """See `monostack.placement.release`."""
    row = tx.one(CONSUMERS, id=consumer)
    if row is None:
        return False
    give(tx, consumer)
    tx.delete(row)
    return True


def add_consumer(
    tx, consumer: str, project_id: str | None, user_id: str | None, consumer_type: str | None
) -> dict:
    """A new consumer has generation 1: its first allocations are its first change."""
    return tx.insert(
        CONSUMERS,
        id=consumer,
        generation=1,
        project_id=project_id,
        user_id=user_id,
        type=consumer_type,
        taken=NoRoom(
            "Somebody else is claiming for the same consumer. Try again.", provider="", reason="consumer"
        ),
    )


def take(
    tx, consumer: str, had: Mapping[str, Amounts], wanted: Mapping[str, Amounts], counted: bool = True
) -> None:
    """Change what a consumer holds from `had` to `wanted`; raises NoRoom before anything is written. It is
    `counted` as a change of each provider that something is wanted of, unless the caller does that."""
    changes = _changes(had, wanted)
    needed = sorted({provider for provider, *_ in changes})
    inventories = {}
    if needed:
        rows = tx.all(INVENTORIES, order=("provider_id", "resource_class"), lock=True, provider_id=needed)
        inventories = {(row["provider_id"], row["resource_class"]): row for row in rows}
    for provider, resource_class, before, amount in changes:
        if amount:
            _check(tx, inventories.get((provider, resource_class)), provider, resource_class, before, amount)
    for provider, resource_class, before, amount in changes:
        _change(tx, consumer, provider, resource_class, before, amount)
    changed = {provider for provider in wanted if wanted[provider]} if counted else set()
    for provider in sorted(changed.union(needed)):
        tx.execute(BUMP if provider in changed else TOUCH, provider=provider, now=tx.now)


def count(tx, providers: Iterable[str]) -> None:
    """Count one change of each provider."""
    for provider in sorted(set(providers)):
        tx.execute(BUMP, provider=provider, now=tx.now)


def give(tx, consumer: str) -> None:
    """Give back all that a consumer holds; the consumer stays."""
    rows = tx.all(ALLOCATIONS, order=("provider_id", "resource_class"), consumer_id=consumer)
    for row in rows:
        tx.execute(
            GIVE, provider=row["provider_id"], resource_class=row["resource_class"], amount=row["used"]
        )
    if rows:
        tx.delete_all(ALLOCATIONS, consumer_id=consumer)
    for provider in sorted({row["provider_id"] for row in rows}):
        tx.execute(TOUCH, provider=provider, now=tx.now)


def _changes(had: Mapping[str, Amounts], wanted: Mapping[str, Amounts]) -> list[tuple[str, str, int, int]]:
    """(provider, class, amount before, amount after) of all that changes, in the order of locking."""
    pairs = {
        (provider, name) for each in (had, wanted) for provider, amounts in each.items() for name in amounts
    }
    out = []
    for provider, name in sorted(pairs):
        before, after = had.get(provider, {}).get(name, 0), wanted.get(provider, {}).get(name, 0)
        if before != after:
            out.append((provider, name, before, after))
    return out


def _check(
    tx, inventory: Mapping[str, Any] | None, provider: str, resource_class: str, before: int, amount: int
) -> None:
    if inventory is None:
        row = tx.one(PROVIDERS, id=provider, lock=False)
        if row is None:
            raise NoRoom(f"There is no provider {provider}.", provider=provider, reason="provider")
        raise NoRoom(
            f"{row['name']} has no {resource_class}.",
            provider=provider,
            resource_class=resource_class,
            reason="inventory",
        )
    if not inventory["min_unit"] <= amount <= inventory["max_unit"] or amount % inventory["step_size"]:
        raise NoRoom(
            f"{_name(tx, provider)} gives {resource_class} in amounts from {inventory['min_unit']} to "
            f"{inventory['max_unit']} in steps of {inventory['step_size']}; {amount} were asked for.",
            provider=provider,
            resource_class=resource_class,
            reason="unit",
        )
    if amount > before and inventory["used"] + amount - before > inventory["capacity"]:
        free = inventory["capacity"] - inventory["used"] + before
        raise _full(tx, provider, resource_class, amount, free, inventory["capacity"])


def judge_again(tx, holds: Held) -> None:
    """Raise NoRoom for what a consumer holds of inventories that have changed and would not give it now."""
    for provider, amounts in holds.items():
        for resource_class, amount in amounts.items():
            inventory = tx.one(INVENTORIES, provider_id=provider, resource_class=resource_class)
            _check(tx, inventory, provider, resource_class, amount, amount)
            free = inventory["capacity"] - inventory["used"] + amount
            if free < amount:
                raise _full(tx, provider, resource_class, amount, free, inventory["capacity"])


def _full(tx, provider: str, resource_class: str, amount: int, free: int, capacity: int) -> NoRoom:
    return NoRoom(
        f"{_name(tx, provider)} has {max(free, 0)} {resource_class} free of {capacity}; "
        f"{amount} were asked for.",
        provider=provider,
        resource_class=resource_class,
    )


def _name(tx, provider: str) -> str:
    row = tx.one(PROVIDERS, id=provider, lock=False)
    return row["name"] if row else provider


def _change(tx, consumer: str, provider: str, resource_class: str, before: int, amount: int) -> None:
    where = {"provider": provider, "resource_class": resource_class}
    if amount < before:
        tx.execute(GIVE, amount=before - amount, **where)
    elif not tx.execute(TAKE, delta=amount - before, **where):
        raise NoRoom(
            f"{_name(tx, provider)} has no room for {amount} {resource_class} any more. Try again.",
            provider=provider,
            resource_class=resource_class,
        )
    key = {"consumer_id": consumer, "provider_id": provider, "resource_class": resource_class}
    if not before:
        tx.insert(ALLOCATIONS, used=amount, **key)
    elif amount:
        tx.update(ALLOCATIONS, key, used=amount)
    else:
        tx.delete_all(ALLOCATIONS, **key)


def held(db, consumer: str) -> Held:
    """What a consumer holds: {provider: {class: amount}}."""
    out: Held = {}
    for row in db.all(ALLOCATIONS, consumer_id=consumer):
        out.setdefault(row["provider_id"], {})[row["resource_class"]] = row["used"]
    return out


def usages(db, provider: str) -> dict[str, int]:
    """What is taken of a provider."""
    return {row["resource_class"]: row["used"] for row in db.all(INVENTORIES, provider_id=provider)}


@cache
def _offers(count: int, fitting: bool) -> Query:
    """Providers that have so many classes, one row each; `fitting`: only where the amounts may be taken."""
    columns: list[Any] = [PROVIDERS.c.id, PROVIDERS.c.name, PROVIDERS.c.parent_id, PROVIDERS.c.root_id]
    source: Any = PROVIDERS
    for n in range(count):
        offer = INVENTORIES.alias(f"offer_{n}")
        conditions = [
            offer.c.provider_id == PROVIDERS.c.id,
            offer.c.resource_class == sa.bindparam(f"class_{n}"),
        ]
        if fitting:
            amount = sa.bindparam(f"amount_{n}", type_=sa.BigInteger)
            conditions += [
                offer.c.used + amount <= offer.c.capacity,
                offer.c.min_unit <= amount,
                offer.c.max_unit >= amount,
                amount % offer.c.step_size == 0,
            ]
        source = source.join(offer, sa.and_(*conditions))
        columns += [offer.c.capacity.label(f"capacity_{n}"), offer.c.used.label(f"used_{n}")]
    return query(sa.select(*columns).select_from(source))


def capacities(db, classes: Iterable[str] | Amounts) -> list[dict[str, Any]]:
    """See `monostack.placement.capacities`."""
    names = list(classes)
    if not names:
        return []
    given: dict[str, Any] = {f"class_{n}": name for n, name in enumerate(names)}
    fitting = isinstance(classes, Mapping)
    if isinstance(classes, Mapping):
        given |= {f"amount_{n}": classes[name] for n, name in enumerate(names)}
    return [
        {
            "id": row["id"],
            "name": row["name"],
            "parent": row["parent_id"],
            "root": row["root_id"],
            "free": {name: row[f"capacity_{n}"] - row[f"used_{n}"] for n, name in enumerate(names)},
            "capacity": {name: row[f"capacity_{n}"] for n, name in enumerate(names)},
        }
        for row in db.run(_offers(len(names), fitting), **given)
    ]


def fits(inventory: Mapping[str, Any], amount: int) -> bool:
    """Whether an amount may be taken of an inventory now."""
    return (
        inventory["used"] + amount <= inventory["capacity"]
        and inventory["min_unit"] <= amount <= inventory["max_unit"]
        and amount % inventory["step_size"] == 0
    )
