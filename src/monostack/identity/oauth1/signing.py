"""Signed requests: who signs proves that he knows a secret without sending it.

The signature is over the method, the URL as the caller wrote it, and all parameters, in the one spelling that
RFC 5849 gives them. A request is good once: its time must be about now, and its nonce new, so that who
overhears it cannot send it again. PLAINTEXT is no signature and RSA needs keys that nobody registers here;
both are refused.

Source: RFC 5849, sections 3.2 to 3.6; HMAC-SHA256 and -SHA512 as the field's libraries have them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from monostack.identity.attributes import bad
from monostack.identity.authentication import bodies
from monostack.identity.authentication.verifying import refused
from monostack.identity.oauth1.tables import NONCES
from monostack.kit import clock
from monostack.kit.db import Tx
from monostack.kit.request import Request

DIGESTS = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256, "HMAC-SHA512": hashlib.sha512}
NEEDED = ("oauth_consumer_key", "oauth_signature_method", "oauth_timestamp", "oauth_nonce", "oauth_signature")
PART = re.compile(r'\s*([^=\s",]+)\s*=\s*"([^"]*)"\s*')
PORTS = {"http": 80, "https": 443}
WINDOW = 600
"""How many seconds a caller's clock may be off."""


@dataclass(frozen=True)
class Signed:
    """A signed request: its parameters, and what was signed."""

    parameters: dict[str, str]
    text: str

    def needs(self, name: str) -> str:
        """A parameter; raises Error 400 when it is lacking."""
        if not self.parameters.get(name):
            raise bodies.lacks(name, "request")
        return self.parameters[name]

    def fits(self, consumer_secret: str, token_secret: str = "") -> bool:
        """Whether it was signed with these secrets."""
        digest = DIGESTS[self.parameters["oauth_signature_method"]]
        key = f"{_spelled(consumer_secret)}&{_spelled(token_secret)}".encode()
        wanted = base64.b64encode(hmac.digest(key, self.text.encode(), digest))
        return hmac.compare_digest(wanted, self.parameters["oauth_signature"].encode())


def read(request: Request) -> Signed:
    """The signed request; raises Error 400 for what is none."""
    parameters = _header(request.header("authorization") or "")
    for name in NEEDED:
        if not parameters.get(name):
            raise bodies.lacks(name, "request")
    if parameters.get("oauth_version", "1.0") != "1.0":
        raise bad("oauth_version must be 1.0.")
    if parameters["oauth_signature_method"] not in DIGESTS:
        raise bad(f"oauth_signature_method must be one of {', '.join(DIGESTS)}.")
    if not re.fullmatch("[0-9]{1,12}", parameters["oauth_timestamp"]):
        raise bad("oauth_timestamp must be the seconds since 1970.")
    signed = [pair for pair in parameters.items() if pair[0] not in ("realm", "oauth_signature")]
    url = request.base + request.full_path
    return Signed(parameters, base_string(request.method, url, [*signed, *request.pairs]))


def _header(text: str) -> dict[str, str]:
    """The parameters in an Authorization header."""
    scheme, _, rest = text.partition(" ")
    if scheme.lower() != "oauth":
        raise bad("An Authorization header of the scheme OAuth is needed.")
    parameters: dict[str, str] = {}
    for part in rest.split(","):
        found = PART.fullmatch(part)
        name = unquote(found[1]) if found else part.strip()
        if found is None or name in parameters:
            raise bad(f"The Authorization header is not understood at '{name}'.")
        parameters[name] = unquote(found[2])
    return parameters


def base_string(method: str, url: str, parameters: Iterable[tuple[str, str]]) -> str:
    """What is signed: RFC 5849, section 3.4.1."""
    place = urlsplit(url)
    host = place.hostname or ""
    if place.port is not None and place.port != PORTS.get(place.scheme):
        host = f"{host}:{place.port}"
    pairs = sorted((_spelled(name), _spelled(value)) for name, value in parameters)
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return "&".join((method, _spelled(f"{place.scheme}://{host}{place.path or '/'}"), _spelled(query)))


def _spelled(text: str) -> str:
    return quote(text, safe="~")


def check(tx: Tx, signed: Signed, consumer_secret: str, token_secret: str = "") -> None:
    """Raise the refusal unless the request is signed with these secrets, is of now, and is new."""
    if not signed.fits(consumer_secret, token_secret):
        raise refused()
    sent = int(signed.parameters["oauth_timestamp"])
    if abs(tx.cloud.clock.time() - sent) > WINDOW:
        raise bad(f"oauth_timestamp is more than {WINDOW} seconds off.")
    names = ("oauth_consumer_key", "oauth_token", "oauth_timestamp", "oauth_nonce")
    seen = "&".join(_spelled(signed.parameters.get(name, "")) for name in names)
    tx.insert(
        NONCES,
        taken=refused(),
        id=hashlib.sha256(seen.encode()).hexdigest(),
        forget_at=clock.from_seconds(sent + 2 * WINDOW),
    )
