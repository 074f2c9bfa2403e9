"""Traits: what a provider is, rather than how much it has. The standard ones are fixed, CUSTOM_... are the
operator's."""

import sqlalchemy as sa

from monostack.kit.db import query
from monostack.kit.errors import Error
from monostack.kit.resource import Response, Route
from monostack.placement import vocabulary
from monostack.placement.api.providers import bump, changed_at, check_generation, find
from monostack.placement.tables import PROVIDER_TRAITS, TRAITS
from monostack.placement.wire import UNDEFINED, WIRE, bad_value

USED = query(sa.select(PROVIDER_TRAITS.c.name).distinct())


def index(request, db):
    names = [row["name"] for row in db.all(TRAITS, order="name")]
    names = sorted(vocabulary.traits()) + names
    asked = request.query.get("name")
    if asked is not None:
        names = _named(names, asked)
    associated = request.query.get("associated")
    if associated is not None:
        used = {row["name"] for row in db.run(USED)}
        wanted = _boolean(associated)
        names = [name for name in names if (name in used) == wanted]
    WIRE.dated(request)
    return {"traits": names}


def show(request, db):
    name = request.path["name"]
    if vocabulary.unknown_traits(db, [name]):
        raise _missing(name)
    WIRE.dated(request)
    return Response(204)


def ensure(request, tx):
    """Make sure that an operator's trait exists: 201 if it is new, 204 if it was there."""
    name = request.path["name"]
    if not vocabulary.is_custom(name):
        raise Error(
            400,
            UNDEFINED,
            f"The trait {name} is invalid: write CUSTOM_ followed by capital letters, digits "
            "and underscores, 255 characters at most.",
        )
    row = tx.one(TRAITS, name=name)
    status = 201 if row is None else 204
    if row is None:
        row = tx.insert(TRAITS, name=name)
    WIRE.dated(request, row["created_at"])
    request.response_headers = [("Location", f"{request.base}/traits/{name}"), *request.response_headers]
    return Response(status)


def delete(request, tx):
    name = request.path["name"]
    if name in vocabulary.traits():
        raise Error(400, UNDEFINED, f"Cannot delete standard trait {name}.")
    row = tx.one(TRAITS, name=name, missing=_missing(name))
    if tx.count(PROVIDER_TRAITS, name=name):
        raise Error(409, UNDEFINED, f"The trait {name} is in use by a resource provider.")
    tx.delete(row)


def provider_index(request, db):
    provider = find(db, request.path["id"])
    return _of_provider(request, db, provider)


def provider_replace(request, tx):
    """All traits of a provider at once."""
    provider, body = find(tx, request.path["id"]), request.body
    check_generation(provider, body["resource_provider_generation"])
    wanted = set(body["traits"])
    strange = vocabulary.unknown_traits(tx, wanted)
    if strange:
        raise Error(400, UNDEFINED, f"No such trait {', '.join(strange)}.")
    have = {row["name"] for row in tx.all(PROVIDER_TRAITS, provider_id=provider["id"])}
    if have - wanted:
        tx.delete_all(PROVIDER_TRAITS, provider_id=provider["id"], name=sorted(have - wanted))
    for name in sorted(wanted - have):
        tx.insert(PROVIDER_TRAITS, provider_id=provider["id"], name=name)
    if have != wanted:
        bump(tx, provider)
    return _of_provider(request, tx, provider)


def provider_clear(request, tx):
    provider = find(tx, request.path["id"])
    if tx.delete_all(PROVIDER_TRAITS, provider_id=provider["id"]):
        bump(tx, provider)


def _of_provider(request, db, provider: dict) -> dict:
    rows = db.all(PROVIDER_TRAITS, order="name", provider_id=provider["id"])
    WIRE.dated(request, changed_at(provider))
    return {"traits": [row["name"] for row in rows], "resource_provider_generation": provider["generation"]}


def _named(names: list[str], asked: str) -> list[str]:
    operator, colon, value = asked.partition(":")
    if colon and operator == "startswith":
        return [name for name in names if name.startswith(value)]
    if colon and operator == "in":
        wanted = set(value.split(","))
        return [name for name in names if name in wanted]
    raise bad_value(
        f"Badly formatted name parameter. Expected name query string parameter in form: "
        f'?name=[in|startswith]:[name1,name2|prefix]. Got: "{asked}"'
    )


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise bad_value(f"The query parameter \"associated\" is '{text}': it must be true or false.")
    return text.lower() == "true"


def _missing(name: str) -> Error:
    return Error(404, UNDEFINED, f"No such trait: {name}.")


RULE = "placement:traits:"
PROVIDER_RULE = "placement:resource_providers:traits:"
PROVIDER_PATH = "/resource_providers/{id}/traits"
EVENT = "placement.resource_provider.traits.update"

ROUTES = (
    Route("GET", "/traits", index, RULE + "list", since=(1, 6), query="traits.index"),
    Route("GET", "/traits/{name}", show, RULE + "show", since=(1, 6)),
    Route("PUT", "/traits/{name}", ensure, RULE + "update", since=(1, 6), event="placement.trait.create"),
    Route("DELETE", "/traits/{name}", delete, RULE + "delete", since=(1, 6), event="placement.trait.delete"),
    Route("GET", PROVIDER_PATH, provider_index, PROVIDER_RULE + "list", since=(1, 6)),
    Route(
        "PUT",
        PROVIDER_PATH,
        provider_replace,
        PROVIDER_RULE + "update",
        since=(1, 6),
        body="resource_providers_traits.update",
        event=EVENT,
    ),
    Route("DELETE", PROVIDER_PATH, provider_clear, PROVIDER_RULE + "delete", since=(1, 6), event=EVENT),
)
