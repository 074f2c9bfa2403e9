"""Requests on OAuth 1: a consumer of the administrator's, what he authorized, and two signed requests."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from oauthlib import oauth1
from tests.contract.every_operation import Operation
from tests.contract.maker import Maker

ROOT = "/v3/OS-OAUTH1"
BODIES: dict[str, Any] = {
    f"POST {ROOT}/consumers": {"consumer": {"description": "another"}},
    f"PATCH {ROOT}/consumers/{{consumer_id}}": {"consumer": {"description": "other"}},
    f"PUT {ROOT}/authorize/{{request_token_id}}": {"roles": []},
    f"POST {ROOT}/request_token": None,
    f"POST {ROOT}/access_token": None,
}
HEADERS = {
    f"POST {ROOT}/request_token": {"Authorization": "$oauth1_request", "Requested-Project-Id": "$project"},
    f"POST {ROOT}/access_token": {"Authorization": "$oauth1_access"},
}


def meant(operation: Operation, segment: str) -> str:
    """The user who authorized."""
    return "oauth1_user" if "OS-OAUTH1" in operation.pattern and segment == "{user_id}" else ""


def make(maker: Maker, ids: dict[str, Any]) -> None:
    admin = maker.api("identity", "admin")
    consumer = maker.post("identity", "/OS-OAUTH1/consumers", {"consumer": {}}, "admin")
    project = admin.get("/projects", params={"name": "admin"}).json()["projects"][0]["id"]
    where = f"{maker.world.cloud.url}/identity{ROOT}"

    def signed(path: str, **token: str) -> str:
        client = oauth1.Client(consumer["id"], consumer["secret"], callback_uri="oob", **token)
        return client.sign(where + path, "POST")[1]["Authorization"]

    def told(path: str, **token: str) -> dict[str, str]:
        headers = {"Authorization": signed(path, **token), "Requested-Project-Id": project}
        answer = admin.post("/OS-OAUTH1" + path, headers=headers)
        assert answer.status_code == 201, answer.text
        named = {name: value for name, (value,) in parse_qs(answer.text).items()}
        return {
            "resource_owner_key": named["oauth_token"],
            "resource_owner_secret": named["oauth_token_secret"],
        }

    def authorized(asked: dict[str, str]) -> dict[str, str]:
        path = f"/OS-OAUTH1/authorize/{asked['resource_owner_key']}"
        answer = admin.put(path, json={"roles": [{"name": "reader"}]})
        return asked | {"verifier": answer.json()["token"]["oauth_verifier"]}

    ids["identity consumers"] = consumer["id"]
    ids["identity authorize"] = told("/request_token")["resource_owner_key"]
    ids["oauth1_request"] = signed("/request_token")
    ids["oauth1_access"] = signed("/access_token", **authorized(told("/request_token")))
    access = told("/access_token", **authorized(told("/request_token")))
    ids["identity access_tokens"] = access["resource_owner_key"]
    users = admin.get("/users", params={"name": "admin"}).json()["users"]
    ids["oauth1_user"] = users[0]["id"]
