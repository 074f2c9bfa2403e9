"""Trusts: a user (the trustor) lets another (the trustee) act with some of his roles in one project.

The trustee logs in as himself with the trust as the scope. With impersonation the token says that he is the
trustor; it has the roles of the trust as long as the trustor has them all, and makes neither tokens nor
credentials. A trust may expire and may be good for so many logins only.

With a token of a trust that allows it the trustee may pass it on, as a trust of the same trustor that lends
no more than the first, to somebody who may pass it on once less often. What was passed on ends with what it
came from.

Source: identity API reference, "OS-TRUST"; what a current identity service answers.
"""

from __future__ import annotations

from typing import Any

from monostack.identity import removal
from monostack.identity.attributes import asked_for, bad, missing, show
from monostack.identity.delegation import borrowed, pedigree, redelegation
from monostack.identity.projects import projects
from monostack.identity.roles import grants, roles
from monostack.identity.tables import ROLES, TRUSTS
from monostack.identity.users import users
from monostack.identity.wire import MALFORMED, page
from monostack.kit import clock
from monostack.kit.db import Db, Row, Tx, lt
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Response, Route

LISTED = (
    Field("id"),
    Field("trustor_user_id", filter=True),
    Field("trustee_user_id", filter=True),
    Field("project_id"),
    Field("impersonation"),
    Field("expires_at", lambda row: clock.micro_z(row["expires_at"])),
    Field("remaining_uses"),
    Field("deleted_at", lambda row: None),
    Field("redelegated_trust_id"),
    Field("redelegation_count", lambda row: row["redelegation_count"] or 0),
    Field("links", lambda row, request: {"self": f"{request.base}/v3/OS-TRUST/trusts/{row['id']}"}),
)


def target(request: Request, db: Db) -> dict:
    """What the rules on a trust look at. A trust that does not exist is told before them."""
    row = find(db, request.path["trust_id"])
    return {
        "target.trust.trustor_user_id": row["trustor_user_id"],
        "target.trust.trustee_user_id": row["trustee_user_id"],
    }


def target_of_new(request: Request, db: Db) -> dict:
    return {"target.trust.trustor_user_id": asked_for(request, "trust")["trustor_user_id"]}


def target_of_list(request: Request, db: Db) -> dict:
    """Whose trusts are listed: everybody may list those that he gave, or was given; who names nobody lists
    all."""
    trustor, trustee = request.query.get("trustor_user_id"), request.query.get("trustee_user_id")
    if trustor is None and trustee is None:
        request.demand("identity:list_trusts", {})
    elif trustor is None:
        request.demand("identity:list_trusts_for_trustee", {"target.trust.trustee_user_id": trustee})
    return {"target.trust.trustor_user_id": trustor or trustee}


def index(request: Request, db: Db) -> dict:
    """Those that have expired or are used up stand in the list, until they are deleted."""
    borrowed.refuse_delegated(request)
    found = page(db, TRUSTS, request)
    return request.list("trusts", request.render_all(LISTED, found), found)


def show_one(request: Request, db: Db) -> dict:
    borrowed.refuse_delegated(request)
    return {"trust": _shown(request, db, find(db, request.path["trust_id"]))}


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "trust")
    borrowed.refuse_delegated(request)
    source = _source(request, tx, asked)
    trustor, trustee = users.find(tx, asked["trustor_user_id"]), users.find(tx, asked["trustee_user_id"])
    lender_id = source[-1]["trustor_user_id"] if source else trustor["id"]
    values = {
        "project_id": asked.get("project_id"),
        "impersonation": asked["impersonation"],
        "roles": _roles(tx, lender_id, asked),
        "expires_at": _expiry(tx, asked.get("expires_at")),
        "remaining_uses": asked.get("remaining_uses"),
        "redelegation_count": redelegation.count(tx, asked, source),
    }
    if source:
        values |= redelegation.narrowed(tx, values, source)
    row = tx.insert(TRUSTS, trustor_user_id=trustor["id"], trustee_user_id=trustee["id"], **values)
    return {"trust": _shown(request, tx, row)}


def _source(request: Request, tx: Tx, asked: dict) -> list[Row] | None:
    """The trust that the caller passes on, with those it came from; None for a trust of his own."""
    lent = request.caller.token.get("OS-TRUST:trust")
    named = asked.get("redelegated_trust_id")
    if named is not None and (lent is None or lent["id"] != named):
        raise borrowed.forbidden("redelegated_trust_id must be the trust whose token is used")
    return None if lent is None else pedigree.of(tx, lent["id"])


