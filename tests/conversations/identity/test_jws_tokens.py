"""A cloud whose tokens are signed instead of sealed."""

import base64
import json

import pytest
from tests.conftest import World

from monostack import testing

DEMO = {"name": "demo", "domain": {"id": "default"}}
SCOPE = {"project": {"name": "demo", "domain": {"id": "default"}}}


@pytest.fixture(scope="module")
def shared_world(database):
    with testing.cloud(only=("identity",), database=database, identity__token_provider="jws") as cloud:
        yield World(cloud)


def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def test_a_token_is_a_jwt_with_keystones_claims(admin, log_in, found):
    answer = log_in(DEMO, SCOPE)
    token, said = answer.headers["X-Subject-Token"], answer.json()["token"]
    body = claims(token)
    assert body["sub"] == found("users", "demo")
    assert body["openstack_project_id"] == found("projects", "demo")
    assert (body["openstack_methods"], body["openstack_audit_ids"]) == (["password"], said["audit_ids"])
    assert body["exp"] - body["iat"] == 3600
    shown = admin.get("/auth/tokens", headers={"X-Subject-Token": token})
    assert shown.json() == answer.json()


def test_it_is_rescoped_and_revoked_like_any_other(world, admin, nobody, log_in):
    first = log_in(DEMO, "unscoped").headers["X-Subject-Token"]
    auth = {"identity": {"methods": ["token"], "token": {"id": first}}, "scope": SCOPE}
    second = nobody.post("/auth/tokens", json={"auth": auth})
    assert second.status_code == 201, second.text
    assert len(second.json()["token"]["audit_ids"]) == 2
    assert admin.delete("/auth/tokens", headers={"X-Subject-Token": first}).status_code == 204
    for token in (first, second.headers["X-Subject-Token"]):
        assert admin.get("/auth/tokens", headers={"X-Subject-Token": token}).status_code == 404
        assert nobody.get("/auth/projects", headers={"X-Auth-Token": token}).status_code == 401


def test_a_changed_password_ends_it(admin, nobody, log_in, found):
    token = log_in(DEMO, SCOPE).headers["X-Subject-Token"]
    admin.patch(f"/users/{found('users', 'demo')}", json={"user": {"password": "b"}}).raise_for_status()
    assert nobody.get("/auth/projects", headers={"X-Auth-Token": token}).status_code == 401


def test_tokens_of_another_provider_are_strange(admin):
    answer = admin.get("/auth/tokens", headers={"X-Subject-Token": "gAAAAABrACpwY"})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Could not recognize JWS token"
