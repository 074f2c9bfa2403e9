"""Allocations: what consumers took of providers, written whole for a consumer at a time.

The consumer's generation (from 1.28 on) says what the writer has read; null means "I am the first". Several
consumers written at once (POST) first give back and then take, so that a server's claim can move to its
migration and back on a full host. Before 1.12 the allocations are a list, before 1.8 nobody is named as their
owner.
"""

from collections.abc import Iterable

from monostack.kit import ids
from monostack.kit.errors import Error
from monostack.kit.resource import Route
from monostack.placement import NoRoom, claims, vocabulary
from monostack.placement.api.providers import changed_at, find
from monostack.placement.claims import Held
from monostack.placement.tables import ALLOCATIONS, CONSUMERS, PROVIDERS
from monostack.placement.wire import UNDEFINED, WIRE, concurrent

NOBODY = "00000000-0000-0000-0000-000000000000"
"""The owner of consumers written before 1.8."""


def show(request, db):
    consumer_id = request.path["consumer"]
    rows = db.all(ALLOCATIONS, consumer_id=consumer_id)
    WIRE.dated(request, max((changed_at(row) for row in rows), default=None))
    if not rows:
        return {"allocations": {}}
    held = claims.held(db, consumer_id)
    providers = {row["id"]: row["generation"] for row in db.all(PROVIDERS, id=list(held))}
    out: dict = {
        "allocations": {
            provider: {"resources": resources, "generation": providers[provider]}
            for provider, resources in held.items()
        }
    }
    consumer = db.one(CONSUMERS, id=consumer_id)
    if request.version >= (1, 12):
        out |= {"project_id": consumer["project_id"], "user_id": consumer["user_id"]}
    if request.version >= (1, 28):
        out["consumer_generation"] = consumer["generation"]
    if request.version >= (1, 38):
        out["consumer_type"] = consumer["type"] or "unknown"
    return out


def replace(request, tx):
    write(request, tx, {consumer_uuid(request.path["consumer"]): request.body})


def replace_many(request, tx):
    write(request, tx, {consumer_uuid(consumer_id): body for consumer_id, body in request.body.items()})


def delete(request, tx):
    consumer_id = request.path["consumer"]
    if not claims.release(tx, consumer_id):
        raise Error(404, UNDEFINED, f"No allocations for consumer '{consumer_id}'")


def of_provider(request, db):
    provider = find(db, request.path["id"])
    rows = db.all(ALLOCATIONS, order=("created_at", "consumer_id"), provider_id=provider["id"])
    WIRE.dated(request, max((changed_at(row) for row in rows), default=None))
    out: dict[str, dict] = {}
    for row in rows:
        each = out.setdefault(row["consumer_id"], {"resources": {}})
        each["resources"][row["resource_class"]] = row["used"]
    if request.version >= (1, 28) and out:
        for consumer in db.all(CONSUMERS, id=list(out)):
            out[consumer["id"]]["consumer_generation"] = consumer["generation"]
    return {"allocations": out, "resource_provider_generation": provider["generation"]}


def consumer_uuid(text: str) -> str:
    """The canonical spelling of a consumer's UUID; raises 400."""
    if not ids.is_uuid(text):
        raise Error(400, UNDEFINED, f"Malformed consumer_uuid: {text}. A consumer is named by a UUID.")
    return ids.canonical(text)


def write(request, tx, asked: dict[str, dict]) -> None:
    """Let each consumer hold what its body says: all of it or nothing of it."""
    wanted = {consumer_id: _wanted(tx, body) for consumer_id, body in asked.items()}
    consumers = {consumer_id: tx.one(CONSUMERS, id=consumer_id) for consumer_id in sorted(asked)}
    for consumer_id, body in asked.items():
        if request.version >= (1, 28):
            _check_generation(consumers[consumer_id], body["consumer_generation"])
    held = {consumer_id: claims.held(tx, consumer_id) for consumer_id in asked}
    try:
        for consumer_id in sorted(asked):
            kept = _kept(held[consumer_id], wanted[consumer_id])
            claims.take(tx, consumer_id, held[consumer_id], kept, counted=False)
            held[consumer_id] = kept
        for consumer_id in sorted(asked):
            claims.take(tx, consumer_id, held[consumer_id], wanted[consumer_id], counted=False)
            _record(tx, consumers[consumer_id], consumer_id, asked[consumer_id], wanted[consumer_id])
        claims.count(tx, (provider for each in wanted.values() for provider in each))
    except NoRoom as reason:
        raise _refusal(reason) from None


