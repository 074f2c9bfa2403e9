"""Logging in: from a password or a token to a token of the wished scope; and what may be asked of a token.

A wrong password, an unknown user and a scope without roles are the same answer, in the same time. What a body
lacks is told exactly. A token made from another keeps that one's expiry and the first one's audit id, so that
a chain of them can neither live longer nor escape a revocation.

Source: identity API reference, "Authentication and token management".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monostack.identity import passwords, tokens
from monostack.identity.tables import PROJECTS, USERS
from monostack.identity.tokens import Claims
from monostack.identity.wire import MALFORMED, UNAUTHORIZED
from monostack.kit.auth import Caller
from monostack.kit.context import Context
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import PUBLIC, Response, Route

SCOPE_WORDS = "system, project, domain, OS-TRUST:trust or unscoped"


@dataclass(frozen=True)
class Asked:
    """A login as it was asked for. `scope` is None where nothing was said about it."""

    methods: tuple[str, ...]
    user: dict[str, Any] | None
    token: str | None
    scope: str | None
    target: dict[str, Any]


async def issue(request: Request, ctx: Context) -> Response:
    """Log in."""
    asked = _asked(request.body)
    user_id, origin = None, None
    if "token" in asked.methods:
        origin = await ctx.read(_claims_of, asked.token)
        user_id = origin.user_id
    if "password" in asked.methods:
        found = await _by_password(ctx, asked.user)
        if user_id not in (None, found):
            raise refused()
        user_id = found
    if user_id is None:
        raise refused()
    token, body = await ctx.read(_issue, user_id, asked, origin)
    if "nocatalog" not in request.query and "roles" in body:
        body = await ctx.read(with_catalog, body)
    return Response(201, {"token": body}, [("X-Subject-Token", token)])


async def _by_password(ctx: Context, asked: dict[str, Any]) -> str:
    """The id of the user whose password this is."""
    user = await matching(ctx, await ctx.read(_user_named, asked), asked.get("password") or "")
    return user["id"]


async def matching(ctx: Context, user: Row | None, password: str) -> Row:
    """The user, if the password is his; otherwise the refusal, after as much work as for a wrong password."""
    runtime = ctx.cloud.identity
    if len(password) > passwords.LONGEST:
        raise refused()
    stored = user["password_hash"] if user else None
    if stored is None:
        await ctx.cpu(passwords.matches, password, runtime.nobodys_hash)
        raise refused()
    if not runtime.verified.knows(user["id"], stored, password):
        if not await ctx.cpu(passwords.matches, password, stored):
            raise refused()
        runtime.verified.remember(user["id"], stored, password)
    return user


def _user_named(db: Db, asked: dict[str, Any]) -> Row | None:
    if "id" in asked:
        return db.one(USERS, id=asked["id"])
    domain_id = domain_named(db, asked["domain"])
    return db.one(USERS, name=asked["name"], domain_id=domain_id) if domain_id else None


def domain_named(db: Db, asked: dict[str, Any]) -> str | None:
    """The id of the domain meant by {"id": ...} or {"name": ...}."""
    if "id" in asked:
        return asked["id"]
    row = db.one(PROJECTS, name=asked["name"], is_domain=True)
    return row and row["id"]


def _claims_of(db: Db, token: str) -> Claims:
    """What a token that is used for a login says; raises Error when it is not valid."""
    claims = tokens.unseal(db.cloud.identity.keys, token)
    if claims is None or tokens.validate(db, token) is None:
        raise not_valid(db, token)
    return claims


def _issue(db: Db, user_id: str, asked: Asked, origin: Claims | None) -> tuple[str, dict]:
    """The token and its description."""
    methods = asked.methods if origin is None else tuple(dict.fromkeys((*origin.methods, *asked.methods)))
    issued = int(db.cloud.clock.time() * 1_000_000)
    audit_id = tokens.new_audit_id()
    expires = issued + db.cloud.settings.identity.token_seconds * 1_000_000

    def claims(scope: str, target_id: str | None) -> Claims:
        return Claims(
            user_id,
            methods,
            scope,
            target_id,
            issued,
            origin.expires if origin else expires,
            audit_id,
            origin.chain_id if origin else audit_id,
        )

    for scope, target_id in _targets(db, user_id, asked):
        wanted = claims(scope, target_id)
        body = tokens.describe(db, wanted)
        if body is not None:
            return tokens.seal(db.cloud.identity.keys, wanted), body
    raise refused()


def _targets(db: Db, user_id: str, asked: Asked) -> list[tuple[str, str | None]]:
    """The scopes to try, best first. Without a word about scope: the user's default project, then none."""
    if asked.scope is None:
        user = db.one(USERS, id=user_id)
        default = user and user["default_project_id"]
        return [*([("project", default)] if default else []), ("unscoped", None)]
    if asked.scope == "project":
        if "id" in asked.target:
            return [("project", asked.target["id"])]
        domain_id = domain_named(db, asked.target["domain"])
        project = domain_id and db.one(PROJECTS, name=asked.target["name"], domain_id=domain_id)
        return [("project", project["id"])] if project else []
    if asked.scope == "domain":
        domain_id = domain_named(db, asked.target)
        return [("domain", domain_id)] if domain_id else []
    return [(asked.scope, None)]


