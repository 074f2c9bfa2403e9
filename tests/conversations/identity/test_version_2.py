"""Programs that still ask the second version."""

import copy

import httpx
import pytest

from monostack import testing
from monostack.identity.wire import IdentityWire


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


def test_services_ask_what_a_token_is_worth(old, world, found, admin):
    given = old.post("/tokens", json=password(tenantName="demo")).json()["access"]
    token, demo = given["token"]["id"], found("projects", "demo")
    asked = {"X-Auth-Token": world.token("admin", "admin")}
    answer = old.get(f"/tokens/{token}", headers=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"access": given}
    assert old.get(f"/tokens/{token}?belongsTo={demo}", headers=asked).status_code == 200
    head = old.head(f"/tokens/{token}", headers=asked)
    assert (head.status_code, head.content) == (200, b"")
    unscoped = old.post("/tokens", json=password()).json()["access"]
    assert old.get(f"/tokens/{unscoped['token']['id']}", headers=asked).json() == {"access": unscoped}
    assert admin.delete("/auth/tokens", headers={"X-Subject-Token": token}).status_code == 204
    assert old.get(f"/tokens/{token}", headers=asked).status_code == 404
    assert old.head(f"/tokens/{token}", headers=asked).status_code == 404


def test_who_may_not_ask_about_a_token_and_what_is_none(old, world, make):
    token = world.token("demo", "demo")
    asked = {"X-Auth-Token": world.token("admin", "admin")}
    assert old.get(f"/tokens/{token}").status_code == 401
    for about in (token, "nonsense"):
        assert old.get(f"/tokens/{about}", headers={"X-Auth-Token": token}).status_code == 403, about
    assert old.get("/tokens/nonsense", headers=asked).status_code == 404
    assert old.get(f"/tokens/{token}?belongsTo=another", headers=asked).status_code == 401
    domain = make("domain", name="other")
    user = make("user", name="u", domain_id=domain["id"], password="secret")
    login = {
        "identity": {"methods": ["password"], "password": {"user": {"id": user["id"], "password": "secret"}}}
    }
    far = httpx.post(world.cloud.auth_url + "/auth/tokens", json={"auth": login}, timeout=30)
    answer = old.get(f"/tokens/{far.headers['X-Subject-Token']}", headers=asked)
    assert answer.status_code == 401, "the second version knows the default domain alone"


def test_a_token_that_is_bound_or_has_rules_is_not_valid_to_who_cannot_hold_it_to_them(
    old, world, monkeypatch
):
    token = world.token("demo", "demo")
    asked = {"X-Auth-Token": world.token("admin", "admin")}
    judged = world.cloud.cloud.auth.caller
    limits = ({"bound": "a certificate"}, {"access_rules": [{"path": "/", "method": "GET"}]})
    for limit in limits:

        def limited(db, text, limit=limit):
            found = copy.copy(judged(db, text))
            for name, value in limit.items() if text == token else ():
                setattr(found, name, value)
            return found

        monkeypatch.setattr(world.cloud.cloud.auth, "caller", limited)
        assert old.get(f"/tokens/{token}", headers=asked).status_code == 404


def test_no_log_has_such_a_token():
    wire = IdentityWire()
    assert wire.logged("/v2.0/tokens/gAAAA-_x") == "/v2.0/tokens/***"
    assert wire.logged("/v2.0/tokens/a\n/b") == "/v2.0/tokens/***"
    assert wire.logged("/identity/v2.0/tokens/a") == "/identity/v2.0/tokens/***"
    for path in ("/v2.0/tokens", "/v3/users/u"):
        assert wire.logged(path) == path


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
    asked = {"X-Auth-Token": world.token("admin", "admin")}
    assert old.get(f"/tokens/{token}", headers=asked).status_code == 404