def judge_again(tx, consumers: Iterable[str]) -> None:
    """Raise Error 409 if inventories that have changed would not give what the consumers hold."""
    try:
        for consumer_id in sorted(consumers):
            claims.judge_again(tx, claims.held(tx, consumer_id))
    except NoRoom as reason:
        raise _refusal(reason) from None


def _kept(had: Held, wanted: Held) -> Held:
    """What a consumer keeps of what it has: nothing is taken by it, so it always fits."""
    kept: Held = {}
    for provider, resources in had.items():
        for name, amount in resources.items():
            if wanted.get(provider, {}).get(name, 0) >= amount:
                kept.setdefault(provider, {})[name] = amount
    return kept


def _record(tx, consumer: dict | None, consumer_id: str, body: dict, wanted: Held) -> None:
    if not wanted:
        if consumer is not None:
            tx.delete(consumer)
        return
    project_id, user_id = body.get("project_id", NOBODY), body.get("user_id", NOBODY)
    if consumer is None:
        claims.add_consumer(tx, consumer_id, project_id, user_id, body.get("consumer_type"))
        return
    changes = {"generation": consumer["generation"] + 1}
    if "project_id" in body:
        changes |= {"project_id": project_id, "user_id": user_id}
    if "consumer_type" in body:
        changes["type"] = body["consumer_type"]
    tx.set(consumer, **changes)


def _wanted(tx, body: dict) -> Held:
    """The body's allocations as {provider: {class: amount}}; raises 400 for names that do not exist."""
    given = body["allocations"]
    if isinstance(given, list):
        given = {each["resource_provider"]["uuid"]: each for each in given}
    out: Held = {}
    for provider, each in given.items():
        if not ids.is_uuid(provider):
            raise Error(400, UNDEFINED, f"Malformed resource provider uuid: {provider}.")
        out[ids.canonical(provider)] = each["resources"]
    known = {row["id"] for row in tx.all(PROVIDERS, id=list(out))} if out else set()
    for provider in out:
        if provider not in known:
            raise Error(400, UNDEFINED, f"Allocation for resource provider '{provider}' that does not exist.")
    for name in sorted({name for resources in out.values() for name in resources}):
        if not vocabulary.class_exists(tx, name):
            raise Error(
                400,
                UNDEFINED,
                f"Unable to allocate inventory for resource class {name}: No such resource class {name}.",
            )
    return out


def _check_generation(consumer: dict | None, asked: int | None) -> None:
    have = None if consumer is None else consumer["generation"]
    if have != asked:
        shown = ["null" if each is None else each for each in (have, asked)]
        raise concurrent(f"consumer generation conflict - expected {shown[0]} but got {shown[1]}")


def _refusal(reason: NoRoom) -> Error:
    if reason.reason == "consumer":
        return concurrent("consumer generation conflict - another writer was quicker")
    if reason.reason in ("capacity", "unit"):
        why = (
            "The requested amount would exceed the capacity."
            if reason.reason == "capacity"
            else "The requested amount would violate inventory constraints."
        )
        return Error(
            409,
            UNDEFINED,
            f"Unable to allocate inventory: Unable to create allocation for "
            f"'{reason.resource_class}' on resource provider '{reason.provider}'. {why}",
        )
    return Error(409, UNDEFINED, f"Unable to allocate inventory: {reason.words}")


RULE = "placement:allocations:"
PATH = "/allocations/{consumer}"
EVENT = "placement.allocation.update"

ROUTES = (
    Route("GET", PATH, show, RULE + "list"),
    Route("PUT", PATH, replace, RULE + "update", body="allocations.update", ok=204, event=EVENT),
    Route(
        "POST",
        "/allocations",
        replace_many,
        RULE + "manage",
        body="allocations.manage",
        since=(1, 13),
        ok=204,
        event=EVENT,
    ),
    Route("DELETE", PATH, delete, RULE + "delete", event="placement.allocation.delete"),
    Route(
        "GET",
        "/resource_providers/{id}/allocations",
        of_provider,
        "placement:resource_providers:allocations:list",
    ),
)
