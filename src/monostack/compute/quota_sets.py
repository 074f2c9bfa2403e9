"""Quota sets: how much a project may have, shown to it and changed by an operator.

Which of the limits are shown depends on the age of the client. What networking counts (addresses, security
groups) was once changed here; its names are still taken until 2.35 and change nothing, and are shown as
unlimited.

Source: compute API reference, "Quota sets".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monostack.compute import quotas, server_groups
from monostack.kit import quota
from monostack.kit.errors import Error
from monostack.kit.resource import Field, Response, Route
from monostack.kit.wire import boolean

RULE = "os_compute_api:os-quota-sets:"
NETWORKING = (2, 35)
FILES = (2, 56)
ELSEWHERE = ("fixed_ips", "floating_ips", "security_group_rules", "security_groups")
NEW_LIMITS_FOR_USERS = (
    "This cloud keeps quotas for projects, not for single users in them: leave user_id out, or give the user "
    "a project of their own."
)

SET = (
    Field("cores"),
    Field("fixed_ips", until=NETWORKING),
    Field("floating_ips", until=NETWORKING),
    Field("injected_file_content_bytes", until=FILES),
    Field("injected_file_path_bytes", until=FILES),
    Field("injected_files", until=FILES),
    Field("instances"),
    Field("key_pairs"),
    Field("metadata_items"),
    Field("ram"),
    Field("security_group_rules", until=NETWORKING),
    Field("security_groups", until=NETWORKING),
    Field("server_group_members"),
    Field("server_groups"),
)
SHOWN = (Field("id"), *SET)


def target(request, db) -> dict[str, str]:
    return {"project_id": request.path["id"]}


def show(request, db) -> dict[str, Any]:
    project_id = _project(request, db)
    return {"quota_set": request.render(SHOWN, _limits(db, project_id) | {"id": project_id})}


def detail(request, db) -> dict[str, Any]:
    """Each limit with what is in use; what is limited for each server or key owner is not in use by a
    project."""
    project_id = _project(request, db)
    used = _used(db, project_id)
    row: dict[str, Any] = {
        name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
        for name, limit in _limits(db, project_id).items()
    }
    return {"quota_set": request.render(SHOWN, row | {"id": project_id})}


def defaults(request, db) -> dict[str, Any]:
    project_id = _project(request, db)
    return {"quota_set": request.render(SHOWN, _limits(db, "") | {"id": project_id})}


def update(request, tx) -> dict[str, Any]:
    project_id = _project(request, tx)
    if "user_id" in request.query:
        raise Error(400, "BadRequest", NEW_LIMITS_FOR_USERS)
    asked = dict(request.body["quota_set"])
    force = boolean(str(asked.pop("force", False)))
    wanted = {name: int(value) for name, value in asked.items() if name not in ELSEWHERE}
    if not force:
        _demand_room(wanted, _used(tx, project_id))
    for name, limit in wanted.items():
        quota.set_limit(tx, quotas.SERVICE, project_id, name, limit)
    return {"quota_set": request.render(SET, _limits(tx, project_id))}


def delete(request, tx) -> Response:
    """Back to the defaults."""
    if "user_id" not in request.query:
        quota.reset(tx, quotas.SERVICE, request.path["id"])
    return Response(202)


def with_elsewhere(limits: Mapping[str, int]) -> dict[str, int]:
    """Limits as they are shown, those that networking counts included."""
    return dict(limits) | dict.fromkeys(ELSEWHERE, quota.UNLIMITED)


def _limits(db, project_id: str) -> dict[str, int]:
    return with_elsewhere(quota.limits(db, quotas.SERVICE, project_id, quotas.DEFAULTS))


def _used(db, project_id: str) -> dict[str, int]:
    return quotas.used(db, project_id) | {"server_groups": server_groups.count(db, project_id)}


def _demand_room(wanted: Mapping[str, int], used: Mapping[str, int]) -> None:
    """A limit below what is in use would be a trap; `force` sets it all the same."""
    for name, limit in wanted.items():
        if quota.UNLIMITED != limit < used.get(name, 0):
            raise Error(
                400,
                "BadRequest",
                f"Quota limit {limit} for {name} must be greater than or equal to already used and reserved "
                f"{used[name]}.",
            )


def _project(request, db) -> str:
    """The project of the path, which must exist for an administrator; others see only their own."""
    project_id = request.path["id"]
    from monostack import identity

    if identity.project(db, project_id) is None:
        raise Error(400, "BadRequest", f"Project ID {project_id} is not a valid project.")
    return project_id


ROUTES = (
    Route("GET", "/os-quota-sets/{id}", show, RULE + "show", query="quota_sets.show", target=target),
    Route(
        "GET", "/os-quota-sets/{id}/detail", detail, RULE + "detail", query="quota_sets.detail", target=target
    ),
    Route(
        "GET",
        "/os-quota-sets/{id}/defaults",
        defaults,
        RULE + "defaults",
        query="quota_sets.defaults",
        target=target,
    ),
    Route(
        "PUT",
        "/os-quota-sets/{id}",
        update,
        RULE + "update",
        body="quota_sets.update",
        query="quota_sets.update",
        target=target,
        event="compute.quota.update",
    ),
    Route(
        "DELETE",
        "/os-quota-sets/{id}",
        delete,
        RULE + "delete",
        query="quota_sets.delete",
        target=target,
        event="compute.quota.delete",
    ),
)
