"""Services: what makes up compute, and whether it lives.

Of the daemons that operators know, `nova-compute` is a host's agent; scheduling and conducting are loops
inside this program and are listed under their customary names, because tools ask for them. Only a host can
be disabled, forced down or deleted. An operator's word is kept in the host's row; whether the host is up is
a question about its agent.

Source: compute API reference, "Compute services"; one door for each verb until 2.52, ids and one door from
2.53 on.
"""

from __future__ import annotations

import uuid
from typing import Any

from monostack.compute import hosts
from monostack.compute.servers.rows import LEFTOVERS, SERVERS
from monostack.kit.errors import Error
from monostack.kit.ids import is_uuid
from monostack.kit.resource import Field, Route
from monostack.kit.wire import boolean

RULE = "os_compute_api:os-services:"
COMPUTE = "nova-compute"
OURS = ("nova-scheduler", "nova-conductor")
INTERNAL = "internal"
WITH_UUIDS = (2, 53)
LAST_WITH_NUMBERS = (2, 52)
FORCE_DOWN = (2, 11)

SHOWN = (
    Field("binary"),
    Field("host"),
    Field("id", "number", until=LAST_WITH_NUMBERS),
    Field("id", since=WITH_UUIDS),
    Field("zone"),
    Field("status"),
    Field("state"),
    Field("updated_at"),
    Field("disabled_reason"),
    Field("forced_down", since=FORCE_DOWN),
)


def everything(db) -> list[dict[str, Any]]:
    """All services, as they are shown."""
    return _own(db) + [_of_host(row) for row in hosts.known(db)]


def number_of(host) -> int:
    """The number of a host's service, for clients from before UUIDs."""
    return len(OURS) + host["number"]


def moment(text: str | None) -> str | None:
    """A heartbeat is known to the second."""
    return text and text[:19] + ".000000"


def _own(db) -> list[dict[str, Any]]:
    cloud = db.cloud
    return [
        {
            "binary": binary,
            "host": cloud.settings.host,
            "number": position,
            "id": str(uuid.uuid5(uuid.UUID(cloud.id), binary)),
            "zone": INTERNAL,
            "status": "enabled",
            "state": "up",
            "updated_at": moment(db.now),
            "disabled_reason": None,
            "forced_down": False,
        }
        for position, binary in enumerate(OURS, 1)
    ]


def _of_host(host) -> dict[str, Any]:
    return {
        "binary": COMPUTE,
        "host": host["name"],
        "number": number_of(host),
        "id": host["service_id"],
        "zone": host["zone"],
        "status": "disabled" if host["disabled"] else "enabled",
        "state": "up" if host["up"] else "down",
        "updated_at": moment(host["seen_at"]),
        "disabled_reason": host["disabled_reason"],
        "forced_down": bool(host["forced_down"]),
    }


def index(request, db) -> dict[str, Any]:
    wanted = {name: request.query[name] for name in ("binary", "host") if name in request.query}
    found = [each for each in everything(db) if all(each[name] == value for name, value in wanted.items())]
    return {"services": request.render_all(SHOWN, found)}


# Changes


def update(request, tx) -> dict[str, Any]:
    asked, row = request.body, _find(request, tx)
    if "status" not in asked and "forced_down" not in asked:
        if "disabled_reason" in asked:
            raise Error(
                400, "BadRequest", "Specifying 'disabled_reason' when status is 'enabled' is invalid."
            )
        raise Error(
            400,
            "BadRequest",
            "No updates were requested. Fields 'status' or 'forced_down' should be specified.",
        )
    values: dict[str, Any] = {}
    if "status" in asked:
        values = _status(asked["status"], asked.get("disabled_reason"))
    elif "disabled_reason" in asked:
        raise Error(400, "BadRequest", "A 'disabled_reason' needs the status 'disabled' in the same request.")
    if "forced_down" in asked:
        values["forced_down"] = boolean(str(asked["forced_down"]))
    _change(request, tx, row, values)
    (host,) = (each for each in hosts.known(tx) if each["id"] == row["id"])
    return {"service": request.render(SHOWN, _of_host(host))}


