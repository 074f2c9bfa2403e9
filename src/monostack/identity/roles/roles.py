"""Roles, and which of them imply which others.

A role may be a domain's own; such a role never stands in a token, but what it implies does. Roles that the
services' rules speak of are immutable.

Source: identity API reference, "Roles", "Role inferences".
"""

from __future__ import annotations

from monostack.identity import removal
from monostack.identity.attributes import (
    asked_for,
    bad,
    fixed,
    invented,
    missing,
    mutable,
    show,
    show_all,
    taken,
    with_options,
)
from monostack.identity.domains import domains
from monostack.identity.tables import IMPLIED_ROLES, ROLES
from monostack.identity.wire import page, self_link
from monostack.kit.db import Db, Row, Tx, Values
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Response, Route

KNOWN = frozenset(("name", "domain_id", "description", "options"))
SHOWN = (
    Field("id"),
    Field("name", filter=True),
    Field("domain_id", lambda row: row["domain_id"] or None),
    Field("description"),
    Field("options"),
    Field("links", self_link("roles")),
)
LISTED = (*SHOWN, Field("domain_id", "domain_id", filter=True))


def target(request: Request, db: Db) -> dict:
    """What the rules on a role look at. An unknown role is told before them."""
    return target_of(find(db, request.path["role_id"], lock=False))


def rule_of(request: Request, db: Db) -> str:
    """A domain's own role has rules of its own."""
    verb = {"GET": "get", "HEAD": "get", "PATCH": "update", "DELETE": "delete"}[request.method]
    of_domain = find(db, request.path["role_id"], lock=False)["domain_id"]
    return f"identity:{verb}_domain_role" if of_domain else f"identity:{verb}_role"


def rule_of_new(request: Request, db: Db) -> str:
    of_domain = asked_for(request, "role").get("domain_id")
    return "identity:create_domain_role" if of_domain else "identity:create_role"


def rule_of_list(request: Request, db: Db) -> str:
    return "identity:list_domain_roles" if request.query.get("domain_id") else "identity:list_roles"


def target_of_new(request: Request, db: Db) -> dict:
    return {"target.role.domain_id": asked_for(request, "role").get("domain_id") or None}


def target_of_pair(request: Request, db: Db) -> dict:
    """The same for the roles of an inference."""
    for name in ("prior_role_id", "implied_role_id"):
        if name in request.path:
            find(db, request.path[name], lock=False)
    return {}


def target_of(row: Row) -> dict:
    return {
        "target.role.id": row["id"],
        "target.role.name": row["name"],
        "target.role.domain_id": row["domain_id"] or None,
    }


def index(request: Request, db: Db) -> dict:
    where: Values = {}
    if not request.query.get("domain_id"):
        where["domain_id"] = ""
    found = page(db, ROLES, request, **where)
    return request.list("roles", show_all(request, SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"role": show(request, SHOWN, find(db, request.path["role_id"]))}


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "role")
    domain_id = asked.get("domain_id") or ""
    if domain_id:
        domains.find(tx, domain_id)
    row = tx.insert(
        ROLES,
        taken=_taken(asked["name"], domain_id),
        name=asked["name"],
        domain_id=domain_id,
        description=asked.get("description"),
        options=with_options({}, asked.get("options")),
        extra=invented(asked, KNOWN),
    )
    return {"role": show(request, SHOWN, row)}


def _taken(name: str, domain_id: str) -> Error:
    where = f" at domain ID {domain_id}" if domain_id else ""
    return taken("role", f"Duplicate entry found with name {name}{where}")


def update(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "role")
    row = find(tx, request.path["role_id"])
    fixed(asked, row)
    if asked.get("domain_id", row["domain_id"] or None) != (row["domain_id"] or None):
        raise bad("Update of `domain_id` is not allowed.")
    mutable("role", row, asked)
    values: Values = {name: asked[name] for name in ("name", "description") if name in asked}
    if "options" in asked:
        values["options"] = with_options(row["options"], asked["options"])
    tx.set(
        row,
        taken=_taken(asked.get("name", ""), row["domain_id"]),
        extra=row["extra"] | invented(asked, KNOWN),
        **values,
    )
    tx.ends_tokens()
    return {"role": show(request, SHOWN, row)}


def delete(request: Request, tx: Tx) -> None:
    row = find(tx, request.path["role_id"])
    mutable("role", row)
    removal.roles(tx, [row])


def find(db: Db, id: str, lock: bool | None = None) -> Row:  # noqa: A002 - the field's word
    return db.one(ROLES, id=id, missing=missing("role", id), lock=lock)


# implied roles


def implications(request: Request, db: Db) -> dict:
    """What a role implies."""
    prior = find(db, request.path["prior_role_id"])
    implied = [row["implied_role_id"] for row in db.all(IMPLIED_ROLES, prior_role_id=prior["id"])]
    rows = db.all(ROLES, order="id", id=implied) if implied else []
    return {
        "role_inference": {
            "prior_role": _brief(request, prior),
            "implies": [_brief(request, row) for row in rows],
        },
        "links": {"self": f"{request.base}/v3/roles/{prior['id']}/implies"},
    }


