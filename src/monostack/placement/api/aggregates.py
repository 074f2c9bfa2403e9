"""Aggregates: groups of providers, named by a UUID that somebody else (compute) gives a meaning."""

from monostack.kit import ids
from monostack.kit.resource import Route
from monostack.placement.api.providers import bump, changed_at, check_generation, find
from monostack.placement.tables import AGGREGATES
from monostack.placement.wire import WIRE


def index(request, db):
    return _view(request, db, find(db, request.path["id"]))


def replace(request, tx):
    """All aggregates of a provider at once; up to 1.18 the body is a bare list without a generation."""
    provider, body = find(tx, request.path["id"]), request.body
    guarded = request.version >= (1, 19)
    if guarded:
        check_generation(provider, body["resource_provider_generation"])
    wanted = {ids.canonical(each) for each in (body["aggregates"] if guarded else body)}
    have = {row["aggregate_id"] for row in tx.all(AGGREGATES, provider_id=provider["id"])}
    if have - wanted:
        tx.delete_all(AGGREGATES, provider_id=provider["id"], aggregate_id=sorted(have - wanted))
    for each in sorted(wanted - have):
        tx.insert(AGGREGATES, provider_id=provider["id"], aggregate_id=each)
    if guarded:
        bump(tx, provider)
    else:
        tx.set(provider, updated_at=tx.now)  # the stamp that kept pictures go by
    return _view(request, tx, provider)


def _view(request, db, provider: dict) -> dict:
    rows = db.all(AGGREGATES, order="aggregate_id", provider_id=provider["id"])
    WIRE.dated(request, changed_at(provider))
    out = {"aggregates": [row["aggregate_id"] for row in rows]}
    if request.version >= (1, 19):
        out["resource_provider_generation"] = provider["generation"]
    return out


RULE = "placement:resource_providers:aggregates:"
PATH = "/resource_providers/{id}/aggregates"

ROUTES = (
    Route("GET", PATH, index, RULE + "list", since=(1, 1)),
    Route(
        "PUT",
        PATH,
        replace,
        RULE + "update",
        since=(1, 1),
        body="aggregates.update",
        event="placement.resource_provider.aggregates.update",
    ),
)
