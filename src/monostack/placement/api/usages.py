"""Usages: what is taken, of a provider or by a project."""

import sqlalchemy as sa

from monostack.kit.db import query
from monostack.kit.resource import Route
from monostack.placement import claims
from monostack.placement.api.providers import find
from monostack.placement.tables import ALLOCATIONS, CONSUMERS
from monostack.placement.wire import WIRE

UNKNOWN = "unknown"


def _taken_by(*conditions):
    """What consumers took, summed by their type and the resource class."""
    return query(
        sa.select(
            CONSUMERS.c.type, ALLOCATIONS.c.resource_class, sa.func.sum(ALLOCATIONS.c.used).label("used")
        )
        .join(CONSUMERS, CONSUMERS.c.id == ALLOCATIONS.c.consumer_id)
        .where(CONSUMERS.c.project_id == sa.bindparam("project"), *conditions)
        .group_by(CONSUMERS.c.type, ALLOCATIONS.c.resource_class)
        .order_by(ALLOCATIONS.c.resource_class)
    )


def _consumers(*conditions):
    """How many consumers there are of each type."""
    return query(
        sa.select(CONSUMERS.c.type, sa.func.count().label("count"))
        .where(CONSUMERS.c.project_id == sa.bindparam("project"), *conditions)
        .group_by(CONSUMERS.c.type)
    )


OF_USER = CONSUMERS.c.user_id == sa.bindparam("user")
BY_PROJECT, BY_USER = _taken_by(), _taken_by(OF_USER)
COUNT_BY_PROJECT, COUNT_BY_USER = _consumers(), _consumers(OF_USER)


def of_provider(request, db):
    provider = find(db, request.path["id"])
    WIRE.dated(request)
    return {
        "resource_provider_generation": provider["generation"],
        "usages": claims.usages(db, provider["id"]),
    }


def asked_project(request, db):
    """The project whose usage is asked for."""
    return {"project_id": request.query.get("project_id")}


def of_project(request, db):
    given = {"project": request.query["project_id"]}
    by_user = "user_id" in request.query
    if by_user:
        given["user"] = request.query["user_id"]
    rows = db.run(BY_USER if by_user else BY_PROJECT, **given)
    WIRE.dated(request)
    if request.version < (1, 38):
        out: dict[str, int] = {}
        for row in rows:
            out[row["resource_class"]] = out.get(row["resource_class"], 0) + int(row["used"])
        return {"usages": out}
    counts = {
        row["type"] or UNKNOWN: row["count"]
        for row in db.run(COUNT_BY_USER if by_user else COUNT_BY_PROJECT, **given)
    }
    return {"usages": _by_type(rows, counts, request.query.get("consumer_type"))}


def _by_type(rows: list, counts: dict[str, int], wanted: str | None) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    for row in rows:
        kind = row["type"] or UNKNOWN
        if wanted not in (None, "all", kind):
            continue
        key = "all" if wanted == "all" else kind
        count = sum(counts.values()) if wanted == "all" else counts[kind]
        each = out.setdefault(key, {"consumer_count": count})
        each[row["resource_class"]] = each.get(row["resource_class"], 0) + int(row["used"])
    return out


ROUTES = (
    Route("GET", "/resource_providers/{id}/usages", of_provider, "placement:resource_providers:usages"),
    Route(
        "GET",
        "/usages",
        of_project,
        "placement:usages",
        since=(1, 9),
        query="usages.index",
        target=asked_project,
    ),
)
