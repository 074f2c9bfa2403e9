"""Hypervisors: the hosts once more, as machines.

What a host has is what its agent told; what is used is what placement gave away, so that the numbers here
and the scheduler's never differ. Clients from before 2.53 know a hypervisor by a number.

Source: compute API reference, "Hypervisors"; capacity is not shown from 2.88 on, because placement tells it.
"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from monostack.compute import hosts, services
from monostack.compute.servers.rows import SERVERS
from monostack.kit import clock
from monostack.kit.agents import HOSTS as AGENTS
from monostack.kit.db import query
from monostack.kit.errors import Error
from monostack.kit.ids import is_uuid
from monostack.kit.resource import Field, Route
from monostack.kit.wire import boolean

RULE = "os_compute_api:os-hypervisors:"
WITH_UUIDS = (2, 53)
LAST_WITH_NUMBERS = (2, 52)
LAST_WITH_CAPACITY = (2, 87)
PAGES = (2, 33)
CPU_INFO_AS_TEXT = (2, 27)

_LOAD = query(
    sa.select(
        SERVERS.c.host,
        sa.func.count().label("servers"),
        sa.func.count(SERVERS.c.task_state).label("busy"),
    )
    .where(SERVERS.c.live == 1, SERVERS.c.host.is_not(None))
    .group_by(SERVERS.c.host)
)


def _service(row, request) -> dict[str, Any]:
    number = services.number_of(row)
    return {
        "id": row["service_id"] if request.version >= WITH_UUIDS else number,
        "host": row["name"],
        "disabled_reason": row["disabled_reason"],
    }


def _capacity(name: str, source: Any = None) -> Field:
    return Field(name, source, until=LAST_WITH_CAPACITY)


LISTED = (
    Field("id", "number", until=LAST_WITH_NUMBERS),
    Field("id", since=WITH_UUIDS),
    Field("hypervisor_hostname", "name"),
    Field("state", lambda row: "up" if row["up"] else "down"),
    Field("status", lambda row: "disabled" if row["disabled"] else "enabled"),
    Field("servers", omit_none=True),
)
WITH_UPTIME = (*LISTED, Field("uptime"))
DETAIL = (
    *LISTED,
    Field("hypervisor_type"),
    Field("hypervisor_version"),
    Field("host_ip"),
    Field("service", _service),
    _capacity("vcpus"),
    _capacity("memory_mb"),
    _capacity("local_gb"),
    _capacity("vcpus_used"),
    _capacity("memory_mb_used"),
    _capacity("local_gb_used"),
    _capacity("free_ram_mb"),
    _capacity("free_disk_gb"),
    _capacity("current_workload"),
    _capacity("running_vms"),
    _capacity("disk_available_least", "free_disk_gb"),
    Field(
        "cpu_info", lambda row: msgspec.json.encode(row["cpu_info"] or {}).decode(), until=CPU_INFO_AS_TEXT
    ),
    Field("cpu_info", lambda row: row["cpu_info"] or {}, since=(2, 28), until=LAST_WITH_CAPACITY),
    Field("uptime", since=(2, 88)),
)
SUMMED = (
    "vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used", "local_gb_used", "free_ram_mb",
    "free_disk_gb", "current_workload", "running_vms",
)  # fmt: skip


def index(request, db) -> dict[str, Any]:
    return _list(request, db, LISTED)


def detail(request, db) -> dict[str, Any]:
    return _list(request, db, DETAIL)


def show(request, db) -> dict[str, Any]:
    row = _find(request, db)
    _with_servers(request, db, [row], _wants_servers(request))
    return {"hypervisor": request.render(DETAIL, measured(db, [row])[0])}


def uptime(request, db) -> dict[str, Any]:
    row = _find(request, db)
    row["uptime"] = _uptime(db, row, _started(db))
    if row["uptime"] is None:
        raise Error(
            400, "ComputeServiceUnavailable", f"Compute service of {row['name']} is unavailable at this time."
        )
    _with_servers(request, db, [row], False)
    return {"hypervisor": request.render(WITH_UPTIME, row)}


def statistics(request, db) -> dict[str, Any]:
    """The sum over all hosts that are not disabled."""
    found = measured(db, [row for row in hosts.known(db) if not row["disabled"]])
    sums = {name: sum(row[name] or 0 for row in found) for name in SUMMED}
    return {
        "hypervisor_statistics": {"count": len(found)} | sums | {"disk_available_least": sums["free_disk_gb"]}
    }


def search(request, db) -> dict[str, Any]:
    return {"hypervisors": request.render_all(LISTED, _matching(request, db, False))}


def servers(request, db) -> dict[str, Any]:
    return {"hypervisors": request.render_all(LISTED, _matching(request, db, True))}


def _list(request, db, shown: tuple[Field, ...]) -> dict[str, Any]:
    pattern = request.query.get("hypervisor_hostname_pattern") if request.version >= WITH_UUIDS else None
    paged = request.version >= PAGES and ("limit" in request.query or "marker" in request.query)
    if pattern is not None and paged:
        raise Error(
            400,
            "BadRequest",
            "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.",
        )
    found = _named(db, pattern) if pattern is not None else hosts.known(db)
    limit = request.service.wire.limit(request) if paged else None
    if paged:
        found = _after(request, found)[:limit]
    _with_servers(request, db, found, _wants_servers(request))
    if shown is DETAIL:
        found = measured(db, found)
    answer = {"hypervisors": request.render_all(shown, found)}
    if paged and found and len(found) == limit:
        marker = str(answer["hypervisors"][-1]["id"])
        answer["hypervisors_links"] = [{"rel": "next", "href": request.next_url(marker, limit)}]
    return answer


def _after(request, found: list) -> list:
    marker = request.query.get("marker")
    if marker is None:
        return found
    key = "id" if request.version >= WITH_UUIDS else "number"
    places = [place for place, row in enumerate(found) if str(row[key]) == marker]
    if not places:
        raise request.service.wire.marker_missing(request, marker)
    return found[places[0] + 1 :]


def _matching(request, db, with_servers: bool) -> list:
    found = _named(db, request.path["id"])
    _with_servers(request, db, found, with_servers)
    return found


def _named(db, pattern: str) -> list:
    found = [row for row in hosts.known(db) if pattern.lower() in row["name"].lower()]
    if not found:
        raise Error(404, "NotFound", f"No hypervisor matching '{pattern}' could be found.")
    return found


def _find(request, db) -> Any:
    text = request.path["id"]
    if request.version >= WITH_UUIDS:
        key = "id"
        if not is_uuid(text):
            raise Error(400, "BadRequest", f"Invalid uuid {text}")
    else:
        key = "number"
    for row in hosts.known(db):
        if str(row[key]) == text:
            return row
    raise Error(404, "ComputeHostNotFound", f"Hypervisor with ID '{text}' could not be found.")


def _wants_servers(request) -> bool:
    return request.version >= WITH_UUIDS and boolean(request.query.get("with_servers", "false"))


def _with_servers(request, db, found: list, wanted: bool) -> None:
    """Name the servers of each host; before 2.75 a host without servers says nothing of them."""
    by_host: dict[str, list[dict[str, str]]] = {}
    names = [row["name"] for row in found]
    if wanted and names:
        for server in db.all(SERVERS, order=("created_at", "id"), host=names):
            by_host.setdefault(server["host"], []).append({"name": server["name"], "uuid": server["id"]})
    empty: list | None = [] if wanted and request.version >= (2, 75) else None
    for row in found:
        row["servers"] = by_host.get(row["name"], empty)


def measured(db, found: list) -> list[dict[str, Any]]:
    """The hosts with what is used of them."""
    load = {each["host"]: each for each in db.run(_LOAD)}
    started = _started(db)
    return [_measured(db, row, load.get(row["name"], {}), started) for row in found]


def _measured(db, row, load: dict[str, int], started: dict[str, str | None]) -> dict[str, Any]:
    from monostack import placement

    used = placement.usages(db, row["id"])
    kept = min(db.cloud.settings.compute.reserved_ram_mb, row["memory_mb"] // 2)
    memory_used = used.get("MEMORY_MB", 0) + kept
    disk_used = used.get("DISK_GB", 0)
    return row | {
        "vcpus_used": used.get("VCPU", 0),
        "memory_mb_used": memory_used,
        "local_gb_used": disk_used,
        "free_ram_mb": row["memory_mb"] - memory_used,
        "free_disk_gb": row["local_gb"] - disk_used,
        "running_vms": load.get("servers", 0),
        "current_workload": load.get("busy", 0),
        "uptime": _uptime(db, row, started),
    }


def _started(db) -> dict[str, str | None]:
    """When each host's agent said hello."""
    return {agent["name"]: agent["started_at"] for agent in db.all(AGENTS)}


