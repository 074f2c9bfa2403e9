"""Which ways to log in there are, and which of them this cloud offers (setting identity.methods)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monostack.identity.authentication.methods import application_credential, external, password, token, totp
from monostack.identity.authentication.methods.method import Method
from monostack.identity.federation import mapped
from monostack.identity.oauth1 import login as oauth1
from monostack.identity.tokens import claims
from monostack.settings import BadSetting, Identity

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        external.METHOD,
        password.METHOD,
        token.METHOD,
        totp.METHOD,
        application_credential.METHOD,
        *mapped.METHODS,
        oauth1.METHOD,
    )
}


def check(settings: Identity) -> None:
    """Raises BadSetting for methods that nobody knows."""
    unknown = [name for name in settings.methods if name not in claims.METHODS]
    if unknown:
        known = ", ".join(claims.METHODS)
        raise BadSetting(f"identity.methods names {', '.join(unknown)}: there are {known}")


def offered(names: Iterable[str]) -> dict[str, Method]:
    """The methods of the names, in their order."""
    return {name: METHODS[name] for name in names if name in METHODS}
