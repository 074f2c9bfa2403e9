"""Image: the disks that servers are born from, their data and who may use them.

An image is a row first and data later; the data is a file that is written once, never changed, and linked by
the hosts that need it. This is what other services may ask; they import it inside the function that needs it.
"""

from pathlib import Path
from typing import Any

from monostack.kit.errors import Error


def get(db, caller, image_id: str, missing: Exception | None = None) -> dict | None:
    """The image if the caller may see it; otherwise `missing` is raised, or None returned."""
    from monostack.image import protection, sight

    row = sight.get(db, caller, image_id, missing)
    return row and protection.readable_row(db.cloud, caller, row)


def listed(db, caller) -> list:
    """The images that the caller is shown in a list, newest first."""
    from monostack.image import listing, protection

    return [protection.readable_row(db.cloud, caller, row) for row in listing.everything(db, caller)]


def set_properties(tx, caller, row, properties: dict[str, str]) -> None:
    """Give an image other properties; raises Error 403 when the caller may not, 400 or 413 when they may not
    be."""
    from monostack.image import attributes, protection, rows, sight
    from monostack.image.tables import IMAGES

    sight.demand(tx, caller, "modify_image", row)
    row = tx.one(IMAGES, id=row["id"], missing=sight.no_image(row["id"]))
    before = row["properties"] or {}
    shown = protection.readable(tx.cloud, caller, before)
    for name in shown.keys() - properties.keys():
        protection.check_delete(tx.cloud, caller, name)
    for name, value in properties.items():
        if shown.get(name) != value:
            protection.check_set(tx.cloud, caller, before, name)
        attributes.check_name(name)
        if name in attributes.SETTABLE:
            raise Error(403, "Forbidden", f"'{name}' is an attribute of the image, not a property.")
        attributes.check_value(name, value)
    properties = {name: value for name, value in before.items() if name not in shown} | properties
    attributes.check_properties(properties)
    rows.change(tx, row, {"properties": properties})


def drop(tx, caller, row) -> None:
    """Delete an image; raises Error 403 when the caller may not, or nobody may because it is protected."""
    from monostack.image import rows, sight

    sight.demand(tx, caller, "delete_image", row)
    if row["protected"]:
        raise Error(403, "Forbidden", f"Image {row['id']} is protected and cannot be deleted.")
    rows.delete(tx, row)


def view(db, row) -> dict[str, Any]:
    """What a host needs to know of an image."""
    names = (
        "id",
        "name",
        "disk_format",
        "container_format",
        "size",
        "virtual_size",
        "min_disk",
        "min_ram",
        "status",
        "checksum",
    )
    return {name: row[name] for name in names} | {"properties": row["properties"] or {}}


def path(cloud, image_id: str) -> Path | None:
    """The file on this machine with the data of an image, None if there is none. Not to be called inside a
    handler's transaction."""
    from monostack.image import reading

    return reading.path(cloud, image_id)


def create(
    tx,
    *,
    name: str,
    owner: str,
    disk_format: str,
    container_format: str = "bare",
    min_disk: int = 0,
    min_ram: int = 0,
    visibility: str = "private",
    properties: dict[str, str] | None = None,
) -> dict:
    """A new image without data (queued); for snapshots."""
    from monostack.image import rows

    return rows.insert(
        tx,
        name=name,
        owner=owner,
        disk_format=disk_format,
        container_format=container_format,
        min_disk=min_disk,
        min_ram=min_ram,
        visibility=visibility,
        properties=properties or {},
    )


async def receive(cloud, image_id: str, chunks) -> dict:
    """Take an image's data from an asynchronous iterator of bytes; the row, active.

    Raises Error in words, and the image is queued again, when the data cannot be taken.
    """
    from monostack.image import upload

    return await upload.receive(cloud, image_id, chunks)


async def adopt(cloud, image_id: str, make, then=None) -> dict:
    """Let the coroutine function `make(path)` write an image's data into a file; the row, active.

    `then(tx, row)` belongs to the transaction that makes the image active. Raises Error in words, or what
    `make` raised, and the image is queued again.
    """
    from monostack.image import upload

    return await upload.adopt(cloud, image_id, make, then)


def row_of(db, image_id: str) -> Any:
    """The row of a living image, whoever may see it, or None."""
    from monostack.image.tables import IMAGES

    return db.one(IMAGES, id=image_id)


def with_property(db, name: str, value: str) -> list:
    """The living images with this property, newest first."""
    from monostack.image.tables import IMAGES, PROPERTIES

    ids = [each["image_id"] for each in db.all(PROPERTIES, name=name, value=value)]
    return db.all(IMAGES, id=ids, order="-created_at") if ids else []


def delete(tx, row) -> None:
    """Delete an image; its data follows."""
    from monostack.image import rows

    rows.delete(tx, row)
