"""Every operation of every service as a request that can be sent: paths filled with things that exist, the
smallest bodies that are valid.

Nothing is listed by hand but what cannot be known from routes and schemas: what the things are, and the
bodies of services whose contract has no schema.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.conftest import World

from monostack import testing
from monostack.cloud import load_services
from monostack.kit import schemas as engine
from monostack.kit.resource import LAST, Route, Service
from monostack.kit.schemas import Invalid, Schemas, Validator

SOURCE = Path(engine.__file__).parents[1]
NEWEST = {"compute": (2, 100), "placement": (1, 39)}
OCTETS = "application/octet-stream"
JSON_PATCH = "application/openstack-images-v2.1-json-patch"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a"


@dataclass
class Operation:
    """One route, and how it is asked."""

    service: Service
    route: Route
    schemas: Schemas
    version: tuple[int, int] | None = None
    path: str = ""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None

    @property
    def name(self) -> str:
        action = f" {self.route.action}" if self.route.action else ""
        return f"{self.service.name} {self.route.method} {self.pattern}{action}" + (
            f" (until {self.route.until[0]}.{self.route.until[1]})" if self.route.until != LAST else ""
        )

    @property
    def pattern(self) -> str:
        prefix = "" if self.route.path.startswith("^") else self.service.prefixes[0]
        return prefix + self.route.path.lstrip("^")

    def ask(self, client: httpx.Client, token: str | None) -> httpx.Response:
        headers = dict(self.headers)
        if token is not None:
            headers["X-Auth-Token"] = token
        if self.version is not None:
            headers["OpenStack-API-Version"] = f"{self.service.name} {self.version[0]}.{self.version[1]}"
        options: dict[str, Any] = {"json": self.body} if self.body is not None else {}
        if self.content is not None:
            options = {"content": self.content}
            headers["Content-Type"] = OCTETS
        return client.request(self.route.method, self.path, headers=headers, **options)


def operations() -> list[Operation]:
    """Every route of every service. The doors beside compute (metadata, consoles) know neither tokens nor
    policy."""
    out = []
    for service in load_services():
        schemas = Schemas(SOURCE / service.name / "schemas")
        for route in service.routes:
            operation = Operation(service, route, schemas)
            if service.name in NEWEST:
                operation.version = min(route.until, NEWEST[service.name])
            out.append(operation)
    return out


def prepare(operation: Operation, things: dict[str, Any]) -> Operation:
    """Fill path and body."""
    route, service = operation.route, operation.service
    operation.path = f"/{service.mount}" + filled(operation, things)
    if route.method in ("POST", "PUT", "PATCH") and not route.raw:
        operation.body = body(operation, things)
    if route.raw:
        operation.content = b"data"
    if service.name == "image" and route.method == "PATCH":
        operation.headers["Content-Type"] = JSON_PATCH
    if service.name == "identity" and route.path == "/auth/tokens":
        operation.headers["X-Subject-Token"] = things["token"]
    return operation


# paths


def filled(operation: Operation, things: dict[str, Any]) -> str:
    """The path with every parameter replaced by the thing that the word before it names."""
    out: list[str] = []
    for segment in operation.pattern.split("/"):
        if not segment.startswith("{"):
            out.append(segment)
            continue
        key = f"{operation.service.name} {out[-1]}"
        found = things.get(special(operation, segment)) or things.get(key)
        out.append(str(found or things.get(segment.strip("{}"), uuid.uuid4())))
    query = QUERIES.get(f"{operation.route.method} {operation.pattern}", "")
    return "/".join(out) + query.format(**things)


QUERIES = {
    "GET /allocation_candidates": "?resources=VCPU:1",
    "GET /usages": "?project_id={project}",
}


def special(operation: Operation, segment: str) -> str:
    """Which thing it is, where another one of its kind is meant than elsewhere."""
    pattern, method = operation.pattern, operation.route.method
    if operation.version is not None and operation.route.until != LAST:
        if "/os-services/" in pattern:
            return "enable"
        if "/os-hypervisors/" in pattern and not pattern.endswith("/uptime"):
            return "hypervisor_name"
    if pattern == "/v3/roles/{role_id}":
        return "free_role"
    if segment == "{image_id}":
        if "/members" in pattern:
            return "shared_image"
        return {"file": "queued_image", "stage": "queued_image", "import": "staged_image"}.get(
            pattern.rpartition("/")[2] if method in ("PUT", "POST") else "", ""
        )
    if "Access" in (operation.route.action or "") or "os-flavor-access" in pattern:
        return "private_flavor"
    if method == "DELETE" and pattern.startswith("/v2.0/") and pattern.endswith("s/{id}"):
        return "free " + pattern.split("/")[2]
    return segment if segment == "{prior_role_id}" else ""


# bodies


def body(operation: Operation, things: dict[str, Any]) -> Any:
    route = operation.route
    short = f"{operation.service.name} {route.method} {operation.pattern}"
    known = BODIES.get(operation.name, BODIES.get(short))
    if known is not None:
        return substituted(known, things)
    if route.body is not None:
        validator = operation.schemas.body(route.body, operation.version)
        if validator is not None:
            return smallest(validator)
    if route.action is not None:
        return {route.action: None}
    return {} if route.method != "PUT" else None


def substituted(value: Any, things: dict[str, Any]) -> Any:
    """"$network" becomes the thing's id."""
    if isinstance(value, dict):
        return {substituted(key, things): substituted(inner, things) for key, inner in value.items()}
    if isinstance(value, list):
        return [substituted(inner, things) for inner in value]
    if isinstance(value, str) and value.startswith("$"):
        return things[value[1:]]
    return value


