"""Access rules: what the tokens of an application credential may be used for."""

import pytest

KNOWS = {"OpenStack-Identity-Access-Rules": "1.0"}
USERS = {"service": "identity", "method": "GET", "path": "/v3/users/{id}"}
SERVERS = {"service": "compute", "method": "POST", "path": "/v2.1/servers"}


@pytest.fixture
def user_id(found):
    return found("users", "demo")


@pytest.fixture
def make(demo, user_id):
    """`make([rule, ...])`: a new application credential of the user demo."""
    names = iter(range(100))

    def create(rules, code=201, client=None, **attributes):
        asked = {"name": f"robot {next(names)}", "secret": "known", "access_rules": rules} | attributes
        answer = (client or demo).post(
            f"/users/{user_id}/application_credentials", json={"application_credential": asked}
        )
        assert answer.status_code == code, answer.text
        return answer.json().get("application_credential") or answer.json()["error"]["message"]

    return create


@pytest.fixture
def token(nobody):
    """The token of an application credential."""

    def log_in(credential):
        asked = {"id": credential["id"], "secret": "known"}
        identity = {"methods": ["application_credential"], "application_credential": asked}
        answer = nobody.post("/auth/tokens", json={"auth": {"identity": identity}})
        assert answer.status_code == 201, answer.text
        return answer

    return log_in


def listed(demo, user_id, **filters):
    return demo.get(f"/users/{user_id}/access_rules", params=filters).json()["access_rules"]


def test_rules_are_made_with_a_credential_and_kept_once(demo, user_id, make, promised):
    first = make([USERS, SERVERS])
    assert [{name: rule[name] for name in USERS} for rule in first["access_rules"]] == [USERS, SERVERS]
    ids = [rule["id"] for rule in first["access_rules"]]
    second = make([SERVERS, {"id": ids[0]}, SERVERS])
    assert [rule["id"] for rule in second["access_rules"]] == [ids[1], ids[0]]
    shown = demo.get(f"/users/{user_id}/application_credentials/{first['id']}").json()
    assert shown["application_credential"]["access_rules"] == first["access_rules"]
    answer = demo.get(f"/users/{user_id}/access_rules")
    rules = promised("users_access_rules.index", answer)["access_rules"]
    assert sorted(rule["id"] for rule in rules) == sorted(ids)
    one = demo.get(f"/users/{user_id}/access_rules/{ids[0]}")
    rule = promised("users_access_rules.show", one)["access_rule"]
    assert rule.pop("links")["self"].endswith(f"/v3/access_rules/{ids[0]}")
    assert rule == USERS | {"id": ids[0]}
    assert [rule["id"] for rule in listed(demo, user_id, service="compute")] == [ids[1]]
    assert [rule["id"] for rule in listed(demo, user_id, method="GET", path=USERS["path"])] == [ids[0]]
    assert listed(demo, user_id, service="image") == []


def test_a_rule_may_be_given_an_id(demo, user_id, make):
    made = make([{"id": "servers", **SERVERS}])
    assert [rule["id"] for rule in made["access_rules"]] == ["servers"]
    assert demo.head(f"/users/{user_id}/access_rules/servers").status_code == 200


def test_a_rule_in_use_stays(demo, user_id, make):
    made = make([USERS])
    path = f"/users/{user_id}/access_rules/{made['access_rules'][0]['id']}"
    refused = demo.delete(path)
    assert refused.status_code == 403
    assert refused.json()["error"]["message"] == "May not delete access rule in use"
    assert demo.delete(f"/users/{user_id}/application_credentials/{made['id']}").status_code == 204
    assert len(listed(demo, user_id)) == 1
    assert demo.delete(path).status_code == 204
    assert demo.delete(path).json()["error"]["message"].startswith("Could not find Access Rule: ")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"id": "unknown"}, "service, method and path"),
        ({"service": "compute"}, "service, method and path"),
        (SERVERS | {"method": "TRACE"}, "method"),
        (SERVERS | {"path": "servers"}, "path"),
        (SERVERS | {"colour": "red"}, "colour"),
        (SERVERS | {"path": "/" + "x" * 225}, "path"),
    ],
)
def test_what_is_no_rule_is_refused_and_nothing_is_made(demo, user_id, make, rule, words):
    assert words in make([USERS, rule], 400)
    assert listed(demo, user_id) == []


