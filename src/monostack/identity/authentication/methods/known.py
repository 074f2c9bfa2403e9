"""Which ways to log in there are, and which of them this cloud offers (setting identity.methods)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monostack.identity.authentication.methods import application_credential, external, password, token, totp
from monostack.identity.authentication.methods.method import Method
from monostack.identity.federation import mapped
from monostack.identity.oauth1 import login as oauth1

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


def offered(names: Iterable[str]) -> dict[str, Method]:
    """The methods of the names, in their order."""
    return {name: METHODS[name] for name in names if name in METHODS}
