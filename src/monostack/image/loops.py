"""What makes rows of images true: uploads that died, files of deleted images, parts that nobody writes to."""

from monostack.image import store
from monostack.image.tables import IMAGES
from monostack.kit.loops import Again, Done
from monostack.kit.resource import Loop

LOOK_AGAIN = 2.0


def files(row, tx):
    """An image that is due: its upload has not been renewed, or it is deleted and its file may still be
    there."""
    if row["status"] == "saving":
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


def parts(row, tx):
    """Parts of uploads that no row remembers."""
    tx.after(store.sweep, tx.cloud)


LOOPS = (
    Loop("image.files", files, table=IMAGES, every=5.0),
    Loop("image.parts", parts, every=600.0),
)
