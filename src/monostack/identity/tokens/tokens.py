"""Tokens: what their claims are worth, and how they end. They are never stored.

What a token says (claims) is worth what the rows say whenever it is validated, so a disabled project, a
lost role or a revocation is true for every living token at once. A revoked token is a row: its audit id,
and with the first of a chain the whole chain. What ends all tokens of a user, project or domain (a new
password, being disabled) counts up an epoch on that row; a token carries the sum of the epochs that it was
made under. Comparing times instead would let a login slip through that reads while such a change commits.

Source: identity API reference, "Authentication and token management".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from monostack.identity.delegation import pedigree
from monostack.identity.federation import service_providers
from monostack.identity.federation.tables import IDENTITY_PROVIDERS
from monostack.identity.oauth1.tables import ACCESS_TOKENS
from monostack.identity.roles import grants
from monostack.identity.tables import (
    ACCESS_RULES,
    APPLICATION_CREDENTIALS,
    PROJECTS,
    REVOCATIONS,
    USERS,
)
from monostack.identity.tokens.claims import Claims
from monostack.identity.tokens.told import tell
from monostack.identity.users import standing
from monostack.kit import clock
from monostack.kit.auth import Caller
from monostack.kit.db import Db, Row, Tx, lt, query
from monostack.kit.loops import Done
from monostack.kit.resource import Loop

KEPT, KEPT_SECONDS = 10_000, 1.0

_REVOKED = query(
    sa.select(sa.literal(1))
    .where(
        sa.or_(
            REVOCATIONS.c.audit_id == sa.bindparam("audit_id"),
            REVOCATIONS.c.chain_id == sa.bindparam("chain_id"),
        )
    )
    .limit(1)
)


def claims_of(db: Db, token: str) -> Claims | None:
    """What a token says; None when it is not ours. Nothing is said about its being valid."""
    return db.cloud.identity.tokens.unseal(token)


def issue(db: Db, claims: Claims) -> tuple[str, dict] | None:
    """A new token of the claims and its description; None when the rows do not bear it."""
    described = _describe(db, claims)
    if described is None:
        return None
    body, epoch = described
    return db.cloud.identity.tokens.seal(replace(claims, epoch=epoch)), body


def _describe(db: Db, claims: Claims) -> tuple[dict, int] | None:
    """The token as the wire shows it, without the catalogue, and the sum of the epochs of what it stands on;
    None when the rows do not bear it (any more)."""
    found = _borne(db, claims)
    if found is None:
        return None
    told, epoch = found
    said = {
        "methods": list(claims.methods),
        "audit_ids": claims.audit_ids,
        "expires_at": _whole(claims.expires),
        "issued_at": _whole(claims.issued),
    }
    return said | told, epoch


def _borne(db: Db, claims: Claims) -> tuple[dict, int] | None:
    """What the rows say of whoever has such a token, and their epochs.

    It is the same for all tokens of a user for one scope, so it is kept: until anything changes that tokens
    are judged by (`db.epoch`), and for a second, because some of it ends by the clock. What is borrowed or
    vouched for is looked at each time, and so is what a transaction sees that may never be committed."""
    if db.writes or claims.credential_id or claims.trust_id or claims.more:
        return _look(db, claims)
    kept, key = db.cloud.identity.borne, (claims.user_id, claims.scope, claims.target_id)
    now = db.cloud.clock.time()
    found = kept.get(key)
    if found is not None and found[0] == db.epoch and found[1] <= now < found[1] + KEPT_SECONDS:
        return found[2]
    borne = _look(db, claims)
    if borne is not None:
        if len(kept) >= KEPT:
            kept.clear()
        kept[key] = db.epoch, now, borne
    return borne


def _look(db: Db, claims: Claims) -> tuple[dict, int] | None:
    """What the rows say, read from them."""
    found = _enabled_user(db, claims.user_id)
    if found is None:
        return None
    user, domain = found
    epoch = _epoch(user, domain)
    vouched = claims.federation
    if vouched and not _still_trusted(db, vouched["idp"]):
        return None
    chain = trust = None
    if claims.trust_id is not None:
        lent = _lent(db, claims.trust_id, claims.user_id)
        if lent is None:
            return None
        chain, trustor, lent_epoch = lent
        trust, epoch = chain[0], epoch + lent_epoch
        if trust["impersonation"]:
            user, domain = trustor
    body: dict[str, Any] = {
        "user": {
            "domain": _named(domain),
            "id": user["id"],
            "name": user["name"],
            "password_expires_at": user["password_expires_at"],
        },
    }
    if vouched and trust is None:
        del body["user"]["password_expires_at"]
        body["user"]["OS-FEDERATION"] = {
            "groups": [{"id": group_id} for group_id in vouched["groups"]],
            "identity_provider": {"id": vouched["idp"]},
            "protocol": {"id": vouched["protocol"]},
        }
    providers = service_providers.in_tokens(db)
    if providers:
        body["service_providers"] = providers
    if "thumbprint" in claims.more:
        body["oauth2_credential"] = {"x5t#S256": claims.more["thumbprint"]}
    if trust is not None:
        body["OS-TRUST:trust"] = {
            "id": trust["id"],
            "trustor_user": {"id": trust["trustor_user_id"]},
            "trustee_user": {"id": trust["trustee_user_id"]},
            "impersonation": trust["impersonation"],
        }
    if claims.scope == "unscoped":
        return body, epoch
    scoped = _SCOPED[claims.scope](db, claims, chain)
    if scoped is None or not scoped[0]["roles"]:
        return None
    scope, scope_epoch = scoped
    return body | scope, epoch + scope_epoch


def _enabled_user(db: Db, user_id: str) -> tuple[Row, Row] | None:
    """The user and his domain, if both are enabled."""
    user = db.one(USERS, id=user_id, enabled=True, lock=False)
    if user is None or not standing.enabled(db.cloud, user):
        return None
    domain = enabled_domain(db, user["domain_id"])
    return None if domain is None else (user, domain)


def _still_trusted(db: Db, idp_id: str) -> bool:
    """Whether the identity provider that vouched for a user is there and enabled."""
    return db.one(IDENTITY_PROVIDERS, id=idp_id, enabled=True, lock=False) is not None


def _lent(db: Db, trust_id: str, trustee_id: str) -> tuple[list[Row], tuple[Row, Row], int] | None:
    """The trust that the token is of with those it was passed on by, its trustor with his domain, and the sum
    of the epochs of all who lend; None if one of them is not good any more."""
    chain = pedigree.of(db, trust_id)
    if not chain or chain[0]["trustee_user_id"] != trustee_id:
        return None
    lending = dict.fromkeys(row["trustor_user_id"] for row in chain)
    lending |= dict.fromkeys(row["trustee_user_id"] for row in chain[1:])
    enabled: dict[str, tuple[Row, Row]] = {}
    for user_id in lending:
        found = _enabled_user(db, user_id)
        if found is None:
            return None
        enabled[user_id] = found
    return chain, enabled[chain[0]["trustor_user_id"]], sum(_epoch(*rows) for rows in enabled.values())


def _for_project(db: Db, claims: Claims, chain: list[Row] | None) -> tuple[dict, int] | None:
    project = db.one(PROJECTS, id=claims.target_id, is_domain=False, enabled=True, lock=False)
    domain = None if project is None else enabled_domain(db, project["domain_id"])
    if project is None or domain is None:
        return None
    roles: list[dict[str, str]] | None
    if chain is None:
        roles = grants.shown(db, grants.on_project(db, claims.user_id, project, _groups(claims)))
    else:
        roles = pedigree.roles(db, chain, project)
    if not roles:
        return None
    scope: dict[str, Any] = {
        "project": {"domain": _named(domain), "id": project["id"], "name": project["name"]},
        "is_domain": False,
        "roles": roles,
    }
    if chain is not None:
        del scope["is_domain"]
    if claims.credential_id is not None:
        credential = db.one(APPLICATION_CREDENTIALS, id=claims.credential_id, lock=False)
        if credential is None:
            return None
        scope["roles"] = [role for role in roles if role["id"] in credential["roles"]]
        scope["application_credential"] = _credential(db, credential)
    if claims.access_token_id is not None:
        granted = _granted(db, claims, roles)
        if granted is None:
            return None
        scope |= granted
    return scope, _epoch(project, domain)


def _granted(db: Db, claims: Claims, roles: list[dict[str, str]]) -> dict | None:
    """What an access token of OAuth 1 makes of the user's roles; None when it is not good any more."""
    row = db.one(
        ACCESS_TOKENS,
        id=claims.access_token_id,
        user_id=claims.user_id,
        project_id=claims.target_id,
        lock=False,
    )
    if row is None or (row["expires_at"] is not None and row["expires_at"] <= db.now):
        return None
    granted = grants.expanded(set(row["roles"]), grants.implications(db))
    return {
        "roles": [role for role in roles if role["id"] in granted],
        "OS-OAUTH1": {"access_token_id": row["id"], "consumer_id": row["consumer_id"]},
    }


