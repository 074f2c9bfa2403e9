"""Unified limits: what a resource of a service is limited to by default, and for one project or domain.

They are kept and shown for clients that read them; the services here have quotas of their own. A limit needs
a registered one of the same service, region and resource, which then can neither be deleted nor changed into
another.

How limits in a tree of projects go together is a setting, the model. In the flat one they do not. In the one
of two strict levels no project has more than its domain, whose limit is its own or the registered default;
only domains and the projects directly in them, and those below, are such levels. Less than nothing means
without limit, and is more than any number.

Source: identity API reference, "Unified Limits"; what a current identity service answers.
"""

from __future__ import annotations

import math

from monostack.identity.attributes import asked_for, bad, taken
from monostack.identity.tables import LIMITS, PROJECTS, REGIONS, REGISTERED_LIMITS, SERVICES
from monostack.identity.wire import MALFORMED, page, self_link
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Route

WHAT = ("service_id", "region_id", "resource_name")
"""What is limited. No region is the empty text, as in every unique index of identity."""
FLAT, TWO_LEVELS = "flat", "strict_two_level"
MODELS = {
    FLAT: "Limit enforcement and validation does not take project hierarchy into consideration.",
    TWO_LEVELS: "This model requires project hierarchy never exceeds a depth of two",
}
LEVELS = 2
"""How many projects, the domain counted, may stand above one in the model of two levels."""

REGISTERED = (
    Field("id"),
    Field("service_id", filter=True),
    Field("region_id", lambda row: row["region_id"] or None),
    Field("resource_name", filter=True),
    Field("default_limit"),
    Field("description"),
    Field("links", self_link("registered_limits")),
)
SHOWN = (
    Field("id"),
    Field("project_id", filter=True),
    Field("domain_id", filter=True),
    Field("resource_limit"),
    Field("description"),
    Field("service_id", filter=True),
    Field("region_id", lambda row: row["region_id"] or None),
    Field("resource_name", filter=True),
    Field("links", self_link("limits")),
)
BY_REGION = Field("region_id", "region_id", filter=True)


# registered limits


def registered_index(request: Request, db: Db) -> dict:
    found = page(db, REGISTERED_LIMITS, request)
    return request.list("registered_limits", request.render_all(REGISTERED, found), found)


def registered_show(request: Request, db: Db) -> dict:
    return {"registered_limit": request.render(REGISTERED, _registered(request, db))}


def registered_create(request: Request, tx: Tx) -> dict:
    rows = []
    for asked in request.body["registered_limits"]:
        what = _what(tx, asked, "registered_limit")
        rows.append(
            tx.insert(
                REGISTERED_LIMITS,
                taken=taken("registered_limit", "Duplicate entry"),
                default_limit=asked["default_limit"],
                description=asked.get("description"),
                **what,
            )
        )
    request.subject = rows[0]["id"]
    return {"registered_limits": request.render_all(REGISTERED, rows)}


def registered_update(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "registered_limit")
    row = _registered(request, tx)
    if any(name in asked for name in WHAT):
        _must_be_unused(tx, row)
    values = {name: asked[name] for name in ("default_limit", "description") if name in asked}
    what = _what(tx, {name: row[name] for name in WHAT} | asked, "registered_limit")
    tx.set(row, taken=taken("registered_limit", "Duplicate entry"), **values, **what)
    return {"registered_limit": request.render(REGISTERED, row)}


def registered_delete(request: Request, tx: Tx) -> None:
    row = _registered(request, tx)
    _must_be_unused(tx, row)
    tx.delete(row)


def _must_be_unused(tx: Tx, row: Row) -> None:
    if tx.count(LIMITS, **{name: row[name] for name in WHAT}):
        words = f"Unable to update or delete registered limit {row['id']} because there are project limits "
        raise Error(403, "Forbidden", words + "associated with it.")


