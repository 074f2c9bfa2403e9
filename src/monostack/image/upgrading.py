"""Rows of older programs: an image's data were one file, `images/ID.TOKEN`, and the row named the token.

The files stay where they are; only the rows learn that they are data of the default store, which then was a
folder of files without folders in it.
"""

from monostack.image import blobs
from monostack.image.tables import BLOBS, IMAGES
from monostack.kit.db import gt

FIRST_STORE = "fs"


def bring_up(tx) -> None:
    """Give every image of an older program its place."""
    for row in tx.all(IMAGES, blob=gt(""), deleted=True):
        living = row["live"] is not None
        blob = tx.insert(
            BLOBS,
            id=row["blob"],
            image_id=row["id"],
            store=FIRST_STORE,
            key=f"{row['id']}.{row['blob']}",
            size=row["size"],
            status=blobs.PRESENT if living else blobs.DOOMED,
            due_at=None if living else tx.now,
        )
        places = [blobs.place(blob)] if living else None
        tx.set(row, blob=None, places=places, updated_at=row["updated_at"])
    stuck = {"status": ["saving", "uploading"], "places": None}
    for row in tx.all(IMAGES, **stuck):
        if not tx.count(BLOBS, image_id=row["id"]):
            tx.set(row, status="queued", upload=None, staged=None, updated_at=row["updated_at"])
