"""Access rules: what the tokens of an application credential may be used for, kept for their user.

A rule is made with a credential that has it. The same rule is kept once for each user and can be named by
its id in further credentials; it outlives them, and cannot be deleted while one of them has it.

Source: identity API reference, "Application Credentials", access rules; what a current identity service
answers. How rules are held to: monostack.kit.access_rules.
"""

from __future__ import annotations

from monostack.identity.attributes import bad, missing
from monostack.identity.delegation import borrowed
from monostack.identity.tables import ACCESS_RULES, APPLICATION_CREDENTIALS
from monostack.identity.users import users
from monostack.identity.wire import page, self_link
from monostack.kit import ids
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Route

PARTS = ("service", "path", "method")
BRIEF = (Field("id"), *(Field(name, filter=True) for name in PARTS))
SHOWN = (*BRIEF, Field("links", self_link("access_rules")))


def index(request: Request, db: Db) -> dict:
    borrowed.refuse_lent(request)
    found = page(db, ACCESS_RULES, request, user_id=request.path["user_id"])
    return request.list("access_rules", request.render_all(SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    borrowed.refuse_lent(request)
    return {"access_rule": request.render(SHOWN, _find(request, db))}


def delete(request: Request, tx: Tx) -> None:
    borrowed.refuse_lent(request)
    row = _find(request, tx)
    credentials = tx.all(APPLICATION_CREDENTIALS, user_id=row["user_id"])
    if any(row["id"] in (credential["access_rules"] or ()) for credential in credentials):
        raise Error(403, "Forbidden", "May not delete access rule in use")
    tx.delete(row)


def _find(request: Request, db: Db) -> Row:
    name = request.path["access_rule_id"]
    absent = missing("Access Rule", name)
    return db.one(ACCESS_RULES, id=name, user_id=request.path["user_id"], missing=absent)


def meant(tx: Tx, user_id: str, asked: list[dict] | None) -> list[str] | None:
    """The ids of the rules that a new credential asks for, those that are new made; None for no rules."""
    found = [_meant(tx, user_id, rule) for rule in asked or ()]
    return list(dict.fromkeys(found)) or None


def _meant(tx: Tx, user_id: str, asked: dict) -> str:
    unknown = sorted(asked.keys() - {"id", *PARTS})
    if unknown:
        raise bad(f"Invalid access rule: it has no {', '.join(unknown)}; it has service, method and path.")
    if "id" in asked:
        named = tx.one(ACCESS_RULES, id=asked["id"])
        if named is not None and named["user_id"] != user_id:
            raise missing("Access Rule", asked["id"])
        if named is not None:
            return named["id"]
    if any(name not in asked for name in PARTS):
        raise bad("Invalid access rule: it needs service, method and path, or the id of one that exists.")
    rule = {name: asked[name] for name in PARTS}
    same = tx.one(ACCESS_RULES, user_id=user_id, **rule)
    if same is not None:
        return same["id"]
    return tx.insert(ACCESS_RULES, id=asked.get("id") or ids.new_hex(), user_id=user_id, **rule)["id"]


ALL, ONE = "/users/{user_id}/access_rules", "/users/{user_id}/access_rules/{access_rule_id}"

ROUTES = (
    Route(
        "GET",
        ALL,
        index,
        "identity:list_access_rules",
        target=users.target,
        query="users_access_rules.index",
        fields=SHOWN,
    ),
    Route("GET", ONE, show_one, "identity:get_access_rule", target=users.target),
    Route(
        "DELETE",
        ONE,
        delete,
        "identity:delete_access_rule",
        target=users.target,
        event="identity.access_rule.deleted",
    ),
)
