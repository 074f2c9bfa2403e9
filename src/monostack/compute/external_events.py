"""External events: other services tell compute that something happened to a server.

Inside this program nobody needs it: networking runs hooks in its own transaction. What comes from outside
is believed as far as it can be looked up again: after an event about networking the server's addresses are
read anew, whatever the event claimed. Each event is answered by itself; one about a server that is not
there does not spoil the others.

Source: compute API reference, "Create external events".
"""

from typing import Any

from monostack.compute.servers import ports, rows
from monostack.kit.errors import Error
from monostack.kit.resource import Response, Route

NETWORKING = frozenset(
    ("network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted")
)


def create(request, tx) -> Response:
    answers = [_take(tx, event) for event in request.body["events"]]
    codes = {answer["code"] for answer in answers}
    if codes == {404}:
        raise Error(404, "NotFound", "No instances found for any event")
    return Response(200 if codes == {200} else 207, {"events": answers})


def _take(tx, event: dict[str, Any]) -> dict[str, Any]:
    told = {"status": "completed"} | event
    row = tx.one(rows.SERVERS, id=event["server_uuid"])
    if row is None:
        return told | {"status": "failed", "code": 404}
    if row["host"] is None:
        return told | {"status": "failed", "code": 422}
    if event["name"] in NETWORKING:
        ports.refresh(tx, row)
    tx.event(
        "compute.instance.external_event",
        row["id"],
        project_id=row["project_id"],
        host=row["host"],
        name=event["name"],
        tag=event.get("tag"),
    )
    return told | {"code": 200}


ROUTES = (
    Route(
        "POST",
        "/os-server-external-events",
        create,
        "os_compute_api:os-server-external-events:create",
        ok=200,
        body="server_external_events.create",
    ),
)
