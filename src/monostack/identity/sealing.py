"""Secrets that must be read again: sealed with the credential keys before they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monostack.kit.db import Db
from monostack.kit.errors import Error

if TYPE_CHECKING:
    from monostack.cloud import Cloud


def seal(db: Db, text: str) -> str:
    return db.cloud.identity.credential_keys.seal(text.encode(), int(db.cloud.clock.time()))


def unseal(cloud: Cloud, sealed: str) -> str:
    """The text again; raises Error 500 where its key was taken away."""
    data = cloud.identity.credential_keys.unseal(sealed)
    if data is None:
        raise Error(
            500,
            "CredentialEncryptionError",
            "The credential cannot be read: its key is not in credential-keys.",
        )
    return data.decode()
