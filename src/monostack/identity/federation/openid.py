"""OpenID Connect: this cloud as a client of a provider, and as a resource that takes its access tokens.

A program brings an access token in `Authorization: Bearer`: a JWT of the provider for one of our audiences,
or one that the provider itself is asked about (RFC 7662). A browser is sent to the provider and comes back
with a code (authorization code flow, with PKCE); what it must bring along stands sealed in a cookie of its
own, so nobody's code is taken from another's browser.

Only asymmetric signatures count, by keys from the provider's own documents. Claims become attributes called
OIDC-name and HTTP_OIDC_NAME, as the usual modules of web servers call them; what is no text becomes JSON, a
list its texts.

Source: OpenID Connect Core 1.0 and Discovery 1.0; RFC 6749, 6750, 7519, 7636, 7662."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from monostack.identity.authentication.verifying import refused
from monostack.identity.federation import fetch
from monostack.identity.federation.language import Assertion
from monostack.identity.federation.sources import NotProved, Oidc
from monostack.kit.context import Context

SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY = 60.0
LONGEST_TOKEN = 16_384
log = logging.getLogger(__name__)


async def bearer(ctx: Context, source: Oidc) -> Assertion | None:
    """What the access token of the request says; None without one. Raises the refusal."""
    scheme, _, token = (ctx.request.header("authorization") or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        return None
    try:
        return _assertion(await fetch.apart(_access, source, token, ctx.cloud.clock.time()), source)
    except (NotProved, fetch.Unfetched) as reason:
        log.warning("an access token of %s was refused: %s", source.issuer, reason)
        raise refused() from None


def _access(source: Oidc, token: str, now: float) -> dict[str, Any]:
    """The claims of an access token; asks the provider where it must be asked."""
    if len(token) > LONGEST_TOKEN:
        raise NotProved("it is too long")
    if source.introspect:
        claims = _introspected(source, token)
    else:
        claims = _signed(source, token, now)
    _check(claims, source.audiences or (source.client_id,), now)
    if source.userinfo:
        claims = _userinfo(source, token, claims) | claims
    return claims


def _introspected(source: Oidc, token: str) -> dict[str, Any]:
    endpoint = _endpoint(source, "introspection_endpoint")
    claims = _post(source, endpoint, {"token": token, "token_type_hint": "access_token"})
    if claims.get("active") is not True:
        raise NotProved("the provider calls it not active")
    if claims.setdefault("iss", source.issuer) != source.issuer:
        raise NotProved("it is another issuer's")
    claims.setdefault("aud", claims.get("client_id"))
    return claims


def _signed(source: Oidc, token: str, now: float) -> dict[str, Any]:
    """The claims of a JWT of the provider, its signature and issuer looked at."""
    import jwt

    try:
        header = jwt.get_unverified_header(token)
        key = _key(source, header, now)
        return jwt.decode(
            token,
            key,
            algorithms=[name for name in SIGNATURES if name == header.get("alg")],
            issuer=source.issuer,
            options={
                "require": ["exp", "iss", "sub"],
                "verify_aud": False,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.PyJWTError as reason:
        raise NotProved(str(reason)) from None


def _key(source: Oidc, header: Mapping[str, Any], now: float) -> Any:
    """The provider's key that the token names; its keys are fetched anew when they lack it."""
    import jwt

    url = _endpoint(source, "jwks_uri")
    for fresh in (False, True):
        keys = jwt.PyJWKSet.from_dict(fetch.document(url, source.ca_file, fresh=fresh)).keys
        fitting = [key for key in keys if key.public_key_use in (None, "sig")]
        if "kid" in header:
            fitting = [key for key in fitting if key.key_id == header["kid"]]
        if len(fitting) == 1:
            return fitting[0]
    raise NotProved("the provider has no key that the token names")


