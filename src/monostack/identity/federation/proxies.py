"""Assertions from a front proxy: it let the identity provider's protocol happen, and tells the outcome in
headers.

They count only from addresses that a setting names (none by default) and only with the prefix that the proxy
keeps for them; it must take such headers away from what its own clients send. A header `OIDC-preferred-name`
is the attribute HTTP_OIDC_PREFERRED_NAME, as mappings written for other clouds expect; several values are
separated by semicolons. A header with an underscore in its name is passed over: it would have the name of
another one that the proxy does watch.

Source: federation guide, "Keystone as a Service Provider"; RFC 3875, section 4.1.18."""

from __future__ import annotations

from monostack.identity.authentication.proxies import believed
from monostack.identity.federation.language import Assertion
from monostack.kit.request import Request


def assertion(request: Request) -> Assertion | None:
    """What a trusted proxy says of the caller; None where nobody trusted speaks."""
    settings = request.cloud.settings.federation
    if not believed(request, settings.trusted_proxies):
        return None
    prefix = settings.assertion_prefix.lower()
    return {
        "HTTP_" + name.upper().replace("-", "_"): _decoded(value).split(";")
        for name, value in request.headers.items()
        if name.startswith(prefix) and "_" not in name
    }


def _decoded(value: str) -> str:
    """Header values travel as Latin-1; what they mean is UTF-8 where it can be."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value
