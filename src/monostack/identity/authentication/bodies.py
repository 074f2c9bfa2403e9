"""What a login asks for: the body of POST /v3/auth/tokens, taken apart.

Each method reads its own part, with the words of this module. What a body lacks is told exactly, in the words
that clients have seen for years; they decide nothing about who is let in.

Source: identity API reference, "Authentication and token management"; what a current identity service
answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monostack.identity.authentication.verifying import refused
from monostack.identity.wire import MALFORMED
from monostack.kit.errors import Error

if TYPE_CHECKING:
    from monostack.identity.authentication.methods.method import Method

SCOPE_WORDS = "system, project, domain, OS-TRUST:trust or unscoped"
TRUST = "OS-TRUST:trust"
SCOPES = {"project", "domain", "system", TRUST}
KINDS = {"object": dict, "array": list, "string": str}


@dataclass(frozen=True)
class Login:
    """A login as it was asked for: the methods with what each read. `scope` is None where nothing was said
    about it."""

    asked: tuple[tuple[Method, Any], ...]
    scope: str | None
    target: dict[str, Any]


def read(body: Any, offered: Mapping[str, Method]) -> Login:
    """The login in the body; raises Error 400 with what it lacks."""
    auth = body.get("auth") if isinstance(body, dict) else None
    if auth is None:
        if body is not None and not isinstance(body, dict):
            raise lacks("valid JSON", "request body")
        raise lacks("auth", "request body")
    must_be(auth, "", "object")
    identity = auth.get("identity")
    if identity is None:
        raise required("identity", "auth")
    must_be(identity, "identity", "object")
    names = identity.get("methods")
    if names is None:
        raise required("methods", "identity")
    must_be(names, "identity/methods", "array")
    for name in names:
        must_be(name, "identity/methods", "string")
        if name not in identity:
            raise lacks(name, "identity")
    if not names:
        raise refused()
    if any(name not in offered for name in names):
        raise Error(
            401,
            "Unauthorized",
            "Attempted to authenticate with an unsupported method.",
            body={"identity": {"methods": list(offered)}},
        )
    scope, target = _scope(auth["scope"]) if "scope" in auth else (None, {})
    asked = [(offered[name], offered[name].read(identity[name], auth)) for name in dict.fromkeys(names)]
    return Login(tuple(asked), scope, target)


def named_user(user: dict[str, Any], field: str) -> dict[str, Any]:
    """The user meant, by one name: where there are two, what he is called counts."""
    return _named(user, "user", field)


def _scope(asked: Any) -> tuple[str | None, dict[str, Any]]:
    if asked is None:
        words = "Invalid input for field 'scope': null is not of type 'object', 'string'"
        raise Error(400, "ValidationError", words)
    if asked == "unscoped":
        return "unscoped", {}
    if isinstance(asked, dict) and "unscoped" in asked and len(asked) == 1:
        return "unscoped", {}
    if not isinstance(asked, dict) or len(asked) != 1 or not asked.keys() & SCOPES:
        raise lacks(SCOPE_WORDS, "scope")
    scope, target = next(iter(asked.items()))
    must_be(target, f"scope/{scope}", "object")
    if scope == "system":
        return "system", {}
    if scope == TRUST:
        texts(target, f"scope/{scope}", "id")
        if "id" not in target:
            raise lacks("trust_id", "trust")
        return scope, target
    if scope == "project":
        return scope, _named(target, "project", "scope/project")
    return scope, _by_one(target, "scope/domain")


def _named(asked: dict[str, Any], what: str, field: str) -> dict[str, Any]:
    """A user or project by its id, or by its name in a domain."""
    asked = _by_one(asked, field)
    if "id" in asked:
        return asked
    if asked.get("domain") is None:
        raise lacks("domain", what)
    must_be(asked["domain"], field + "/domain", "object")
    return asked | {"domain": _by_one(asked["domain"], field + "/domain")}


def _by_one(asked: dict[str, Any], field: str) -> dict[str, Any]:
    """What names a thing, without its id if there is a name, and without its name if that is empty."""
    texts(asked, field, "id", "name")
    one_of_two(asked, field)
    loser = "id" if asked.get("name") or "id" not in asked else "name"
    return {name: value for name, value in asked.items() if name != loser}


def texts(asked: dict[str, Any], field: str, *names: str) -> None:
    for name in names:
        if name in asked:
            must_be(asked[name], f"{field}/{name}", "string")


def one_of_two(asked: dict[str, Any], field: str) -> None:
    if "id" not in asked and "name" not in asked:
        words = f"Invalid input for field {field}: id or name must be present."
        raise Error(400, "ValidationError", words)


def must_be(value: Any, field: str, kind: str) -> None:
    if not isinstance(value, KINDS[kind]):
        where = f"Invalid input for field '{field}': " if field else ""
        raise Error(400, "ValidationError", f"{where}{value!r} is not of type '{kind}'")


def lacks(what: str, where: str) -> Error:
    return Error(400, "ValidationError", MALFORMED.format(f"Expecting to find {what} in {where}."))


def required(name: str, field: str) -> Error:
    words = f"Invalid input for field '{field}': '{name}' is a required property."
    return Error(400, "ValidationError", words)
