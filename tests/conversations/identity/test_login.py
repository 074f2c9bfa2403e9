"""Logging in, and being refused."""

import pytest

from monostack.identity.authentication import passwords

ADMIN = {"name": "admin", "domain": {"id": "default"}}
PROJECT = {"project": {"name": "admin", "domain": {"id": "default"}}}


def test_token_for_a_project(log_in):
    answer = log_in(ADMIN, PROJECT)
    assert answer.status_code == 201
    assert answer.headers["X-Subject-Token"].startswith("gAAAAA")
    assert answer.headers["Vary"] == "X-Auth-Token"
    token = answer.json()["token"]
    assert token["methods"] == ["password"]
    assert token["user"]["domain"] == {"id": "default", "name": "Default"}
    assert token["user"]["password_expires_at"] is None
    assert token["project"]["name"] == "admin"
    assert token["is_domain"] is False
    assert {role["name"] for role in token["roles"]} == {"admin", "manager", "member", "reader"}
    assert len(token["audit_ids"]) == 1
    assert token["expires_at"].endswith(".000000Z")
    assert token["issued_at"] < token["expires_at"]
    (service,) = token["catalog"]
    assert {endpoint["interface"] for endpoint in service["endpoints"]} == {"public", "internal", "admin"}
    assert all(each["region"] == each["region_id"] == "RegionOne" for each in service["endpoints"])


@pytest.mark.parametrize(
    ("scope", "key", "absent"),
    [
        (None, "user", {"project", "domain", "system", "roles", "catalog", "is_domain"}),
        ("unscoped", "user", {"project", "domain", "system", "roles", "catalog"}),
        ({"unscoped": {}}, "user", {"project", "roles"}),
        ({"domain": {"name": "Default"}}, "domain", {"project", "system", "is_domain"}),
        ({"system": {"all": True}}, "system", {"project", "domain", "is_domain"}),
    ],
)
def test_other_scopes(log_in, scope, key, absent):
    answer = log_in(ADMIN, scope)
    assert answer.status_code == 201
    assert key in answer.json()["token"]
    assert not absent & answer.json()["token"].keys()


def test_a_name_counts_more_than_an_id_beside_it(log_in, found):
    admin, wrong = found("users", "admin"), {"id": "nope"}
    project = {"id": found("projects", "admin")}
    assert log_in(ADMIN | wrong, {"project": PROJECT["project"] | wrong}).status_code == 201
    assert log_in(ADMIN | {"domain": {"name": "Default", "id": "nope"}}).status_code == 201
    assert log_in({"id": admin, "name": ""}, {"domain": {"id": "default", "name": ""}}).status_code == 201
    assert log_in({"id": admin, "name": "x"}).status_code == 400, "a name needs a domain"
    assert log_in({"id": admin}, {"project": project | {"name": "x"}}).status_code == 400
    assert log_in({"id": admin}, {"domain": {"id": "default", "name": "x"}}).status_code == 401
    assert log_in(ADMIN | {"domain": {"id": "default", "name": "x"}}).status_code == 401


def test_nocatalog(log_in):
    assert "catalog" not in log_in(ADMIN, PROJECT, nocatalog="").json()["token"]


def test_default_project_is_the_scope_when_nothing_is_said(log_in, make, give, found):
    project = found("projects", "demo")
    user = make("user", name="u", password="secret", default_project_id=project)
    assert "project" not in log_in({"id": user["id"]}).json()["token"], "no role there: unscoped"
    give("reader", user["id"], project=project)
    assert log_in({"id": user["id"]}).json()["token"]["project"]["id"] == project
    assert "project" not in log_in({"id": user["id"]}, "unscoped").json()["token"]


