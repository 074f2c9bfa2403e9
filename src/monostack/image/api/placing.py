"""Taking an image's data out of one of the stores that they stand in."""

from monostack.image import blobs, stores
from monostack.image.sight import find, target
from monostack.image.wire import conflict, forbidden
from monostack.kit.errors import Error
from monostack.kit.resource import Route


def delete(request, tx):
    name = request.path["store_id"]
    if name not in stores.of(request.cloud).names:
        raise conflict(f"The selected store {name[:255]} is not available on this node.")
    row = find(request, tx)
    request.demand("delete_image_location", target(request, tx))
    if row["status"] != "active":
        raise conflict("It's not allowed to remove image data from store if image status is not 'active'")
    places = row["places"] or []
    if len(places) == 1:
        raise forbidden(
            "Cannot delete image data from the only store containing it. Consider deleting the image instead."
        )
    if name not in [each["store"] for each in places]:
        raise Error(404, "NotFound", f"Image {row['id']} is not stored in store {name}.")
    if row["upload"] is not None:
        raise conflict("The image's data are being copied. Wait for the import to end.")
    if {each["store"] for each in places} == {name}:
        raise forbidden("Cannot delete image data from the only store containing it.")
    request.subject = row["id"]
    blobs.drop_places(tx, row, name)


ROUTES = (
    Route(
        "DELETE",
        "/v2/stores/{store_id}/{image_id}",
        delete,
        "get_image_location",
        target=target,
        event="image.store.delete",
    ),
)
