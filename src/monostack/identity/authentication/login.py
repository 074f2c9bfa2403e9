"""Logging in, and what may be asked of a token.

One logs in with a password, a token or an application credential, and gets a token of the wished scope.

A wrong password, an unknown user and a scope without roles are the same answer, in the same time. A token
made from another keeps that one's expiry and the first one's audit id, so that a chain of them can neither
live longer nor escape a revocation. An application credential has its scope, and its tokens make no others.

Source: identity API reference, "Authentication and token management".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monostack.identity.authentication import bodies
from monostack.identity.authentication.bodies import Login
from monostack.identity.authentication.verifying import matching, refused
from monostack.identity.delegation import borrowed
from monostack.identity.domains import domains
from monostack.identity.tables import APPLICATION_CREDENTIALS, PROJECTS, TRUSTS, USERS
from monostack.identity.tokens import tokens
from monostack.identity.tokens.tokens import Claims
from monostack.kit.clock import seconds
from monostack.kit.context import Context
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import PUBLIC, Response, Route

TRUE = ("1", "true", "yes", "on")


async def issue(request: Request, ctx: Context) -> Response:
    """Log in."""
    login = bodies.read(request.body)
    who: set[str] = set()
    origin = credential = stored = None
    if login.token is not None:
        origin = await ctx.read(_claims_of, login.token)
        who.add(origin.user_id)
    if login.credential is not None:
        credential = await _credential_of(ctx, login)
        who.add(credential["user_id"])
    if login.user is not None:
        user = await ctx.read(_user_named, login.user)
        user = await matching(ctx, user, login.user.get("password") or "")
        who.add(user["id"])
        stored = user["password_hash"]
    if len(who) != 1:
        raise refused()
    user_id, trust = who.pop(), None
    if login.scope == bodies.TRUST:
        trust = await ctx.write(_use_trust, user_id, login.target["id"])
    proof = Proof(user_id, origin, credential, trust, stored)
    token, body = await ctx.read(_issue, login, proof)
    if "nocatalog" not in request.query and "roles" in body:
        body = await ctx.read(with_catalog, body)
    return Response(201, {"token": body}, [("X-Subject-Token", token)])


async def _credential_of(ctx: Context, login: Login) -> Row:
    if login.scope is not None:
        words = "Application credentials cannot request a scope."
        raise Error(401, "Unauthorized", f"Error authenticating with application credential: {words}")
    found = await ctx.read(_credential_named, login.credential)
    return await matching(ctx, found, login.credential.get("secret") or "", "secret_hash")


def _credential_named(db: Db, asked: dict[str, Any]) -> Row | None:
    if "id" in asked:
        return db.one(APPLICATION_CREDENTIALS, id=asked["id"])
    user = _user_named(db, asked["user"])
    return user and db.one(APPLICATION_CREDENTIALS, user_id=user["id"], name=asked["name"])


def _user_named(db: Db, asked: dict[str, Any]) -> Row | None:
    if "id" in asked:
        return db.one(USERS, id=asked["id"])
    domain_id = domain_named(db, asked["domain"])
    return db.one(USERS, name=asked["name"], domain_id=domain_id) if domain_id else None


def domain_named(db: Db, asked: dict[str, Any]) -> str | None:
    """The id of the domain meant by {"id": ...} or {"name": ...}."""
    if "id" in asked:
        return asked["id"]
    row = domains.named(db, asked["name"])
    return row and row["id"]


def _claims_of(db: Db, token: str) -> Claims:
    """What a token that is used for a login says; raises Error when it is not valid."""
    claims = tokens.unseal(db.cloud.identity.keys, token)
    if claims is None or tokens.validate(db, token) is None:
        raise not_valid(db, token)
    borrowed.refuse_as_origin(claims)
    return claims


def _use_trust(tx: Tx, user_id: str, trust_id: str) -> Row:
    """The trust that a trustee logs in with, counted as used once more; raises the refusal."""
    trust = tx.one(TRUSTS, id=trust_id)
    if trust is None or (trust["expires_at"] is not None and trust["expires_at"] <= tx.now):
        raise refused()
    if trust["trustee_user_id"] != user_id:
        raise Error(403, "Forbidden", f"{borrowed.FORBIDDEN}.")
    if trust["remaining_uses"] == 0:
        raise refused()
    if trust["remaining_uses"] is not None:
        tx.set(trust, remaining_uses=trust["remaining_uses"] - 1)
    return trust


@dataclass(frozen=True)
class Proof:
    """Who logs in, and by what: the token, application credential or trust used, the password's hash."""

    user_id: str
    origin: Claims | None
    credential: Row | None
    trust: Row | None
    stored: str | None


