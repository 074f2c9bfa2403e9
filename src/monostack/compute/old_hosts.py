"""Hosts as operators asked for them before services and hypervisors were apart: until 2.42.

Switching a host on and off was never something that a hypervisor like ours could do; the answer says so
(501).

Source: compute API reference, "Hosts" (deprecated).
"""

from __future__ import annotations

from typing import Any

from monostack.compute import hosts, hypervisors, services
from monostack.compute.servers.rows import SERVERS
from monostack.kit.errors import Error
from monostack.kit.resource import Route

RULE = "os_compute_api:os-hosts:"
LAST = (2, 42)
NAMES = {services.COMPUTE: "compute", "nova-scheduler": "scheduler", "nova-conductor": "conductor"}


def index(request, db) -> dict[str, Any]:
    zone = request.query.get("zone")
    return {
        "hosts": [
            {"host_name": each["host"], "service": NAMES[each["binary"]], "zone": each["zone"]}
            for each in services.everything(db)
            if not zone or each["zone"] == zone
        ]
    }


def show(request, db) -> dict[str, Any]:
    """What the host has, what is taken now, and what its servers may take, in all and by project."""
    (row,) = hypervisors.measured(db, [_known(request, db)])
    by_project: dict[str, list[int]] = {}
    largest = [0, 0, 0]
    for server in db.all(SERVERS, order="created_at", host=row["name"]):
        flavor = server["flavor"]
        size = (flavor["vcpus"], flavor["ram"], flavor["disk"] + flavor["ephemeral"])
        sums = by_project.setdefault(server["project_id"], [0, 0, 0])
        for position, amount in enumerate(size):
            sums[position] += amount
            largest[position] += amount
    parts = {
        "(total)": (row["vcpus"], row["memory_mb"], row["local_gb"]),
        "(used_now)": (row["vcpus_used"], row["memory_mb_used"], row["local_gb_used"]),
        "(used_max)": largest,
    } | by_project
    return {"host": [_resource(row["name"], project, size) for project, size in parts.items()]}


def _resource(host: str, project: str, size) -> dict[str, Any]:
    cpu, memory_mb, disk_gb = size
    amounts = {"cpu": cpu, "memory_mb": memory_mb, "disk_gb": disk_gb}
    return {"resource": {"host": host, "project": project} | amounts}


def update(request, tx) -> dict[str, Any]:
    """Let the host take servers, or no longer."""
    row, asked = _known(request, tx), request.body
    if "maintenance_mode" in asked:
        raise _not_implemented("put a host into maintenance: disable it")
    enabled = asked["status"].lower() == "enable"
    host = tx.one(hosts.HOSTS, id=row["id"])
    tx.set(host, disabled=not enabled, disabled_reason=None)
    hosts.offer(tx, host)
    request.subject = host["service_id"]
    return {"host": row["name"], "status": "enabled" if enabled else "disabled"}


def power(request, db) -> None:
    _known(request, db)
    raise _not_implemented("switch a host on or off")


def _known(request, db) -> Any:
    name = request.path["id"]
    for row in hosts.known(db):
        if row["name"] == name:
            return row
    raise Error(404, "ComputeHostNotFound", f"Compute host {name} could not be found.")


def _not_implemented(what: str) -> Error:
    return Error(501, "NotImplemented", f"This cloud cannot {what}.")


ROUTES = (
    Route("GET", "/os-hosts", index, RULE + "list", until=LAST, query="hosts.index"),
    Route("GET", "/os-hosts/{id}", show, RULE + "show", until=LAST),
    Route(
        "PUT",
        "/os-hosts/{id}",
        update,
        RULE + "update",
        until=LAST,
        body="hosts.update",
        event="compute.service.update",
    ),
    Route("GET", "/os-hosts/{id}/startup", power, RULE + "start", until=LAST),
    Route("GET", "/os-hosts/{id}/shutdown", power, RULE + "shutdown", until=LAST),
    Route("GET", "/os-hosts/{id}/reboot", power, RULE + "reboot", until=LAST),
)
