"""Which provider makes the tokens: a setting.

Both write the same claims, and what these are worth is found in the same way; so a cloud may change its
provider at a start. Tokens of the other one are then no longer recognised: everybody logs in again."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from monostack.identity.tokens.claims import Claims
from monostack.identity.tokens.fernet import FernetTokens
from monostack.identity.tokens.keys import Keys

FERNET_KEYS, JWS_KEYS, CREDENTIAL_KEYS = "fernet-keys", "jws-keys", "credential-keys"


class Provider(Protocol):
    strange: str
    """What is said of a text that is no token of ours."""

    def look_again(self) -> object: ...
    def seal(self, claims: Claims) -> str: ...
    def unseal(self, token: str) -> Claims | None: ...


def provider(name: str, state: Path) -> Provider:
    """The provider of that name, with its keys in the state directory; raises ValueError."""
    if name == "fernet":
        return FernetTokens(Keys(state / FERNET_KEYS))
    if name == "jws":
        from monostack.identity.tokens.jws import JwsTokens

        return JwsTokens(state / JWS_KEYS)
    raise ValueError(f"identity.token_provider is {name!r}: it must be fernet or jws")
