"""Extensions: what this networking has beyond the core, and nothing that it has not.

Clients ask here before they use something, so the list is a promise: an alias stands in it when its
attributes and operations are built. Names and dates are the published ones (extensions.json).

Source: networking API reference, "Extensions".
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from monostack.kit.errors import Error
from monostack.kit.resource import ANYONE, Route

BUILT = (
    "aap-reject-multicast",
    "address-scope",
    "auto-allocated-topology",
    "default-subnetpools",
    "rbac-policies",
    "rbac-address-scope",
    "rbac-security-groups",
    "rbac-subnetpool",
    "subnet_allocation",
    "subnetpool-prefix-ops",
    "agent",
    "allowed-address-pairs",
    "availability_zone",
    "binding",
    "empty-string-filtering",
    "ext-gw-mode",
    "external-net",
    "extra_dhcp_opt",
    "extraroute",
    "extraroute-atomic",
    "filter-validation",
    "fip-port-details",
    "ip-substring-filtering",
    "ip_allocation",
    "l2_adjacency",
    "l3_agent_scheduler",
    "net-mtu",
    "net-mtu-writable",
    "network-ip-availability",
    "network-ip-availability-details",
    "network_availability_zone",
    "pagination",
    "port-mac-address-regenerate",
    "port-security",
    "port-security-groups-filtering",
    "project-id",
    "provider",
    "quota-check-limit",
    "quota_details",
    "quotas",
    "revision-if-match",
    "router",
    "router_availability_zone",
    "security-group",
    "security-groups-normalized-cidr",
    "security-groups-rules-belongs-to-default-sg",
    "service-type",
    "sorting",
    "standard-attr-description",
    "standard-attr-revisions",
    "standard-attr-tag",
    "standard-attr-timestamp",
    "stateful-security-group",
    "subnet-external-network",
    "subnet-service-types",
    "tag-creation",
)


@cache
def known() -> dict[str, dict[str, Any]]:
    """alias -> what is shown of it."""
    published = json.loads((Path(__file__).parent / "extensions.json").read_text())["extensions"]
    return {
        alias: {
            "alias": alias,
            "name": published[alias]["name"],
            "description": published[alias]["name"],
            "updated": published[alias]["updated"],
            "links": [],
        }
        for alias in BUILT
    }


def index(request, db) -> dict[str, Any]:
    only = set(request.query_all("fields"))
    found = list(known().values())
    if only:
        found = [{name: value for name, value in each.items() if name in only} for each in found]
    return {"extensions": found}


def show(request, db) -> dict[str, Any]:
    alias = request.path["alias"]
    found = known().get(alias)
    if found is None:
        raise Error(404, "HTTPNotFound", f"Extension with alias {alias} does not exist")
    return {"extension": found}


def providers(request, db) -> dict[str, Any]:
    """One way to carry a router: on a single host."""
    return {"service_providers": [{"service_type": "L3_ROUTER_NAT", "name": "single_node", "default": True}]}


ROUTES = (
    Route("GET", "/v2.0/extensions", index, ANYONE),
    Route("GET", "/v2.0/extensions/{alias}", show, ANYONE),
    Route("GET", "/v2.0/service-providers", providers, "get_service_provider"),
)
