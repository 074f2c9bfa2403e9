"""Where an image's data stand, for services; and new places for the data of a queued image."""

from monostack.image import imports, locations, stores
from monostack.image.sight import find, target
from monostack.image.wire import bad, conflict, forbidden
from monostack.kit.resource import Route


def index(request, db):
    return locations.shown(request.cloud, find(request, db))


def create(request, tx):
    row, body = find(request, tx), request.body
    if not isinstance(body, dict) or not isinstance(body.get("url"), str):
        raise bad('The body is {"url": a text}, and perhaps "validation_data".')
    told = body.get("validation_data") or {}
    if not isinstance(told, dict) or not set(told) <= {"os_hash_algo", "os_hash_value"}:
        raise bad("validation_data is an object with os_hash_algo and os_hash_value.")
    if row["status"] != "queued":
        raise conflict(f"It's not allowed to add locations if image status is {row['status']}.")
    if not request.caller.service and stores.of(request.cloud).web is None:
        raise forbidden("http store must be enabled to use location API by normal user.")
    locations.check_hashes(told)
    locations.check_url(request.cloud, body["url"])
    if imports.TASK in (row["properties"] or {}):
        raise conflict("Image has active task")
    asked = {"image_id": row["id"], "loc_url": body["url"], "validation_data": told}
    imports.add_task(request, tx, row, imports.OF_LOCATION, asked, [])


PATH = "/v2/images/{image_id}/locations"

ROUTES = (
    Route("GET", PATH, index, "fetch_image_location", target=target),
    Route("POST", PATH, create, "add_image_location", ok=202, target=target, event="image.location.create"),
)