def _uptime(db, row, started: dict[str, str | None]) -> str | None:
    """How long the host has been serving, in the words of `uptime`; None when it is not up."""
    since = started.get(row["name"])
    if since is None or not row["up"]:
        return None
    minutes = int(clock.seconds(db.now) - clock.seconds(since)) // 60
    days, rest = divmod(minutes, 24 * 60)
    return f" {db.now[11:19]} up {days} days, {rest // 60:2d}:{rest % 60:02d}"


ROUTES = (
    Route("GET", "/os-hypervisors", index, RULE + "list", query="hypervisors.index"),
    Route("GET", "/os-hypervisors/detail", detail, RULE + "list-detail", query="hypervisors.detail"),
    Route("GET", "/os-hypervisors/statistics", statistics, RULE + "statistics", until=LAST_WITH_CAPACITY),
    Route("GET", "/os-hypervisors/{id}", show, RULE + "show", query="hypervisors.show"),
    Route("GET", "/os-hypervisors/{id}/uptime", uptime, RULE + "uptime", until=LAST_WITH_CAPACITY),
    Route("GET", "/os-hypervisors/{id}/search", search, RULE + "search", until=LAST_WITH_NUMBERS),
    Route("GET", "/os-hypervisors/{id}/servers", servers, RULE + "servers", until=LAST_WITH_NUMBERS),
)
