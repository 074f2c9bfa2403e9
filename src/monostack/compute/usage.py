"""Usage: how many hours of what a project's servers have run, in a period.

Computed from the servers' own rows, deleted ones included: a server counts from when it first ran until it
ended, with the flavor that it had. Nothing is sampled, so nothing can be missed.

Source: compute API reference, "Usage reports"; pages of servers from 2.40 on.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from monostack.compute.servers.rows import SERVERS
from monostack.kit import clock
from monostack.kit.db import query
from monostack.kit.errors import Error
from monostack.kit.resource import Response, Route

RULE = "os_compute_api:os-simple-tenant-usage:"
WEEKS = 4
HOUR = 3600.0
PAGES = (2, 40)

_DURING = (
    SERVERS.c.launched_at.is_not(None),
    SERVERS.c.launched_at <= sa.bindparam("stop"),
    sa.or_(SERVERS.c.terminated_at.is_(None), SERVERS.c.terminated_at >= sa.bindparam("start")),
)
_OF_ALL = query(sa.select(SERVERS).where(*_DURING).order_by(SERVERS.c.created_at, SERVERS.c.id))
_OF_ONE = query(
    sa.select(SERVERS)
    .where(SERVERS.c.project_id == sa.bindparam("project"), *_DURING)
    .order_by(SERVERS.c.created_at, SERVERS.c.id)
)


def target(request, db) -> dict[str, str]:
    return {"project_id": request.path["id"]}


def index(request, db) -> dict[str, Any] | Response:
    if request.full_path.endswith("/"):
        return request.service.wire.no_route(request)  # a project without a name, not all of them
    start, stop = _period(request, db)
    found, links = _page(request, db.run(_OF_ALL, start=start, stop=stop), "tenant_usages_links")
    detailed = request.query.get("detailed") == "1"
    by_project: dict[str, list] = {}
    for row in found:
        by_project.setdefault(row["project_id"], []).append(row)
    usages = [_usage(db, project_id, of, start, stop) for project_id, of in by_project.items()]
    if not detailed:
        for each in usages:
            del each["server_usages"]
    return {"tenant_usages": usages} | links


def show(request, db) -> dict[str, Any]:
    start, stop = _period(request, db)
    project_id = request.path["id"]
    servers = db.run(_OF_ONE, project=project_id, start=start, stop=stop)
    found, links = _page(request, servers, "tenant_usage_links")
    return {"tenant_usage": _usage(db, project_id, found, start, stop) if found else {}} | links


def _usage(db, project_id: str, servers: list, start: str, stop: str) -> dict[str, Any]:
    used = [_server(row, db.now, start, stop) for row in servers]
    return {
        "tenant_id": project_id,
        "start": start,
        "stop": stop,
        "server_usages": used,
        "total_hours": sum(each["hours"] for each in used),
        "total_vcpus_usage": sum(each["hours"] * each["vcpus"] for each in used),
        "total_memory_mb_usage": sum(each["hours"] * each["memory_mb"] for each in used),
        "total_local_gb_usage": sum(each["hours"] * each["local_gb"] for each in used),
    }


def _server(row, now: str, start: str, stop: str) -> dict[str, Any]:
    begun, ended, flavor = row["launched_at"], row["terminated_at"], row["flavor"]
    counted = _between(max(begun, start), min(ended or now, stop))
    return {
        "instance_id": row["id"],
        "name": row["name"],
        "tenant_id": row["project_id"],
        "flavor": flavor["original_name"],
        "vcpus": flavor["vcpus"],
        "memory_mb": flavor["ram"],
        "local_gb": flavor["disk"] + flavor["ephemeral"],
        "state": "terminated" if ended else row["vm_state"],
        "started_at": begun,
        "ended_at": ended,
        "hours": counted / HOUR,
        "uptime": int(_between(begun, ended or now)),
    }


def _between(begin: str, end: str) -> float:
    return max(0.0, clock.seconds(end) - clock.seconds(begin))


def _period(request, db) -> tuple[str, str]:
    """What is asked for; by default the four weeks until now."""
    stop = _moment(request.query.get("end")) or db.now
    start = _moment(request.query.get("start"))
    if start is None:
        start = clock.from_seconds(clock.seconds(stop) - WEEKS * 7 * 24 * HOUR)
    if start > stop:
        raise Error(400, "BadRequest", "Invalid start time. The start time cannot occur after the end time.")
    return start, stop


def _moment(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return clock.parse(text)
    except ValueError:
        raise Error(400, "BadRequest", "Datetime is in invalid format") from None


def _page(request, found: list, key: str) -> tuple[list, dict[str, Any]]:
    """Pages are of servers, not of projects; the marker is a server."""
    if request.version < PAGES:
        return found, {}
    marker, limit = request.query.get("marker"), request.service.wire.limit(request)
    if marker is not None:
        ids = [row["id"] for row in found]
        if marker not in ids:
            raise request.service.wire.marker_missing(request, marker)
        found = found[ids.index(marker) + 1 :]
    page = found[:limit]
    if not page or len(page) != limit:
        return page, {}
    return page, {key: [{"rel": "next", "href": request.next_url(page[-1]["id"], limit)}]}


ROUTES = (
    Route("GET", "/os-simple-tenant-usage", index, RULE + "list", query="simple_tenant_usage.index"),
    Route(
        "GET",
        "/os-simple-tenant-usage/{id}",
        show,
        RULE + "show",
        query="simple_tenant_usage.show",
        target=target,
    ),
)
