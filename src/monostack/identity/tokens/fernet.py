"""Tokens sealed with Fernet: nobody but us can read them, and they fit into every header.

The claims are packed as tightly as they go, because clients of long ago keep tokens in 255 characters: ids
of 32 hex digits are 16 bytes, methods are bits, and what a token has not costs a byte.

Source: the Fernet specification."""

from __future__ import annotations

import re
from typing import Any, overload

import msgspec

from monostack.identity.tokens.claims import METHODS, SCOPES, Claims, spelled, unspelled
from monostack.identity.tokens.keys import Keys

FORM = 1
HEX = re.compile("[0-9a-f]{32}")


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
    credential: bytes | None
    trust: bytes | None
    epoch: int
    more: dict[str, Any] | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Payload).decode


class FernetTokens:
    """The provider `fernet`."""

    strange = "Could not recognize Fernet token"

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    def look_again(self) -> int:
        """See changed keys now; what tells them from those before."""
        return self.keys.look_again()

    def seal(self, claims: Claims) -> str:
        """The token of the claims."""
        chain = None if claims.chain_id == claims.audit_id else unspelled(claims.chain_id)
        payload = _Payload(
            FORM,
            _packed(claims.user_id),
            sum(1 << METHODS.index(method) for method in claims.methods),
            SCOPES.index(claims.scope),
            _packed(claims.target_id),
            claims.issued,
            claims.expires,
            unspelled(claims.audit_id),
            chain,
            _packed(claims.credential_id),
            _packed(claims.trust_id),
            claims.epoch,
            dict(claims.more) or None,
        )
        return self.keys.seal(_encode(payload), claims.issued // 1_000_000)

    def unseal(self, token: str) -> Claims | None:
        """What the token says; None when it is not ours. Nothing is said about its being valid."""
        data = self.keys.unseal(token)
        if data is None:
            return None
        try:
            payload = _decode(data)
        except msgspec.MsgspecError:
            return None
        if payload.form != FORM:
            return None
        audit_id = spelled(payload.audit)
        return Claims(
            user_id=_unpacked(payload.user),
            methods=tuple(method for n, method in enumerate(METHODS) if payload.methods >> n & 1),
            scope=SCOPES[payload.scope],
            target_id=_unpacked(payload.target),
            issued=payload.issued,
            expires=payload.expires,
            audit_id=audit_id,
            chain_id=audit_id if payload.chain is None else spelled(payload.chain),
            credential_id=_unpacked(payload.credential),
            trust_id=_unpacked(payload.trust),
            epoch=payload.epoch,
            more=payload.more or {},
        )


@overload
def _packed(id: str) -> bytes: ...  # noqa: A002 - the field's word
@overload
def _packed(id: None) -> None: ...  # noqa: A002
def _packed(id: str | None) -> bytes | None:  # noqa: A002 - the field's word
    """An id as few bytes: 32 hex digits become 16; the first byte tells them from other texts."""
    if id is None:
        return None
    if HEX.fullmatch(id):
        return b"\0" + bytes.fromhex(id)
    return b"\1" + id.encode()


@overload
def _unpacked(data: bytes) -> str: ...
@overload
def _unpacked(data: None) -> None: ...
def _unpacked(data: bytes | None) -> str | None:
    if data is None:
        return None
    return data[1:].decode() if data[0] else data[1:].hex()
