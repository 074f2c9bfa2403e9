"""Writing images: the one place where rows of images are added and end, and where labels are kept in step."""

from typing import Any

from monostack.image import blobs
from monostack.image.tables import CACHED, IMAGES, MEMBERS, PROPERTIES, TAGS
from monostack.kit.errors import Error

HASH = "sha512"


def insert(
    tx,
    *,
    taken: Error | None = None,
    properties: dict[str, str] | None = None,
    tags: list[str] | None = None,
    **values: Any,
) -> dict:
    """A new image, queued until its data comes."""
    row = tx.insert(
        IMAGES,
        taken=taken,
        status="queued",
        properties=properties or {},
        tags=sorted(set(tags or ())),
        **values,
    )
    _add(tx, row["id"], row["properties"], row["tags"])
    return row


def change(tx, row: dict, values: dict[str, Any]) -> None:
    """Change attributes of an image, its properties and tags among them."""
    before = row["properties"] or {}, row["tags"] or []
    tx.set(row, **values)
    after = row["properties"] or {}, row["tags"] or []
    gone = [name for name, value in before[0].items() if after[0].get(name) != value]
    if gone:
        tx.delete_all(PROPERTIES, image_id=row["id"], name=gone)
    lost = sorted(set(before[1]) - set(after[1]))
    if lost:
        tx.delete_all(TAGS, image_id=row["id"], value=lost)
    new = {name: value for name, value in after[0].items() if before[0].get(name) != value}
    _add(tx, row["id"], new, sorted(set(after[1]) - set(before[1])))


def _add(tx, image_id: str, properties: dict[str, str], tags: list[str]) -> None:
    for name, value in properties.items():
        tx.insert(PROPERTIES, image_id=image_id, name=name, value=value)
    for tag in tags:
        tx.insert(TAGS, image_id=image_id, value=tag)


def delete(tx, row: dict) -> None:
    """End an image and doom its data. The row stays, so that its id is not given out again."""
    for table in (PROPERTIES, TAGS, MEMBERS, CACHED):
        tx.delete_all(table, image_id=row["id"])
    tx.set(
        row,
        status="deleted",
        live=None,
        deleted_at=tx.now,
        upload=None,
        places=None,
        staged=None,
        due_at=None,
    )
    blobs.doom(tx, image_id=row["id"])
