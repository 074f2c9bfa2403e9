"""What a browser carries for us between two requests: sealed, for one purpose, for a few minutes.

The keys of credentials seal it, which make no tokens; the purpose stands inside, so that what was made for
one provider is nothing to another.

Source: RFC 6265, section 5.3.7 (SameSite as browsers have it)."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from monostack.kit.request import Request

if TYPE_CHECKING:
    from monostack.cloud import Cloud

NAME = "monostack-sso"


def close(cloud: Cloud, purpose: str, content: Mapping[str, str], seconds: float) -> str:
    """The content as a text that only this cloud can read."""
    now = cloud.clock.time()
    said = {"for": purpose, "until": now + seconds, "content": dict(content)}
    return cloud.identity.credential_keys.seal(msgspec.msgpack.encode(said), int(now))


def reopen(cloud: Cloud, purpose: str, text: str) -> dict[str, str] | None:
    """The content, if it was closed here, for this purpose, and not too long ago."""
    data = cloud.identity.credential_keys.unseal(text)
    if data is None:
        return None
    try:
        said = msgspec.msgpack.decode(data)
    except msgspec.DecodeError:
        return None
    if not isinstance(said, dict) or said.get("for") != purpose or said["until"] <= cloud.clock.time():
        return None
    return said["content"]


def cookie(url: str, text: str, seconds: int) -> str:
    """A Set-Cookie header that only the same URL gets back; empty to take it away."""
    parts = urlsplit(url)
    secure = "; Secure" if parts.scheme == "https" else ""
    return f"{NAME}={text}; Path={parts.path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


def open_cookie(request: Request, purpose: str) -> dict[str, str] | None:
    """The content of the cookie that the browser brings."""
    try:
        found = SimpleCookie(request.header("cookie") or "").get(NAME)
    except CookieError:
        return None
    return found and reopen(request.cloud, purpose, found.value)
