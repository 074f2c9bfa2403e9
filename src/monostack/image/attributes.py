"""The attributes of an image: which there are, how they are shown, and what a caller may set.

Attributes that the service does not know are the image's own properties: texts, as many as `MOST_PROPERTIES`.
Base attributes can be replaced but not removed; what only the service decides is read-only.

Source: image API reference, "Update image" (the restrictions on attributes); limits are the reference's
defaults.
"""

from functools import cache
from pathlib import Path
from typing import Any

from monostack.image import locations, protection
from monostack.image.sight import target_of
from monostack.image.wire import LARGEST, bad, forbidden, too_large
from monostack.kit import clock
from monostack.kit.resource import Field
from monostack.kit.schemas import Schemas

READ_ONLY = frozenset(
    (
        "created_at",
        "updated_at",
        "status",
        "checksum",
        "size",
        "virtual_size",
        "direct_url",
        "self",
        "file",
        "schema",
        "id",
        "os_hash_algo",
        "os_hash_value",
    )
)
RESERVED = frozenset(("location", "deleted", "deleted_at"))
DISALLOWED = frozenset(("direct_url", "self", "file", "schema", "stores"))
BASE = frozenset(
    (
        "checksum",
        "created_at",
        "container_format",
        "disk_format",
        "id",
        "min_disk",
        "min_ram",
        "name",
        "size",
        "virtual_size",
        "status",
        "tags",
        "owner",
        "updated_at",
        "visibility",
        "protected",
        "os_hidden",
        "os_hash_algo",
        "os_hash_value",
    )
)
SETTABLE = frozenset(
    (
        "name",
        "visibility",
        "disk_format",
        "container_format",
        "min_disk",
        "min_ram",
        "protected",
        "owner",
        "os_hidden",
        "tags",
    )
)
OWN_PREFIX = "os_glance"
"""What a property is called that only the service itself may write."""
FORMATS = ("disk_format", "container_format")
MOST_PROPERTIES = 128
MOST_TAGS = 128
LONGEST_VALUE = 65535


def _path(row: dict) -> str:
    return f"/v2/images/{row['id']}"


def _stores(row: dict) -> str | None:
    return ",".join(each["store"] for each in row["places"] or () if each["store"]) or None


FIELDS = (
    Field("name"),
    Field("disk_format"),
    Field("container_format"),
    Field("visibility"),
    Field("size"),
    Field("virtual_size"),
    Field("status"),
    Field("checksum"),
    Field("protected"),
    Field("min_ram"),
    Field("min_disk"),
    Field("owner"),
    Field("os_hidden"),
    Field("os_hash_algo"),
    Field("os_hash_value"),
    Field("id"),
    Field("created_at", lambda row: clock.z(row["created_at"])),
    Field("updated_at", lambda row: clock.z(row["updated_at"])),
    Field("tags", lambda row: row["tags"] or []),
    Field("self", _path),
    Field("file", lambda row: _path(row) + "/file"),
    Field("schema", lambda row: "/v2/schemas/image"),
    Field("stores", _stores, omit_none=True),
)


def view(request, row: dict) -> dict[str, Any]:
    """An image as the wire shows it: its own properties, then what every image has."""
    properties = protection.readable(request.cloud, request.caller, row["properties"] or {})
    out = properties | request.render(FIELDS, row)
    settings = request.cloud.settings.image
    if settings.show_multiple_locations or settings.show_image_direct_url:
        allowed = request.allowed("get_image_location", target_of(request.caller, row))
        found = locations.shown(request.cloud, row) if allowed else []
        if settings.show_multiple_locations:
            out["locations"] = found
        if settings.show_image_direct_url and found:
            out["direct_url"] = found[0]["url"]
    return out


@cache
def _schemas() -> Schemas:
    return Schemas(Path(__file__).parent / "schemas")


def check_name(name: str) -> None:
    """Refuse attributes that no caller may set."""
    if name in READ_ONLY:
        raise forbidden(f"Attribute '{name}' is read-only.")
    if name in RESERVED or name in DISALLOWED or name.startswith(OWN_PREFIX):
        raise forbidden(f"Attribute '{name}' is reserved.")
    if name == "locations":
        raise forbidden("It's not allowed to add/remove/replace locations: this cloud does not show them.")
    if name not in SETTABLE and not (0 < len(name) <= 255):
        raise bad("The name of a property has 1 to 255 characters.")


def check_kind(name: str, value: Any) -> None:
    """Refuse a value of the wrong kind, as the schema has it."""
    check_all({name: value})


def check_all(values: dict[str, Any]) -> None:
    """Refuse what a new image cannot be described by, as the schema has it."""
    validator = _schemas().body("images.create")
    if validator is not None:
        validator.check(values)


def check_value(name: str, value: Any) -> None:
    """Refuse a value that is of the right kind and yet not possible."""
    if name in ("min_disk", "min_ram") and not 0 <= value <= LARGEST:
        raise bad(f"{name} is {value}: it must be from 0 to {LARGEST}.")
    if name == "tags":
        if len(set(value)) > MOST_TAGS:
            raise too_large(
                f"The limit has been exceeded on the number of allowed image tags. "
                f"Attempted: {len(set(value))}, Maximum: {MOST_TAGS}"
            )
        if not all(value):
            raise bad("A tag has 1 to 255 characters.")
    if name not in SETTABLE and len(value) > LONGEST_VALUE:
        raise bad(
            f"The value of property {name} has {len(value)} characters: at most {LONGEST_VALUE} are kept."
        )


def check_properties(properties: dict[str, str]) -> None:
    """Refuse more properties than an image may have."""
    if len(properties) > MOST_PROPERTIES:
        raise too_large(
            f"The limit has been exceeded on the number of allowed image properties. "
            f"Attempted: {len(properties)}, Maximum: {MOST_PROPERTIES}"
        )


def check_visibility(request, visibility: str, target: dict) -> None:
    """Judge the rules for showing an image to everybody."""
    if visibility == "public":
        request.demand("publicize_image", target)
    elif visibility == "community":
        request.demand("communitize_image", target)