def implication(request: Request, db: Db) -> dict:
    prior, implied = _pair(request, db)
    _existing(db, prior, implied)
    return _inference(request, prior, implied)


def imply(request: Request, tx: Tx) -> dict:
    prior, implied = _pair(request, tx)
    if implied["name"] == "admin" and not implied["domain_id"]:
        raise Error(403, "Forbidden", f"{implied['id']} cannot be an implied roles.")
    if implied["domain_id"] and not prior["domain_id"]:
        words = (
            f"Role {prior['id']} is everybody's: it cannot imply {implied['id']}, which is a domain's own."
        )
        raise Error(403, "Forbidden", words)
    tx.insert(
        IMPLIED_ROLES,
        taken=taken("implied_role", "Duplicate entry"),
        prior_role_id=prior["id"],
        implied_role_id=implied["id"],
    )
    request.subject = prior["id"]
    tx.ends_tokens()
    return _inference(request, prior, implied)


def imply_no_more(request: Request, tx: Tx) -> None:
    prior, implied = _pair(request, tx)
    tx.delete(_existing(tx, prior, implied))
    request.subject = prior["id"]
    tx.ends_tokens()


def check_implication(request: Request, db: Db) -> Response:
    prior, implied = _pair(request, db)
    _existing(db, prior, implied)
    return Response(204)


def inferences(request: Request, db: Db) -> dict:
    """All roles that imply others."""
    roles = {row["id"]: row for row in db.all(ROLES)}
    by_prior: dict[str, list[Row]] = {}
    for row in db.all(IMPLIED_ROLES, order="id"):
        by_prior.setdefault(row["prior_role_id"], []).append(roles[row["implied_role_id"]])
    return {
        "role_inferences": [
            {
                "prior_role": _brief(request, roles[prior]),
                "implies": [_brief(request, row) for row in implied],
            }
            for prior, implied in sorted(by_prior.items())
        ]
    }


def _pair(request: Request, db: Db) -> tuple[Row, Row]:
    return find(db, request.path["prior_role_id"]), find(db, request.path["implied_role_id"])


def _existing(db: Db, prior: Row, implied: Row) -> Row:
    words = f"{prior['id']} does not imply {implied['id']}."
    return db.one(
        IMPLIED_ROLES,
        prior_role_id=prior["id"],
        implied_role_id=implied["id"],
        missing=Error(404, "NotFound", words),
    )


def _inference(request: Request, prior: Row, implied: Row) -> dict:
    return {
        "role_inference": {"prior_role": _brief(request, prior), "implies": _brief(request, implied)},
        "links": {"self": f"{request.base}/v3/roles/{prior['id']}/implies/{implied['id']}"},
    }


def _brief(request: Request, row: Row) -> dict:
    return {"id": row["id"], "links": {"self": f"{request.base}/v3/roles/{row['id']}"}, "name": row["name"]}


IMPLIES = "/roles/{prior_role_id}/implies"

ROUTES = (
    Route(
        "GET",
        "/roles",
        index,
        "identity:list_roles",
        rule_of=rule_of_list,
        query="roles.index",
        fields=LISTED,
    ),
    Route(
        "POST",
        "/roles",
        create,
        "identity:create_role",
        rule_of=rule_of_new,
        target=target_of_new,
        body="roles.create",
        event="identity.role.created",
    ),
    Route("GET", "/roles/{role_id}", show_one, "identity:get_role", rule_of=rule_of, target=target),
    Route(
        "PATCH",
        "/roles/{role_id}",
        update,
        "identity:update_role",
        rule_of=rule_of,
        target=target,
        body="roles.update",
        event="identity.role.updated",
    ),
    Route(
        "DELETE",
        "/roles/{role_id}",
        delete,
        "identity:delete_role",
        rule_of=rule_of,
        target=target,
        event="identity.role.deleted",
    ),
    Route("GET", IMPLIES, implications, "identity:list_implied_roles", target=target_of_pair),
    Route(
        "GET", IMPLIES + "/{implied_role_id}", implication, "identity:get_implied_role", target=target_of_pair
    ),
    Route(
        "HEAD",
        IMPLIES + "/{implied_role_id}",
        check_implication,
        "identity:check_implied_role",
        target=target_of_pair,
    ),
    Route(
        "PUT",
        IMPLIES + "/{implied_role_id}",
        imply,
        "identity:create_implied_role",
        ok=201,
        target=target_of_pair,
        event="identity.role.updated",
    ),
    Route(
        "DELETE",
        IMPLIES + "/{implied_role_id}",
        imply_no_more,
        "identity:delete_implied_role",
        target=target_of_pair,
        event="identity.role.updated",
    ),
    Route("GET", "/role_inferences", inferences, "identity:list_role_inference_rules"),
)
