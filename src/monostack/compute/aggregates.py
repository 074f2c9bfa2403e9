"""Host aggregates: groups of hosts that operators make, with properties; one property makes an availability
zone.

A host is in any number of aggregates but in one zone. The zone stands in the host's own row, where placing
reads it, and is written here only. A host that carries servers does not change its zone, because its
servers were promised theirs.

Source: compute API reference, "Host aggregates".
"""

from __future__ import annotations

from typing import Any

from monostack.compute import hosts
from monostack.compute.servers.rows import SERVERS
from monostack.kit.db import JSON, Column, Integer, String, Table, Unique, stamps
from monostack.kit.errors import Error
from monostack.kit.ids import new_uuid
from monostack.kit.resource import Field, Response, Route

AGGREGATES = Table(
    "compute_aggregates",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uuid", String(36)),
    Column("name", String(255)),
    Column("metadata", JSON),
    Column("hosts", JSON),
    *stamps(),
    Unique("name"),
)

RULE = "os_compute_api:os-aggregates:"
ZONE = "availability_zone"


def zone_of(row) -> str | None:
    return row["metadata"].get(ZONE)


CREATED = (
    Field("id"),
    Field("uuid", since=(2, 41)),
    Field("name"),
    Field("created_at"),
    Field("updated_at"),
    Field("deleted_at", lambda row: None),
    Field("deleted", lambda row: False),
    Field(ZONE, zone_of),
)
SHOWN = (*CREATED, Field("hosts"), Field("metadata"))


def index(request, db) -> dict[str, Any]:
    return {"aggregates": request.render_all(SHOWN, db.all(AGGREGATES, order="id"))}


def show(request, db) -> dict[str, Any]:
    return _shown(request, _find(request, db))


def create(request, tx) -> dict[str, Any]:
    asked = request.body["aggregate"]
    zone = (asked.get(ZONE) or "").strip()
    row = tx.insert(
        AGGREGATES,
        uuid=new_uuid(),
        name=asked["name"].strip(),
        metadata={ZONE: zone} if zone else {},
        hosts=[],
        taken=_taken(asked["name"]),
    )
    request.subject = row["uuid"]
    return {"aggregate": request.render(CREATED, row)}


def update(request, tx) -> dict[str, Any]:
    row, asked = _find(request, tx), request.body["aggregate"]
    values: dict[str, Any] = {}
    if "name" in asked:
        values["name"] = asked["name"].strip()
    if ZONE in asked:
        changes = {ZONE: (asked[ZONE] or "").strip() or None}
        values["metadata"] = _merged(row, changes)
        _demand_zone(tx, row, row["hosts"], values["metadata"].get(ZONE), "update", 400)
    tx.set(row, taken=_taken(values.get("name", "")), **values)
    _tell_hosts(tx, row["hosts"])
    return _shown(request, row)


def delete(request, tx) -> Response:
    row = _find(request, tx)
    if row["hosts"]:
        raise _refused("delete", row, "Host aggregate is not empty", 400)
    tx.delete(row)
    return Response(200)


def add_host(request, tx) -> dict[str, Any]:
    row, name = _find(request, tx), request.body["add_host"]["host"]
    if tx.one(hosts.HOSTS, name=name) is None:
        raise Error(404, "ComputeHostNotFound", f"Compute host {name} could not be found.")
    if name in row["hosts"]:
        raise Error(409, "AggregateHostExists", f"Aggregate {row['id']} already has host {name}.")
    if zone_of(row) is not None:
        _demand_zone(tx, row, [name], zone_of(row), "add host to", 409)
    tx.set(row, hosts=sorted([*row["hosts"], name]))
    _tell_hosts(tx, [name])
    return _shown(request, row)


def remove_host(request, tx) -> dict[str, Any]:
    row, name = _find(request, tx), request.body["remove_host"]["host"]
    if name not in row["hosts"]:
        raise Error(404, "AggregateHostNotFound", f"Aggregate {row['id']} has no host {name}.")
    if zone_of(row) is not None:
        _demand_zone(tx, row, [name], None, "remove host from", 409)
    tx.set(row, hosts=[each for each in row["hosts"] if each != name])
    _tell_hosts(tx, [name])
    return _shown(request, row)


