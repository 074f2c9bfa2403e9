"""Logging in, and what may be asked of a token.

One logs in by one method or several (methods/), which must all prove the same user, and gets a token of the
wished scope. This module combines what they prove; it knows none of them.

A wrong password, an unknown user and a scope without roles are the same answer, in the same time. What was
proved is looked at again in the snapshot in which the token is made. Who must prove himself by more methods
than he did gets a receipt (receipts.py), and comes back with it.

Source: identity API reference, "Authentication and token management".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monostack.identity.authentication import bodies, factors, receipts, scopes
from monostack.identity.authentication.bodies import Login
from monostack.identity.authentication.methods import known
from monostack.identity.authentication.methods.method import Method, Proof
from monostack.identity.authentication.methods.token import not_valid
from monostack.identity.authentication.verifying import refused
from monostack.identity.tables import USERS
from monostack.identity.tokens import tokens
from monostack.identity.tokens.claims import Claims, new_audit_id
from monostack.identity.users import sources, standing
from monostack.kit.auth import Caller
from monostack.kit.clock import seconds
from monostack.kit.context import Context
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import PUBLIC, Response, Route
from monostack.kit.wire import JSON

TRUE = ("1", "true", "yes", "on")


async def issue(request: Request, ctx: Context) -> Response:
    """Log in."""
    offered = known.offered(ctx.cloud.settings.identity.methods)
    return await answered(request, ctx, bodies.read(request.body, offered))


async def answered(request: Request, ctx: Context, login: Login) -> Response:
    """The answer to a login, wherever it was read from."""
    offered = known.offered(ctx.cloud.settings.identity.methods)
    proofs = await _unasked(request, ctx, offered)
    proofs += [await method.prove(ctx, asked) for method, asked in login.asked]
    if len({proof.user_id for proof in proofs}) != 1:
        raise refused()
    await sources.watch(ctx, proofs[0].user_id)
    run = ctx.write if login.scope == bodies.TRUST else ctx.read
    return await run(_answer, request, login, proofs)


async def _unasked(request: Request, ctx: Context, offered: dict[str, Method]) -> list[Proof]:
    """The proofs that the request brings by itself; one that is refused is none."""
    found = []
    for method in offered.values():
        asked = method.unasked and method.unasked(request)
        if asked is None:
            continue
        try:
            found.append(await method.prove(ctx, asked))
        except Error as refusal:
            if refusal.code != 401:
                raise
    return found


def _answer(db: Db, request: Request, login: Login, proofs: list[Proof]) -> Response:
    """The token, or a receipt where the user must prove himself by more."""
    for proof in proofs:
        proof.still(db)
    user = db.one(USERS, id=proofs[0].user_id)
    if user is None or any(_overtaken(db, user, proof) for proof in proofs):
        raise refused()
    named = [name for proof in proofs for name in proof.methods]
    receipt = receipts.presented(request)
    if receipt is not None:
        if (receipt.user_id, receipt.epoch) != (user["id"], user["epoch"] or 0):
            raise receipts.unknown(receipt.text)
        named += receipt.methods
    methods = tuple(dict.fromkeys(named))
    rules = factors.rules(user["options"], known.offered(db.cloud.settings.identity.methods))
    if not factors.suffice(rules, methods):
        if not tokens.may_log_in(db, user["id"]):
            raise refused()
        return receipts.answer(db, user, methods, factors.begun(rules, methods))
    token, body = _issue(db, login, proofs, user["id"], methods)
    if "nocatalog" not in request.query and "roles" in body:
        body = with_catalog(db, body)
    return Response(201, {"token": body}, [("X-Subject-Token", token)])


def _overtaken(db: Db, user: Row, proof: Proof) -> bool:
    """Whether the user's tokens were ended, or his account was locked, since he proved himself."""
    return proof.epoch is not None and (
        proof.epoch != (user["epoch"] or 0) or standing.locked(db.cloud, user)
    )


