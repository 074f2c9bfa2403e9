"""Reshaping: inventories and the allocations against them, moved together or not at all.

A service that learns that what it took for one provider is several (a host's cells, say) moves what they have
and what was taken of them in one step. So new inventories come first, then the allocations, and only then
does what nobody uses any more go. What a consumer goes on to hold must fit the new inventories, too.
"""

from monostack.kit.errors import Error
from monostack.kit.resource import Route
from monostack.placement.api import allocations, inventories
from monostack.placement.api.providers import bump, check_generation, find_id
from monostack.placement.tables import INVENTORIES

NOT_FOUND = "placement.resource_provider.not_found"


def reshape(request, tx):
    asked = request.body["inventories"]
    providers = {}
    for provider_id in sorted(asked):
        provider = find_id(
            tx, provider_id, Error(400, NOT_FOUND, f"There is no resource provider {provider_id}.")
        )
        check_generation(provider, asked[provider_id]["resource_provider_generation"])
        for name, each in asked[provider_id]["inventories"].items():
            inventories.check(request, tx, provider, name, each)
        providers[provider_id] = provider
    left = {
        provider_id: inventories.put(tx, provider, asked[provider_id]["inventories"])
        for provider_id, provider in providers.items()
    }
    for provider in providers.values():
        bump(tx, provider)
    moved = {allocations.consumer_uuid(each): body for each, body in request.body["allocations"].items()}
    allocations.write(request, tx, moved)
    allocations.judge_again(tx, moved)
    for provider_id, rows in left.items():
        provider = find_id(tx, provider_id)
        names = [row["resource_class"] for row in rows]
        now = tx.all(INVENTORIES, provider_id=provider["id"], resource_class=names) if names else []
        inventories.remove(tx, provider, now)
        bump(tx, provider)


ROUTES = (
    Route(
        "POST",
        "/reshaper",
        reshape,
        "placement:reshaper:reshape",
        since=(1, 30),
        body="reshaper.reshape",
        ok=204,
        event="placement.reshape",
    ),
)
