"""Requests on endpoint filters and policy associations."""

from __future__ import annotations

from typing import Any

from tests.contract.every_operation import Operation
from tests.contract.maker import Maker

BODIES: dict[str, Any] = {
    "POST /v3/OS-EP-FILTER/endpoint_groups": {
        "endpoint_group": {"name": "another", "filters": {"interface": "admin"}}
    },
    "PATCH /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}": {"endpoint_group": {"name": "other"}},
}


def meant(operation: Operation, segment: str) -> str:
    """What is given already, where it is looked at or taken; something else, where it is given."""
    if "OS-EP-FILTER" in operation.pattern and operation.route.method == "PUT":
        return {"{project_id}": "other"}.get(segment, "")
    return ""


def make(maker: Maker, ids: dict[str, Any]) -> None:
    asked = {"endpoint_group": {"name": "group", "filters": {"interface": "public"}}}
    group = maker.post("identity", "/OS-EP-FILTER/endpoint_groups", asked, "admin")["id"]
    ids["identity endpoint_groups"] = group
    project, endpoint = ids["project"], ids["identity endpoints"]
    policy = f"/policies/{ids['identity policies']}/OS-ENDPOINT-POLICY"
    service = f"services/{ids['service_id']}"
    for path in (
        f"/OS-EP-FILTER/endpoint_groups/{group}/projects/{project}",
        f"/OS-EP-FILTER/projects/{project}/endpoints/{endpoint}",
        f"{policy}/endpoints/{endpoint}",
        f"{policy}/{service}",
        f"{policy}/{service}/regions/{ids['identity regions']}",
    ):
        maker.post("identity", path, None, "admin", "PUT")
