"""Proxies in front of us whose headers are believed: by their addresses, which settings name.

One setting names those that authenticate users or check certificates (identity.trusted_proxies), another
those that let the protocol of an identity provider happen (federation.trusted_proxies); none are named by
default. Both are read here. What is no address stops the cloud at its start: why a proxy is quietly not
believed would be looked for in the proxy."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from monostack.kit.request import Request
from monostack.settings import BadSetting, Settings


def believed(request: Request, names: tuple[str, ...]) -> bool:
    """Whether the request comes from one of the named proxies."""
    if not names:
        return False
    try:
        address = ipaddress.ip_address(request.remote)
    except ValueError:
        return False
    return any(address in network for network in _networks(names))


def check(settings: Settings) -> None:
    """Raises BadSetting for proxies that are no addresses."""
    for section in ("identity", "federation"):
        try:
            _networks(getattr(settings, section).trusted_proxies)
        except ValueError as reason:
            raise BadSetting(f"{section}.trusted_proxies: {reason}") from None


@lru_cache
def _networks(names: tuple[str, ...]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The networks of addresses or of ADDRESS/BITS; raises ValueError."""
    return [ipaddress.ip_network(name, strict=False) for name in names]