def test_no_rules_are_no_limit(make, token, demo):
    made = make([])
    assert "access_rules" not in made
    assert "access_rules" not in token(made).json()["token"]["application_credential"]


def test_rules_are_their_users_own(world, admin, demo, make, user_id, found):
    rule = make([USERS])["access_rules"][0]
    own = f"/users/{found('users', 'admin')}"
    asked = {"name": "robot", "access_rules": [{"id": rule["id"], **SERVERS}]}
    refused = admin.post(f"{own}/application_credentials", json={"application_credential": asked})
    assert refused.status_code == 404
    assert admin.get(f"{own}/access_rules/{rule['id']}").status_code == 404
    assert admin.get(f"/users/{user_id}/access_rules").status_code == 403
    assert admin.delete(f"/users/{user_id}/access_rules/{rule['id']}").status_code == 403
    system = world.api("identity", "admin", scope={"system": {"all": True}})
    assert system.get(f"/users/{user_id}/access_rules/{rule['id']}").status_code == 200
    assert system.get("/users/nobody/access_rules").json()["access_rules"] == []


def test_a_token_is_held_to_its_rules(world, make, token, user_id, found):
    client = world.api("identity", None)
    answer = token(make([USERS, {"service": "identity", "method": "GET", "path": "/v3/auth/**"}]))
    told = answer.json()["token"]["application_credential"]
    assert [rule["path"] for rule in told["access_rules"]] == [USERS["path"], "/v3/auth/**"]
    client.client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    assert client.get(f"/users/{user_id}").status_code == 200
    assert client.get("/auth/catalog").status_code == 200
    for method, path in (
        ("HEAD", f"/users/{user_id}"),
        ("GET", f"/users/{user_id}/projects"),
        ("GET", f"/users/{user_id}/access_rules"),
        ("GET", "/projects"),
        ("DELETE", "/auth/tokens"),
    ):
        refused = client.request(method, path)
        assert refused.status_code == 401, path
        assert "www-authenticate" in refused.headers
    own = client.get("/auth/tokens", headers=KNOWS | {"X-Subject-Token": answer.headers["X-Subject-Token"]})
    assert own.status_code == 200
    made = make([{"service": "identity", "method": "GET", "path": f"/identity/v3/users/{user_id}"}])
    client.client.headers["X-Auth-Token"] = token(made).headers["X-Subject-Token"]
    assert client.get(f"/users/{user_id}").status_code == 200


def test_a_service_may_ask_on_in_the_callers_name(world, admin, found, give, make, token, user_id):
    service = admin.post("/users", json={"user": {"name": "nova", "password": "secret"}}).json()["user"]
    give("service", service["id"], project=found("projects", "service"))
    client = world.api("identity", None)
    client.client.headers["X-Auth-Token"] = token(make([SERVERS])).headers["X-Subject-Token"]
    path = f"/users/{user_id}"
    assert client.get(path).status_code == 401
    behind = world.token("nova", "service", password="secret")
    assert client.get(path, headers={"X-Service-Token": behind}).status_code == 200
    for word in (world.token("demo", "demo"), "nonsense"):
        assert client.get(path, headers={"X-Service-Token": word}).status_code == 401


@pytest.mark.parametrize(
    ("version", "code"),
    [(None, 404), ("1", 200), ("1.0", 200), ("2", 200), ("0.9", 404), ("x", 404), ("", 404)],
)
def test_only_who_knows_of_rules_finds_the_token_valid(admin, make, token, version, code):
    subject = token(make([SERVERS])).headers["X-Subject-Token"]
    headers = {"X-Subject-Token": subject} | ({} if version is None else {next(iter(KNOWS)): version})
    assert admin.get("/auth/tokens", headers=headers).status_code == code
    assert admin.head("/auth/tokens", headers=headers).status_code == code


def test_rules_go_with_their_user(admin, make, user_id, demo, world):
    make([USERS])
    assert admin.delete(f"/users/{user_id}").status_code == 204
    system = world.api("identity", "admin", scope={"system": {"all": True}})
    assert system.get(f"/users/{user_id}/access_rules").json()["access_rules"] == []