def _issue(db: Db, login: Login, proof: Proof) -> tuple[str, dict]:
    """The token and its description. What was proved is looked at again, because a password may have been
    changed, or the token revoked, since it was."""
    if proof.stored is not None and db.one(USERS, id=proof.user_id, password_hash=proof.stored) is None:
        raise refused()
    if login.token is not None:
        _claims_of(db, login.token)
    origin = proof.origin
    issued = int(db.cloud.clock.time() * 1_000_000)
    expires = min(_ends(db, issued, proof))
    audit_id = tokens.new_audit_id()
    for scope, target_id in _targets(db, login, proof):
        claims = Claims(
            user_id=proof.user_id,
            methods=tuple(dict.fromkeys((*(origin.methods if origin else ()), *login.methods))),
            scope=scope,
            target_id=target_id,
            issued=issued,
            expires=expires,
            audit_id=audit_id,
            chain_id=origin.chain_id if origin else audit_id,
            credential_id=proof.credential and proof.credential["id"],
            trust_id=proof.trust and proof.trust["id"],
        )
        made = tokens.issue(db, claims) if expires > issued else None
        if made is not None:
            return made
    raise refused()


def _ends(db: Db, issued: int, proof: Proof) -> list[int]:
    """The moments at which the token must end at the latest."""
    if proof.origin is not None:
        out = [proof.origin.expires]
    else:
        out = [issued + db.cloud.settings.identity.token_seconds * 1_000_000]
    for lent in (proof.credential, proof.trust):
        if lent is not None and lent["expires_at"] is not None:
            out.append(int(seconds(lent["expires_at"]) * 1_000_000))
    return out


def _targets(db: Db, login: Login, proof: Proof) -> list[tuple[str, str | None]]:
    """The scopes to try, best first. Without a word about scope: the user's default project, then none."""
    if proof.credential is not None:
        return [("project", proof.credential["project_id"])]
    if proof.trust is not None:
        project_id = proof.trust["project_id"]
        return [("project", project_id) if project_id else ("unscoped", None)]
    if login.scope is None:
        user = db.one(USERS, id=proof.user_id)
        default = user and user["default_project_id"]
        return [*([("project", default)] if default else []), ("unscoped", None)]
    if login.scope == "project":
        if "id" in login.target:
            return [("project", login.target["id"])]
        domain_id = domain_named(db, login.target["domain"])
        project = domain_id and db.one(PROJECTS, name=login.target["name"], domain_id=domain_id)
        return [("project", project["id"])] if project else []
    if login.scope == "domain":
        domain_id = domain_named(db, login.target)
        return [("domain", domain_id)] if domain_id else []
    return [(login.scope, None)]


def with_catalog(db: Db, body: dict) -> dict:
    project = body.get("project")
    catalog = db.cloud.identity.catalogs.of(db, body["user"]["id"], project and project["id"])
    return body | {"catalog": catalog}


# what may be asked of a token


def subject(request: Request, db: Db) -> dict[str, Any]:
    """What the rules on tokens are judged on. A subject that is missing or not valid is told before them,
    because whose it is decides who may ask."""
    token = request.header("x-subject-token")
    if token is None:
        raise Error(404, "TokenNotFound", "No token in the request")
    window = 0.0
    if request.query.get("allow_expired", "").lower() in TRUE:
        window = request.cloud.settings.identity.allow_expired_seconds
    found = tokens.known(db, token) or tokens.validate(db, token, window)
    if found is None:
        raise not_valid(db, token)
    request.subject_token = found
    return {"target.token.user_id": found.user_id, "target.token.user.domain.id": found.user_domain_id}


def show(request: Request, db: Db) -> Response:
    """What a token is worth now."""
    body = request.subject_token.token
    if "nocatalog" not in request.query and "roles" in body:
        body = with_catalog(db, body)
    return Response(200, {"token": body}, [("X-Subject-Token", request.header("x-subject-token"))])


def revoke(request: Request, tx: Tx) -> None:
    tokens.revoke(tx, tokens.unseal(tx.cloud.identity.keys, request.header("x-subject-token")))


def not_valid(db: Db, token: str) -> Error:
    """A token that is not ours, or not good any more."""
    if tokens.unseal(db.cloud.identity.keys, token) is None:
        return Error(404, "TokenNotFound", "Could not recognize Fernet token")
    return Error(404, "TokenNotFound", "Failed to validate token")


ROUTES = (
    Route("POST", "/auth/tokens", issue, PUBLIC),
    Route("GET", "/auth/tokens", show, "identity:validate_token", target=subject),
    Route("HEAD", "/auth/tokens", show, "identity:check_token", target=subject),
    Route("DELETE", "/auth/tokens", revoke, "identity:revoke_token", target=subject),
)
