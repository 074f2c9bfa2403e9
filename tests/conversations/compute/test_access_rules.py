"""Every service holds a token to its access rules, whatever its roles are."""

from __future__ import annotations

import httpx
from tests.conftest import MOUNTS, PLAIN

RULES = [
    {"service": "compute", "method": "GET", "path": "/v2.1/servers/**"},
    {"service": "compute", "method": "GET", "path": "/v2.1/flavors"},
    {"service": "image", "method": "POST", "path": "/v2/images"},
    {"service": "network", "method": "GET", "path": "/network/v2.0/networks/{id}"},
]


def test_tokens_do_what_their_rules_name_in_every_service(world):
    admin = world.api("identity")
    user_id = admin.get("/users", params={"name": "admin"}).json()["users"][0]["id"]
    asked = {"name": "robot", "secret": "known", "access_rules": RULES}
    path = f"/users/{user_id}/application_credentials"
    made = admin.post(path, json={"application_credential": asked}).json()["application_credential"]
    secret = {"id": made["id"], "secret": "known"}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": secret}}
    answer = PLAIN.post(world.cloud.auth_url + "/auth/tokens", json={"auth": auth})
    token = answer.headers["X-Subject-Token"]
    network = world.api("network").post("/networks", json={"network": {}}).json()["network"]["id"]

    def status(service: str, method: str, path: str, **options) -> int:
        url = world.cloud.url + MOUNTS[service] + path
        return httpx.request(method, url, headers={"X-Auth-Token": token}, timeout=30, **options).status_code

    image = {"json": {"name": "a", "disk_format": "raw", "container_format": "bare"}}
    for code, method, service, path, options in (
        (200, "GET", "compute", "/servers/detail", {}),
        (404, "GET", "compute", "/servers/none", {}),
        (200, "GET", "compute", "/flavors", {}),
        (401, "GET", "compute", "/servers", {}),
        (401, "GET", "compute", "/flavors/detail", {}),
        (401, "POST", "compute", "/servers", {"json": {}}),
        (401, "GET", "compute", "/nonsense", {}),
        (201, "POST", "image", "/images", image),
        (401, "GET", "image", "/images", {}),
        (200, "GET", "network", f"/networks/{network}", {}),
        (401, "GET", "network", "/networks", {}),
        (401, "DELETE", "network", f"/networks/{network}", {}),
        (401, "GET", "placement", "/resource_providers", {}),
    ):
        assert status(service, method, path, **options) == code, f"{service} {method} {path}"
