"""Instance actions: what was done to a server, by which request, and how it went.

An action is written with the change that it records, and finished where the change ends. Its events are few
and belong to it alone; they are kept in the action's row. The list outlives the server: it is found by the
id of a deleted one too.

Source: compute API reference, "Servers actions log".
"""

from typing import Any

from monostack.compute.servers import fields, filters, rows
from monostack.kit.db import JSON, Column, Index, String, Table, Text, Time, ge, le, stamps
from monostack.kit.errors import Error
from monostack.kit.resource import Field, Route

ACTIONS = Table(
    "compute_instance_actions",
    Column("server_id", String(64)),
    Column("action", String(64)),
    Column("request_id", String(64)),
    Column("user_id", String(64)),
    Column("project_id", String(64)),
    Column("start_time", Time),
    Column("finish_time", Time),
    Column("message", Text),
    Column("events", JSON),
    *stamps(),
    Index("compute_instance_actions_server", "server_id", "created_at"),
    Index("compute_instance_actions_request", "server_id", "request_id"),
)

RULE = "os_compute_api:os-instance-actions:"


# What servers write


def begin(tx, row, action: str, *, request_id: str, user_id: str, project_id: str, event: str = "") -> None:
    """A request does something to a server."""
    events = [_event(tx, event, row)] if event else []
    tx.insert(
        ACTIONS,
        server_id=row["id"],
        action=action,
        request_id=request_id,
        user_id=user_id,
        project_id=project_id,
        start_time=tx.now,
        updated_at=tx.now,
        events=events,
    )


def done(tx, row, action: str, request, event: str = "") -> None:
    """A request did something to a server, and it is done already."""
    caller = request.caller
    events = [_event(tx, event, row) | {"finish_time": tx.now, "result": "Success"}] if event else []
    tx.insert(
        ACTIONS,
        server_id=row["id"],
        action=action,
        request_id=request.id,
        user_id=caller.user_id,
        project_id=caller.project_id,
        start_time=tx.now,
        finish_time=tx.now,
        updated_at=tx.now,
        events=events,
    )


def finish(tx, row, problem: str | None = None) -> None:
    """What the server's current request began has ended; `problem` says why it failed."""
    action = tx.one(ACTIONS, server_id=row["id"], request_id=row["request_id"])
    if action is None or action["finish_time"] is not None:
        return
    result = {
        "finish_time": tx.now,
        "result": "Error" if problem else "Success",
        "details": problem,
        "host": row["host"],
    }
    events = [each if each["finish_time"] else each | result for each in action["events"]]
    tx.set(action, finish_time=tx.now, message="Error" if problem else None, events=events)


def attempt_failed(tx, row, problem: str) -> None:
    """The attempt on this host failed; the action goes on elsewhere."""
    action = tx.one(ACTIONS, server_id=row["id"], request_id=row["request_id"])
    if action is None:
        return
    result = {"finish_time": tx.now, "result": "Error", "details": problem, "host": row["host"]}
    events = [each if each["finish_time"] else each | result for each in action["events"]]
    name = events[-1]["event"] if events else "compute__do_build_and_run_instance"
    tx.set(action, events=[*events, _event(tx, name, row)])


def _event(tx, name: str, row) -> dict[str, Any]:
    return {
        "event": name,
        "start_time": tx.now,
        "finish_time": None,
        "result": None,
        "details": None,
        "host": row["host"],
    }


# What users read


LISTED = (
    Field("action"),
    Field("instance_uuid", "server_id"),
    Field("request_id"),
    Field("user_id"),
    Field("project_id"),
    Field("start_time"),
    Field("message"),
    Field("updated_at", lambda row: row["updated_at"] or row["created_at"], since=(2, 58)),
)
EVENT = (
    Field("event"),
    Field("start_time"),
    Field("finish_time"),
    Field("result"),
    Field("traceback", "details", rule=RULE + "events"),
    Field("hostId", lambda row: fields.host_id(row["project_id"], row["host"]), since=(2, 62)),
    Field("host", omit_none=True, since=(2, 62), rule=RULE + "events"),
    Field("details", since=(2, 84), rule=RULE + "events:details"),
)


def _moment(request, name: str, version: tuple[int, int]) -> str | None:
    """A moment of the query, in versions that know it."""
    text = request.query.get(name)
    return None if text is None or request.version < version else filters.moment(name, text)


def index(request, db) -> dict:
    server = _server(request, db)
    where: dict[str, Any] = {"server_id": server["id"]}
    since = _moment(request, "changes-since", (2, 58))
    before = _moment(request, "changes-before", (2, 66))
    if since is not None:
        where["updated_at"] = ge(since)
    if before is not None:
        if since is not None and since > before:
            raise Error(
                400, "BadRequest", "The value of changes-since must be less than or equal to changes-before."
            )
        where.setdefault("updated_at", le(before))
    found = [
        row
        for row in db.all(ACTIONS, order=("-created_at", "-id"), **where)
        if before is None or row["updated_at"] <= before
    ]
    if request.version < (2, 58):
        return {"instanceActions": request.render_all(LISTED, found)}
    return _paged(request, found)


def _paged(request, found: list) -> dict:
    """A page, by request id; the link to the next one is called `links` here."""
    marker = request.query.get("marker")
    if marker is not None:
        names = [row["request_id"] for row in found]
        if marker not in names:
            raise request.service.wire.marker_missing(request, marker)
        found = found[names.index(marker) + 1 :]
    limit = request.service.wire.limit(request)
    page = found[:limit]
    answer = {"instanceActions": request.render_all(LISTED, page)}
    if page and len(page) == limit:
        answer["links"] = [{"rel": "next", "href": request.next_url(page[-1]["request_id"], limit)}]
    return answer


def show(request, db) -> dict:
    server, request_id = _server(request, db), request.path["request_id"]
    missing = Error(
        404,
        "InstanceActionNotFound",
        f"Action for request_id {request_id} on instance {server['id']} not found",
    )
    row = db.one(ACTIONS, server_id=server["id"], request_id=request_id, missing=missing)
    shown = request.render(LISTED, row)
    if request.version >= (2, 51) or request.allowed(RULE + "events", server):
        shown["events"] = [
            request.render(EVENT, each | {"project_id": server["project_id"]}) for each in row["events"]
        ]
    return {"instanceAction": shown}


def _server(request, db):
    """The server, even a deleted one from 2.21 on."""
    if request.version < (2, 21):
        return rows.find(db, request)
    server_id = request.path["id"]
    row = db.one(rows.SERVERS, id=server_id, deleted=True)
    if row is None or (row["project_id"] != request.caller.project_id and not request.caller.admin):
        raise Error(404, "InstanceNotFound", f"Instance {server_id} could not be found.")
    return row


def _target(request, db):
    return _server(request, db)


ROUTES = (
    Route(
        "GET",
        "/servers/{id}/os-instance-actions",
        index,
        RULE + "list",
        query="instance_actions.index",
        target=_target,
    ),
    Route(
        "GET",
        "/servers/{id}/os-instance-actions/{request_id}",
        show,
        RULE + "show",
        query="instance_actions.show",
        target=_target,
    ),
)
