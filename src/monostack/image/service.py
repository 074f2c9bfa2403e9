"""The image service, assembled."""

from monostack import identity
from monostack.image import (
    blobs,
    importing,
    leaving,
    loops,
    protection,
    reading,
    stock,
    stores,
    tables,
    upgrading,
)
from monostack.image.api import (
    actions,
    cache,
    data,
    documents,
    images,
    imports,
    info,
    locations,
    members,
    metadef_definitions,
    metadefs,
    placing,
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
    placing,
    actions,
    cache,
    tags,
    members,
    info,
    locations,
    documents,
    metadefs,
    metadef_definitions,
)


def bootstrap(tx, cloud) -> None:
    """Tell the node where the data of images are; and uploads that ended with the last process are over. The
    very first start puts the stock of metadata definitions in.

    On a shared database other processes may be taking data just now: there an upload is over when nobody has
    renewed it (see `blobs`).
    """
    stores.of(cloud)
    protection.of(cloud)
    cloud.image_file = reading.to_file
    upgrading.bring_up(tx)
    alone = {} if cloud.engine.name == "sqlite" else {"due_at": None}
    tx.update(tables.TASKS, {"status": list(importing.UNFINISHED)} | alone, due_at=tx.now)
    if cloud.new and cloud.settings.image.stock_metadefs:
        admin = identity.project_named(tx, "admin")
        stock.load(tx, list(stock.files()), admin["id"] if admin is not None else None)
    if cloud.engine.name == "sqlite":
        tx.update(tables.BLOBS, {"status": [blobs.WRITING, blobs.DOOMED]}, due_at=tx.now)
        tx.update(tables.CACHED, {"status": "queued"}, due_at=tx.now)


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
    hooks=leaving.HOOKS,
    bootstrap=bootstrap,
    description="OpenStack Image Service",
    overview=(("images", tables.IMAGES, ("id", "name", "disk_format", "size", "status", "visibility")),),
)
