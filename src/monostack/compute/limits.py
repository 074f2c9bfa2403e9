"""Limits: how much the caller's project may have and has, in one answer, for those who show it to people.

The names are older than the quotas' and stay. There is no rate limit; the empty list says so.

Source: compute API reference, "Limits". What networking and images count was dropped with 2.36, 2.39 and
2.57; until then it is shown as unlimited and unused, because it is not counted here.
"""

from __future__ import annotations

from typing import Any

from monostack.compute import quotas, server_groups
from monostack.kit import quota
from monostack.kit.resource import Field, Route

NETWORKING = (2, 35)
IMAGES = (2, 38)
FILES = (2, 56)

ABSOLUTE = (
    Field("maxImageMeta", "metadata_items", until=IMAGES),
    Field("maxPersonality", "injected_files", until=FILES),
    Field("maxPersonalitySize", "injected_file_content_bytes", until=FILES),
    Field("maxSecurityGroupRules", lambda row: quota.UNLIMITED, until=NETWORKING),
    Field("maxSecurityGroups", lambda row: quota.UNLIMITED, until=NETWORKING),
    Field("maxServerMeta", "metadata_items"),
    Field("maxTotalCores", "cores"),
    Field("maxTotalFloatingIps", lambda row: quota.UNLIMITED, until=NETWORKING),
    Field("maxTotalInstances", "instances"),
    Field("maxTotalKeypairs", "key_pairs"),
    Field("maxTotalRAMSize", "ram"),
    Field("maxServerGroups", "server_groups"),
    Field("maxServerGroupMembers", "server_group_members"),
    Field("totalRAMUsed", lambda row: row["used"]["ram"]),
    Field("totalCoresUsed", lambda row: row["used"]["cores"]),
    Field("totalInstancesUsed", lambda row: row["used"]["instances"]),
    Field("totalServerGroupsUsed", lambda row: row["used"]["server_groups"]),
    Field("totalFloatingIpsUsed", lambda row: 0, until=NETWORKING),
    Field("totalSecurityGroupsUsed", lambda row: 0, until=NETWORKING),
)


def index(request, db) -> dict[str, Any]:
    project_id = request.query.get("tenant_id")
    if project_id is None:
        project_id = request.caller.project_id
    elif project_id != request.caller.project_id:
        request.demand("os_compute_api:limits:other_project", {"project_id": project_id})
    row: dict[str, Any] = quota.limits(db, quotas.SERVICE, project_id, quotas.DEFAULTS)
    row["used"] = quotas.used(db, project_id) | {"server_groups": server_groups.count(db, project_id)}
    return {"limits": {"rate": [], "absolute": request.render(ABSOLUTE, row)}}


ROUTES = (Route("GET", "/limits", index, "os_compute_api:limits", query="limits.index"),)
