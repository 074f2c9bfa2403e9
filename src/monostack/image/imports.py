"""Asking for an import: what is refused at once, and the task whose row is the intent (`importing` does it).

Imports take data that were staged before, that the cloud fetches from a URL or from the image service of
another region itself, or that an active image has in one store and shall have in others.

Source: image API reference, "Import an image"; the order of refusals is what a current image service shows.
"""

import uuid
from typing import Any

from monostack import identity
from monostack.image import blobs, fetch, quotas, regions, rows, stores
from monostack.image.tables import TASKS
from monostack.image.wire import bad, conflict

DIRECT, WEB, COPY, REGION = "glance-direct", "web-download", "copy-image", "glance-download"
METHODS = (DIRECT, WEB, COPY, REGION)
KEPT_SECONDS = 48 * 3600.0
FAILED = "os_glance_failed_import"
IMPORTING = "os_glance_importing_to_stores"
TASK = "os_glance_import_task"
OF_IMAGE = "api_image_import"
OF_NOTHING = "import"
"""The type of a task that makes its image itself."""
OF_LOCATION = "location_import"
LOOP = "image.tasks"


def begin(request, tx, row: dict, asked: dict) -> dict | None:
    """Begin an import as `asked` (the body of the request); the task, None when there is nothing to do."""
    method = asked["method"]["name"]
    _check_state(row, method)
    if method == REGION:
        _check_region(asked["method"])
    wanted = _wanted(request, tx, row, asked, method)
    if not wanted:
        return None
    if method == WEB:
        _check_url(tx, asked["method"].get("uri"))
    size = (row["staged"] or {}).get("size") or row["size"] or 0
    quotas.check_import(tx, row["owner"], size, staging=method != DIRECT)
    told = {"image_id": row["id"], "import_req": asked, "backend": wanted}
    task = add_task(request, tx, row, OF_IMAGE, told, wanted)
    if method == REGION:
        caller = request.caller
        catalog = identity.endpoints(tx, caller.user_id, caller.project_id)
        tx.after(regions.remember, task["id"], request.headers["x-auth-token"], catalog, asked["method"])
    return task


def begin_new(request, tx, row: dict, asked: dict) -> dict:
    """Begin an import into an image that was made for it, and that ends with it if it fails; the task."""
    _check_state(row, WEB)
    _check_url(tx, asked.get("import_from"))
    return add_task(request, tx, row, OF_NOTHING, asked, [stores.of(tx.cloud).default_name])


def _check_state(row: dict, method: str) -> None:
    if TASK in (row["properties"] or {}):
        raise conflict("Image has active task")
    if row["status"] == "active" and method != COPY:
        raise conflict("Image with status active cannot be target for import")
    if row["status"] != "active" and method == COPY:
        raise conflict("Only images with status active can be targeted for copying")
    if row["status"] != "queued" and method in (WEB, REGION):
        raise conflict(f"Image needs to be in 'queued' state to use '{method}' method")
    if method == DIRECT and (row["status"] != "uploading" or row["staged"] is None):
        raise conflict(f"Image needs to be staged before '{DIRECT}' method can be used")
    for name in ("container_format", "disk_format"):
        if row[name] is None:
            raise conflict(f"'{name}' needs to be set before import")


def _check_region(method: dict) -> None:
    for name in ("glance_region", "glance_image_id"):
        if not isinstance(method.get(name), str):
            raise bad(f"'{name}' needs to be set for {REGION} import method")
    try:
        uuid.UUID(method["glance_image_id"])
    except ValueError:
        raise bad(f"Remote image id does not look like a UUID: {method['glance_image_id'][:100]}") from None
    if not isinstance(method.get("glance_service_interface", "public"), str):
        raise bad("'glance_service_interface' is a text: public, internal or admin.")


def _check_url(tx, url: Any) -> None:
    try:
        fetch.check(url, fetch.rules(tx.cloud.settings.image))
    except fetch.Unreachable as reason:
        raise bad(f"URI for {WEB} does not pass filtering: {reason}") from None


def _wanted(request, tx, row: dict, asked: dict, method: str) -> list[str]:
    """The stores that the data shall stand in."""
    home, header = stores.of(tx.cloud), request.headers.get("x-image-meta-store")
    if asked.get("all_stores"):
        if "stores" in asked or header is not None:
            raise bad("all_stores goes neither with stores nor with the header X-Image-Meta-Store.")
        wanted = home.writable
    elif "stores" in asked:
        if header is not None:
            raise bad("stores does not go with the header X-Image-Meta-Store.")
        wanted = _named(asked["stores"])
    else:
        wanted = [header or home.default_name]
    for name in wanted:
        if name not in home.writable:
            raise conflict(f"There is no store {name[:100]} that takes data; there are {_listed(home)}.")
    have = {each["store"] for each in row["places"] or []}
    if method != COPY:
        return wanted
    there = sorted(have & set(wanted))
    if there and not asked.get("all_stores"):
        raise bad(f"Image is already present at store '{there[0]}'")
    return [name for name in wanted if name not in have]


def _named(named: Any) -> list[str]:
    if not isinstance(named, list) or not named or not all(isinstance(each, str) for each in named):
        raise bad("stores is a list of names of stores.")
    return list(dict.fromkeys(named))


def _listed(home: stores.Stores) -> str:
    return ", ".join(home.writable)


def add_task(request, tx, row: dict, kind: str, told: dict, wanted: list[str]) -> dict:
    """Write the intent: the task, and what the image shows of it."""
    if row["status"] == "queued":
        blobs.clear(tx, row)
    task = tx.insert(
        TASKS,
        image_id=row["id"],
        type=kind,
        status="pending",
        owner=row["owner"],
        user_id=request.caller.user_id,
        request_id=request.id,
        roles=list(request.caller.credentials.get("roles") or ()),
        message="",
        input=told,
        due_at=tx.now,
        expires_at=tx.cloud.clock.after(KEPT_SECONDS),
    )
    properties = (row["properties"] or {}) | {TASK: task["id"]}
    if wanted:
        failed = [name for name in (properties.get(FAILED) or "").split(",") if name and name not in wanted]
        properties |= {IMPORTING: ",".join(wanted), FAILED: ",".join(failed)}
    status = row["status"] if row["status"] == "active" else "importing"
    rows.change(tx, row, {"status": status, "properties": properties})
    tx.wake(LOOP)
    return task


def check_store(request) -> str:
    """The store that the header X-Image-Meta-Store names for an upload, the default one without it."""
    home, name = stores.of(request.cloud), request.headers.get("x-image-meta-store")
    if name is None:
        return home.default_name
    if name not in home.writable:
        raise bad(f"There is no store {name[:100]} that takes data; there are {_listed(home)}.")
    return name
