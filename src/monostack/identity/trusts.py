"""Trusts: a user (the trustor) lets another (the trustee) act in one of his projects, with some of his roles.

The trustee logs in with the trust as scope. With `impersonation` the token is in the trustor's name. It is
worth something only while the trustor himself has every role of the trust, both users are enabled, and the
trust has neither ended nor been taken back. A token of a trust makes no further tokens, trusts or
credentials, and what came by a trust cannot be handed on: redelegation is refused.

Source: identity API reference, "OS-TRUST"; what a current identity service answers with its default settings.
"""

from __future__ import annotations

from monostack.identity import grants, projects, roles, users
from monostack.identity.attributes import asked_for, bad, missing
from monostack.identity.tables import ROLES, TRUSTS
from monostack.identity.wire import MALFORMED, page, self_link
from monostack.kit import clock
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import ANYONE, Field, Route

TRUST = "OS-TRUST:trust"
"""What a login and a token call a trust."""
LISTED = (
    Field("id"),
    Field("trustor_user_id", filter=True),
    Field("trustee_user_id", filter=True),
    Field("project_id"),
    Field("impersonation"),
    Field("expires_at", lambda row: clock.micro_z(row["expires_at"])),
    Field("remaining_uses"),
    Field("redelegated_trust_id", lambda row: None),
    Field("redelegation_count", lambda row: 0),
    Field("deleted_at", lambda row: None),
    Field("links", self_link("OS-TRUST/trusts")),
)
WHOSE = {
    "trustor_user_id": "identity:list_trusts_for_trustor",
    "trustee_user_id": "identity:list_trusts_for_trustee",
}
"""Filters of the list, and the rules on using them."""


def target(request: Request, db: Db) -> dict:
    """What the rules on a trust look at. A trust that is not there is told before them."""
    row = find(db, request.path["trust_id"], lock=False)
    return {f"target.trust.{name}": row[name] for name in WHOSE}


def target_of_new(request: Request, db: Db) -> dict:
    return {"target.trust.trustor_user_id": asked_for(request, "trust").get("trustor_user_id")}


def index(request: Request, db: Db) -> dict:
    asked = [name for name in WHOSE if name in request.query]
    if not asked:
        request.demand("identity:list_trusts")
    for name in asked:
        request.demand(WHOSE[name], {f"target.trust.{name}": request.query[name]})
    found = page(db, TRUSTS, request, lambda row: not ended(db, row))
    return request.list("trusts", request.render_all(LISTED, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"trust": _shown(request, db, find(db, request.path["trust_id"]))}


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "trust")
    _must_be_his_own(request)
    if asked.get("allow_redelegation") or asked.get("redelegated_trust_id"):
        words = "Redelegation is not offered here: leave out allow_redelegation and redelegated_trust_id."
        raise _forbidden(words)
    if asked.get("project_id") is None:
        raise bad("Invalid trust: 'project_id' is needed, because a trust is of roles in a project.")
    trustor = users.find(tx, asked["trustor_user_id"])
    trustee = users.find(tx, asked["trustee_user_id"])
    project = projects.find(tx, asked["project_id"])
    row = tx.insert(
        TRUSTS,
        trustor_user_id=trustor["id"],
        trustee_user_id=trustee["id"],
        project_id=project["id"],
        impersonation=asked["impersonation"],
        roles=_roles(tx, trustor, project, asked.get("roles")),
        expires_at=_expiry(tx, asked.get("expires_at")),
        remaining_uses=asked.get("remaining_uses"),
    )
    return {"trust": _shown(request, tx, row)}


def _must_be_his_own(request: Request) -> None:
    """Refuse who was himself given no more than a part of somebody's rights."""
    token = request.caller.token
    if TRUST in token:
        raise _forbidden("A token of a trust cannot make another trust.")
    if token.get("application_credential", {}).get("restricted"):
        raise _forbidden("A restricted application credential cannot make a trust.")


