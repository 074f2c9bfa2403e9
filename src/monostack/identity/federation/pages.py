"""The few pages that a browser sees on its way: a form that carries the token to the dashboard, a choice.

They run one script, which only sends the form, and are kept by nobody.

Source: identity API reference, "Web Single Sign On authentication" (the form's field is `token`)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape

from monostack.kit.resource import Response

SEND = "document.forms[0].submit()"
HASH = base64.b64encode(hashlib.sha256(SEND.encode()).digest()).decode()
HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", f"default-src 'none'; script-src 'sha256-{HASH}'; frame-ancestors 'none'"),
]


def form(url: str, token: str) -> Response:
    """A form that sends itself with the token."""
    return sending(url, {"token": token})


def sending(url: str, fields: Mapping[str, str]) -> Response:
    """A form that sends itself to the URL."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">\n'
        for name, value in fields.items()
    )
    return _page(
        f'<form name="sso" action="{escape(url)}" method="post">\n{hidden}'
        '<noscript><p>Please go on:</p><input type="submit" value="Log in"></noscript>\n'
        f"</form>\n<script>{SEND}</script>"
    )


def choice(urls: Mapping[str, str]) -> Response:
    """Links to choose from."""
    links = "".join(f'<li><a href="{escape(url)}">{escape(name)}</a></li>\n' for name, url in urls.items())
    return _page(f"<p>Where do you have an account?</p>\n<ul>\n{links}</ul>")


def redirect(url: str, cookie: str | None = None) -> Response:
    headers = [("Location", url), ("Cache-Control", "no-store")]
    if cookie is not None:
        headers.append(("Set-Cookie", cookie))
    return Response(302, None, headers)


def _page(content: str) -> Response:
    head = '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Log in</title>\n'
    return Response(200, f"{head}<body>\n{content}\n</body>\n</html>\n".encode(), list(HEADERS))
