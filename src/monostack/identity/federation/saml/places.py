"""Where this cloud is in SAML, and what it calls itself: by settings alone, never by a request's Host.

Whoever could choose what we take for our own address could bring us an assertion made for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monostack.identity.federation.sources import NotProved

if TYPE_CHECKING:
    from monostack.cloud import Cloud

F = "/v3/OS-FEDERATION/"


def _here(cloud: Cloud) -> str:
    url = cloud.settings.federation.public_url.rstrip("/")
    if not url and cloud.settings.public_url:
        url = cloud.identity_url().removesuffix("/v3")
    if not url:
        raise NotProved("neither federation.public_url nor public_url is set, and SAML needs one")
    return url


def entity_id(cloud: Cloud) -> str:
    """What this cloud calls itself."""
    return cloud.settings.federation.saml_entity_id or f"{_here(cloud)}{F}saml2/metadata"


def for_programs(cloud: Cloud, idp_id: str, protocol_id: str) -> str:
    """The URL at which programs bring assertions (ECP)."""
    return f"{_here(cloud)}{F}identity_providers/{idp_id}/protocols/{protocol_id}/auth"


def for_browsers(cloud: Cloud, idp_id: str, protocol_id: str) -> str:
    """The URL at which browsers bring assertions (HTTP-POST)."""
    return f"{_here(cloud)}/v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso"


def single_sign_on(cloud: Cloud) -> str:
    """Where this cloud vouches for its own users; only tokens open that door, no requests of SAML."""
    return f"{_here(cloud)}/v3/auth/OS-FEDERATION/saml2"