@pytest.mark.parametrize(
    ("user", "scope"),
    [
        (ADMIN | {"password": "wrong"}, PROJECT),
        (ADMIN | {"password": ""}, PROJECT),
        (ADMIN | {"password": "x" * 5000}, PROJECT),
        ({"name": "nobody", "domain": {"id": "default"}}, PROJECT),
        ({"name": "admin", "domain": {"id": "nowhere"}}, PROJECT),
        ({"name": "admin", "domain": {"name": "Nowhere"}}, PROJECT),
        ({"id": "f" * 32}, PROJECT),
        (ADMIN, {"project": {"name": "nope", "domain": {"id": "default"}}}),
        (ADMIN, {"project": {"id": "nope"}}),
        (ADMIN, {"domain": {"id": "nope"}}),
        ({"name": "demo", "domain": {"id": "default"}}, {"system": {"all": True}}),
        ({"name": "demo", "domain": {"id": "default"}}, PROJECT),
    ],
)
def test_every_failed_login_is_the_same_401(log_in, user, scope):
    answer = log_in(user, scope)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Keystone uri="http://')
    assert answer.json() == {
        "error": {
            "code": 401,
            "message": "The request you have made requires authentication.",
            "title": "Unauthorized",
        }
    }


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({}, "identity"),
        ({"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": None}, "'scope'"),
        (5, "object"),
        ({"identity": {}}, "methods"),
        ({"identity": {"methods": "password"}}, "array"),
        ({"identity": {"methods": [5]}}, "string"),
        ({"identity": {"methods": ["password"]}}, "Expecting to find password in identity"),
        ({"identity": {"methods": ["password"], "password": {}}}, "Expecting to find user"),
        ({"identity": {"methods": ["password"], "password": {"user": {}}}}, "id or name must be present"),
        ({"identity": {"methods": ["password"], "password": {"user": {"name": "a"}}}}, "domain in user"),
        (
            {"identity": {"methods": ["password"], "password": {"user": {"name": "a", "domain": {}}}}},
            "id or name must be present",
        ),
        ({"identity": {"methods": ["token"], "token": {}}}, "'id' is a required property"),
        ({"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": {}}, "in scope"),
        ({"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": "all"}, "in scope"),
        (
            {"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": {"project": {"name": "p"}}},
            "domain in project",
        ),
        ({"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": {"project": {}}}, "id or name"),
        (
            {
                "identity": {"methods": ["token"], "token": {"id": "x"}},
                "scope": {"project": {"id": "a"}, "domain": {"id": "b"}},
            },
            "in scope",
        ),
    ],
)
def test_what_a_body_lacks_is_told(nobody, auth, words):
    answer = nobody.post("/auth/tokens", json={"auth": auth})
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]["message"]


def test_no_body_and_bodies_of_another_kind_are_400(nobody):
    for content in (b"", b"[]", b'"x"', b"{}", b"5"):
        answer = nobody.post("/auth/tokens", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, content


def test_no_method_or_an_unknown_one_is_refused(nobody):
    for identity in ({"methods": []}, {"methods": ["magic"], "magic": {}}):
        assert nobody.post("/auth/tokens", json={"auth": {"identity": identity}}).status_code == 401


def test_disabled_user_domain_or_project_cannot_be_logged_in_to(log_in, admin, make, give):
    domain = make("domain", name="d")
    project = make("project", name="p", domain_id=domain["id"])
    user = make("user", name="u", domain_id=domain["id"], password="secret")
    give("member", user["id"], project=project["id"])
    who, where = {"id": user["id"]}, {"project": {"id": project["id"]}}
    assert log_in(who, where).status_code == 201
    for path in (f"/projects/{project['id']}", f"/users/{user['id']}", f"/domains/{domain['id']}"):
        kind = path.split("/")[1][:-1]
        assert admin.patch(path, json={kind: {"enabled": False}}).status_code == 200
        assert log_in(who, where).status_code == 401
        assert admin.patch(path, json={kind: {"enabled": True}}).status_code == 200
        assert log_in(who, where).status_code == 201


@pytest.fixture
def compared(monkeypatch):
    """The cost of every comparison with a stored hash."""
    costs = []
    real = passwords.matches

    def matches(password: str, stored: str) -> bool:
        costs.append("$".join(stored.split("$")[1:3]))
        return real(password, stored)

    monkeypatch.setattr(passwords, "matches", matches)
    return costs


def test_every_failed_login_is_one_comparison_of_the_same_cost(log_in, make, admin, compared):
    """Whoever measures the time learns nothing."""
    without = make("user", name="without")
    disabled = make("user", name="disabled", password="secret", enabled=False)
    domain = make("domain", name="d")
    in_disabled = make("user", name="u", domain_id=domain["id"], password="secret")
    admin.patch(f"/domains/{domain['id']}", json={"domain": {"enabled": False}}).raise_for_status()
    failures = [
        ADMIN | {"password": "wrong"},
        ADMIN | {"password": "x" * 5000},
        {"name": "nobody", "domain": {"id": "default"}},
        {"name": "admin", "domain": {"id": "nowhere"}},
        {"name": "admin", "domain": {"name": "Nowhere"}},
        {"id": "nobody"},
        {"id": without["id"]},
        {"id": disabled["id"]},
        {"id": disabled["id"], "password": "wrong"},
        {"id": in_disabled["id"]},
    ]
    for user in failures:
        assert log_in(user, PROJECT).status_code == 401, user
    assert compared == ["2b$04"] * len(failures)


def test_a_wrong_application_credential_is_one_comparison_too(world, nobody, found, compared):
    admin = world.api("identity")
    path = f"/users/{found('users', 'admin')}/application_credentials"
    made = admin.post(path, json={"application_credential": {"name": "a"}}).json()["application_credential"]
    compared.clear()
    for asked in ({"id": made["id"]}, {"id": "nope"}, {"name": "nope", "user": {"id": "nobody"}}):
        asked["secret"] = "wrong"
        identity = {"methods": ["application_credential"], "application_credential": asked}
        assert nobody.post("/auth/tokens", json={"auth": {"identity": identity}}).status_code == 401
    assert len(compared) == 3
