"""Attributes: one declaration for what a resource shows, takes, filters by, sorts by and guards.

Every resource of networking is a flat object of attributes, and for each the API reference tells the same few
things: may it be given at creation, may it be changed, what does it default to, what may it hold, and does
sending it ask for a permission of its own. An `Attribute` is a `Field` that knows those as well, so a
resource's tuple of attributes is its whole surface and nothing is said twice.

Permissions of attributes are judged for what the caller SENT, never for defaults: `create_network:shared` is
asked of somebody who wants a shared network, not of everybody. Attributes whose value is a list of objects
may guard single keys (`create_port:fixed_ips:ip_address`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monostack.kit import clock
from monostack.kit.errors import Error
from monostack.kit.resource import UNSET, Field
from monostack.network import checks


@dataclass(frozen=True, eq=False)
class Attribute(Field):
    """One attribute.

    post, put  may be given at creation, may be changed
    check      returns the stored spelling or raises ValueError in words
    required   creation is refused without it
    guarded    sending it asks for the rule ACTION_RESOURCE:NAME
    parts      keys of the objects in it that are guarded each
    shown      appears in answers
    """

    post: bool = False
    put: bool = False
    check: checks.Check | None = None
    required: bool = False
    guarded: bool = False
    parts: tuple[str, ...] = ()
    shown: bool = True


def boolean(name: str, column: str | None = None, **options: Any) -> Attribute:
    """A true-or-false attribute, which filters leniently."""
    options.setdefault("filter", True)
    return Attribute(name, column, check=checks.boolean, convert=checks.boolean, **options)


ID = Attribute("id", filter=True, sort=True)
OWNER = (
    Attribute("project_id", filter=True, sort=True, post=True, check=checks.project),
    Attribute("tenant_id", "project_id", filter=True, sort=True, post=True, check=checks.project),
)
NAME = Attribute("name", filter=True, sort=True, post=True, put=True, default="", check=checks.name)
DESCRIPTION = Attribute("description", filter=True, post=True, put=True, default="", check=checks.description)
STANDARD = (
    Attribute("tags"),
    Attribute("created_at", lambda row: clock.z(row["created_at"]), sort="created_at"),
    Attribute("updated_at", lambda row: clock.z(row["updated_at"]), sort="updated_at"),
    Attribute("revision_number", filter=True, sort=True, convert=checks.integer),
)


def bad(message: str) -> Error:
    return Error(400, "HTTPBadRequest", message)


def read(attributes: tuple[Attribute, ...], sent: Any, creating: bool) -> dict[str, Any]:
    """What the caller sent, checked and spelled as stored, by the wire's names; raises Error 400."""
    if not isinstance(sent, dict):
        raise bad("The resource in the request body must be an object.")
    known = {attribute.name: attribute for attribute in attributes}
    unknown = [name for name in sent if name not in known]
    if unknown:
        raise bad(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    out: dict[str, Any] = {}
    for name, value in sent.items():
        attribute = known[name]
        if creating and not attribute.post:
            raise bad(f"Attribute '{name}' not allowed in POST")
        if not creating and not attribute.put:
            raise bad(f"Cannot update read-only attribute {name}")
        out[name] = checked(attribute, value)
    if creating:
        for attribute in attributes:
            if attribute.required and attribute.name not in out:
                raise bad(f"Failed to parse request. Required attribute '{attribute.name}' not specified")
    return out


def checked(attribute: Attribute, value: Any) -> Any:
    if attribute.check is None:
        return value
    try:
        return attribute.check(value)
    except checks.Unconvertible as reason:
        raise Error(400, "InvalidInput", f"Invalid input for operation: {reason}") from None
    except ValueError as reason:
        raise bad(f"Invalid input for {attribute.name}. Reason: {reason}.") from None


def defaults(attributes: tuple[Attribute, ...], sent: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent, and the defaults of what may be given and was not."""
    out = dict(sent)
    for attribute in attributes:
        if attribute.post and attribute.default is not UNSET and attribute.name not in out:
            out[attribute.name] = attribute.default
    return out


def guards(attributes: tuple[Attribute, ...], sent: Mapping[str, Any], creating: bool) -> list[str]:
    """The names of the permissions that what was sent asks for: "shared", "fixed_ips:ip_address"."""
    out = []
    for attribute in attributes:
        value = sent.get(attribute.name, UNSET)
        if not attribute.guarded or value is UNSET or (creating and value == attribute.default):
            continue
        out.append(attribute.name)
        items = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
        for part in attribute.parts:
            if any(isinstance(item, dict) and part in item for item in items):
                out.append(f"{attribute.name}:{part}")
    return out


def columns(attributes: tuple[Attribute, ...], values: Mapping[str, Any], table) -> dict[str, Any]:
    """Values by column; attributes without a column of their own are left out."""
    out = {}
    for attribute in attributes:
        if attribute.name in values and not callable(attribute.source) and attribute.column in table.c:
            out[attribute.column] = values[attribute.name]
    return out


__all__ = [
    "DESCRIPTION",
    "ID",
    "NAME",
    "OWNER",
    "STANDARD",
    "Attribute",
    "bad",
    "boolean",
    "checked",
    "columns",
    "defaults",
    "guards",
    "read",
]
