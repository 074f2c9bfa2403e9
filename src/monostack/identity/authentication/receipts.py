"""Receipts: what one gets for a part of the methods that one must log in by, to come back with the rest.

A receipt says who proved himself by which methods, sealed with keys of its own, so that it can never be taken
for a token; it is good for minutes. It carries the user's epoch, so that it ends with his tokens: when the
password is changed, when he is disabled.

Source: identity API reference, "Multi-Factor Authentication"."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from monostack.identity.tables import PROJECTS
from monostack.kit.clock import from_seconds
from monostack.kit.db import Db, Row
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Response

HEADER = "openstack-auth-receipt"


class _Payload(msgspec.Struct, array_like=True):
    user_id: str
    methods: tuple[str, ...]
    epoch: int
    expires: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Payload).decode


@dataclass(frozen=True)
class Receipt:
    """What a receipt says, and itself."""

    text: str
    user_id: str
    methods: tuple[str, ...]
    epoch: int


def presented(request: Request) -> Receipt | None:
    """The receipt that comes with a login; raises Error 401 for one that is not good (any more)."""
    text = request.header(HEADER)
    if not text:
        return None
    data = request.cloud.identity.receipt_keys.unseal(text)
    if data is None:
        raise unknown(text)
    payload = _decode(data)
    if payload.expires <= request.cloud.clock.time():
        raise unknown(text)
    return Receipt(text, payload.user_id, payload.methods, payload.epoch)


def unknown(text: str) -> Error:
    return Error(401, "Unauthorized", f"Could not find auth receipt: {text}.")


def answer(db: Db, user: Row, methods: tuple[str, ...], required: list[list[str]]) -> Response:
    """The refusal that is half a login: a receipt, and what else may be done."""
    now = int(db.cloud.clock.time())
    expires = now + db.cloud.settings.identity.receipt_seconds
    payload = _Payload(user["id"], methods, user["epoch"] or 0, expires)
    text = db.cloud.identity.receipt_keys.seal(_encode(payload), now)
    domain = db.the(PROJECTS, id=user["domain_id"], lock=False)
    body = {
        "receipt": {
            "methods": list(methods),
            "user": {
                "id": user["id"],
                "name": user["name"],
                "domain": {"id": domain["id"], "name": domain["name"]},
            },
            "expires_at": from_seconds(expires) + "Z",
            "issued_at": from_seconds(now) + "Z",
        },
        "required_auth_methods": required,
    }
    return Response(401, body, [("Openstack-Auth-Receipt", text)])
