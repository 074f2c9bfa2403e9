"""Placement: who has how much of what, and who took how much of it.

Providers (hosts) have inventories of resource classes and traits; consumers (servers) hold allocations
against them. A claim is made in the transaction of the change that needs it, so that no server exists without
its claim and no claim without its server.

This is what other services may ask; they import it inside the function that needs it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Amounts = Mapping[str, int]


class NoRoom(Exception):
    """A claim does not fit. The words name the provider, what was asked and what is free.

    `reason` is "capacity" (too little is free), "unit" (the amount itself is not allowed), "inventory" (the
    provider has nothing of this class) or "provider" (there is no such provider).
    """

    def __init__(
        self, words: str, *, provider: str, resource_class: str = "", reason: str = "capacity"
    ) -> None:
        super().__init__(words)
        self.words = words
        self.provider = provider
        self.resource_class = resource_class
        self.reason = reason


def ensure_provider(
    tx,
    uuid: str,
    name: str,
    inventories: Mapping[str, Mapping[str, Any]],
    traits: Iterable[str] = (),
    parent: str | None = None,
) -> dict:
    """Make a provider what it should be; the row. Nothing is written when it is so already.

    An inventory needs `total`; reserved, allocation_ratio, min_unit, max_unit and step_size have defaults. A
    class that is gone from `inventories` but still in use stays until nobody uses it. Only `COMPUTE_*`,
    `HW_*`, `OWNER_*` and other standard traits are replaced: what an operator added by hand (`CUSTOM_*`)
    stays.
    """
    from monostack.placement import upkeep

    return upkeep.ensure_provider(tx, uuid, name, inventories, frozenset(traits), parent)


def remove_provider(tx, uuid: str) -> bool:
    """Forget a provider that nobody uses; False if it still carries allocations or other providers."""
    from monostack.placement import upkeep

    return upkeep.remove_provider(tx, uuid)


def claim(
    tx,
    consumer: str,
    wanted: Mapping[str, Amounts],
    project_id: str,
    user_id: str,
    consumer_type: str = "INSTANCE",
) -> None:
    """Let the consumer hold exactly `wanted` ({provider: {class: amount}}), instead of what it held before.

    Raises NoRoom before anything is written.
    """
    from monostack.placement import claims

    claims.claim(tx, consumer, wanted, project_id, user_id, consumer_type)


def release(tx, consumer: str) -> bool:
    """Give back all that a consumer holds; whether it held anything."""
    from monostack.placement import claims

    return claims.release(tx, consumer)


def usages(db, provider: str) -> dict[str, int]:
    """What is taken of a provider: {class: amount}, 0 for a class nobody uses."""
    from monostack.placement import claims

    return claims.usages(db, provider)


def allocations(db, consumer: str) -> dict[str, dict[str, int]]:
    """What a consumer holds: {provider: {class: amount}}."""
    from monostack.placement import claims

    return claims.held(db, consumer)


def capacities(db, classes: Iterable[str] | Amounts) -> list[dict[str, Any]]:
    """What the providers have free, for the scheduler, in one statement.

    With names of classes: every provider that has them all. With amounts ({class: amount}): only those where
    these amounts fit. Each is {id, name, parent, root, free: {class: n}, capacity: {class: n}}.
    """
    from monostack.placement import claims

    return claims.capacities(db, classes)


def traits(db, providers: Iterable[str]) -> dict[str, frozenset[str]]:
    """The traits of providers: {provider: names}."""
    from monostack.placement import upkeep

    return upkeep.traits_of(db, providers)