def with_catalog(db: Db, body: dict) -> dict:
    project = body.get("project")
    catalog = db.cloud.identity.catalogs.of(db, body["user"]["id"], project and project["id"])
    return body | {"catalog": catalog}


# what the body says


def _asked(body: Any) -> Asked:
    """The login in the body; raises Error 400 with what it lacks."""
    auth = body.get("auth") if isinstance(body, dict) else None
    if auth is None:
        if body is not None and not isinstance(body, dict):
            raise _lacks("valid JSON", "request body")
        raise _lacks("auth", "request body")
    _must_be(auth, "", "object")
    identity = auth.get("identity")
    if identity is None:
        raise _required("identity", "auth")
    _must_be(identity, "identity", "object")
    methods = identity.get("methods")
    if methods is None:
        raise _required("methods", "identity")
    _must_be(methods, "identity/methods", "array")
    for method in methods:
        _must_be(method, "identity/methods", "string")
        if method not in identity:
            raise _lacks(method, "identity")
    if not methods or any(method not in tokens.METHODS for method in methods):
        raise refused()
    user = _password_user(identity["password"]) if "password" in methods else None
    token = _token_id(identity["token"]) if "token" in methods else None
    scope, target = _scope(auth.get("scope"))
    return Asked(tuple(dict.fromkeys(methods)), user, token, scope, target)


def _password_user(asked: Any) -> dict[str, Any]:
    _must_be(asked, "identity/password", "object")
    user = asked.get("user")
    if user is None:
        raise _lacks("user", "password")
    _must_be(user, "identity/password/user", "object")
    for name in ("id", "name", "password"):
        if name in user:
            _must_be(user[name], f"identity/password/user/{name}", "string")
    _one_of_two(user, "identity/password/user")
    if "id" not in user:
        _domain(user, "user", "identity/password/user/domain")
    return user


def _token_id(asked: Any) -> str:
    _must_be(asked, "identity/token", "object")
    if "id" not in asked:
        raise _required("id", "identity/token")
    _must_be(asked["id"], "identity/token/id", "string")
    return asked["id"]


def _scope(asked: Any) -> tuple[str | None, dict[str, Any]]:
    if asked is None:
        return None, {}
    if asked == "unscoped":
        return "unscoped", {}
    if isinstance(asked, dict) and "unscoped" in asked and len(asked) == 1:
        return "unscoped", {}
    if not isinstance(asked, dict) or len(asked) != 1 or not asked.keys() & {"project", "domain", "system"}:
        raise _lacks(SCOPE_WORDS, "scope")
    scope, target = next(iter(asked.items()))
    _must_be(target, f"scope/{scope}", "object")
    if scope == "system":
        return "system", {}
    for name in ("id", "name"):
        if name in target:
            _must_be(target[name], f"scope/{scope}/{name}", "string")
    _one_of_two(target, f"scope/{scope}")
    if scope == "project" and "id" not in target:
        _domain(target, "project", "scope/project/domain")
    return scope, target