def set_metadata(request, tx) -> dict[str, Any]:
    """Merge properties; null takes one away."""
    row, asked = _find(request, tx), request.body["set_metadata"]["metadata"]
    if asked.get(ZONE) is not None and not asked[ZONE].strip():
        raise _refused("update", row, "availability_zone must not be empty; null takes it away", 400)
    metadata = _merged(row, asked)
    if ZONE in asked:
        _demand_zone(tx, row, row["hosts"], metadata.get(ZONE), "update", 400)
    tx.set(row, metadata=metadata)
    _tell_hosts(tx, row["hosts"])
    return _shown(request, row)


def forget_host(tx, name: str) -> None:
    """A host is gone: it is in no aggregate any more."""
    for row in tx.all(AGGREGATES, lock=True):
        if name in row["hosts"]:
            tx.set(row, hosts=[each for each in row["hosts"] if each != name])


def _merged(row, changes: dict[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in (row["metadata"] | changes).items() if value is not None}


def _demand_zone(tx, row, names: list[str], zone: str | None, what: str, code: int) -> None:
    """Raise unless these hosts may come into that zone because of this aggregate."""
    zones = _zones(tx, without=row["id"])
    default = tx.cloud.settings.compute.default_availability_zone
    for name in names:
        other = zones.get(name)
        if other is not None and zone is not None and other != zone:
            raise _refused(what, row, f"Host {name} is already in the availability zone {other}", code)
        host = tx.one(hosts.HOSTS, name=name, lock=False)
        now = (host["zone"] if host else None) or default
        if now != (zone or other or default) and tx.count(SERVERS, host=name):
            raise _refused(what, row, "One or more hosts contain instances in this zone", code)


def _tell_hosts(tx, names: list[str]) -> None:
    """Write the hosts' zones anew."""
    zones = _zones(tx)
    for name in names:
        tx.update(hosts.HOSTS, {"name": name}, zone=zones.get(name))


def _zones(tx, without: int | None = None) -> dict[str, str]:
    """The zone of every host that an aggregate puts into one."""
    found: dict[str, str] = {}
    for row in tx.all(AGGREGATES, order="id"):
        if row["id"] != without and zone_of(row) is not None:
            found.update(dict.fromkeys(row["hosts"], zone_of(row)))
    return found


def _find(request, db) -> Any:
    text = request.path["id"]
    if not text.removeprefix("-").isdecimal():
        raise Error(400, "BadRequest", f"Invalid aggregate id {text}: it must be an integer.")
    missing = Error(404, "AggregateNotFound", f"Aggregate {text} could not be found.")
    row = db.one(AGGREGATES, id=int(text), missing=missing)
    request.subject = row["uuid"]
    return row


def _shown(request, row) -> dict[str, Any]:
    return {"aggregate": request.render(SHOWN, row)}


def _taken(name: str) -> Error:
    return Error(409, "AggregateNameExists", f"Aggregate {name} already exists.")


def _refused(what: str, row, reason: str, code: int) -> Error:
    return Error(code, "InvalidAggregateAction", f"Cannot {what} aggregate {row['id']}. Reason: {reason}.")


def _action(handler, name: str) -> Route:
    return Route(
        "POST",
        "/os-aggregates/{id}/action",
        handler,
        RULE + name,
        ok=200,
        action=name,
        body=f"aggregates.{name}",
        event=f"compute.aggregate.{name}",
    )


ROUTES = (
    Route("GET", "/os-aggregates", index, RULE + "index", query="aggregates.index"),
    Route(
        "POST",
        "/os-aggregates",
        create,
        RULE + "create",
        ok=200,
        body="aggregates.create",
        event="compute.aggregate.create",
    ),
    Route("GET", "/os-aggregates/{id}", show, RULE + "show", query="aggregates.show"),
    Route(
        "PUT",
        "/os-aggregates/{id}",
        update,
        RULE + "update",
        body="aggregates.update",
        event="compute.aggregate.update",
    ),
    Route("DELETE", "/os-aggregates/{id}", delete, RULE + "delete", event="compute.aggregate.delete"),
    _action(add_host, "add_host"),
    _action(remove_host, "remove_host"),
    _action(set_metadata, "set_metadata"),
)
