"""What a login asks for: the body of POST /v3/auth/tokens, taken apart.

What it lacks is told exactly, in the words that clients have seen for years; they decide nothing about who is
let in.

Source: identity API reference, "Authentication and token management"; what a current identity service
answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monostack.identity.authentication.verifying import refused
from monostack.identity.wire import MALFORMED
from monostack.kit.errors import Error

METHODS = ("password", "token", "application_credential")
SCOPE_WORDS = "system, project, domain, OS-TRUST:trust or unscoped"
TRUST = "OS-TRUST:trust"
SCOPES = {"project", "domain", "system", TRUST}
KINDS = {"object": dict, "array": list, "string": str}


@dataclass(frozen=True)
class Login:
    """A login as it was asked for. `scope` is None where nothing was said about it."""

    methods: tuple[str, ...]
    user: dict[str, Any] | None
    token: str | None
    credential: dict[str, Any] | None
    scope: str | None
    target: dict[str, Any]


def read(body: Any) -> Login:
    """The login in the body; raises Error 400 with what it lacks."""
    auth = body.get("auth") if isinstance(body, dict) else None
    if auth is None:
        if body is not None and not isinstance(body, dict):
            raise _lacks("valid JSON", "request body")
        raise _lacks("auth", "request body")
    _must_be(auth, "", "object")
    identity = auth.get("identity")
    if identity is None:
        raise _required("identity", "auth")
    _must_be(identity, "identity", "object")
    methods = identity.get("methods")
    if methods is None:
        raise _required("methods", "identity")
    _must_be(methods, "identity/methods", "array")
    for method in methods:
        _must_be(method, "identity/methods", "string")
        if method not in identity:
            raise _lacks(method, "identity")
    if not methods or any(method not in METHODS for method in methods):
        raise refused()
    scope, target = _scope(auth.get("scope"))
    return Login(
        tuple(dict.fromkeys(methods)),
        _password_user(identity["password"]) if "password" in methods else None,
        _token_id(identity["token"]) if "token" in methods else None,
        _credential(identity["application_credential"]) if "application_credential" in methods else None,
        scope,
        target,
    )


def _password_user(asked: Any) -> dict[str, Any]:
    _must_be(asked, "identity/password", "object")
    user = asked.get("user")
    if user is None:
        raise _lacks("user", "password")
    _must_be(user, "identity/password/user", "object")
    _texts(user, "identity/password/user", "id", "name", "password")
    return _named_user(user, "identity/password/user")


def _named_user(user: dict[str, Any], field: str) -> dict[str, Any]:
    _texts(user, field, "id", "name")
    _one_of_two(user, field)
    if "id" not in user:
        _domain(user, "user", field + "/domain")
    return user


def _token_id(asked: Any) -> str:
    _must_be(asked, "identity/token", "object")
    if "id" not in asked:
        raise _required("id", "identity/token")
    _must_be(asked["id"], "identity/token/id", "string")
    return asked["id"]


def _credential(asked: Any) -> dict[str, Any]:
    field = "identity/application_credential"
    _must_be(asked, field, "object")
    _texts(asked, field, "id", "name", "secret")
    _one_of_two(asked, field)
    if "id" not in asked:
        if asked.get("user") is None:
            raise _lacks("user", "application credential")
        _must_be(asked["user"], field + "/user", "object")
        _named_user(asked["user"], field + "/user")
    return asked


def _scope(asked: Any) -> tuple[str | None, dict[str, Any]]:
    if asked is None:
        return None, {}
    if asked == "unscoped":
        return "unscoped", {}
    if isinstance(asked, dict) and "unscoped" in asked and len(asked) == 1:
        return "unscoped", {}
    if not isinstance(asked, dict) or len(asked) != 1 or not asked.keys() & SCOPES:
        raise _lacks(SCOPE_WORDS, "scope")
    scope, target = next(iter(asked.items()))
    _must_be(target, f"scope/{scope}", "object")
    if scope == "system":
        return "system", {}
    if scope == TRUST:
        _texts(target, f"scope/{scope}", "id")
        if "id" not in target:
            raise _lacks("trust_id", "trust")
        return scope, target
    _texts(target, f"scope/{scope}", "id", "name")
    _one_of_two(target, f"scope/{scope}")
    if scope == "project" and "id" not in target:
        _domain(target, "project", "scope/project/domain")
    return scope, target


def _domain(holder: dict[str, Any], where: str, field: str) -> None:
    domain = holder.get("domain")
    if domain is None:
        raise _lacks("domain", where)
    _must_be(domain, field, "object")
    _texts(domain, field, "id", "name")
    _one_of_two(domain, field)


def _texts(asked: dict[str, Any], field: str, *names: str) -> None:
    for name in names:
        if name in asked:
            _must_be(asked[name], f"{field}/{name}", "string")


def _one_of_two(asked: dict[str, Any], field: str) -> None:
    if "id" not in asked and "name" not in asked:
        words = f"Invalid input for field {field}: id or name must be present."
        raise Error(400, "ValidationError", words)


def _must_be(value: Any, field: str, kind: str) -> None:
    if not isinstance(value, KINDS[kind]):
        where = f"Invalid input for field '{field}': " if field else ""
        raise Error(400, "ValidationError", f"{where}{value!r} is not of type '{kind}'")


def _lacks(what: str, where: str) -> Error:
    return Error(400, "ValidationError", MALFORMED.format(f"Expecting to find {what} in {where}."))


def _required(name: str, field: str) -> Error:
    words = f"Invalid input for field '{field}': '{name}' is a required property."
    return Error(400, "ValidationError", words)
