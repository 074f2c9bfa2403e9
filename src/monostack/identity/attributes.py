"""Attributes: those we know, and those that a client invents.

Identity keeps whatever attribute a client sends with a project, user, group, role, region, service or
endpoint, and shows it again beside its own. A few names can never be a client's own: they are made by the
service.

Source: identity API reference, "What's new in Version 3", extra attributes; answers of a current identity
service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field

OURS = frozenset(("id", "links", "extra"))
UNSAFE = ":/?#[]@!$&'()*+,;="
RESERVED = frozenset(UNSAFE)
"""RFC 3986, section 2.2."""
NO = frozenset(("", "0", "false", "f", "n", "no", "off"))


def asked_for(request: Request, key: str) -> dict[str, Any]:
    """What the body asks for under its one key; raises Error 400."""
    asked = request.body.get(key) if isinstance(request.body, dict) else None
    if not isinstance(asked, dict):
        raise bad(f"'{key}' is a required property of the body: an object.")
    return asked


def invented(asked: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """What the client sent that the resource has no column for."""
    return {name: value for name, value in asked.items() if name not in known and name not in OURS}


def show(request: Request, fields: tuple[Field, ...], row: Mapping[str, Any]) -> dict[str, Any]:
    """The resource with the attributes that clients invented."""
    return (row["extra"] or {}) | request.render(fields, row)


def show_all(request: Request, fields: tuple[Field, ...], rows: Iterable) -> list[dict[str, Any]]:
    rows = list(rows)
    return [
        (row["extra"] or {}) | shown
        for row, shown in zip(rows, request.render_all(fields, rows), strict=True)
    ]


def truth(value: Any, default: bool = True) -> bool:
    """A boolean as clients write it in bodies: true, "True", "yes", "1" ... null is the default."""
    if value is None:
        return default
    return value.strip().lower() not in NO if isinstance(value, str) else bool(value)


def with_options(present: Mapping[str, Any] | None, asked: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options after a change: a null takes an option away."""
    merged = dict(present or {}) | dict(asked or {})
    return {name: value for name, value in merged.items() if value is not None}


def url_safe(rule: str, name: str) -> None:
    """Refuse a name that would have to be quoted in a path, unless the setting says that any will do."""
    if rule != "off" and not RESERVED.isdisjoint(name):
        raise bad(f"The name {name!r} cannot contain the following reserved characters: {UNSAFE}")


def fixed(asked: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    """Refuse to change an id."""
    if asked.get("id", row["id"]) != row["id"]:
        raise bad("Cannot change ID")


def change(
    tx: Tx,
    row: Row,
    asked: Mapping[str, Any],
    known: Iterable[str],
    *,
    taken: Exception | None = None,
    **values: Any,
) -> None:
    """Set in a row what a client sent: the columns among `known`, or `values` in their stead, and what he
    invented. The id cannot be changed."""
    fixed(asked, row)
    sent = {name: asked[name] for name in known if name in asked and name in row.table.c}
    tx.set(row, taken=taken, extra=row["extra"] | invented(asked, known), **sent | values)


def same_domain(asked: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    """Refuse to move a resource to another domain."""
    if asked.get("domain_id", row["domain_id"]) != row["domain_id"]:
        raise bad("Cannot change Domain ID")


def mutable(kind: str, row: Mapping[str, Any], asked: Mapping[str, Any] | None = None) -> None:
    """Refuse to change or delete what is marked immutable; lifting the mark itself is a change that is
    allowed."""
    if not (row["options"] or {}).get("immutable"):
        return
    if (
        asked is not None
        and set(asked) == {"options"}
        and asked["options"].get("immutable", True) in (False, None)
    ):
        return
    verb = "delete" if asked is None else "update"
    raise Error(
        403,
        "Forbidden",
        f"Unable to {verb} immutable {kind} resource: `{row['id']}. Set resource option "
        '"immutable" to false first.',
    )


def missing(kind: str, id: str) -> Error:  # noqa: A002 - the field's word
    return Error(404, "NotFound", f"Could not find {kind}: {id}.")


def taken(kind: str, words: str) -> Error:
    return Error(409, "Conflict", f"Conflict occurred attempting to store {kind} - {words}.")


def bad(words: str) -> Error:
    return Error(400, "ValidationError", words)


def refusing(words: str) -> Callable[[Request, Db], None]:
    """A handler for a request that mixes up a list and the things in it: it tells what would be right."""

    def refuse(request: Request, db: Db) -> None:
        raise bad(f"{request.method} {request.full_path} is not understood. {words}")

    return refuse
