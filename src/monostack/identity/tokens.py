"""Tokens: who, where to, until when, sealed with our keys. They are never stored.

A token says little: ids, methods, times and audit ids. What it is worth is read from the rows whenever it is
validated, so a disabled project, a lost role or a revocation is true for every living token at once.
Revocations are rows: one token by its audit id, a token with all that were made from it by the id of the
first, or everything that concerns a user, project or domain and was issued before a moment.

Source: identity API reference, "Authentication and token management"; the Fernet specification.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from cryptography.fernet import InvalidToken

from monostack.identity import grants
from monostack.identity.tables import PROJECTS, REVOCATIONS, USERS
from monostack.kit import clock
from monostack.kit.auth import Caller
from monostack.kit.db import Db, Row, Tx, query

METHODS = ("password", "token", "application_credential")
FORM = 1
HEX = re.compile("[0-9a-f]{32}")

_REVOKED = query(
    sa.select(sa.literal(1))
    .where(
        sa.or_(
            REVOCATIONS.c.audit_id == sa.bindparam("audit_id"),
            REVOCATIONS.c.chain_id == sa.bindparam("chain_id"),
            sa.and_(
                REVOCATIONS.c.subject_id.in_([sa.bindparam(f"subject_{n}") for n in range(4)]),
                REVOCATIONS.c.issued_before >= sa.bindparam("issued"),
            ),
        )
    )
    .limit(1)
)


@dataclass(frozen=True)
class Claims:
    """What a token says. Times are microseconds since the epoch; `scope` is unscoped, project, domain or
    system."""

    user_id: str
    methods: tuple[str, ...]
    scope: str
    target_id: str | None
    issued: int
    expires: int
    audit_id: str
    chain_id: str

    @property
    def audit_ids(self) -> list[str]:
        return [self.audit_id] if self.audit_id == self.chain_id else [self.audit_id, self.chain_id]


SCOPES = ("unscoped", "project", "domain", "system")


class _Payload(msgspec.Struct, array_like=True):
    form: int
    user: bytes
    methods: int
    scope: int
    target: bytes | None
    issued: int
    expires: int
    audit: bytes
    chain: bytes | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Payload).decode


def seal(keys, claims: Claims) -> str:
    """The token of the claims."""
    chain = None if claims.chain_id == claims.audit_id else _unspelled(claims.chain_id)
    payload = _Payload(
        FORM,
        _packed(claims.user_id),
        sum(1 << METHODS.index(method) for method in claims.methods),
        SCOPES.index(claims.scope),
        _packed(claims.target_id),
        claims.issued,
        claims.expires,
        _unspelled(claims.audit_id),
        chain,
    )
    return keys.encrypt_at_time(_encode(payload), claims.issued // 1_000_000).decode().rstrip("=")


def unseal(keys, token: str) -> Claims | None:
    """What the token says; None when it is not ours. Nothing is said about its being valid."""
    try:
        payload = _decode(keys.decrypt(token.encode("ascii") + b"=" * (-len(token) % 4)))
        if payload.form != FORM:
            return None
        audit = _spelled(payload.audit)
        return Claims(
            _unpacked(payload.user),
            tuple(method for n, method in enumerate(METHODS) if payload.methods >> n & 1),
            SCOPES[payload.scope],
            _unpacked(payload.target),
            payload.issued,
            payload.expires,
            audit,
            audit if payload.chain is None else _spelled(payload.chain),
        )
    except (InvalidToken, UnicodeEncodeError, msgspec.MsgspecError, IndexError):
        return None


def new_audit_id() -> str:
    return _spelled(os.urandom(16))


def _spelled(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unspelled(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _packed(id: str | None) -> bytes | None:  # noqa: A002 - the field's word
    """An id as few bytes: 32 hex digits become 16; the first byte tells them from other texts."""
    if id is None:
        return None
    if HEX.fullmatch(id):
        return b"\0" + bytes.fromhex(id)
    return b"\1" + id.encode()


def _unpacked(data: bytes | None) -> str | None:
    if data is None:
        return None
    return data[1:].decode() if data[0] else data[1:].hex()


def describe(db: Db, claims: Claims) -> dict | None:
    """The token as the wire shows it, without the catalogue; None when the rows do not bear it (any more)."""
    user = db.one(USERS, id=claims.user_id, lock=False)
    if user is None or not user["enabled"]:
        return None
    domain = enabled_domain(db, user["domain_id"])
    if domain is None:
        return None
    subjects = [user["id"], domain["id"]]
    body = {
        "methods": list(claims.methods),
        "user": {
            "domain": _named(domain),
            "id": user["id"],
            "name": user["name"],
            "password_expires_at": clock.plain(user["password_expires_at"]),
        },
        "audit_ids": claims.audit_ids,
        "expires_at": _whole(claims.expires),
        "issued_at": _whole(claims.issued),
    }
    if claims.scope == "project":
        project = db.one(PROJECTS, id=claims.target_id, is_domain=False, enabled=True, lock=False)
        home = project and enabled_domain(db, project["domain_id"])
        if home is None:
            return None
        subjects += [project["id"], home["id"]]
        body["project"] = {"domain": _named(home), "id": project["id"], "name": project["name"]}
        body["is_domain"] = False
        body["roles"] = grants.shown(db, grants.on_project(db, user["id"], project))
    elif claims.scope == "domain":
        home = enabled_domain(db, claims.target_id)
        if home is None:
            return None
        subjects.append(home["id"])
        body["domain"] = _named(home)
        body["roles"] = grants.shown(db, grants.on_domain(db, user["id"], home["id"]))
    elif claims.scope == "system":
        body["roles"] = grants.shown(db, grants.on_system(db, user["id"]))
        body["system"] = {"all": True}
    if claims.scope != "unscoped" and not body["roles"]:
        return None
    return None if _revoked(db, claims, subjects) else body


def may_log_in(db: Db, user_id: str) -> bool:
    """Whether the user and his domain are enabled."""
    user = db.one(USERS, id=user_id, lock=False)
    return user is not None and user["enabled"] and enabled_domain(db, user["domain_id"]) is not None


def enabled_domain(db: Db, domain_id: str | None) -> Row | None:
    return db.one(PROJECTS, id=domain_id, is_domain=True, enabled=True, lock=False)


def validate(db: Db, token: str, expired_for: float = 0.0) -> Caller | None:
    """The caller behind a token that is good now, or was good until `expired_for` seconds ago."""
    claims = unseal(db.cloud.identity.keys, token)
    if claims is None or claims.expires / 1e6 + expired_for <= db.cloud.clock.time():
        return None
    body = describe(db, claims)
    if body is None:
        return None
    found = caller(claims, body)
    if may_keep(db) and found.expires > db.cloud.clock.time():
        db.cloud.auth.keep(token, found)
    return found


def known(db: Db, token: str) -> Caller | None:
    """The caller behind a token that was validated lately."""
    found = db.cloud.auth.kept.get(token)
    return found if found is not None and found.expires > db.cloud.clock.time() else None


def may_keep(db: Db) -> bool:
    """Whether what this snapshot shows may be kept until the next change is told.

    Only where reads run on the event loop's thread, as changes are told there too: a snapshot of another
    thread may be older than the change that was told last."""
    return not db.writes and db.cloud.engine.name == "sqlite"


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
    )


def revoke_one(tx: Tx, claims: Claims) -> None:
    """Revoke one token."""
    tx.insert(REVOCATIONS, audit_id=claims.audit_id, forget_at=clock.from_seconds(claims.expires / 1e6))
    tx.after(tx.cloud.auth.bump)


def revoke_all(tx: Tx, subject_id: str) -> None:
    """Revoke every token of a user, or in a project or domain, that was issued until now."""
    seconds = tx.cloud.settings.identity.token_seconds
    tx.insert(
        REVOCATIONS, subject_id=subject_id, issued_before=tx.now, forget_at=tx.cloud.clock.after(seconds + 60)
    )
    tx.after(tx.cloud.auth.bump)


def _revoked(db: Db, claims: Claims, subjects: list[str]) -> bool:
    padded = (subjects * 4)[:4]
    issued = clock.from_seconds(claims.issued / 1e6)
    return bool(
        db.value(
            _REVOKED,
            audit_id=claims.audit_id,
            chain_id=claims.chain_id,
            issued=issued,
            **{f"subject_{n}": subject for n, subject in enumerate(padded)},
        )
    )


def _named(row: Row) -> dict[str, str]:
    return {"id": row["id"], "name": row["name"]}


def _whole(microseconds: int) -> str:
    return clock.from_seconds(microseconds // 1_000_000) + "Z"