def _issue(
    db: Db, login: Login, proofs: list[Proof], user_id: str, methods: tuple[str, ...]
) -> tuple[str, dict]:
    """The token and its description."""
    # a login with a trust counts its use, so it alone is a transaction
    trust = scopes.use_trust(db, user_id, login.target["id"]) if isinstance(db, Tx) else None
    issued = int(db.cloud.clock.time() * 1_000_000)
    expires = min(_ends(db, issued, proofs, trust))
    audit_id = new_audit_id()
    chain_id = next((proof.chain_id for proof in proofs if proof.chain_id), audit_id)
    claims: dict[str, Any] = {"trust_id": trust and trust["id"], "more": {}}
    for proof in proofs:
        claims |= proof.claims
        claims["more"] |= proof.more
    for scope, target_id in scopes.wanted(db, login, proofs, trust):
        made = tokens.issue(
            db,
            Claims(
                user_id=user_id,
                methods=methods,
                scope=scope,
                target_id=target_id,
                issued=issued,
                expires=expires,
                audit_id=audit_id,
                chain_id=chain_id,
                **claims,
            ),
        )
        if made is not None and expires > issued:
            return made
    raise refused()


def _ends(db: Db, issued: int, proofs: list[Proof], trust: Row | None) -> list[int]:
    """The moments at which the token must end at the latest."""
    ends = [issued + db.cloud.settings.identity.token_seconds * 1_000_000]
    ends += [proof.ends for proof in proofs if proof.ends is not None]
    if trust is not None and trust["expires_at"] is not None:
        ends.append(int(seconds(trust["expires_at"]) * 1_000_000))
    return ends


def with_catalog(db: Db, body: Mapping[str, Any]) -> dict[str, Any]:
    project = body.get("project")
    catalog = db.cloud.identity.catalogs.of(db, body["user"]["id"], project and project["id"])
    return {**body, "catalog": catalog}


# what may be asked of a token


def subject(request: Request, db: Db) -> dict[str, Any]:
    """What the rules on tokens are judged on. A subject that is missing or not valid is told before them,
    because whose it is decides who may ask."""
    window = 0.0
    if request.query.get("allow_expired", "").lower() in TRUE:
        window = request.cloud.settings.identity.allow_expired_seconds
    found = request.found = good(request, db, request.header("x-subject-token"), window)
    return {"target.token.user_id": found.user_id, "target.token.user.domain.id": found.user_domain_id}


def good(request: Request, db: Db, token: str | None, expired_for: float = 0.0) -> Caller:
    """Whoever has the token that is asked about; raises Error 404 when it is not valid."""
    found = token and (db.cloud.auth.caller(db, token) or tokens.validate(db, token, expired_for))
    if not found or (found.access_rules and not _knows_access_rules(request)):
        raise not_valid(db, token)
    return found


def _knows_access_rules(request: Request) -> bool:
    """Whether who asks says that he holds tokens to their access rules. To others such a token is not valid,
    because they would let it do everything."""
    try:
        return float(request.header("openstack-identity-access-rules") or 0) >= 1.0
    except ValueError:
        return False


def show(request: Request, db: Db) -> Response:
    """What a token is worth now. The whole answer is kept with what is known of the token: services ask again
    and again, and the catalogue is the most of it."""
    found: Caller = request.found
    headers = [("X-Subject-Token", request.headers["x-subject-token"]), JSON]
    if "nocatalog" in request.query or "roles" not in found.token:
        return Response(200, {"token": found.token}, headers)
    if found.shown is None or found.epoch != db.epoch:
        found.shown = request.service.wire.encode({"token": with_catalog(db, found.token)})
    return Response(200, found.shown, headers)


def revoke(request: Request, tx: Tx) -> None:
    token = request.headers["x-subject-token"]
    claims = tokens.claims_of(tx, token)
    if claims is None:
        raise not_valid(tx, token)
    tokens.revoke(tx, claims)


ROUTES = (
    Route("POST", "/auth/tokens", issue, PUBLIC),
    Route("GET", "/auth/tokens", show, "identity:validate_token", target=subject),
    Route("HEAD", "/auth/tokens", show, "identity:check_token", target=subject),
    Route("DELETE", "/auth/tokens", revoke, "identity:revoke_token", target=subject),
)