def _registered(request: Request, db: Db) -> Row:
    name = request.path["registered_limit_id"]
    absent = Error(404, "NotFound", f"Could not find registered limit for {name}.")
    return db.one(REGISTERED_LIMITS, id=name, missing=absent)


def _what(tx: Tx, asked: dict, kind: str) -> dict:
    """Service, region and resource asked for; raises Error 400 for those that do not exist."""
    region_id = asked.get("region_id") or ""
    if tx.one(SERVICES, id=asked["service_id"]) is None:
        raise _unknown("service_id", kind)
    if region_id and tx.one(REGIONS, id=region_id) is None:
        raise _unknown("region_id", kind)
    return {
        "service_id": asked["service_id"],
        "region_id": region_id,
        "resource_name": asked["resource_name"],
    }


def _unknown(name: str, kind: str) -> Error:
    return Error(400, "ValidationError", MALFORMED.format(f"Expecting to find {name} in {kind}."))


# limits of a project or a domain


def model(request: Request, db: Db) -> dict:
    name = model_of(db)
    return {"model": {"name": name, "description": MODELS[name]}}


def model_of(db: Db) -> str:
    """The model of the settings."""
    return db.cloud.settings.identity.limit_enforcement_model


def target(request: Request, db: Db) -> dict:
    row = db.one(LIMITS, id=request.path["limit_id"], lock=False)
    if row is None:
        return {}
    if row["project_id"] is None:
        return {"target.limit.domain.id": row["domain_id"], "target.limit.project_id": None}
    project = db.one(PROJECTS, id=row["project_id"], lock=False)
    domain_id = project and project["domain_id"]
    return {"target.limit.project_id": row["project_id"], "target.limit.project.domain_id": domain_id}


