"""Imports: data that were staged before, or that the cloud fetches from a URL itself.

An import is a task, and the task's row is the intent: if the process dies, the loop starts the fetch again
from the beginning under a new token. Staged data were looked into, hashed and written when they came, so
importing them is one change of the row.
"""

import asyncio
import logging
from typing import Any

from monostack.image import fetch, rows, store, upload
from monostack.image.tables import IMAGES, TASKS
from monostack.image.wire import bad, conflict
from monostack.kit.errors import Error

DIRECT = "glance-direct"
WEB = "web-download"
METHODS = (DIRECT, WEB)
KEPT_SECONDS = 48 * 3600.0
FAILED = "os_glance_failed_import"
IMPORTING = "os_glance_importing_to_stores"
TASK = "os_glance_import_task"
STORE = "fs"
OF_IMAGE = "api_image_import"
OF_NOTHING = "import"
"""The type of a task that makes its image itself."""

log = logging.getLogger(__name__)

_running: set[asyncio.Task] = set()


def begin(request, tx, row: dict, asked: dict) -> dict:
    """Begin an import as `asked` (the body of the request); the task."""
    method = asked["method"]["name"]
    told = {"image_id": row["id"], "import_req": asked, "backend": [STORE]}
    task = _add_task(request, tx, row, OF_IMAGE, told)
    if method == DIRECT:
        _take_staged(tx, row, task)
    else:
        _plan_fetch(tx, row, task)
    return task


def begin_new(request, tx, row: dict, asked: dict) -> dict:
    """Begin an import into an image that was made for it, and that ends with it if it fails; the task."""
    task = _add_task(request, tx, row, OF_NOTHING, asked)
    _plan_fetch(tx, row, task)
    return task


def _add_task(request, tx, row: dict, kind: str, told: dict) -> dict:
    return tx.insert(
        TASKS,
        image_id=row["id"],
        type=kind,
        status="pending",
        owner=row["owner"],
        user_id=request.caller.user_id,
        request_id=request.id,
        message="",
        input=told,
        expires_at=tx.cloud.clock.after(KEPT_SECONDS),
    )


def _source(task: dict) -> Any:
    """The URL that a task fetches."""
    told = task["input"]
    return told.get("import_from") if task["type"] == OF_NOTHING else told["import_req"]["method"].get("uri")


def _take_staged(tx, row: dict, task: dict) -> None:
    if row["status"] != upload.STAGING or row["staged"] is None:
        raise conflict(f"Image needs to be staged before '{DIRECT}' method can be used")
    upload.activate(tx, row["id"], row["upload"], row["staged"])
    tx.set(task, status="success")


def _plan_fetch(tx, row: dict, task: dict) -> None:
    if row["status"] != "queued":
        raise conflict(f"Image needs to be in 'queued' state to use '{WEB}' method")
    upload.check_formats(row)
    try:
        fetch.check(_source(task), tx.cloud.settings.image.fetch_also_from)
    except fetch.Unreachable as reason:
        raise bad(f"Invalid URI: {reason}") from None
    properties = (row["properties"] or {}) | {TASK: task["id"], IMPORTING: STORE, FAILED: ""}
    rows.change(tx, row, {"status": "importing", "properties": properties, "due_at": tx.now})
    tx.wake("image.files")


def start(cloud, image_id: str, token: str) -> None:
    """Fetch the data of an image whose row names this token."""
    task = asyncio.get_running_loop().create_task(_fetch(cloud, image_id, token))
    _running.add(task)
    task.add_done_callback(_running.discard)


async def _fetch(cloud, image_id: str, token: str) -> None:
    found = await cloud.engine.read(_planned, image_id, token)
    if found is None:
        await cloud.engine.write(_failed, image_id, token, "Nothing tells any more where the data are.")
        return
    row, task = found

    async def end(facts: dict) -> dict:
        return await cloud.engine.write(_succeeded, image_id, token, facts)

    data = fetch.chunks(_source(task), cloud.settings.image.fetch_also_from)
    try:
        await upload.fill(cloud, row, token, data, end)
    except Exception as reason:
        await cloud.engine.write(_failed, image_id, token, _words(reason))


def _words(reason: Exception) -> str:
    if isinstance(reason, Error | fetch.Unreachable):
        return str(reason)
    log.error("an import failed", exc_info=reason)
    return f"The import failed: {type(reason).__name__}: {reason}"


def _planned(db, image_id: str, token: str) -> tuple[dict, dict] | None:
    row = db.one(IMAGES, id=image_id, upload=token)
    task = row and db.one(TASKS, id=(row["properties"] or {}).get(TASK))
    return (row, task) if task else None


def _succeeded(tx, image_id: str, token: str, facts: dict) -> dict:
    row = upload.activate(tx, image_id, token, facts)
    _settle(tx, row, "success", "", "")
    return row


def _failed(tx, image_id: str, token: str, words: str) -> None:
    row = tx.one(IMAGES, id=image_id, upload=token)
    tx.after(store.discard, tx.cloud, image_id, token)
    if row is None:
        return
    task = _settle(tx, row, "failure", words, STORE)
    tx.event("image.import", image_id, project_id=row["owner"], cause=words)
    if task is not None and task["type"] == OF_NOTHING:
        rows.delete(tx, row)
    else:
        tx.set(row, status="queued", upload=None, due_at=None, cause=words)


def _settle(tx, row: dict, status: str, words: str, failed: str) -> dict | None:
    """Write the end of an import into its task and its image; the task."""
    properties = dict(row["properties"] or {})
    task = tx.one(TASKS, id=properties.pop(TASK, ""))
    rows.change(tx, row, {"properties": properties | {IMPORTING: "", FAILED: failed}})
    if task is not None:
        tx.set(task, status=status, message=words)
    return task
