"""Trusts: a user (the trustor) lets another (the trustee) act with some of his roles in one project.

The trustee logs in as himself with the trust as the scope. With impersonation the token says that he is the
trustor; it never has more roles than the trustor has now, and makes neither tokens nor trusts nor
credentials. A trust may expire and may be good for so many logins only. Passing trusts on is not offered:
`redelegation_count` is 0.

Source: identity API reference, "OS-TRUST"; what a current identity service answers.
"""

from __future__ import annotations

from monostack.identity.attributes import asked_for, bad, missing, show
from monostack.identity.delegation import borrowed
from monostack.identity.projects import projects
from monostack.identity.roles import grants, roles
from monostack.identity.tables import ROLES, TRUSTS
from monostack.identity.users import users
from monostack.identity.wire import MALFORMED, page
from monostack.kit import clock
from monostack.kit.db import Db, Row, Tx
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
    Field("redelegated_trust_id", lambda row: None),
    Field("redelegation_count", lambda row: 0),
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
    """Whose trusts are listed: everybody may list those that he gave or was given; who names nobody lists
    all."""
    trustor, trustee = request.query.get("trustor_user_id"), request.query.get("trustee_user_id")
    if trustor is None and trustee is None:
        request.demand("identity:list_trusts", {})
    if trustee is not None:
        request.demand("identity:list_trusts_for_trustee", {"target.trust.trustee_user_id": trustee})
    return {"target.trust.trustor_user_id": trustor or trustee}


def index(request: Request, db: Db) -> dict:
    found = page(db, TRUSTS, request, lambda row: _alive(db, row))
    return request.list("trusts", request.render_all(LISTED, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"trust": _shown(request, db, find(db, request.path["trust_id"]))}


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "trust")
    borrowed.refuse(request)
    if (
        asked.get("redelegated_trust_id")
        or asked.get("allow_redelegation")
        or asked.get("redelegation_count")
    ):
        raise Error(403, "Forbidden", "Passing trusts on is not offered here: leave out redelegation.")
    trustor, trustee = users.find(tx, asked["trustor_user_id"]), users.find(tx, asked["trustee_user_id"])
    row = tx.insert(
        TRUSTS,
        trustor_user_id=trustor["id"],
        trustee_user_id=trustee["id"],
        project_id=asked.get("project_id"),
        impersonation=asked["impersonation"],
        roles=_roles(tx, trustor, asked),
        expires_at=_expiry(tx, asked.get("expires_at")),
        remaining_uses=asked.get("remaining_uses"),
    )
    return {"trust": _shown(request, tx, row)}


def _roles(tx: Tx, trustor: Row, asked: dict) -> list[str]:
    """The ids of the roles asked for; raises Error for one that the trustor does not have in the project."""
    if not asked.get("project_id"):
        if asked.get("roles"):
            raise missing("project", "none: roles are for a project, so project_id is needed")
        return []
    if not asked.get("roles"):
        words = "At least one role should be specified."
        raise Error(403, "Forbidden", f"You are not authorized to perform the requested action: {words}")
    project = projects.find(tx, asked["project_id"])
    held = {role["id"] for role in grants.shown(tx, grants.on_project(tx, trustor["id"], project))}
    wanted = []
    for role in asked["roles"]:
        row = roles.find(tx, role["id"]) if "id" in role else tx.one(ROLES, name=role["name"], domain_id="")
        if row is None:
            raise Error(404, "NotFound", f"Role {role['name']} is not defined")
        if row["id"] not in held:
            raise missing("role", row["id"])
        wanted.append(row["id"])
    return sorted(set(wanted))


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
    borrowed.refuse(request)
    tx.delete(find(tx, request.path["trust_id"]))
    tx.ends_tokens()


def roles_of(request: Request, db: Db) -> dict:
    row = find(db, request.path["trust_id"])
    return {"roles": _role_list(request, db, row), "links": _roles_links(request, row)}


def role_of(request: Request, db: Db) -> dict:
    return {"role": show(request, roles.SHOWN, _role(request, db))}


def check_role(request: Request, db: Db) -> Response:
    _role(request, db)
    return Response(200)


def _role(request: Request, db: Db) -> Row:
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
    if not _alive(db, row):
        raise missing("trust", id)
    return row


def _alive(db: Db, row: Row) -> bool:
    """Whether the trust has neither expired nor been used up."""
    expired = row["expires_at"] is not None and row["expires_at"] <= db.now
    return not expired and row["remaining_uses"] != 0


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