def _roles(tx: Tx, trustor: Row, project: Row, asked: list[dict] | None) -> list[str]:
    """The ids of the roles asked for. The trustor has them all."""
    if not asked:
        raise _forbidden("At least one role should be specified.")
    held = grants.expanded(grants.on_project(tx, trustor["id"], project), grants.implications(tx))
    wanted = set()
    for role in asked:
        row = roles.find(tx, role["id"]) if "id" in role else _role_named(tx, role["name"])
        if row["id"] not in held:
            raise missing("role", row["id"])
        wanted.add(row["id"])
    return sorted(wanted)


def _role_named(tx: Tx, name: str) -> Row:
    return tx.one(ROLES, name=name, domain_id="", missing=missing("role", name))


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
    tx.delete(find(tx, request.path["trust_id"]))
    tx.after(tx.cloud.auth.bump)


def role_index(request: Request, db: Db) -> dict:
    found = _roles_of(db, find(db, request.path["trust_id"]))
    return request.list("roles", request.render_all(roles.SHOWN, found), found)


def role_show(request: Request, db: Db) -> dict:
    row, role_id = find(db, request.path["trust_id"]), request.path["role_id"]
    role = next((role for role in _roles_of(db, row) if role["id"] == role_id), None)
    if role is None:
        raise missing("role", role_id)
    return {"role": request.render(roles.SHOWN, role)}


def find(db: Db, id: str, **options) -> Row:  # noqa: A002 - the field's word
    """A trust that has not ended."""
    row = db.one(TRUSTS, id=id, missing=missing("trust", id), **options)
    if ended(db, row):
        raise missing("trust", id)
    return row


def ended(db: Db, row: Row) -> bool:
    return row["expires_at"] is not None and row["expires_at"] <= db.cloud.clock.now()


def use(tx: Tx, trust_id: str) -> None:
    """Count a login by the trust; raises Error 403 when it has been used as often as it may."""
    row = find(tx, trust_id)
    if row["remaining_uses"] is None:
        return
    if row["remaining_uses"] == 0:
        raise _forbidden(f"The trust {trust_id} has been used as often as it may.")
    tx.set(row, remaining_uses=row["remaining_uses"] - 1)


def _roles_of(db: Db, row: Row) -> list[Row]:
    return db.all(ROLES, order="id", id=row["roles"])


def _shown(request: Request, db: Db, row: Row) -> dict:
    links = {"self": f"{request.base}/v3/OS-TRUST/trusts/{row['id']}/roles", "next": None, "previous": None}
    brief = request.render_all(roles.SHOWN, _roles_of(db, row))
    return request.render(LISTED, row) | {"roles": brief, "roles_links": links}


def _forbidden(words: str) -> Error:
    return Error(403, "Forbidden", f"You are not authorized to perform the requested action: {words}")


def _without_user(tx: Tx, user: Row) -> None:
    tx.delete_all(TRUSTS, trustor_user_id=user["id"])
    tx.delete_all(TRUSTS, trustee_user_id=user["id"])


def _without_project(tx: Tx, project: Row) -> None:
    tx.delete_all(TRUSTS, project_id=project["id"])


HOOKS = (("identity.user.delete", _without_user), ("identity.project.delete", _without_project))

MANY, ONE = "/OS-TRUST/trusts", "/OS-TRUST/trusts/{trust_id}"

ROUTES = (
    Route("GET", MANY, index, ANYONE, query="trusts.index", fields=LISTED),
    Route(
        "POST",
        MANY,
        create,
        "identity:create_trust",
        target=target_of_new,
        body="trusts.create",
        event="identity.trust.created",
    ),
    Route("GET", ONE, show_one, "identity:get_trust", target=target),
    Route("DELETE", ONE, delete, "identity:delete_trust", target=target, event="identity.trust.deleted"),
    Route("GET", ONE + "/roles", role_index, "identity:list_roles_for_trust", target=target),
    Route("GET", ONE + "/roles/{role_id}", role_show, "identity:get_role_for_trust", target=target),
)