def _roles(tx: Tx, lender_id: str, asked: dict) -> list[str]:
    """The ids of the roles asked for; raises Error for one that the lender does not have in the project."""
    if asked.get("project_id") and not asked.get("roles"):
        raise borrowed.forbidden("At least one role should be specified")
    wanted = [_role(tx, role)["id"] for role in asked.get("roles") or ()]
    held: list[str] = []
    if asked.get("project_id"):
        assigned = grants.on_project(tx, lender_id, projects.find(tx, asked["project_id"]))
        held = grants.expanded(assigned, grants.implications(tx))
    for role_id in wanted:
        if role_id not in held:
            raise missing("role", role_id)
    return sorted(set(wanted))


def _role(tx: Tx, asked: dict) -> Row:
    if "id" in asked:
        return roles.find(tx, asked["id"])
    absent = Error(404, "NotFound", f"Role {asked['name']} is not defined")
    return tx.one(ROLES, name=asked["name"], domain_id="", missing=absent)


def _expiry(tx: Tx, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        moment = clock.parse(text)
    except ValueError:
        raise bad(MALFORMED.format("Timestamp not in expected format.")) from None
    if moment <= tx.now:
        raise bad(MALFORMED.format("The 'expires_at' must not be before now."))
    return moment


def delete(request: Request, tx: Tx) -> None:
    borrowed.refuse_delegated(request)
    removal.trust(tx, find(tx, request.path["trust_id"]))


def flush(tx: Tx, before: str, where: dict[str, Any], most: int) -> int:
    """Delete so many of the trusts that fulfil the conditions and ended before the moment, with those they
    were passed on to; how many it were. One that is used up ended with its last use."""
    ended = tx.all(TRUSTS, order="id", limit=most, expires_at=lt(before), **where)
    ended += tx.all(TRUSTS, order="id", limit=most, remaining_uses=0, updated_at=lt(before), **where)
    for id in dict.fromkeys(row["id"] for row in ended):  # noqa: A001 - the field's word
        row = tx.one(TRUSTS, id=id)
        if row is not None:  # it went with the one it came from
            removal.trust(tx, row)
    return len({row["id"] for row in ended})


def roles_of(request: Request, db: Db) -> dict:
    borrowed.refuse_delegated(request)
    row = find(db, request.path["trust_id"])
    return {"roles": _role_list(request, db, row), "links": _roles_links(request, row)}


def role_of(request: Request, db: Db) -> dict:
    return {"role": show(request, roles.SHOWN, _lent(request, db))}


def check_role(request: Request, db: Db) -> Response:
    _lent(request, db)
    return Response(200)


def _lent(request: Request, db: Db) -> Row:
    borrowed.refuse_delegated(request)
    row = find(db, request.path["trust_id"])
    if request.path["role_id"] not in row["roles"]:
        raise missing("role", request.path["role_id"])
    return roles.find(db, request.path["role_id"])


def _shown(request: Request, db: Db, row: Row) -> dict:
    return {
        "roles": _role_list(request, db, row),
        **request.render(LISTED, row),
        "roles_links": _roles_links(request, row),
    }


def _role_list(request: Request, db: Db, row: Row) -> list[dict]:
    found = db.all(ROLES, order="id", id=row["roles"]) if row["roles"] else []
    return [show(request, roles.SHOWN, role) for role in found]


def _roles_links(request: Request, row: Row) -> dict:
    return {"self": f"{request.base}/v3/{row['id']}/roles", "next": None, "previous": None}


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    row = db.one(TRUSTS, id=id, missing=missing("trust", id))
    if row["remaining_uses"] == 0 or pedigree.of(db, id) is None:
        raise missing("trust", id)
    return row


BASE, ONE = "/OS-TRUST/trusts", "/OS-TRUST/trusts/{trust_id}"

ROUTES = (
    Route(
        "GET",
        BASE,
        index,
        "identity:list_trusts_for_trustor",
        target=target_of_list,
        query="trusts.index",
        fields=LISTED,
    ),
    Route(
        "POST",
        BASE,
        create,
        "identity:create_trust",
        target=target_of_new,
        body="trusts.create",
        event="identity.trust.created",
    ),
    Route("GET", ONE, show_one, "identity:get_trust", target=target),
    Route("DELETE", ONE, delete, "identity:delete_trust", target=target, event="identity.trust.deleted"),
    Route("GET", ONE + "/roles", roles_of, "identity:list_roles_for_trust", target=target),
    Route("GET", ONE + "/roles/{role_id}", role_of, "identity:get_role_for_trust", target=target),
    Route("HEAD", ONE + "/roles/{role_id}", check_role, "identity:get_role_for_trust", target=target),
)
