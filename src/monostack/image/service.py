"""The image service, assembled."""

from monostack.image import loops, store, tables
from monostack.image.api import (
    actions,
    data,
    documents,
    images,
    imports,
    info,
    members,
    metadef_definitions,
    metadefs,
    tags,
    versions,
)
from monostack.image.wire import WIRE
from monostack.kit.resource import Service

ROOMS = (
    versions,
    images,
    data,
    imports,
    actions,
    tags,
    members,
    info,
    documents,
    metadefs,
    metadef_definitions,
)


def bootstrap(tx, cloud) -> None:
    """Tell the node where the data of images are; and uploads that ended with the last process are over.

    On a shared database other processes may be taking data just now: there an upload is over when nobody has
    renewed it (see `upload`).
    """
    cloud.image_file = lambda image_id: store.path(cloud, image_id)
    if cloud.engine.name == "sqlite":
        tx.update(tables.IMAGES, {"status": ["saving", "importing"]}, due_at=tx.now)
        tx.update(tables.IMAGES, {"status": "uploading", "staged": None}, due_at=tx.now)


SERVICE = Service(
    name="image",
    type="image",
    title="glance",
    ports=(9292,),
    mount="image",
    wire=WIRE,
    routes=tuple(route for room in ROOMS for route in room.ROUTES),
    tables=tables.ALL,
    loops=loops.LOOPS,
    needs=("identity",),
    bootstrap=bootstrap,
    description="OpenStack Image Service",
    overview=(("images", tables.IMAGES, ("id", "name", "disk_format", "size", "status", "visibility")),),
)