def _check(claims: Mapping[str, Any], audiences: tuple[str, ...], now: float) -> None:
    """Times and audience. The cloud's own clock decides."""
    for name, late in (("exp", True), ("nbf", False), ("iat", False)):
        moment = claims.get(name)
        if moment is None and name != "exp":
            continue
        if not isinstance(moment, int | float) or isinstance(moment, bool):
            raise NotProved(f"{name} is no moment")
        if (moment + LEEWAY < now) if late else (moment - LEEWAY > now):
            raise NotProved(f"{name} is {moment}, and it is {now:.0f}")
    meant = claims.get("aud")
    meant = meant if isinstance(meant, list) else [meant]
    if not set(audiences) & {each for each in meant if isinstance(each, str)}:
        raise NotProved(f"it is for {meant}, not for {list(audiences)}")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise NotProved("it names no subject")


def _userinfo(source: Oidc, token: str, claims: Mapping[str, Any]) -> dict[str, Any]:
    url = _endpoint(source, "userinfo_endpoint")
    found = fetch.answer(url, source.ca_file, headers={"Authorization": f"Bearer {token}"})
    if found.get("sub") != claims["sub"]:
        raise NotProved("the provider's userinfo is about somebody else")
    return found


# a browser


def departure(source: Oidc, redirect_uri: str) -> tuple[str, dict[str, str]]:
    """The URL to which the browser goes, and what it must bring back sealed."""
    kept = {name: _random() for name in ("state", "nonce", "verifier")}
    digest = hashlib.sha256(kept["verifier"].encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": source.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(source.scopes),
        "state": kept["state"],
        "nonce": kept["nonce"],
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    endpoint = _endpoint(source, "authorization_endpoint")
    return endpoint + ("&" if "?" in endpoint else "?") + urlencode(asked), kept


def arrival(
    source: Oidc, query: Mapping[str, str], kept: Mapping[str, str], redirect_uri: str, now: float
) -> Assertion:
    """What the provider says of the browser that came back; raises NotProved."""
    if not hmac.compare_digest(query.get("state", "").encode(), kept["state"].encode()):
        raise NotProved("the state is another browser's")
    if query.get("iss", source.issuer) != source.issuer:
        raise NotProved("the answer is another issuer's")
    if "code" not in query:
        raise NotProved(f"the provider says {query.get('error', 'nothing')[:100]}")
    granted = _post(
        source,
        _endpoint(source, "token_endpoint"),
        {
            "grant_type": "authorization_code",
            "code": query["code"],
            "redirect_uri": redirect_uri,
            "code_verifier": kept["verifier"],
        },
    )
    if not isinstance(granted.get("id_token"), str):
        raise NotProved("the provider gave no id_token")
    claims = _signed(source, granted["id_token"], now)
    _check(claims, (source.client_id,), now)
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), kept["nonce"].encode()):
        raise NotProved("the id_token was made for another request")
    if claims.get("azp", source.client_id) != source.client_id:
        raise NotProved("the id_token was made for another client")
    if source.userinfo and isinstance(granted.get("access_token"), str):
        claims = _userinfo(source, granted["access_token"], claims) | claims
    return _assertion(claims, source)


def _random() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


# the provider


def _endpoint(source: Oidc, name: str) -> str:
    url = source.issuer.rstrip("/") + "/.well-known/openid-configuration"
    document = fetch.document(url, source.ca_file)
    if document.get("issuer") != source.issuer:
        raise NotProved(f"the provider calls itself {document.get('issuer')!r}, not {source.issuer!r}")
    if not isinstance(document.get(name), str):
        raise NotProved(f"the provider has no {name}")
    return document[name]


def _post(source: Oidc, url: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Ask the provider as its client: with a password by RFC 6749, section 2.3.1, where we have one."""
    if not source.client_secret:
        return fetch.answer(url, source.ca_file, form={**form, "client_id": source.client_id})
    pair = urlencode({"": source.client_id})[1:] + ":" + urlencode({"": source.client_secret})[1:]
    headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return fetch.answer(url, source.ca_file, headers=headers, form=form)


def _assertion(claims: Mapping[str, Any], source: Oidc) -> Assertion:
    out: dict[str, list[str]] = {}
    for name, value in ({"iss": source.issuer} | dict(claims)).items():
        values = [_text(each) for each in (value if isinstance(value, list) else [value])]
        out[f"OIDC-{name}"] = values
        out["HTTP_OIDC_" + name.upper().replace("-", "_")] = values
    return out


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