def _credential(db: Db, row: Row) -> dict:
    """An application credential as its tokens tell of it."""
    rules = access_rules_of(db, row)
    about = _named(row) | {"restricted": not row["unrestricted"]}
    return about | {"access_rules": rules} if rules else about


def access_rules_of(db: Db, credential: Row) -> list[dict[str, str]]:
    """The access rules of an application credential, in the order of its making."""
    named = credential["access_rules"]
    rows = {row["id"]: row for row in db.all(ACCESS_RULES, id=named)} if named else {}
    return [{name: rows[each][name] for name in ("id", "service", "path", "method")} for each in named or ()]


def _for_domain(db: Db, claims: Claims, chain: list[Row] | None) -> tuple[dict, int] | None:
    domain = enabled_domain(db, claims.target_id)
    if domain is None:
        return None
    roles = grants.shown(db, grants.on_domain(db, claims.user_id, domain["id"], _groups(claims)))
    return {"domain": _named(domain), "roles": roles}, _epoch(domain)


def _for_system(db: Db, claims: Claims, chain: list[Row] | None) -> tuple[dict, int]:
    roles = grants.shown(db, grants.on_system(db, claims.user_id, _groups(claims)))
    return {"roles": roles, "system": {"all": True}}, 0


def _groups(claims: Claims) -> Sequence[str]:
    """The groups that the token itself names. A trust lends what the trustor has, not the trustee."""
    return () if claims.trust_id else claims.federation.get("groups", ())


