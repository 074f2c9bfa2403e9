"""Network's requests: the member's networks and all that stands on them, some joined together, some free."""

from __future__ import annotations

from typing import Any

from tests.contract.every_operation import Operation
from tests.contract.maker import Maker

TAGS = {"tags": ["red"]}
TAGGED = ("networks", "subnets", "ports", "security-groups", "routers", "floatingips", "subnetpools")

BODIES: dict[str, Any] = {
    "POST /v2.0/networks": {"network": {"name": "new"}},
    "PUT /v2.0/networks/{id}": {"network": {"name": "b"}},
    "POST /v2.0/subnets": {
        "subnet": {"network_id": "$network", "cidr": "10.77.0.0/24", "ip_version": 4}
    },
    "PUT /v2.0/subnets/{id}": {"subnet": {"name": "b"}},
    "POST /v2.0/ports": {"port": {"network_id": "$network"}},
    "PUT /v2.0/ports/{id}": {"port": {"name": "b"}},
    "POST /v2.0/security-groups": {"security_group": {"name": "new"}},
    "PUT /v2.0/security-groups/{id}": {"security_group": {"name": "b"}},
    "POST /v2.0/security-group-rules": {
        "security_group_rule": {
            "security_group_id": "$security_group", "direction": "ingress", "protocol": "tcp",
            "port_range_min": 80, "port_range_max": 80,
        }
    },
    "POST /v2.0/routers": {"router": {"name": "new"}},
    "PUT /v2.0/routers/{id}": {"router": {"name": "b"}},
    "PUT /v2.0/routers/{id}/add_router_interface": {"subnet_id": "$second_subnet"},
    "PUT /v2.0/routers/{id}/remove_router_interface": {"subnet_id": "$subnet"},
    "PUT /v2.0/routers/{id}/add_extraroutes": {
        "router": {"routes": [{"destination": "10.99.0.0/24", "nexthop": "10.9.0.9"}]}
    },
    "PUT /v2.0/routers/{id}/remove_extraroutes": {
        "router": {"routes": [{"destination": "10.99.0.0/24", "nexthop": "10.9.0.9"}]}
    },
    "POST /v2.0/floatingips": {"floatingip": {"floating_network_id": "$public"}},
    "PUT /v2.0/floatingips/{id}": {"floatingip": {"description": "b"}},
    "PUT /v2.0/quotas/{project_id}": {"quota": {"network": 7}},
    "PUT /v2.0/agents/{id}": {"agent": {"description": "b"}},
    "POST /v2.0/agents/{id}/l3-routers": {"router_id": "$router"},
    "POST /v2.0/address-scopes": {"address_scope": {"name": "new", "ip_version": 4}},
    "PUT /v2.0/address-scopes/{id}": {"address_scope": {"name": "b"}},
    "POST /v2.0/subnetpools": {"subnetpool": {"name": "new", "prefixes": ["10.88.0.0/16"]}},
    "PUT /v2.0/subnetpools/{id}": {"subnetpool": {"name": "b"}},
    "PUT /v2.0/subnetpools/{id}/add_prefixes": {"prefixes": ["10.89.0.0/16"]},
    "PUT /v2.0/subnetpools/{id}/remove_prefixes": {"prefixes": ["10.66.0.0/16"]},
    "POST /v2.0/rbac-policies": {
        "rbac_policy": {
            "object_type": "network", "object_id": "$network", "action": "access_as_shared",
            "target_tenant": "$reader",
        }
    },
    "PUT /v2.0/rbac-policies/{id}": {"rbac_policy": {"target_tenant": "$reader"}},
    "POST /v2.0/default-security-group-rules": {
        "default_security_group_rule": {"direction": "ingress", "protocol": "udp"}
    },
}  # fmt: skip
BODIES |= {f"{method} /v2.0/{kind}/{{id}}/tags": TAGS for kind in TAGGED for method in ("PUT", "POST")}


def meant(operation: Operation, segment: str) -> str:
    """Only what nothing stands on can be deleted."""
    pattern = operation.pattern
    if operation.route.method == "DELETE" and pattern.startswith("/v2.0/") and pattern.endswith("s/{id}"):
        return "free " + pattern.split("/")[2]
    return ""


def make(maker: Maker, ids: dict[str, Any]) -> None:
    post = maker.post
    network = post("network", "/networks", {"network": {"name": "a"}})["id"]
    subnet = {"network_id": network, "cidr": "10.9.0.0/24", "ip_version": 4}
    second = {"network_id": network, "cidr": "10.10.0.0/24", "ip_version": 4}
    ids["network"] = ids["network networks"] = network
    ids["subnet"] = ids["network subnets"] = post("network", "/subnets", {"subnet": subnet})["id"]
    ids["second_subnet"] = post("network", "/subnets", {"subnet": second})["id"]
    ids["network ports"] = post("network", "/ports", {"port": {"network_id": network}})["id"]
    group = post("network", "/security-groups", {"security_group": {"name": "a"}})
    ids["security_group"] = ids["network security-groups"] = group["id"]
    ids["network security-group-rules"] = group["security_group_rules"][0]["id"]
    admin = maker.api("network", "admin")
    ids["public"] = admin.get("/networks", params={"router:external": True}).json()["networks"][0]["id"]
    router = {"name": "a", "external_gateway_info": {"network_id": ids["public"]}}
    ids["router"] = ids["network routers"] = post("network", "/routers", {"router": router})["id"]
    joined = {"subnet_id": ids["subnet"]}
    post("network", f"/routers/{ids['router']}/add_router_interface", joined, method="PUT")
    floating = {"floating_network_id": ids["public"]}
    ids["network floatingips"] = post("network", "/floatingips", {"floatingip": floating})["id"]
    agents = admin.get("/agents").json()["agents"]
    routing = [agent["id"] for agent in agents if "L3" in agent["agent_type"]]
    ids["network agents"] = (routing or [agent["id"] for agent in agents])[0]
    scope = {"name": "a", "ip_version": 4}
    ids["network address-scopes"] = post("network", "/address-scopes", {"address_scope": scope})["id"]
    pool = {"name": "a", "prefixes": ["10.66.0.0/16"], "default_prefixlen": 24}
    ids["network subnetpools"] = post("network", "/subnetpools", {"subnetpool": pool})["id"]
    policy = {
        "object_type": "network",
        "object_id": network,
        "action": "access_as_shared",
        "target_tenant": "0" * 32,
    }
    ids["network rbac-policies"] = post("network", "/rbac-policies", {"rbac_policy": policy})["id"]
    for kind in TAGGED:
        made = ids[f"network {kind}"]
        post("network", f"/{kind}/{made}/tags/red", None, method="PUT")
    free = post("network", "/networks", {"network": {"name": "free"}})["id"]
    ids["free networks"] = free
    unused = {"network_id": free, "cidr": "10.11.0.0/24", "ip_version": 4}
    ids["free subnets"] = post("network", "/subnets", {"subnet": unused})["id"]
    ids["free routers"] = post("network", "/routers", {"router": {"name": "free"}})["id"]
    rules = admin.get("/default-security-group-rules")
    ids |= {
        "network tags": "red",
        "network quotas": ids["project"],
        "network auto-allocated-topology": ids["project"],
        "network extensions": "quotas",
        "network l3-routers": ids["router"],
        "network network-ip-availabilities": network,
    }
    if rules.is_success and rules.json()["default_security_group_rules"]:
        found = rules.json()["default_security_group_rules"][0]["id"]
        ids["network default-security-group-rules"] = found
