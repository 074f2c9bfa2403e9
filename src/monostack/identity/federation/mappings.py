"""Mappings: the rules by which the word of an identity provider is understood (see language).

Rules are checked when they are stored, regular expressions included, so that a mistake meets the operator and
not the people who log in. A change ends no token: whoever has one was mapped by the rules of then.

Source: identity API reference, "Mappings"; what a current identity service answers.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from monostack.identity.attributes import bad, missing, taken
from monostack.identity.federation import language
from monostack.identity.federation.naming import chosen
from monostack.identity.federation.tables import MAPPINGS
from monostack.identity.wire import page, self_link
from monostack.kit.db import Db, Row, Tx
from monostack.kit.request import Request
from monostack.kit.resource import ANYONE, Field, Route
from monostack.kit.schemas import Validator

VERSIONS = ("1.0", "2.0", "3.0")
SHOWN = (
    Field("id"),
    Field("rules"),
    Field("schema_version"),
    Field("links", self_link("OS-FEDERATION/mappings")),
)


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
    }


@cache
def structure(version: str) -> Validator:
    """What a mapping of the schema version must look like."""
    text = {"type": "string"}
    domain = _object(id=text, name=text)
    roles = {"type": "array", "items": _object(("name",), name=text)}
    project = {"name": text, "roles": roles} | ({"domain": domain} if version != "1.0" else {})
    user = _object(
        id=text, name=text, email=text, domain=domain, type={"type": "string", "enum": ["ephemeral", "local"]}
    )
    group = {"oneOf": [_object(("id",), id=text), _object(("name", "domain"), name=text, domain=domain)]}
    local: dict[str, Any] = {
        "user": user,
        "projects": {"type": "array", "items": _object(("name", "roles"), **project)},
        "group": {"type": "object"} | group,
        "groups": text,
        "group_ids": text,
        "domain": domain,
    } | ({"projects_json": text} if version == "3.0" else {})
    requirements = [_object(("type",), type=text)]
    for word in ("any_one_of", "not_any_of", "blacklist", "whitelist"):
        listed = {"type": text, word: {"type": "array"}, "regex": {"type": "boolean"}}
        requirements.append(_object(("type", word), **listed))
    remote = {"type": "array", "minItems": 1, "items": {"type": "object", "oneOf": requirements}}
    rule = _object(("local", "remote"), local={"type": "array", "items": _object(**local)}, remote=remote)
    rules = {"type": "array", "minItems": 1, "items": rule}
    return Validator({"type": "object", "required": ["rules"], "properties": {"rules": rules}})


def index(request: Request, db: Db) -> dict:
    found = page(db, MAPPINGS, request)
    return request.list("mappings", request.render_all(SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"mapping": request.render(SHOWN, find(db, request.path["mapping_id"]))}


def create(request: Request, tx: Tx) -> dict:
    name, asked = chosen(request, "mapping_id"), _asked(request)
    if tx.one(MAPPINGS, id=name) is not None:
        raise taken("mapping", "Duplicate entry")
    row = tx.insert(MAPPINGS, taken=taken("mapping", "Duplicate entry"), id=name, **asked)
    return {"mapping": request.render(SHOWN, row)}


def update(request: Request, tx: Tx) -> dict:
    row = find(tx, request.path["mapping_id"])
    tx.set(row, **_asked(request))
    return {"mapping": request.render(SHOWN, row)}


def _asked(request: Request) -> dict[str, Any]:
    """The rules and the version of their schema; raises Error 400."""
    asked = request.body.get("mapping") if isinstance(request.body, dict) else None
    asked = asked if isinstance(asked, dict) else {}
    version = asked.get("schema_version") or request.cloud.settings.federation.mapping_schema_version
    if version not in VERSIONS:
        raise bad(f"schema_version is {version!r}: it must be one of {', '.join(VERSIONS)}.")
    check(asked, version)
    return {"rules": asked["rules"], "schema_version": version}


def check(asked: dict[str, Any], version: str) -> None:
    """Raises Invalid or Error 400 for what is no mapping of the schema version."""
    structure(version).check(asked)
    wrong = language.wrong_pattern(asked["rules"])
    if wrong is not None:
        raise bad(f"rules: {wrong}.")


def delete(request: Request, tx: Tx) -> None:
    tx.delete(find(tx, request.path["mapping_id"]))


def find(db: Db, id: str, lock: bool | None = None) -> Row:  # noqa: A002 - the field's word
    return db.one(MAPPINGS, id=id, lock=lock, missing=missing("mapping", id))


def nameless(request: Request, db: Db) -> None:
    raise bad(f"{request.method} needs the id of a mapping in the path: /OS-FEDERATION/mappings/ID.")


PATH = "/OS-FEDERATION/mappings"
ROUTES = (
    Route("GET", PATH, index, "identity:list_mappings", fields=SHOWN),
    Route("GET", PATH + "/{mapping_id}", show_one, "identity:get_mapping"),
    Route(
        "PUT",
        PATH + "/{mapping_id}",
        create,
        "identity:create_mapping",
        ok=201,
        event="identity.federation_mapping.created",
    ),
    Route(
        "PATCH",
        PATH + "/{mapping_id}",
        update,
        "identity:update_mapping",
        event="identity.federation_mapping.updated",
    ),
    Route(
        "DELETE",
        PATH + "/{mapping_id}",
        delete,
        "identity:delete_mapping",
        event="identity.federation_mapping.deleted",
    ),
    *(Route(method, PATH, nameless, ANYONE) for method in ("PUT", "PATCH", "DELETE")),
)
