"""Asking an identity provider over HTTP: short documents, from addresses that the operator wrote.

https, or http on this machine alone; no redirects, nothing that is not JSON, nothing that is large or slow.
Documents that rarely change are kept for an hour; asked for anew, or in vain, at most every ten seconds, so
that forged tokens cannot make this cloud ask on and on. A few threads of their own wait for providers: one
that does not answer holds up logins by providers, and nothing else.

Source: OpenID Connect Discovery 1.0."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

TIMEOUT = 10.0
LARGEST = 1 << 20
KEPT = 3600.0
NOT_SOONER = 10.0
AT_ONCE = 4
MOST_WAITING = 32
HERE = ("127.0.0.1", "::1", "localhost")


class Unfetched(Exception):
    """The provider cannot be asked, or answers nonsense; the words say why."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


_kept: dict[str, tuple[float, dict[str, Any]]] = {}
_failed: dict[str, tuple[float, str]] = {}
_lock = threading.Lock()
_waiting = 0


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, "provider")


async def apart(function: Callable, *args: Any) -> Any:
    """The function's result, from a thread that may wait for a provider; Unfetched when too many do."""
    global _waiting
    if _waiting >= MOST_WAITING:
        raise Unfetched("too many are waiting for identity providers")
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads(), function, *args)
    finally:
        _waiting -= 1


def document(url: str, ca_file: str = "", fresh: bool = False) -> dict[str, Any]:
    """A document that rarely changes."""
    now = time.monotonic()
    with _lock:
        fetched, found = _kept.get(url, (0.0, {}))
        failed, reason = _failed.get(url, (0.0, ""))
    if found and now - fetched < (NOT_SOONER if fresh else KEPT):
        return found
    if reason and now - failed < NOT_SOONER:
        raise Unfetched(reason)
    try:
        found = answer(url, ca_file)
    except Unfetched as refusal:
        with _lock:
            _failed[url] = (time.monotonic(), str(refusal))
        raise
    with _lock:
        _kept[url] = (time.monotonic(), found)
    return found


def answer(
    url: str,
    ca_file: str = "",
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The JSON object that a GET, or a POST of a form, answers."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in HERE):
        raise Unfetched(f"{url} must be an https URL")
    data = urlencode(form).encode() if form is not None else None
    request = urllib.request.Request(url, data, {"Accept": "application/json", **(headers or {})})
    try:
        with _opener(ca_file).open(request, timeout=TIMEOUT) as response:
            content = response.read(LARGEST + 1)
    except (OSError, http.client.HTTPException, ValueError) as reason:
        raise Unfetched(f"{parts.netloc} does not answer: {reason}") from None
    if len(content) > LARGEST:
        raise Unfetched(f"{parts.netloc} answers with more than {LARGEST} bytes")
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        raise Unfetched(f"{parts.netloc} does not answer with JSON") from None
    if not isinstance(found, dict):
        raise Unfetched(f"{parts.netloc} does not answer with an object")
    return found


def _opener(ca_file: str) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context(cafile=ca_file or None)
    nothing = urllib.request.ProxyHandler({})
    return urllib.request.build_opener(nothing, _NoRedirects(), urllib.request.HTTPSHandler(context=context))
