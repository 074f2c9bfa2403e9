"""Application credentials: a secret of its own for a program, with some of a user's roles in one project.

The secret is shown once. Its tokens have the credential's roles as far as the user still has them, so a user
who loses a role takes it from his programs. Unless it is unrestricted, a token of a credential can neither
make nor delete credentials. With access rules it lets its tokens be used for what they name, and no more.

Source: identity API reference, "Application credentials"; what a current identity service answers.
"""

from __future__ import annotations

import secrets

from monostack.identity.attributes import asked_for, bad, missing, taken
from monostack.identity.authentication.verifying import hashed
from monostack.identity.delegation import access_rules, borrowed
from monostack.identity.roles import grants
from monostack.identity.tables import APPLICATION_CREDENTIALS, ROLES
from monostack.identity.tokens import tokens
from monostack.identity.users import users
from monostack.identity.wire import MALFORMED, page
from monostack.kit import clock
from monostack.kit.context import Context
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Response, Route

SHOWN = (
    Field("id"),
    Field("name", filter=True),
    Field("description"),
    Field("user_id"),
    Field("project_id"),
    Field("system"),
    Field("expires_at"),
    Field("unrestricted"),
    Field(
        "links",
        lambda row, request: {"self": f"{request.base}/v3/application_credentials/{row['id']}"},
    ),
)
BRIEF_ROLE = ("id", "name", "description", "options")


def target(request: Request, db: Db) -> dict:
    """What the rules on a credential look at: its user, whoever the path says; the user of the path where
    there is none."""
    row = db.one(APPLICATION_CREDENTIALS, id=request.path["application_credential_id"], lock=False)
    return users.target(request, db) if row is None else {"user_id": row["user_id"]}


def index(request: Request, db: Db) -> dict:
    borrowed.refuse_lent(request)
    found = page(db, APPLICATION_CREDENTIALS, request, user_id=request.path["user_id"])
    shown = [_shown(request, db, row) for row in found]
    return request.list("application_credentials", shown, found)


def show_one(request: Request, db: Db) -> dict:
    borrowed.refuse_lent(request)
    return {"application_credential": _shown(request, db, _find(request, db))}


async def create(request: Request, ctx: Context) -> Response:
    asked = asked_for(request, "application_credential")
    borrowed.refuse(request)
    if request.caller.project_id is None:
        raise bad(
            "Invalid application credential: it is for a project, so a token for that project is needed."
        )
    expires_at = _expiry(ctx, asked.get("expires_at"))
    secret = asked.get("secret") or secrets.token_urlsafe(64)
    stored = await hashed(ctx, secret)
    shown = await ctx.write(_insert, request, asked, expires_at, stored)
    return Response(201, {"application_credential": shown | {"secret": secret}})


def _expiry(ctx: Context, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        moment = clock.parse(text)
    except ValueError:
        raise bad(MALFORMED.format("Timestamp not in expected format.")) from None
    if moment <= ctx.cloud.clock.now():
        raise bad(MALFORMED.format("The 'expires_at' must not be before now."))
    return moment


def _insert(tx: Tx, request: Request, asked: dict, expires_at: str | None, stored: str) -> dict:
    user = users.find(tx, request.path["user_id"])
    most = tx.cloud.settings.identity.application_credential_limit
    if 0 <= most <= tx.count(APPLICATION_CREDENTIALS, user_id=user["id"]):
        words = f"at most {most} application credentials a user may have here are there already"
        raise borrowed.forbidden(words)
    row = tx.insert(
        APPLICATION_CREDENTIALS,
        taken=taken("application_credential", f"Duplicate entry found with name {asked['name']}"),
        name=asked["name"],
        user_id=user["id"],
        project_id=request.caller.project_id,
        description=asked.get("description"),
        secret_hash=stored,
        roles=_roles(tx, request, asked.get("roles")),
        unrestricted=asked.get("unrestricted"),
        system=asked.get("system"),
        access_rules=access_rules.meant(tx, user["id"], asked.get("access_rules")),
        expires_at=expires_at,
    )
    request.subject = row["id"]
    return _shown(request, tx, row)


def _roles(tx: Tx, request: Request, asked: list[dict] | None) -> list[str]:
    """The ids of the roles asked for, with what they imply; all of the token's where none are."""
    held = {role["id"]: role["name"] for role in request.caller.token["roles"]}
    if not asked:
        return sorted(held)
    wanted = set()
    for role in asked:
        if "id" not in role and tx.one(ROLES, name=role["name"], domain_id="", lock=False) is None:
            raise Error(404, "NotFound", f"Role {role['name']} is not defined")
        named = [
            id for id, name in held.items() if role.get("id", id) == id and role.get("name", name) == name
        ]
        if len(named) != 1:
            raise bad(
                "Invalid application credential: Cannot create an application credential with unassigned role"
            )
        wanted.add(named[0])
    return sorted(role_id for role_id in grants.expanded(wanted, grants.implications(tx)) if role_id in held)


def delete(request: Request, tx: Tx) -> None:
    borrowed.refuse(request)
    tx.delete(_find(request, tx))
    tx.ends_tokens()


def _find(request: Request, db: Db) -> Row:
    name = request.path["application_credential_id"]
    return db.one(APPLICATION_CREDENTIALS, id=name, missing=missing("Application Credential", name))


def _shown(request: Request, db: Db, row: Row) -> dict:
    roles = db.all(ROLES, order="id", id=row["roles"]) if row["roles"] else []
    brief = [
        {name: role[name] for name in BRIEF_ROLE} | {"domain_id": role["domain_id"] or None} for role in roles
    ]
    rules = tokens.access_rules_of(db, row)
    return request.render(SHOWN, row) | {"roles": brief} | ({"access_rules": rules} if rules else {})


WHERE = "/users/{user_id}/application_credentials"

ROUTES = (
    Route(
        "GET",
        WHERE,
        index,
        "identity:list_application_credentials",
        target=users.target,
        query="users_application_credentials.index",
        fields=SHOWN,
    ),
    Route(
        "POST",
        WHERE,
        create,
        "identity:create_application_credential",
        target=users.target,
        body="users_application_credentials.create",
        event="identity.application_credential.created",
    ),
    Route(
        "GET",
        WHERE + "/{application_credential_id}",
        show_one,
        "identity:get_application_credential",
        target=target,
    ),
    Route(
        "DELETE",
        WHERE + "/{application_credential_id}",
        delete,
        "identity:delete_application_credential",
        target=target,
        event="identity.application_credential.deleted",
    ),
)
