"""Asking an identity provider over HTTP: short documents, from addresses that the operator wrote.

https, or http on this machine alone; no redirects, nothing that is not JSON, nothing that is large or slow.
Documents that rarely change are kept for an hour; asked for anew, at most every ten seconds, so that a forged
token cannot make this cloud ask on and on.

Source: OpenID Connect Discovery 1.0."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

TIMEOUT = 10.0
LARGEST = 1 << 20
KEPT = 3600.0
NOT_SOONER = 10.0
HERE = ("127.0.0.1", "::1", "localhost")


class Unfetched(Exception):
    """The provider cannot be asked, or answers nonsense; the words say why."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


_kept: dict[str, tuple[float, dict[str, Any]]] = {}
_lock = threading.Lock()


def document(url: str, ca_file: str = "", fresh: bool = False) -> dict[str, Any]:
    """A document that rarely changes."""
    with _lock:
        fetched, found = _kept.get(url, (0.0, {}))
        age = time.monotonic() - fetched
        if found and age < (NOT_SOONER if fresh else KEPT):
            return found
    found = answer(url, ca_file)
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
