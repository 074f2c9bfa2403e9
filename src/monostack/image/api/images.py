"""Images: made empty, described, listed, changed and deleted. Their data is another room's (`data`)."""

from monostack.image import attributes, listing, patches, rows
from monostack.image.imports import METHODS, STORE
from monostack.image.sight import find, target
from monostack.image.wire import PATCH_TYPES, WIRE, conflict, forbidden
from monostack.kit import ids
from monostack.kit.errors import Error
from monostack.kit.resource import Route


def index(request, db):
    if request.full_path.endswith("/"):
        raise Error(404, "NotFound", "The resource could not be found.")
    page = listing.page(request, db)
    full = page and len(page) == page.limit
    images = [attributes.view(request, row) for row in page]
    return WIRE.collection(
        request, "images", images, "/v2/images", "/v2/schemas/images", page[-1]["id"] if full else None
    )


def show(request, db):
    return attributes.view(request, find(request, db))


def new_image(request, db):
    """What policy judges before an image is: its owner to be."""
    return _owned(request, request.body if isinstance(request.body, dict) else {})


def _owned(request, body: dict) -> dict:
    owner = body.get("owner", request.caller.project_id)
    visibility = body.get("visibility", "shared")
    return {"project_id": owner, "owner": owner, "visibility": visibility}


def create(request, tx):
    row = make(request, tx, request.body)
    request.subject = row["id"]
    request.response_headers = [
        ("Location", f"{request.base}/v2/images/{row['id']}"),
        ("OpenStack-image-import-methods", ",".join(METHODS)),
        ("OpenStack-image-store-ids", STORE),
    ]
    return attributes.view(request, row)


def make(request, tx, body: dict) -> dict:
    """A new image as the body (which fits its schema) describes it; the row."""
    wanted = _owned(request, body)
    for name, value in body.items():
        if name != "id":
            attributes.check_name(name)
            attributes.check_value(name, value)
    attributes.check_visibility(request, wanted["visibility"], wanted)
    properties = {
        name: value for name, value in body.items() if name not in attributes.SETTABLE and name != "id"
    }
    attributes.check_properties(properties)
    values = {name: body[name] for name in attributes.SETTABLE if name in body and name != "tags"}
    image_id = ids.canonical(body["id"]) if "id" in body else ids.new_uuid()
    taken = conflict(f"Image ID {image_id} already exists!")
    return rows.insert(
        tx,
        taken=taken,
        id=image_id,
        properties=properties,
        tags=body.get("tags"),
        **({"name": None} | values | {"owner": wanted["owner"], "visibility": wanted["visibility"]}),
    )


def update(request, tx):
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in PATCH_TYPES:
        raise Error(
            415, "UnsupportedMediaType", f"Image PATCH expects Content-Type one of: {', '.join(PATCH_TYPES)}"
        )
    row = find(request, tx)
    asked = patches.changes(media_type, request.body)
    values = patches.apply(request, row, target(request, tx), asked)
    if values:
        rows.change(tx, row, values)
    return attributes.view(request, row)


def delete(request, tx):
    row = find(request, tx)
    if row["protected"]:
        raise forbidden(f"Image {row['id']} is protected and cannot be deleted.")
    rows.delete(tx, row)


PATH = "/v2/images/{image_id}"

ROUTES = (
    Route("GET", "/v2/images", index, "get_images"),
    Route(
        "POST",
        "/v2/images",
        create,
        "add_image",
        body="images.create",
        target=new_image,
        event="image.create",
    ),
    Route("GET", PATH, show, "get_image", target=target),
    Route("PATCH", PATH, update, "modify_image", target=target, event="image.update"),
    Route("DELETE", PATH, delete, "delete_image", target=target, event="image.delete"),
)
