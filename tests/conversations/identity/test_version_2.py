"""Programs that still ask the second version."""

import httpx
import pytest

from monostack import testing


@pytest.fixture
def old(world):
    """A client of .../identity/v2.0."""
    with httpx.Client(base_url=world.cloud.url + "/identity/v2.0", timeout=30) as client:
        yield client


def password(name="demo", secret=testing.PASSWORD, **scope):
    return {"auth": {"passwordCredentials": {"username": name, "password": secret}} | scope}


def test_who_only_looks_is_shown_v3(old):
    for path in ("", "/"):
        answer = old.get(path)
        assert answer.status_code == 200
        assert answer.json()["version"]["id"] == "v3.14"


@pytest.mark.parametrize("scope", ["tenantName", "tenantId"])
def test_a_login_for_a_project(old, demo, found, scope):
    named = "demo" if scope == "tenantName" else found("projects", "demo")
    answer = old.post("/tokens", json=password(**{scope: named}))
    assert answer.status_code == 200, answer.text
    access = answer.json()["access"]
    assert access["token"]["tenant"]["name"] == access["user"]["name"] == access["user"]["username"] == "demo"
    assert {role["name"] for role in access["user"]["roles"]} == {"member", "reader"}
    (identity,) = [entry for entry in access["serviceCatalog"] if entry["type"] == "identity"]
    assert {"publicURL", "internalURL", "adminURL", "region"} <= identity["endpoints"][0].keys()
    headers = {"X-Auth-Token": access["token"]["id"]}
    assert demo.get("/auth/projects", headers=headers).status_code == 200


def test_a_login_in_two_steps(old):
    first = old.post("/tokens", json=password()).json()["access"]
    assert "tenant" not in first["token"]
    assert first["serviceCatalog"] == first["user"]["roles"] == []
    listed = old.get("/tenants", headers={"X-Auth-Token": first["token"]["id"]}).json()
    (tenant,) = listed["tenants"]
    assert (tenant["name"], tenant["enabled"], listed["tenants_links"]) == ("demo", True, [])
    again = {"auth": {"token": {"id": first["token"]["id"]}, "tenantId": tenant["id"]}}
    access = old.post("/tokens", json=again).json()["access"]
    assert access["token"]["tenant"]["id"] == tenant["id"]
    assert access["token"]["expires"] == first["token"]["expires"]


def test_refusals(old, make, give):
    assert old.post("/tokens", json=password(secret="wrong")).status_code == 401
    assert old.post("/tokens", json=password(tenantName="nowhere")).status_code == 401
    assert old.get("/tenants").status_code == 401
    domain = make("domain", name="other")
    user = make("user", name="u", domain_id=domain["id"], password="secret")
    asked = {"auth": {"passwordCredentials": {"userId": user["id"], "password": "secret"}}}
    assert old.post("/tokens", json=asked).status_code == 401, (
        "the second version knows the default domain alone"
    )


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"auth": None},
        {"auth": {}},
        {"auth": {"passwordCredentials": {}}},
        {"auth": {"passwordCredentials": {"username": "demo"}}},
        {"auth": {"passwordCredentials": {"username": 5, "password": "x"}}},
        {"auth": {"passwordCredentials": {"username": "demo", "password": 5}}},
        {"auth": {"token": {"id": 5}}},
        {"auth": {"token": {"id": "x"}, "tenantName": "a", "tenantId": "b"}},
        {"auth": {"passwordCredentials": {"username": "demo", "password": "x"}, "tenantId": 5}},
    ],
)
def test_what_is_missing_is_told(old, body):
    answer = old.post("/tokens", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]


def test_it_can_be_closed(world, old, monkeypatch):
    monkeypatch.setattr(world.cloud.cloud.settings.identity, "v2_api", False)
    token = world.token("demo", "demo")
    assert old.get("/").status_code == 404
    assert old.post("/tokens", json=password()).status_code == 404
    assert old.get("/tenants", headers={"X-Auth-Token": token}).status_code == 404
