"""Compute's requests: a running server, and what servers are made of."""

from __future__ import annotations

import time
from typing import Any

from tests.contract.every_operation import Operation
from tests.contract.maker import KEY, Maker

from monostack.kit.resource import LAST

BODIES: dict[str, Any] = {
    "POST /v2.1/flavors": {"flavor": {"name": "another", "ram": 64, "vcpus": 1, "disk": 0}},
    "POST /v2.1/flavors/{id}/os-extra_specs": {"extra_specs": {"b": "1"}},
    "PUT /v2.1/flavors/{id}/os-extra_specs/{key}": {"a": "2"},
    "POST /v2.1/flavors/{id}/action addTenantAccess": {"addTenantAccess": {"tenant": "$other"}},
    "POST /v2.1/flavors/{id}/action removeTenantAccess": {
        "removeTenantAccess": {"tenant": "$project"}
    },
    "POST /v2.1/os-aggregates": {"aggregate": {"name": "b"}},
    "POST /v2.1/servers/{id}/action rebuild": {"rebuild": {"imageRef": "$image"}},
    "POST /v2.1/os-server-external-events": {
        "events": [{"name": "network-changed", "server_uuid": "$server"}]
    },
    "POST /v2.1/os-keypairs": {"keypair": {"name": "new", "public_key": KEY}},
    "POST /v2.1/servers": {
        "server": {
            "name": "new", "imageRef": "$image", "flavorRef": "1", "networks": [{"uuid": "$network"}],
        }
    },
    "PUT /v2.1/servers/{id}": {"server": {"name": "b"}},
    "PUT /v2.1/servers/{id}/metadata/{key}": {"meta": {"a": "2"}},
    "POST /v2.1/servers/{id}/os-interface": {"interfaceAttachment": {"net_id": "$network"}},
    "POST /v2.1/servers/{id}/action addSecurityGroup": {"addSecurityGroup": {"name": "a"}},
    "POST /v2.1/servers/{id}/action removeSecurityGroup": {
        "removeSecurityGroup": {"name": "default"}
    },
    "PUT /v2.1/os-quota-sets/{id}": {"quota_set": {"cores": 9}},
    "PUT /v2.1/os-services/{id} (until 2.52)": {"host": "$host", "binary": "nova-compute"},
    "PUT /v2.1/os-services/{id}": {"status": "enabled"},
    "POST /v2.1/os-aggregates/{id}/action add_host": {"add_host": {"host": "$host"}},
    "POST /v2.1/os-aggregates/{id}/action remove_host": {"remove_host": {"host": "$host"}},
    "POST /v2.1/os-aggregates/{id}/action set_metadata": {"set_metadata": {"metadata": {"a": "b"}}},
    "POST /v2.1/os-security-group-rules (until 2.35)": {
        "security_group_rule": {
            "parent_group_id": "$security_group", "ip_protocol": "tcp", "from_port": 80, "to_port": 80,
        }
    },
}  # fmt: skip


def meant(operation: Operation, segment: str) -> str:
    """Things as old microversions named them, and the flavor that has a list of who may use it."""
    pattern = operation.pattern
    if operation.version is not None and operation.route.until != LAST:
        if "/os-services/" in pattern:
            return "enable"
        if "/os-hypervisors/" in pattern and not pattern.endswith("/uptime"):
            return "hypervisor_name"
    if "Access" in (operation.route.action or "") or "os-flavor-access" in pattern:
        return "private_flavor"
    return ""


def make(maker: Maker, ids: dict[str, Any]) -> None:
    post = maker.post
    admin = maker.api("compute", "admin")
    newest = {"OpenStack-API-Version": "compute 2.100"}
    services = admin.get("/os-services", headers=newest).json()["services"]
    service = next(each for each in services if each["binary"] == "nova-compute")
    hypervisor = admin.get("/os-hypervisors", headers=newest).json()["hypervisors"][0]
    size = {"ram": 64, "vcpus": 1, "disk": 0}
    flavor = post("compute", "/flavors", {"flavor": {"name": "new", **size}}, "admin")["id"]
    hidden = {"name": "hidden", "os-flavor-access:is_public": False, **size}
    ids["private_flavor"] = private = post("compute", "/flavors", {"flavor": hidden}, "admin")["id"]
    access = {"addTenantAccess": {"tenant": ids["project"]}}
    post("compute", f"/flavors/{private}/action", access, "admin")
    post("compute", f"/flavors/{flavor}/os-extra_specs", {"extra_specs": {"a": "1"}}, "admin")
    post("compute", "/os-keypairs", {"keypair": {"name": "a", "type": "ssh", "public_key": KEY}})
    server = {
        "name": "a",
        "imageRef": ids["image"],
        "flavorRef": "1",
        "metadata": {"a": "1"},
        "networks": [{"uuid": ids["network"]}],
        "tags": ["red"],
    }
    ids["server"] = server_id = post("compute", "/servers", {"server": server})["id"]
    owner = maker.api("compute", maker.owner)
    deadline = time.monotonic() + 20
    while owner.get(f"/servers/{server_id}").json()["server"]["status"] != "ACTIVE":
        assert time.monotonic() < deadline, owner.get(f"/servers/{server_id}").text
        time.sleep(0.02)
    ports = owner.get(f"/servers/{server_id}/os-interface").json()["interfaceAttachments"]
    actions = owner.get(f"/servers/{server_id}/os-instance-actions").json()["instanceActions"]
    group = post("compute", "/os-server-groups", {"server_group": {"name": "a", "policy": "affinity"}})
    aggregate = post("compute", "/os-aggregates", {"aggregate": {"name": "a"}}, "admin")
    ids |= {
        "host": service["host"],
        "compute servers": server_id,
        "compute flavors": flavor,
        "compute os-extra_specs": "a",
        "compute os-keypairs": "a",
        "compute ips": "a",
        "compute os-interface": ports[0]["port_id"],
        "compute os-instance-actions": actions[0]["request_id"],
        "compute metadata": "a",
        "compute tags": "red",
        "compute os-server-groups": group["id"],
        "compute os-aggregates": aggregate["id"],
        "compute os-quota-sets": ids["project"],
        "compute os-quota-class-sets": "default",
        "compute os-services": service["id"],
        "compute os-hypervisors": hypervisor["id"],
        "hypervisor_name": hypervisor["hypervisor_hostname"],
        "enable": "enable",
        "compute os-hosts": service["host"],
        "compute os-simple-tenant-usage": ids["project"],
        "compute extensions": "os-keypairs",
        "compute images": ids["image"],
        "compute os-security-groups": ids["security_group"],
        "compute os-security-group-rules": ids["network security-group-rules"],
        "compute os-floating-ips": ids["network floatingips"],
        "compute os-networks": ids["network"],
        "compute os-tenant-networks": ids["network"],
    }