def update_by_verb(request, tx) -> dict[str, Any]:
    """PUT /os-services/enable and its sisters: the host is named in the body."""
    verb, asked = request.path["id"], request.body
    if verb not in VERBS or (verb == "force-down" and request.version < FORCE_DOWN):
        raise Error(404, "NotFound", "Unknown action")
    values = VERBS[verb](asked)
    row = _named(tx, asked["host"], asked["binary"])
    _change(request, tx, row, values)
    told = {"host": row["name"], "binary": COMPUTE}
    if verb == "force-down":
        return {"service": told | {"forced_down": values["forced_down"]}}
    told["status"] = "disabled" if values["disabled"] else "enabled"
    if verb == "disable-log-reason":
        told["disabled_reason"] = values["disabled_reason"]
    return {"service": told}


def _status(status: str, reason: str | None) -> dict[str, Any]:
    if status == "enabled" and reason is not None:
        raise Error(400, "BadRequest", "Specifying 'disabled_reason' when status is 'enabled' is invalid.")
    return {"disabled": status == "disabled", "disabled_reason": reason}


def _with_reason(asked) -> dict[str, Any]:
    if "disabled_reason" not in asked:
        raise Error(400, "BadRequest", "Missing disabled reason field")
    return _status("disabled", asked["disabled_reason"])


def _forced(asked) -> dict[str, Any]:
    if "forced_down" not in asked:
        raise Error(400, "BadRequest", "Missing forced_down field")
    return {"forced_down": boolean(str(asked["forced_down"]))}


VERBS = {
    "enable": lambda asked: _status("enabled", None),
    "disable": lambda asked: _status("disabled", None),
    "disable-log-reason": _with_reason,
    "force-down": _forced,
}


def _change(request, tx, row, values: dict[str, Any]) -> None:
    """Keep the operator's word, and let placement know whether the host takes servers."""
    tx.set(row, **values)
    hosts.offer(tx, row)
    request.subject = row["service_id"]
    request.event_details = {"host": row["name"]} | values


def _find(request, tx) -> Any:
    service_id = request.path["id"]
    if not is_uuid(service_id):
        raise Error(400, "BadRequest", f"Invalid uuid {service_id}")
    row = tx.one(hosts.HOSTS, service_id=service_id)
    if row is not None:
        return row
    for own in _own(tx):
        if own["id"] == service_id:
            raise _not_a_host(own["binary"])
    raise Error(404, "ServiceNotFound", f"Service {service_id} could not be found.")


def _named(tx, host: str, binary: str) -> Any:
    if binary in OURS and host == tx.cloud.settings.host:
        raise _not_a_host(binary)
    row = tx.one(hosts.HOSTS, name=host) if binary == COMPUTE else None
    if row is None:
        raise Error(404, "HostBinaryNotFound", f"Could not find binary {binary} on host {host}.")
    return row


def _not_a_host(binary: str) -> Error:
    return Error(
        400,
        "BadRequest",
        f"Updating a {binary} service is not supported. Only {COMPUTE} services can be updated.",
    )


def delete(request, tx) -> None:
    """Forget a host that carries nothing. If its agent still runs, it is back with the agent's next hello."""
    row = _find(request, tx) if request.version >= WITH_UUIDS else _by_number(request, tx)
    name = row["name"]
    if tx.count(SERVERS, host=name) or tx.count(LEFTOVERS, host=name):
        raise Error(
            409,
            "Conflict",
            "Unable to delete compute service that is hosting instances. Migrate or delete the instances "
            "first.",
        )
    from monostack import placement
    from monostack.compute import aggregates

    aggregates.forget_host(tx, name)
    placement.remove_provider(tx, row["id"])
    request.subject = row["service_id"]
    request.event_details = {"host": name}
    tx.delete(row)


def _by_number(request, tx) -> Any:
    text = request.path["id"]
    if not text.isdecimal():
        raise Error(
            400, "BadRequest", f"Invalid integer value {text}: a service's id is a number until 2.52."
        )
    number = int(text)
    if 1 <= number <= len(OURS):
        raise _not_a_host(OURS[number - 1])
    missing = Error(404, "ServiceNotFound", f"Service {number} could not be found.")
    return tx.one(hosts.HOSTS, number=number - len(OURS), missing=missing)


ROUTES = (
    Route("GET", "/os-services", index, RULE + "list", query="services.index"),
    Route(
        "PUT",
        "/os-services/{id}",
        update_by_verb,
        RULE + "update",
        until=LAST_WITH_NUMBERS,
        body="services.update",
        event="compute.service.update",
    ),
    Route(
        "PUT",
        "/os-services/{id}",
        update,
        RULE + "update",
        since=WITH_UUIDS,
        body="services.update",
        event="compute.service.update",
    ),
    Route("DELETE", "/os-services/{id}", delete, RULE + "delete", event="compute.service.delete"),
)
