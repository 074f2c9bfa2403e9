"""How a service behaves towards whoever asks it nonsense: it does not fail, and it says in words, in its own
shape, what is wrong.
"""

from __future__ import annotations

import httpx
from tests.contract.every_operation import Operation


def wrong(operation: Operation, answer: httpx.Response) -> str | None:
    """What is wrong with an answer."""
    code = answer.status_code
    if code >= 500 and code != 501:
        return f"{code}: {answer.text[:200]}"
    if "x-injected" in answer.headers or "x-a" in answer.headers:
        return "a header was injected"
    if code < 400 or operation.route.method == "HEAD":
        return None
    return not_in_words(operation.service.name, answer)


def not_in_words(service: str, answer: httpx.Response) -> str | None:
    """What is wrong with the shape of a refusal."""
    if "json" not in answer.headers.get("content-type", ""):
        return None if len(answer.text.strip()) > 10 else f"{answer.status_code} without words"
    body = answer.json()
    if "error_description" in body:  # OAuth 2.0 (RFC 6749, section 5.2)
        inner = {"message": body["error_description"]}
    elif "error" in body:  # the shape of a missing token, and identity's
        inner = body["error"]
    elif service == "network":
        inner = body.get("NeutronError")
    elif service == "placement":
        inner = {"message": body["errors"][0]["detail"]} if body.get("errors") else None
    elif service == "image" or "message" in body:  # a method that identity does not know is told so plainly
        inner = body
    else:
        inner = next(iter(body.values()), None) if isinstance(body, dict) and len(body) == 1 else None
    message = inner.get("message") if isinstance(inner, dict) else None
    if not isinstance(message, str) or len(message.strip()) < 4:
        return f"{answer.status_code} in another shape: {answer.text[:200]}"
    return None
