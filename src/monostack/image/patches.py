"""Changes of an image as its clients write them: JSON patch, in the two media types of the image API.

v2.1 is JSON patch (`{"op": "replace", "path": "/name", "value": "x"}`); v2.0, its draft, has the operation as
a key (`{"replace": "/name", "value": "x"}`). Only add, replace and remove of whole attributes exist; the
order counts, and nothing is changed unless all of it can be.

Source: image API reference, "Update image"; RFC 6901 for the pointers.
"""

import re
from typing import Any

from monostack.image import attributes, protection
from monostack.image.wire import PATCH_TYPES, bad, conflict, forbidden

OPERATIONS = ("add", "replace", "remove")
MOST_CHANGES = 1000


def changes(media_type: str, body: Any) -> list[tuple[str, str, Any]]:
    """The body as (operation, attribute, value); raises Error 400 in words."""
    if not isinstance(body, list):
        raise bad("Request body must be a JSON array of operation objects.")
    if len(body) > MOST_CHANGES:
        raise bad(
            f"A request changes at most {MOST_CHANGES} attributes; this one has {len(body)} operations."
        )
    read = _draft if media_type == PATCH_TYPES[0] else _standard
    return [_change(*read(each), each) for each in body]


def _standard(each: Any) -> tuple[str, Any]:
    if not isinstance(each, dict):
        raise bad("Operations must be JSON objects.")
    operation = each.get("op")
    if operation not in OPERATIONS:
        raise bad(
            f"Invalid operation: `{str(operation)[:100]}`. It must be one of the following: "
            f"{', '.join(OPERATIONS)}."
        )
    if "path" not in each:
        raise bad(f"Unable to find '{operation}' path: every operation has a \"path\".")
    return operation, each["path"]


def _draft(each: Any) -> tuple[str, Any]:
    if not isinstance(each, dict):
        raise bad("Operations must be JSON objects.")
    named = [operation for operation in OPERATIONS if operation in each]
    if len(named) != 1:
        raise bad('Operation objects must contain exactly one member named "add", "remove", or "replace".')
    return named[0], each[named[0]]


def _change(operation: str, pointer: Any, each: dict) -> tuple[str, str, Any]:
    name = _attribute(pointer)
    if operation != "remove" and "value" not in each:
        raise bad(f'Operation "{operation}" requires a member named "value".')
    return operation, name, each.get("value")


def _attribute(pointer: Any) -> str:
    """The attribute that a JSON pointer names."""
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise bad(f'Pointer `{str(pointer)[:255]}` does not start with "/".')
    if re.search(r"~(?![01])", pointer):
        raise bad(f'Pointer `{pointer[:255]}` contains "~" not part of a recognized escape sequence.')
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]
    if parts[0] == "locations" and len(parts) < 3:
        return "/".join(parts)
    if len(parts) > 1:
        raise bad(f"Invalid JSON pointer for this resource: '{pointer[:255]}'. Only whole attributes change.")
    if not parts[0]:
        raise bad(f"Pointer `{pointer[:255]}` names no attribute.")
    return parts[0]


def apply(request, row: dict, target: dict, asked: list[tuple[str, str, Any]]) -> dict[str, Any]:
    """What changes in the row; raises Error for what may not change. Locations are changed elsewhere
    (`locations`)."""
    values: dict[str, Any] = {}
    properties = dict(row["properties"] or {})
    for operation, name, value in asked:
        if name.partition("/")[0] == "locations":
            continue
        attributes.check_name(name)
        if name not in attributes.SETTABLE:
            _check_protected(request, properties, operation, name)
            _property(properties, operation, name, value)
            continue
        if operation == "remove":
            raise forbidden(f"Property {name} may not be removed.")
        attributes.check_kind(name, value)
        attributes.check_value(name, value)
        _check_base(request, row, target, name, value)
        values[name] = sorted(set(value)) if name == "tags" else value
    attributes.check_properties(properties)
    if properties != (row["properties"] or {}):
        values["properties"] = properties
    return values


def _check_protected(request, properties: dict[str, str], operation: str, name: str) -> None:
    if operation != "remove":
        protection.check_set(request.cloud, request.caller, properties, name)
    elif name in properties:
        protection.check_delete(request.cloud, request.caller, name)


def _property(properties: dict[str, str], operation: str, name: str, value: Any) -> None:
    if operation != "add" and name not in properties:
        raise conflict(f"Property {name} does not exist.")
    if operation == "remove":
        del properties[name]
        return
    attributes.check_kind(name, value)
    attributes.check_value(name, value)
    properties[name] = value


def _check_base(request, row: dict, target: dict, name: str, value: Any) -> None:
    if name in attributes.FORMATS and value != row[name] and row["status"] != "queued":
        raise forbidden(f"Attribute {name} can be only replaced for a queued image.")
    if name == "visibility" and value != row["visibility"]:
        attributes.check_visibility(request, value, target)
    if name == "owner" and value != row["owner"] and not request.caller.admin:
        raise forbidden("Owner can't be updated by non admin.")