def _domain(holder: dict[str, Any], where: str, field: str) -> None:
    domain = holder.get("domain")
    if domain is None:
        raise _lacks("domain", where)
    _must_be(domain, field, "object")
    for name in ("id", "name"):
        if name in domain:
            _must_be(domain[name], f"{field}/{name}", "string")
    _one_of_two(domain, field)


def _one_of_two(asked: dict[str, Any], field: str) -> None:
    if "id" not in asked and "name" not in asked:
        raise Error(400, "ValidationError", f"Invalid input for field {field}: id or name must be present.")


KINDS = {"object": dict, "array": list, "string": str}


def _must_be(value: Any, field: str, kind: str) -> None:
    if not isinstance(value, KINDS[kind]):
        where = f"Invalid input for field '{field}': " if field else ""
        raise Error(400, "ValidationError", f"{where}{value!r} is not of type '{kind}'")


def _lacks(what: str, where: str) -> Error:
    return Error(400, "ValidationError", MALFORMED.format(f"Expecting to find {what} in {where}."))


def _required(name: str, field: str) -> Error:
    words = f"Invalid input for field '{field}': '{name}' is a required property."
    return Error(400, "ValidationError", words)


def refused() -> Error:
    """The one answer to every login that fails."""
    return Error(401, "Unauthorized", UNAUTHORIZED)


def unrecognized() -> Error:
    return Error(404, "TokenNotFound", "Could not recognize Fernet token")


def not_valid(db: Db, token: str) -> Error:
    """A token that is not ours, or not good any more."""
    if tokens.unseal(db.cloud.identity.keys, token) is None:
        return unrecognized()
    return Error(404, "TokenNotFound", "Failed to validate token")


# what may be asked of a token


def subject(request: Request, db: Db) -> dict[str, Any]:
    """What the rules on tokens are judged on. Also leaves the subject's Caller on the request."""
    token = request.header("x-subject-token")
    request.subject_token = None
    if token is None:
        return {}
    seconds = request.cloud.settings.identity.allow_expired_seconds
    window = seconds if request.query.get("allow_expired", "").lower() in ("1", "true", "yes", "on") else 0
    found = tokens.known(db, token) or tokens.validate(db, token, window)
    request.subject_token = found
    if found is None:
        return {}
    return {"target.token.user_id": found.user_id, "target.token.user.domain.id": found.user_domain_id}


def show(request: Request, db: Db) -> Response:
    """What a token is worth now."""
    found = _subject_or_404(request, db)
    body = found.token
    if "nocatalog" not in request.query and "roles" in body:
        body = with_catalog(db, body)
    return Response(200, {"token": body}, [("X-Subject-Token", request.header("x-subject-token"))])


def revoke(request: Request, tx: Tx) -> None:
    _subject_or_404(request, tx)
    tokens.revoke_one(tx, tokens.unseal(tx.cloud.identity.keys, request.header("x-subject-token")))


def _subject_or_404(request: Request, db: Db) -> Caller:
    if request.subject_token is not None:
        return request.subject_token
    if request.header("x-subject-token") is None:
        raise Error(404, "TokenNotFound", "No token in the request")
    raise not_valid(db, request.header("x-subject-token"))


ROUTES = (
    Route("POST", "/auth/tokens", issue, PUBLIC),
    Route("GET", "/auth/tokens", show, "identity:validate_token", target=subject),
    Route("DELETE", "/auth/tokens", revoke, "identity:revoke_token", target=subject),
)
