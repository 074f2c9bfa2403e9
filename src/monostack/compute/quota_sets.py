"""Quota sets: how much a project may have, shown to it and changed by an operator.

Which of the limits are shown depends on the age of the client. What networking counts (addresses, security
groups) was once changed here; its names are still taken until 2.35 and change nothing, and are shown as
unlimited.

Source: compute API reference, "Quota sets".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monostack.compute import quotas, server_groups, user_limits
from monostack.kit import quota
from monostack.kit.errors import Error
from monostack.kit.resource import Field, Response, Route
from monostack.kit.wire import boolean

RULE = "os_compute_api:os-quota-sets:"
NETWORKING = (2, 35)
FILES = (2, 56)
ELSEWHERE = ("fixed_ips", "floating_ips", "security_group_rules", "security_groups")
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
    return {"quota_set": request.render(SHOWN, _limits(request, db, project_id) | {"id": project_id})}


def detail(request, db) -> dict[str, Any]:
    """Each limit with what is in use; what is limited for each server or key owner is not in use by a
    project."""
    project_id = _project(request, db)
    used = _used(request, db, project_id)
    row: dict[str, Any] = {
        name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
        for name, limit in _limits(request, db, project_id).items()
    }
    return {"quota_set": request.render(SHOWN, row | {"id": project_id})}


def defaults(request, db) -> dict[str, Any]:
    project_id = _project(request, db)
    limits = with_elsewhere(quota.limits(db, quotas.SERVICE, "", quotas.DEFAULTS))
    return {"quota_set": request.render(SHOWN, limits | {"id": project_id})}


def update(request, tx) -> dict[str, Any]:
    """Set limits of the project, or with user_id of one user in it."""
    project_id, user_id = _project(request, tx), request.query.get("user_id")
    asked = dict(request.body["quota_set"])
    force = boolean(str(asked.pop("force", False)))
    wanted = {name: int(value) for name, value in asked.items() if name not in ELSEWHERE}
    if not force:
        _demand_room(wanted, _used(request, tx, project_id))
    if user_id is None:
        for name, limit in wanted.items():
            quota.set_limit(tx, quotas.SERVICE, project_id, name, limit)
    else:
        _demand_for_user(tx, project_id, wanted, force)
        quota.lock(tx, quotas.SERVICE, project_id)
        user_limits.put(tx, project_id, user_id[:64], wanted)
    return {"quota_set": request.render(SET, _limits(request, tx, project_id))}


def delete(request, tx) -> Response:
    """Back to the defaults, or with user_id to what the project has."""
    project_id, user_id = request.path["id"], request.query.get("user_id")
    user_limits.reset(tx, project_id, user_id)
    if user_id is None:
        quota.reset(tx, quotas.SERVICE, project_id)
    return Response(202)


def with_elsewhere(limits: Mapping[str, int]) -> dict[str, int]:
    """Limits as they are shown, those that networking counts included."""
    return dict(limits) | dict.fromkeys(ELSEWHERE, quota.UNLIMITED)


def _limits(request, db, project_id: str) -> dict[str, int]:
    """What is in force for the project, or for the user whom the query names."""
    limits = quota.limits(db, quotas.SERVICE, project_id, quotas.DEFAULTS)
    user_id = request.query.get("user_id")
    if user_id is not None:
        limits |= user_limits.of(db, project_id, user_id)
    return with_elsewhere(limits)


def _used(request, db, project_id: str) -> dict[str, int]:
    user_id = request.query.get("user_id")
    if user_id is not None:
        return user_limits.used(db, project_id, user_id)
    return quotas.used(db, project_id) | {"server_groups": server_groups.count(db, project_id)}


def _demand_for_user(db, project_id: str, wanted: Mapping[str, int], force: bool) -> None:
    """A user is limited in what servers take, and below the project."""
    others = sorted(set(wanted) - set(user_limits.RESOURCES))
    if others:
        raise Error(
            400,
            "BadRequest",
            f"{', '.join(others)} cannot be limited for a user, only for a project. For a user there are: "
            f"{', '.join(user_limits.RESOURCES)}.",
        )
    project = quota.limits(db, quotas.SERVICE, project_id, quotas.DEFAULTS)
    for name, limit in wanted.items():
        most = project[name]
        if not force and most != quota.UNLIMITED and (limit > most or limit == quota.UNLIMITED):
            raise Error(
                400, "BadRequest", f"Quota limit {limit} for {name} must be less than or equal to {most}."
            )


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
