"""Importing: staging data, taking over staged data or what stands behind a URL, and the tasks that tell of
it."""

from monostack.image import attributes, imports, upload
from monostack.image.api import images
from monostack.image.api.data import check_length, check_type
from monostack.image.sight import find, no_image, target, target_of
from monostack.image.stores import STAGING
from monostack.image.tables import TASKS
from monostack.image.wire import WIRE, bad, forbidden
from monostack.kit import clock
from monostack.kit.errors import Error
from monostack.kit.resource import Field, Route


def _result(row: dict) -> dict | None:
    return {"image_id": row["image_id"]} if row["status"] == "success" else None


def _expiry(row: dict) -> str | None:
    return clock.z(row["expires_at"]) if row["status"] in ("success", "failure") else None


LISTED = (
    Field("id", sort=True),
    Field("type", sort=True),
    Field("status", sort=True),
    Field("owner"),
    Field("expires_at", _expiry, sort=True),
    Field("created_at", lambda row: clock.z(row["created_at"]), sort=True),
    Field("updated_at", lambda row: clock.z(row["updated_at"]), sort=True),
    Field("self", lambda row: f"/v2/tasks/{row['id']}"),
    Field("schema", lambda row: "/v2/schemas/task"),
)
SHOWN = (*LISTED, Field("input"), Field("result", _result), Field("message"))
OF_IMAGE = (
    *LISTED[:7],
    Field("deleted_at", lambda row: None),
    Field("deleted", lambda row: False),
    Field("input"),
    Field("result", _result),
    Field("message"),
    Field("image_id"),
    Field("user_id"),
    Field("request_id"),
)


async def stage(request, ctx):
    check_type(request)
    row = await ctx.read(_find, request)
    length = check_length(request)

    def finished() -> None:
        request.subject = row["id"]

    await upload.receive(ctx.cloud, row["id"], request.stream(), ctx.write, finished, STAGING, length)


def _find(db, request) -> dict:
    return find(request, db)


def begin(request, tx):
    row, body = find(request, tx), request.body
    methods = request.cloud.settings.image.enabled_import_methods
    method = body.get("method") if isinstance(body, dict) else None
    if not isinstance(method, dict) or method.get("name") not in methods:
        raise bad(
            f'The body is {{"method": {{"name": one of {", ".join(methods)}}}}}; '
            f'{imports.WEB} also needs a "uri" there.'
        )
    for name in ("all_stores", "all_stores_must_succeed"):
        if not isinstance(body.get(name, True), bool):
            raise bad(f"{name} is true or false.")
    if method["name"] == imports.COPY:
        request.demand("copy_image", target_of(request.caller, row))
    else:
        request.demand("modify_image", target_of(request.caller, row))
        if not request.caller.admin and row["owner"] != request.caller.project_id:
            raise forbidden("Only the owner of an image imports its data.")
    imports.begin(request, tx, row, body)


def create(request, tx):
    """A task that makes an image and fetches its data: the oldest way to import, for administrators."""
    asked, told = request.body, request.body.get("input")
    if asked.get("type") != imports.OF_NOTHING or not isinstance(told, dict):
        raise bad(f'The body is {{"type": "{imports.OF_NOTHING}", "input": an object}}.')
    described = told.get("image_properties")
    if not isinstance(described, dict) or not isinstance(told.get("import_from_format"), str):
        raise bad("The input has import_from (a URI), import_from_format and image_properties (an object).")
    body = {"disk_format": told["import_from_format"], "container_format": "bare"} | described
    attributes.check_all(body)
    task = imports.begin_new(request, tx, images.make(request, tx, body), told)
    request.subject = task["id"]
    request.response_headers = [("Location", f"{request.base}/v2/tasks/{task['id']}")]
    return request.render(SHOWN, task)


def of_image(request, db):
    row = find(request, db)
    if not request.caller.admin and row["owner"] != request.caller.project_id:
        raise no_image(row["id"])
    tasks = db.all(TASKS, order="-created_at", image_id=row["id"])
    return {"tasks": request.render_all(OF_IMAGE, tasks)}


def index(request, db):
    where = {name: request.query[name] for name in ("type", "status") if name in request.query}
    page = db.page(TASKS, request, **where)
    full = page and len(page) == page.limit
    tasks = request.render_all(LISTED, page)
    last = page[-1]["id"] if full else None
    return WIRE.collection(request, "tasks", tasks, "/v2/tasks", "/v2/schemas/tasks", last)


def show(request, db):
    missing = Error(404, "NotFound", f"No task found with ID {request.path['id'][:255]}")
    return request.render(SHOWN, db.one(TASKS, id=request.path["id"], missing=missing))


def delete(request, db):
    """Nobody deletes tasks: they go by themselves when their time is over."""
    raise Error(
        405,
        "MethodNotAllowed",
        "This operation is currently not permitted on tasks: they are deleted when the time of their "
        "expires_at has come.",
        headers=[("Allow", "GET")],
    )


PATH = "/v2/images/{image_id}"
ADMIN = "tasks_api_access"

ROUTES = (
    Route(
        "PUT", PATH + "/stage", stage, "upload_image", ok=204, target=target, raw=True, event="image.stage"
    ),
    Route("POST", PATH + "/import", begin, "get_image", ok=202, target=target, event="image.import"),
    Route("GET", PATH + "/tasks", of_image, "get_image", target=target),
    Route("GET", "/v2/tasks", index, ADMIN, fields=LISTED),
    Route("POST", "/v2/tasks", create, ADMIN, body="tasks.create", event="image.task.create"),
    Route("GET", "/v2/tasks/{id}", show, ADMIN),
    Route("DELETE", "/v2/tasks/{id}", delete, ADMIN),
)
