"""Images: made empty, described, listed, changed and deleted. Their data is another room's (`data`)."""

from monostack.image import attributes, listing, locations, patches, protection, quotas, rows, stores
from monostack.image.sight import find, target, target_of
from monostack.image.wire import PATCH_TYPES, WIRE, bad, conflict, forbidden
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
        ("OpenStack-image-import-methods", ",".join(request.cloud.settings.image.enabled_import_methods)),
        ("OpenStack-image-store-ids", ",".join(stores.of(request.cloud).names)),
    ]
    return attributes.view(request, row)


def make(request, tx, body: dict) -> dict:
    """A new image as the body (which fits its schema) describes it; the row."""
    wanted = _owned(request, body)
    quotas.check_new(tx, wanted["owner"])
    for name, value in body.items():
        if name != "id":
            attributes.check_name(name)
            attributes.check_value(name, value)
    attributes.check_visibility(request, wanted["visibility"], wanted)
    properties = {
        name: value for name, value in body.items() if name not in attributes.SETTABLE and name != "id"
    }
    attributes.check_properties(properties)
    for name in properties:
        protection.check_set(request.cloud, request.caller, {}, name)
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


async def update(request, ctx):
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in PATCH_TYPES:
        raise Error(
            415, "UnsupportedMediaType", f"Image PATCH expects Content-Type one of: {', '.join(PATCH_TYPES)}"
        )
    asked = patches.changes(media_type, request.body)
    sizes = await _sizes(request, ctx, locations.urls(asked))
    return await ctx.write(_update, request, asked, sizes)


async def _sizes(request, ctx, urls: list[str]) -> dict[str, int]:
    """The sizes of new locations, asked for before anything is changed."""
    if not urls or not ctx.cloud.settings.image.show_multiple_locations:
        return {}
    await ctx.read(_may_locate, request)
    home, found = stores.of(ctx.cloud), {}
    for url in urls[: locations.MOST]:
        store = home.need(locations.check_url(ctx.cloud, url))
        try:
            size = await ctx.thread(store.size, url)
        except stores.Unavailable as reason:
            raise bad(f"Invalid location: {reason}") from None
        if not size:
            raise bad("Invalid location: there are no data behind the URL.")
        found[url] = size
    return found


def _may_locate(db, request) -> None:
    request.demand("set_image_location", target(request, db))


def _update(tx, request, asked: list, sizes: dict[str, int]) -> dict:
    row = find(request, tx)
    judged = target_of(request.caller, row)
    request.subject = row["id"]
    for change in asked:
        if change[1].partition("/")[0] == "locations":
            locations.patch(request, tx, row, judged, change, sizes)
    values = patches.apply(request, row, judged, asked)
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
