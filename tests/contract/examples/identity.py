"""Identity's requests: the member's user and project, a group and roles, what may be granted, and limits."""

from __future__ import annotations

from typing import Any

from tests.contract.every_operation import Operation
from tests.contract.maker import Maker

from monostack import testing

TAGS = {"tags": ["red"]}

BODIES: dict[str, Any] = {
    "POST /v3/auth/tokens": {
        "auth": {"identity": {"methods": ["token"], "token": {"id": "$token"}}}
    },
    "POST /v3/users/{user_id}/password": {
        "user": {"original_password": testing.PASSWORD, "password": "another secret"}
    },
    "POST /v3/users/{user_id}/application_credentials": {
        "application_credential": {"name": "another"}
    },
    "POST /v3/users/{user_id}/credentials/OS-EC2": {"tenant_id": "$project"},
    "POST /v3/credentials": {
        "credential": {"blob": "{}", "type": "cert", "user_id": "$user_id", "project_id": "$project"}
    },
    "POST /v3/policies": {"policy": {"blob": "{}", "type": "application/json"}},
    "PATCH /v3/policies/{policy_id}": {"policy": {"blob": "[]"}},
    "POST /v3/services": {"service": {"type": "new", "name": "new"}},
    "POST /v3/projects": {"project": {"name": "new", "domain_id": "default"}},
    "POST /v3/users": {"user": {"name": "new", "domain_id": "default"}},
    "POST /v3/groups": {"group": {"name": "new", "domain_id": "default"}},
    "PATCH /v3/projects/{project_id}": {"project": {"description": "new"}},
    "PUT /v3/projects/{project_id}/tags": TAGS,
    "POST /v3/OS-TRUST/trusts": {
        "trust": {
            "trustor_user_id": "$user_id",
            "trustee_user_id": "$reader",
            "impersonation": False,
            "project_id": "$project",
            "roles": [{"name": "reader"}],
        }
    },
    "POST /v3/endpoints": {
        "endpoint": {"interface": "public", "url": "http://example.org/", "service_id": "$service_id"}
    },
    "POST /v3/registered_limits": {
        "registered_limits": [{"service_id": "$service_id", "resource_name": "c", "default_limit": 1}]
    },
    "POST /v3/limits": {
        "limits": [
            {"service_id": "$service_id", "resource_name": "a", "resource_limit": 1, "project_id": "$other"}
        ]
    },
}  # fmt: skip
HEADERS = {
    f"{method} /v3/auth/tokens": {"X-Subject-Token": "$token"} for method in ("GET", "HEAD", "POST", "DELETE")
}


def meant(operation: Operation, segment: str) -> str:
    """A role that nobody holds and a domain that is closed, where one may be changed or deleted."""
    if operation.pattern == "/v3/roles/{role_id}":
        return "free_role"
    if operation.pattern == "/v3/domains/{domain_id}" and operation.route.method != "GET":
        return "closed_domain"
    return segment if segment == "{prior_role_id}" else ""


def make(maker: Maker, ids: dict[str, Any]) -> None:
    world, owner, stranger = maker.world, maker.owner, maker.stranger
    tokens = {name: world.token(name, name) for name in (owner, stranger)}
    admin = maker.api("identity", "admin")
    who = {
        name: admin.get("/auth/tokens", headers={"X-Subject-Token": token}).json()["token"]
        for name, token in tokens.items()
    }
    user_id, project = who[owner]["user"]["id"], who[owner]["project"]["id"]
    other = who[stranger]["project"]["id"]
    post = maker.post
    role = admin.get("/roles", params={"name": "reader"}).json()["roles"][0]["id"]
    member = admin.get("/roles", params={"name": "member"}).json()["roles"][0]["id"]
    service_id = admin.get("/services").json()["services"][0]["id"]
    group = post("identity", "/groups", {"group": {"name": "group"}}, "admin")["id"]
    away = post("identity", "/domains", {"domain": {"name": "new", "enabled": False}}, "admin")["id"]
    for where in (f"/projects/{project}", "/domains/default", "/system"):
        for whom in (f"groups/{group}", f"users/{user_id}"):
            post("identity", f"{where}/{whom}/roles/{role}", None, "admin", "PUT")
            if where != "/system":
                inherited = f"/OS-INHERIT{where}/{whom}/roles/{role}/inherited_to_projects"
                post("identity", inherited, None, "admin", "PUT")
    post("identity", f"/groups/{group}/users/{user_id}", None, "admin", "PUT")
    post("identity", f"/projects/{project}/tags/red", None, "admin", "PUT")
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
    ids |= {
        "user_id": user_id,
        "project": project,
        "other": other,
        "reader": who[stranger]["user"]["id"],
        "token": tokens[owner],
        "service_id": service_id,
        "identity users": user_id,
        "identity projects": project,
        "identity domains": "default",
        "closed_domain": away,
        "identity groups": group,
        "identity roles": role,
        "free_role": post("identity", "/roles", {"role": {"name": "manager-of-nothing"}}, "admin")["id"],
        "identity implies": role,
        "{prior_role_id}": member,
        "identity tags": "red",
        "identity services": service_id,
        "identity endpoints": admin.get("/endpoints").json()["endpoints"][0]["id"],
        "identity regions": post("identity", "/regions", {"region": {"id": "new"}}, "admin")["id"],
    }
    post("identity", "/registered_limits", {"registered_limits": [registered]}, "admin")
    free = registered | {"resource_name": "b"}
    posted = post("identity", "/registered_limits", {"registered_limits": [free]}, "admin")
    ids["identity registered_limits"] = posted[0]["id"]
    ids["identity limits"] = post("identity", "/limits", {"limits": [limit]}, "admin")[0]["id"]
    ids["identity policies"] = post(
        "identity", "/policies", {"policy": {"blob": "{}", "type": "a"}}, "admin"
    )["id"]
    ids["identity credentials"] = post("identity", "/credentials", {"credential": credential})["id"]
    ids["identity OS-EC2"] = post("identity", f"/users/{user_id}/credentials/OS-EC2", {"tenant_id": project})[
        "access"
    ]
    ids["identity application_credentials"] = post(
        "identity",
        f"/users/{user_id}/application_credentials",
        {"application_credential": {"name": "one"}},
    )["id"]
    ids["identity trusts"] = post("identity", "/OS-TRUST/trusts", {"trust": trust})["id"]
