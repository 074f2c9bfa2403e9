"""What makes rows of images true: uploads that died, imports that wait, files of deleted images, old
tasks."""

from monostack.image import imports, store, upload
from monostack.image.tables import IMAGES, TASKS
from monostack.kit import ids
from monostack.kit.db import lt
from monostack.kit.loops import Again, Done
from monostack.kit.resource import Loop

LOOK_AGAIN = 2.0


def files(row, tx):
    """An image that is due: it waits for its import, or its upload has not been renewed, or it is deleted and
    its file may still be there."""
    if row["status"] == "importing":
        return _import(row, tx)
    if row["status"] in (upload.SAVING, upload.STAGING):
        tx.after(store.discard, tx.cloud, row["id"], row["upload"])
        tx.set(row, status="queued", upload=None)
        return Done()
    if row["status"] != "deleted" or row["blob"] is None:
        return Done()
    if store.file(tx.cloud, row["id"], row["blob"]).exists():
        tx.after(store.discard, tx.cloud, row["id"], row["blob"])
        return Again(LOOK_AGAIN)
    tx.set(row, blob=None)
    return Done()


def _import(row, tx):
    """Start to fetch, under a new token: whoever fetched under the old one has not been heard of."""
    if row["upload"] is not None:
        tx.after(store.discard, tx.cloud, row["id"], row["upload"])
    token = ids.new_uuid()
    tx.set(row, upload=token)
    tx.update(TASKS, {"image_id": row["id"], "status": "pending"}, status="processing")
    tx.after(imports.start, tx.cloud, row["id"], token)
    return Again(upload.DEAD_AFTER)


def housekeeping(row, tx):
    """Parts of uploads that no row remembers, and tasks whose time is over."""
    tx.delete_all(TASKS, expires_at=lt(tx.now))
    tx.after(store.sweep, tx.cloud)


LOOPS = (
    Loop("image.files", files, table=IMAGES, every=5.0),
    Loop("image.housekeeping", housekeeping, every=600.0),
)
