"""What a token says: who, by what means, where to, from when until when.

A token says little. Ids, methods, times and audit ids stand in it; what they are worth is read from the
rows whenever it is validated (see tokens). How they are written, sealed or signed, is the provider's
affair: fernet or jws.

Source: identity API reference, "Authentication and token management"."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

METHODS = (
    "password",
    "token",
    "application_credential",
    "external",
    "totp",
    "oauth1",
    "mapped",
    "saml2",
    "openid",
    "ec2credential",
    "oauth2_credential",
    "kerberos",
    "x509",
)
"""How a user may have proved himself. A place in this list is a bit in every token that lives: only
append."""

SCOPES = ("unscoped", "project", "domain", "system")


@dataclass(frozen=True)
class Claims:
    """What a token says. Times are microseconds since the epoch; `scope` is one of SCOPES.

    `epoch` is the sum of the epochs of the rows that the token was made under. What it was made with is
    named, where that can end it or lessen its roles: an application credential, a trust. `more` is what
    only some methods of logging in have to say, under names of their own."""

    user_id: str
    methods: tuple[str, ...]
    scope: str
    target_id: str | None
    issued: int
    expires: int
    audit_id: str
    chain_id: str
    credential_id: str | None = None
    trust_id: str | None = None
    epoch: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def federation(self) -> Mapping[str, Any]:
        """Who vouched for the user, if anybody: the `idp`, the `protocol`, and the ids of `groups`."""
        return self.more.get("federation") or {}

    @property
    def access_token_id(self) -> str | None:
        """The access token of OAuth 1 that was logged in with."""
        return self.more.get("oauth1")

    @property
    def audit_ids(self) -> list[str]:
        return [self.audit_id] if self.audit_id == self.chain_id else [self.audit_id, self.chain_id]


def new_audit_id() -> str:
    return spelled(os.urandom(16))


def spelled(data: bytes) -> str:
    """Bytes as text that stands in URLs."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unspelled(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
