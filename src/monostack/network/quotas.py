"""Quotas: how much each project may have, shown, changed and reset.

Source: networking API reference, "Quotas extension", "Quotas details extension".
"""

from __future__ import annotations

from typing import Any

from monostack.kit import quota
from monostack.kit.errors import Error
from monostack.kit.resource import ANYONE, Route
from monostack.network.attributes import bad
from monostack.network.limits import DEFAULTS, SERVICE, used

LARGEST = 2**31 - 1
SWITCHES = ("force", "check_limit")


def target(request, db) -> dict[str, Any]:
    project_id = request.path["project_id"]
    return {"project_id": project_id, "tenant_id": project_id}


def limits(db, project_id: str) -> dict[str, int]:
    return quota.limits(db, SERVICE, project_id, DEFAULTS)


def index(request, db) -> dict[str, Any]:
    """The quotas of all projects that have others than the defaults."""
    projects = sorted(
        {row["project_id"] for row in db.all(quota.LIMITS, service=SERVICE) if row["project_id"]}
    )
    if not request.caller.admin:
        projects = [each for each in projects if each == request.caller.project_id]
    return {"quotas": [limits(db, each) | {"project_id": each, "tenant_id": each} for each in projects]}


def mine(request, db) -> dict[str, Any]:
    """Whose quotas `/quotas/{id}` without a number would be."""
    project_id = request.caller.project_id
    return {"tenant": {"tenant_id": project_id, "project_id": project_id}}


def show(request, db) -> dict[str, Any]:
    return {"quota": limits(db, request.path["project_id"])}


def default(request, db) -> dict[str, Any]:
    return {"quota": limits(db, "")}


def details(request, db) -> dict[str, Any]:
    project_id = request.path["project_id"]
    counts = used(db, project_id, DEFAULTS)
    return {
        "quota": {
            name: {"limit": limit, "used": counts[name], "reserved": 0}
            for name, limit in limits(db, project_id).items()
        }
    }


def _asked(request) -> tuple[dict[str, int], bool]:
    body = request.body
    sent = body.get("quota") if isinstance(body, dict) else None
    if not isinstance(sent, dict):
        raise bad("Unable to find 'quota' in request body")
    unknown = [
        name for name in sent if name not in DEFAULTS and name not in (*SWITCHES, "tenant_id", "project_id")
    ]
    if unknown:
        raise bad(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    out = {}
    for name in DEFAULTS.keys() & sent.keys():
        value = sent[name]
        if isinstance(value, str) and value.lstrip("-").isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not -1 <= value <= LARGEST:
            raise bad(
                f"Invalid input for {name}. Reason: '{sent[name]}' is not an integer from -1 to {LARGEST}."
            )
        out[name] = value
    return out, bool(sent.get("check_limit"))


def update(request, tx) -> dict[str, Any]:
    project_id = request.path["project_id"]
    wanted, check = _asked(request)
    if check:
        counts = used(tx, project_id, wanted)
        for name, value in wanted.items():
            if 0 <= value < counts[name]:
                raise Error(
                    400,
                    "InvalidInput",
                    f"Invalid input for operation: {name} may not be limited to {value}: "
                    f"the project has {counts[name]} already.",
                )
    for name, value in wanted.items():
        quota.set_limit(tx, SERVICE, project_id, name, value)
    return {"quota": limits(tx, project_id)}


def delete(request, tx) -> None:
    project_id = request.path["project_id"]
    if tx.count(quota.LIMITS, service=SERVICE, project_id=project_id) == 0:
        raise Error(404, "TenantQuotaNotFound", f"Quota for tenant {project_id} could not be found.")
    quota.reset(tx, SERVICE, project_id)


ONE = "/v2.0/quotas/{project_id}"

ROUTES = (
    Route("GET", "/v2.0/quotas", index, "get_quota"),
    Route("GET", "/v2.0/quotas/tenant", mine, ANYONE),
    Route("GET", "/v2.0/quotas/project", mine, ANYONE),
    Route("GET", ONE, show, "get_quota", target=target),
    Route("PUT", ONE, update, "update_quota", target=target, event="network.quota.update"),
    Route("DELETE", ONE, delete, "delete_quota", target=target, event="network.quota.delete"),
    Route("GET", ONE + "/default", default, "get_quota", target=target),
    Route("GET", ONE + "/details", details, "get_quota", target=target),
    Route("GET", ONE + "/details.json", details, "get_quota", target=target),
)