_SCOPED: dict[str, Callable[[Db, Claims, list[Row] | None], tuple[dict, int] | None]] = {
    "project": _for_project,
    "domain": _for_domain,
    "system": _for_system,
}


def _epoch(*rows: Row) -> int:
    """Epochs only grow, so their sum is the same only if each of them is."""
    return sum(row["epoch"] or 0 for row in rows)


def may_log_in(db: Db, user_id: str) -> bool:
    """Whether the user and his domain are enabled."""
    return _enabled_user(db, user_id) is not None


def enabled_domain(db: Db, domain_id: str | None) -> Row | None:
    return db.one(PROJECTS, id=domain_id, is_domain=True, enabled=True, lock=False)


def validate(db: Db, token: str, expired_for: float = 0.0) -> Caller | None:
    """The caller behind a token that is good now, or was good until `expired_for` seconds ago."""
    claims = claims_of(db, token)
    if claims is None or claims.expires / 1e6 + expired_for <= db.cloud.clock.time():
        return None
    described = _describe(db, claims)
    if described is None or described[1] != claims.epoch or _revoked(db, claims):
        return None
    found = caller(claims, described[0])
    found.kept_until = _counts_until(db, claims)
    return found


def _counts_until(db: Db, claims: Claims) -> float:
    """When time alone may change what the token is worth: at its own end, or when somebody whose roles it has
    is no longer held to be in a group."""
    users = [claims.user_id]
    if claims.trust_id is not None:
        users += [row["trustor_user_id"] for row in pedigree.of(db, claims.trust_id) or ()]
    ends = grants.membership_ends(db, users)
    own = claims.expires / 1e6
    return own if ends is None else min(own, clock.seconds(ends))


def caller(claims: Claims, body: dict) -> Caller:
    """The Caller of a described token. `token` is the described token: what rules call token.domain.id and
    the like."""
    user, project, domain = body["user"], body.get("project"), body.get("domain")
    return Caller(
        user_id=user["id"],
        user_name=user["name"],
        user_domain_id=user["domain"]["id"],
        project_id=project and project["id"],
        project_name=project and project["name"],
        project_domain_id=project and project["domain"]["id"],
        domain_id=domain and domain["id"],
        system="system" in body,
        roles=frozenset(role["name"] for role in body.get("roles", ())),
        expires=claims.expires / 1e6,
        token=body,
        access_rules=body.get("application_credential", {}).get("access_rules"),
        bound=claims.more.get("thumbprint"),
    )


def revoke(tx: Tx, claims: Claims) -> None:
    """Revoke a token, and with the first of a chain all that were made from it."""
    first = claims.audit_id == claims.chain_id
    asked_until = claims.expires / 1e6 + tx.cloud.settings.identity.allow_expired_seconds
    tx.insert(
        REVOCATIONS,
        audit_id=claims.audit_id,
        chain_id=claims.chain_id if first else None,
        revoked_at=tx.now,
        forget_at=clock.from_seconds(asked_until),
    )
    tx.ends_tokens()


def end_all(tx: Tx, row: Row) -> None:
    """End every token of a user, or for a project or domain, for good."""
    tx.set(row, epoch=(row["epoch"] or 0) + 1)
    if row.table is USERS:
        tell(tx, user_id=row["id"])
    elif row["is_domain"]:
        tell(tx, domain_id=row["id"])
    else:
        tell(tx, project_id=row["id"])
    tx.ends_tokens()


def forget_revocations(row: None, tx: Tx) -> Done:
    """Drop the revocations of tokens that have expired by themselves."""
    tx.delete_all(REVOCATIONS, forget_at=lt(tx.now))
    return Done()


def _revoked(db: Db, claims: Claims) -> bool:
    return bool(db.value(_REVOKED, audit_id=claims.audit_id, chain_id=claims.chain_id))


def _named(row: Row) -> dict[str, str]:
    return {"id": row["id"], "name": row["name"]}


def _whole(microseconds: int) -> str:
    return clock.from_seconds(microseconds // 1_000_000) + "Z"


FORGETTING = Loop("identity.revocations", forget_revocations, every=600.0)