def index(request: Request, db: Db) -> dict:
    """Who is neither administrator nor reader of the system sees the limits of his own project, or of his
    domain and its projects."""
    caller = request.caller
    if caller.system or caller.admin:
        found = page(db, LIMITS, request)
    elif caller.domain_id is None:
        found = page(db, LIMITS, request, owner_id=caller.project_id or "none")
    else:  # judged row by row: a domain may have more projects than a statement takes ids
        owners = {row["id"] for row in db.all(PROJECTS, domain_id=caller.domain_id, is_domain=False)}
        owners.add(caller.domain_id)
        found = page(db, LIMITS, request, lambda row: row["owner_id"] in owners)
    return request.list("limits", request.render_all(SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"limit": request.render(SHOWN, _find(request, db))}


def create(request: Request, tx: Tx) -> dict:
    rows = []
    for asked in request.body["limits"]:
        what = _what(tx, asked, "limit")
        if tx.one(REGISTERED_LIMITS, lock=False, **what) is None:
            words = "Unable to create a limit that has no corresponding registered limit."
            raise Error(403, "Forbidden", words)
        rows.append(_insert(tx, asked, what))
    for row in rows:
        _must_fit(tx, row)
    request.subject = rows[0]["id"]
    return {"limits": request.render_all(SHOWN, rows)}


def _insert(tx: Tx, asked: dict, what: dict) -> Row:
    project_id, domain_id = asked.get("project_id"), asked.get("domain_id")
    if not project_id and not domain_id:
        raise bad("A limit is for a project or a domain: send 'project_id' or 'domain_id'.")
    if project_id and tx.one(PROJECTS, id=project_id, is_domain=False) is None:
        raise _unknown("project_id", "limit")
    if domain_id and tx.one(PROJECTS, id=domain_id, is_domain=True) is None:
        raise _unknown("domain_id", "limit")
    return tx.insert(
        LIMITS,
        taken=taken("limit", "Duplicate entry"),
        owner_id=project_id or domain_id,
        project_id=project_id,
        domain_id=None if project_id else domain_id,
        resource_limit=asked["resource_limit"],
        description=asked.get("description"),
        **what,
    )


def _must_fit(tx: Tx, row: Row) -> None:
    """Refuse a project's limit above its domain's, and a domain's below one of its projects'."""
    if model_of(tx) != TWO_LEVELS:
        return
    what = {name: row[name] for name in WHAT}
    if row["project_id"] is not None:
        parent_id = tx.the(PROJECTS, id=row["project_id"])["parent_id"]
        above = _of_domain(tx, parent_id, what)
        fits = above is None or _size(row["resource_limit"]) <= _size(above)
    else:
        inside = [project["id"] for project in tx.all(PROJECTS, domain_id=row["domain_id"])]
        below = tx.all(LIMITS, project_id=inside, **what) if inside else []
        fits = all(_size(each["resource_limit"]) <= _size(row["resource_limit"]) for each in below)
    if not fits:
        level = "project_id" if row["project_id"] is not None else "domain_id"
        words = (
            f"Invalid resource limit: The resource limit ({level}: {row['owner_id']}, resource_name: "
            f"{row['resource_name']}, resource_limit: {row['resource_limit']}, service_id: "
            f"{row['service_id']}, region_id: {row['region_id'] or None}) doesn't satisfy current hierarchy "
            "model."
        )
        raise Error(403, "Forbidden", words)


def _of_domain(tx: Tx, id: str, what: dict) -> int | None:  # noqa: A002 - the field's word
    """What a domain is limited to; None for what is no domain."""
    if tx.one(PROJECTS, id=id, is_domain=True) is None:
        return None
    own = tx.one(LIMITS, domain_id=id, **what)
    if own is not None:
        return own["resource_limit"]
    return tx.the(REGISTERED_LIMITS, **what)["default_limit"]


def _size(limit: int) -> float:
    return math.inf if limit < 0 else limit


def update(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "limit")
    row = _find(request, tx)
    tx.set(row, **{name: asked[name] for name in ("resource_limit", "description") if name in asked})
    _must_fit(tx, row)
    return {"limit": request.render(SHOWN, row)}


def delete(request: Request, tx: Tx) -> None:
    tx.delete(_find(request, tx))


def _find(request: Request, db: Db) -> Row:
    name = request.path["limit_id"]
    return db.one(LIMITS, id=name, missing=Error(404, "NotFound", f"Could not find limit for {name}."))


ONE, REGISTERED_ONE = "/limits/{limit_id}", "/registered_limits/{registered_limit_id}"

ROUTES = (
    Route(
        "GET",
        "/registered_limits",
        registered_index,
        "identity:list_registered_limits",
        query="registered_limits.index",
        fields=(*REGISTERED, BY_REGION),
    ),
    Route(
        "POST",
        "/registered_limits",
        registered_create,
        "identity:create_registered_limits",
        body="registered_limits.create",
        event="identity.registered_limit.created",
    ),
    Route("GET", REGISTERED_ONE, registered_show, "identity:get_registered_limit"),
    Route(
        "PATCH",
        REGISTERED_ONE,
        registered_update,
        "identity:update_registered_limit",
        body="registered_limits.update",
        event="identity.registered_limit.updated",
    ),
    Route(
        "DELETE",
        REGISTERED_ONE,
        registered_delete,
        "identity:delete_registered_limit",
        event="identity.registered_limit.deleted",
    ),
    Route("GET", "/limits/model", model, "identity:get_limit_model"),
    Route("GET", "/limits", index, "identity:list_limits", query="limits.index", fields=(*SHOWN, BY_REGION)),
    Route(
        "POST",
        "/limits",
        create,
        "identity:create_limits",
        body="limits.create",
        event="identity.limit.created",
    ),
    Route("GET", ONE, show_one, "identity:get_limit", target=target),
    Route(
        "PATCH",
        ONE,
        update,
        "identity:update_limit",
        target=target,
        body="limits.update",
        event="identity.limit.updated",
    ),
    Route("DELETE", ONE, delete, "identity:delete_limit", target=target, event="identity.limit.deleted"),
)