TEXTS = (
    "a", "1", "aaaaaaaa", "enable", "10.0.0.0/24", "10.0.0.9", KEY, "CUSTOM_A", "2030-01-01T00:00:00Z",
    "http://example.org/", "11111111-1111-4111-8111-111111111111", "aa:bb:cc:dd:ee:ff", "YQ==",
)  # fmt: skip


def smallest(validator: Validator) -> Any:
    """A value that fits a schema, as small as it goes."""
    return minimal(validator.schema)


def minimal(schema: Any) -> Any:
    if not isinstance(schema, dict) or not schema:
        return "a"
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for word in ("oneOf", "anyOf", "allOf"):
        if word in schema and "type" not in schema:
            return minimal(schema[word][0])
    untyped = "object" if "properties" in schema or "patternProperties" in schema else "string"
    kinds = schema.get("type", untyped)
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if isinstance(kinds, list) and kind == "null" and len(kinds) > 1:
        kind = kinds[1]
    if kind == "object":
        return minimal_object(schema)
    if kind == "array":
        count = schema.get("minItems", 0)
        return [minimal(schema.get("items", {})) for _ in range(count)]
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 1), 0 if schema.get("maximum", 1) < 1 else 1)
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    return minimal_text(schema)


def minimal_object(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    names = list(schema.get("required", ()))
    for word in ("oneOf", "anyOf"):
        names += schema.get(word, [{}])[0].get("required", ())
    for name in properties:
        if len(names) >= schema.get("minProperties", 0):
            break
        if name not in names:
            names.append(name)
    out = {name: minimal(properties.get(name, {})) for name in names}
    for pattern, inner in schema.get("patternProperties", {}).items():
        if len(out) < schema.get("minProperties", 0):
            out[next(text for text in (*TEXTS, "*") if re.search(pattern, text))] = minimal(inner)
    return out


def minimal_text(schema: dict[str, Any]) -> str:
    validator = Validator({**schema, "type": "string"})
    for text in (*TEXTS, "a" * schema.get("minLength", 1)):
        try:
            validator.check(text)
        except Invalid:
            continue
        return text
    raise LookupError(f"no text fits {schema}")


TAGS = {"tags": ["red"]}
TAGGED = ("networks", "subnets", "ports", "security-groups", "routers", "floatingips", "subnetpools")
BODIES: dict[str, Any] = {
    "identity POST /v3/auth/tokens": {
        "auth": {"identity": {"methods": ["token"], "token": {"id": "$token"}}}
    },
    "identity POST /v3/users/{user_id}/password": {
        "user": {"original_password": testing.PASSWORD, "password": "another secret"}
    },
    "identity POST /v3/users/{user_id}/application_credentials": {
        "application_credential": {"name": "another"}
    },
    "identity POST /v3/users/{user_id}/credentials/OS-EC2": {"tenant_id": "$project"},
    "identity POST /v3/credentials": {
        "credential": {"blob": "{}", "type": "cert", "user_id": "$user_id", "project_id": "$project"}
    },
    "identity POST /v3/policies": {"policy": {"blob": "{}", "type": "application/json"}},
    "identity PATCH /v3/policies/{policy_id}": {"policy": {"blob": "[]"}},
    "identity POST /v3/services": {"service": {"type": "new", "name": "new"}},
    "identity POST /v3/projects": {"project": {"name": "new"}},
    "identity PATCH /v3/projects/{project_id}": {"project": {"description": "new"}},
    "identity PUT /v3/projects/{project_id}/tags": TAGS,
    "identity POST /v3/OS-TRUST/trusts": {
        "trust": {
            "trustor_user_id": "$user_id",
            "trustee_user_id": "$reader",
            "impersonation": False,
            "project_id": "$project",
            "roles": [{"name": "reader"}],
        }
    },
    "identity POST /v3/endpoints": {
        "endpoint": {"interface": "public", "url": "http://example.org/", "service_id": "$service_id"}
    },
    "identity POST /v3/registered_limits": {
        "registered_limits": [{"service_id": "$service_id", "resource_name": "c", "default_limit": 1}]
    },
    "identity POST /v3/limits": {
        "limits": [
            {"service_id": "$service_id", "resource_name": "a", "resource_limit": 1, "project_id": "$other"}
        ]
    },
    "image POST /v2/images": {"name": "new", "disk_format": "raw", "container_format": "bare"},
    "image PATCH /v2/images/{image_id}": [{"op": "replace", "path": "/name", "value": "b"}],
    "image POST /v2/images/{image_id}/import": {"method": {"name": "glance-direct"}},
    "image POST /v2/images/{image_id}/members": {"member": "$reader"},
    "image PUT /v2/images/{image_id}/members/{member_id}": {"status": "accepted"},
    "image POST /v2/metadefs/namespaces": {"namespace": "b"},
    "image PUT /v2/metadefs/namespaces/{namespace}": {"namespace": "a", "description": "new"},
    "placement POST /resource_providers/{id}/inventories": {
        "resource_provider_generation": 1, "resource_class": "DISK_GB", "total": 1,
    },
    "network POST /v2.0/networks": {"network": {"name": "new"}},
    "network PUT /v2.0/networks/{id}": {"network": {"name": "b"}},
    "network POST /v2.0/subnets": {
        "subnet": {"network_id": "$network", "cidr": "10.77.0.0/24", "ip_version": 4}
    },
    "network PUT /v2.0/subnets/{id}": {"subnet": {"name": "b"}},
    "network POST /v2.0/ports": {"port": {"network_id": "$network"}},
    "network PUT /v2.0/ports/{id}": {"port": {"name": "b"}},
    "network POST /v2.0/security-groups": {"security_group": {"name": "new"}},
    "network PUT /v2.0/security-groups/{id}": {"security_group": {"name": "b"}},
    "network POST /v2.0/security-group-rules": {
        "security_group_rule": {
            "security_group_id": "$security_group", "direction": "ingress", "protocol": "tcp",
            "port_range_min": 80, "port_range_max": 80,
        }
    },
    "network POST /v2.0/routers": {"router": {"name": "new"}},
    "network PUT /v2.0/routers/{id}": {"router": {"name": "b"}},
    "network PUT /v2.0/routers/{id}/add_router_interface": {"subnet_id": "$second_subnet"},
    "network PUT /v2.0/routers/{id}/remove_router_interface": {"subnet_id": "$subnet"},
    "network PUT /v2.0/routers/{id}/add_extraroutes": {
        "router": {"routes": [{"destination": "10.99.0.0/24", "nexthop": "10.9.0.9"}]}
    },
    "network PUT /v2.0/routers/{id}/remove_extraroutes": {
        "router": {"routes": [{"destination": "10.99.0.0/24", "nexthop": "10.9.0.9"}]}
    },
    "network POST /v2.0/floatingips": {"floatingip": {"floating_network_id": "$public"}},
    "network PUT /v2.0/floatingips/{id}": {"floatingip": {"description": "b"}},
    "network PUT /v2.0/quotas/{project_id}": {"quota": {"network": 7}},
    "network PUT /v2.0/agents/{id}": {"agent": {"description": "b"}},
    "network POST /v2.0/agents/{id}/l3-routers": {"router_id": "$router"},
    "network POST /v2.0/address-scopes": {"address_scope": {"name": "new", "ip_version": 4}},
    "network PUT /v2.0/address-scopes/{id}": {"address_scope": {"name": "b"}},
    "network POST /v2.0/subnetpools": {"subnetpool": {"name": "new", "prefixes": ["10.88.0.0/16"]}},
    "network PUT /v2.0/subnetpools/{id}": {"subnetpool": {"name": "b"}},
    "network PUT /v2.0/subnetpools/{id}/add_prefixes": {"prefixes": ["10.89.0.0/16"]},
    "network PUT /v2.0/subnetpools/{id}/remove_prefixes": {"prefixes": ["10.66.0.0/16"]},
    "network POST /v2.0/rbac-policies": {
        "rbac_policy": {
            "object_type": "network", "object_id": "$network", "action": "access_as_shared",
            "target_tenant": "$reader",
        }
    },
    "network PUT /v2.0/rbac-policies/{id}": {"rbac_policy": {"target_tenant": "$reader"}},
    "network POST /v2.0/default-security-group-rules": {
        "default_security_group_rule": {"direction": "ingress", "protocol": "udp"}
    },
    "compute POST /v2.1/flavors": {"flavor": {"name": "another", "ram": 64, "vcpus": 1, "disk": 0}},
    "compute POST /v2.1/flavors/{id}/os-extra_specs": {"extra_specs": {"b": "1"}},
    "compute PUT /v2.1/flavors/{id}/os-extra_specs/{key}": {"a": "2"},
    "compute POST /v2.1/flavors/{id}/action addTenantAccess": {"addTenantAccess": {"tenant": "$other"}},
    "compute POST /v2.1/flavors/{id}/action removeTenantAccess": {
        "removeTenantAccess": {"tenant": "$project"}
    },
    "compute POST /v2.1/os-aggregates": {"aggregate": {"name": "b"}},
    "compute POST /v2.1/servers/{id}/action rebuild": {"rebuild": {"imageRef": "$image"}},
    "compute POST /v2.1/os-server-external-events": {
        "events": [{"name": "network-changed", "server_uuid": "$server"}]
    },
    "compute POST /v2.1/os-keypairs": {"keypair": {"name": "new", "public_key": KEY}},
    "compute POST /v2.1/servers": {
        "server": {
            "name": "new", "imageRef": "$image", "flavorRef": "1", "networks": [{"uuid": "$network"}],
        }
    },
    "compute PUT /v2.1/servers/{id}": {"server": {"name": "b"}},
    "compute PUT /v2.1/servers/{id}/metadata/{key}": {"meta": {"a": "2"}},
    "compute POST /v2.1/servers/{id}/os-interface": {"interfaceAttachment": {"net_id": "$network"}},
    "compute POST /v2.1/servers/{id}/action addSecurityGroup": {"addSecurityGroup": {"name": "a"}},
    "compute POST /v2.1/servers/{id}/action removeSecurityGroup": {
        "removeSecurityGroup": {"name": "default"}
    },
    "compute PUT /v2.1/os-quota-sets/{id}": {"quota_set": {"cores": 9}},
    "compute PUT /v2.1/os-services/{id} (until 2.52)": {"host": "$host", "binary": "nova-compute"},
    "compute PUT /v2.1/os-services/{id}": {"status": "enabled"},
    "compute POST /v2.1/os-aggregates/{id}/action add_host": {"add_host": {"host": "$host"}},
    "compute POST /v2.1/os-aggregates/{id}/action remove_host": {"remove_host": {"host": "$host"}},
    "compute POST /v2.1/os-aggregates/{id}/action set_metadata": {"set_metadata": {"metadata": {"a": "b"}}},
    "compute POST /v2.1/os-security-group-rules (until 2.35)": {
        "security_group_rule": {
            "parent_group_id": "$security_group", "ip_protocol": "tcp", "from_port": 80, "to_port": 80,
        }
    },
}  # fmt: skip
BODIES |= {
    f"network {method} /v2.0/{kind}/{{id}}/tags": TAGS
    for kind in TAGGED
    for method in ("PUT", "POST")
}


# things


def make_things(world: World, owner: str, stranger: str) -> dict[str, Any]:
    """One thing of each kind in the owner's project, and what is nobody's; name -> id. "SERVICE WORD" is what
    fills the parameter after that word of a path."""
    maker = Maker(world, owner)
    ids: dict[str, Any] = maker.identity(stranger)
    maker.network(ids)
    maker.image(ids)
    maker.placement(ids)
    maker.compute(ids)
    return ids


class Maker:
    def __init__(self, world: World, owner: str) -> None:
        self.world, self.owner = world, owner
        self.clients: dict[tuple[str, str], Any] = {}

    def api(self, service: str, user: str) -> Any:
        if (service, user) not in self.clients:  # making one takes a tenth of a second
            self.clients[service, user] = self.world.api(service, user)
        return self.clients[service, user]

    def post(self, service: str, path: str, asked: Any, user: str | None = None, method: str = "POST") -> Any:
        api = self.api(service, user or self.owner)
        version = NEWEST.get(service)
        headers = {"OpenStack-API-Version": f"{service} {version[0]}.{version[1]}"} if version else {}
        answer = api.request(method, path, json=asked, headers=headers)
        assert answer.is_success, f"{service} {method} {path}: {answer.status_code} {answer.text}"
        content = answer.json() if answer.content else {}
        inner = next(iter(content.values())) if len(content) == 1 else content
        return inner

    def identity(self, stranger: str) -> dict[str, Any]:
        world, owner = self.world, self.owner
        tokens = {name: world.token(name, name) for name in (owner, stranger)}
        admin = self.api("identity", "admin")
        who = {
            name: admin.get("/auth/tokens", headers={"X-Subject-Token": token}).json()["token"]
            for name, token in tokens.items()
        }
        user_id, project = who[owner]["user"]["id"], who[owner]["project"]["id"]
        other = who[stranger]["project"]["id"]
        make = self.post
        role = admin.get("/roles", params={"name": "reader"}).json()["roles"][0]["id"]
        member = admin.get("/roles", params={"name": "member"}).json()["roles"][0]["id"]
        service_id = admin.get("/services").json()["services"][0]["id"]
        group = make("identity", "/groups", {"group": {"name": "group"}}, "admin")["id"]
        away = make("identity", "/domains", {"domain": {"name": "new", "enabled": False}}, "admin")["id"]
        for where in (f"/projects/{project}", f"/domains/{away}", "/system"):
            for whom in (f"groups/{group}", f"users/{user_id}"):
                make("identity", f"{where}/{whom}/roles/{role}", None, "admin", "PUT")
                if where != "/system":
                    inherited = f"/OS-INHERIT{where}/{whom}/roles/{role}/inherited_to_projects"
                    make("identity", inherited, None, "admin", "PUT")
        make("identity", f"/groups/{group}/users/{user_id}", None, "admin", "PUT")
        make("identity", f"/projects/{project}/tags/red", None, "admin", "PUT")
        registered = {"service_id": service_id, "resource_name": "a", "default_limit": 1}
        limit = {"service_id": service_id, "resource_name": "a", "resource_limit": 1, "project_id": project}
        credential = {"blob": "{}", "type": "cert", "project_id": project, "user_id": user_id}
        trust = {
            "trustor_user_id": user_id,
            "trustee_user_id": who[stranger]["user"]["id"],
            "impersonation": False,
            "project_id": project,
            "roles": [{"name": "reader"}],
        }
        ids = {
            "user_id": user_id,
            "project": project,
            "other": other,
            "reader": who[stranger]["user"]["id"],
            "token": tokens[owner],
            "service_id": service_id,
            "identity users": user_id,
            "identity projects": project,
            "identity domains": away,
            "identity groups": group,
            "identity roles": role,
            "free_role": make("identity", "/roles", {"role": {"name": "manager-of-nothing"}}, "admin")["id"],
            "identity implies": role,
            "{prior_role_id}": member,
            "identity tags": "red",
            "identity services": service_id,
            "identity endpoints": admin.get("/endpoints").json()["endpoints"][0]["id"],
            "identity regions": make("identity", "/regions", {"region": {"id": "new"}}, "admin")["id"],
        }
        make("identity", "/registered_limits", {"registered_limits": [registered]}, "admin")
        free = registered | {"resource_name": "b"}
        posted = make("identity", "/registered_limits", {"registered_limits": [free]}, "admin")
        ids["identity registered_limits"] = posted[0]["id"]
        ids["identity limits"] = make("identity", "/limits", {"limits": [limit]}, "admin")[0]["id"]
        ids["identity policies"] = make(
            "identity", "/policies", {"policy": {"blob": "{}", "type": "a"}}, "admin"
        )["id"]
        ids["identity credentials"] = make("identity", "/credentials", {"credential": credential})["id"]
        ids["identity OS-EC2"] = make(
            "identity", f"/users/{user_id}/credentials/OS-EC2", {"tenant_id": project}
        )["access"]
        ids["identity application_credentials"] = make(
            "identity",
            f"/users/{user_id}/application_credentials",
            {"application_credential": {"name": "one"}},
        )["id"]
        ids["identity trusts"] = make("identity", "/OS-TRUST/trusts", {"trust": trust})["id"]
        return ids

    def network(self, ids: dict[str, Any]) -> None:
        make = self.post
        network = make("network", "/networks", {"network": {"name": "a"}})["id"]
        subnet = {"network_id": network, "cidr": "10.9.0.0/24", "ip_version": 4}
        second = {"network_id": network, "cidr": "10.10.0.0/24", "ip_version": 4}
        ids["network"] = ids["network networks"] = network
        ids["subnet"] = ids["network subnets"] = make("network", "/subnets", {"subnet": subnet})["id"]
        ids["second_subnet"] = make("network", "/subnets", {"subnet": second})["id"]
        ids["network ports"] = make("network", "/ports", {"port": {"network_id": network}})["id"]
        group = make("network", "/security-groups", {"security_group": {"name": "a"}})
        ids["security_group"] = ids["network security-groups"] = group["id"]
        ids["network security-group-rules"] = group["security_group_rules"][0]["id"]
        admin = self.api("network", "admin")
        ids["public"] = admin.get("/networks", params={"router:external": True}).json()["networks"][0]["id"]
        router = {"name": "a", "external_gateway_info": {"network_id": ids["public"]}}
        ids["router"] = ids["network routers"] = make("network", "/routers", {"router": router})["id"]
        joined = {"subnet_id": ids["subnet"]}
        make("network", f"/routers/{ids['router']}/add_router_interface", joined, method="PUT")
        floating = {"floating_network_id": ids["public"]}
        ids["network floatingips"] = make("network", "/floatingips", {"floatingip": floating})["id"]
        agents = admin.get("/agents").json()["agents"]
        routing = [agent["id"] for agent in agents if "L3" in agent["agent_type"]]
        ids["network agents"] = (routing or [agent["id"] for agent in agents])[0]
        scope = {"name": "a", "ip_version": 4}
        ids["network address-scopes"] = make("network", "/address-scopes", {"address_scope": scope})["id"]
        pool = {"name": "a", "prefixes": ["10.66.0.0/16"], "default_prefixlen": 24}
        ids["network subnetpools"] = make("network", "/subnetpools", {"subnetpool": pool})["id"]
        policy = {
            "object_type": "network",
            "object_id": network,
            "action": "access_as_shared",
            "target_tenant": "0" * 32,
        }
        ids["network rbac-policies"] = make("network", "/rbac-policies", {"rbac_policy": policy})["id"]
        for kind in TAGGED:
            made = ids[f"network {kind}"]
            make("network", f"/{kind}/{made}/tags/red", None, method="PUT")
        free = make("network", "/networks", {"network": {"name": "free"}})["id"]
        ids["free networks"] = free
        unused = {"network_id": free, "cidr": "10.11.0.0/24", "ip_version": 4}
        ids["free subnets"] = make("network", "/subnets", {"subnet": unused})["id"]
        ids["free routers"] = make("network", "/routers", {"router": {"name": "free"}})["id"]
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

    def image(self, ids: dict[str, Any]) -> None:
        new = {"name": "a", "disk_format": "raw", "container_format": "bare", "tags": ["red"], "a": "1"}
        image_id = self.post("image", "/images", new)["id"]
        api = self.api("image", self.owner)
        put = api.put(f"/images/{image_id}/file", content=b"0" * 512, headers={"Content-Type": OCTETS})
        assert put.status_code == 204, put.text
        staged = self.post("image", "/images", new)["id"]
        put = api.put(f"/images/{staged}/stage", content=b"0" * 512, headers={"Content-Type": OCTETS})
        assert put.status_code == 204, put.text
        ids["staged_image"] = staged
        ids["queued_image"] = self.post("image", "/images", new)["id"]
        shared = self.post("image", "/images", new | {"visibility": "shared"})["id"]
        self.post("image", f"/images/{shared}/members", {"member": ids["other"]})
        make = self.post
        make("image", "/metadefs/namespaces", {"namespace": "a", "visibility": "public"}, "admin")
        make("image", "/metadefs/namespaces/a/objects", {"name": "red"}, "admin")
        make(
            "image",
            "/metadefs/namespaces/a/properties",
            {"name": "red", "title": "red", "type": "string"},
            "admin",
        )
        make("image", "/metadefs/namespaces/a/tags/red", None, "admin")
        ids |= {
            "image": image_id,
            "image images": image_id,
            "shared_image": shared,
            "image members": ids["other"],
            "image namespaces": "a",
            "image tags": "red",
            "image objects": "red",
            "image properties": "red",
            "image resource_types": "OS::Nova::Flavor",
        }

    def placement(self, ids: dict[str, Any]) -> None:
        make = self.post
        provider = make("placement", "/resource_providers", {"name": "new"}, "admin")["uuid"]
        inventories = {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 8}}}
        make("placement", f"/resource_providers/{provider}/inventories", inventories, "admin", "PUT")
        make("placement", "/traits/CUSTOM_RED", None, "admin", "PUT")
        make("placement", "/resource_classes/CUSTOM_RED", None, "admin", "PUT")
        ids |= {
            "provider": provider,
            "placement resource_providers": provider,
            "placement inventories": "VCPU",
            "placement traits": "CUSTOM_RED",
            "placement resource_classes": "CUSTOM_RED",
        }

    def compute(self, ids: dict[str, Any]) -> None:
        make = self.post
        admin = self.api("compute", "admin")
        newest = {"OpenStack-API-Version": "compute 2.100"}
        services = admin.get("/os-services", headers=newest).json()["services"]
        service = next(each for each in services if each["binary"] == "nova-compute")
        hypervisor = admin.get("/os-hypervisors", headers=newest).json()["hypervisors"][0]
        size = {"ram": 64, "vcpus": 1, "disk": 0}
        flavor = make("compute", "/flavors", {"flavor": {"name": "new", **size}}, "admin")["id"]
        hidden = {"name": "hidden", "os-flavor-access:is_public": False, **size}
        ids["private_flavor"] = private = make("compute", "/flavors", {"flavor": hidden}, "admin")["id"]
        access = {"addTenantAccess": {"tenant": ids["project"]}}
        make("compute", f"/flavors/{private}/action", access, "admin")
        make("compute", f"/flavors/{flavor}/os-extra_specs", {"extra_specs": {"a": "1"}}, "admin")
        make("compute", "/os-keypairs", {"keypair": {"name": "a", "type": "ssh", "public_key": KEY}})
        server = {
            "name": "a",
            "imageRef": ids["image"],
            "flavorRef": "1",
            "metadata": {"a": "1"},
            "networks": [{"uuid": ids["network"]}],
            "tags": ["red"],
        }
        ids["server"] = server_id = make("compute", "/servers", {"server": server})["id"]
        owner = self.api("compute", self.owner)
        deadline = time.monotonic() + 20
        while owner.get(f"/servers/{server_id}").json()["server"]["status"] != "ACTIVE":
            assert time.monotonic() < deadline, owner.get(f"/servers/{server_id}").text
            time.sleep(0.02)
        ports = owner.get(f"/servers/{server_id}/os-interface").json()["interfaceAttachments"]
        actions = owner.get(f"/servers/{server_id}/os-instance-actions").json()["instanceActions"]
        group = make("compute", "/os-server-groups", {"server_group": {"name": "a", "policy": "affinity"}})
        aggregate = make("compute", "/os-aggregates", {"aggregate": {"name": "a"}}, "admin")
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

