"""What may be asked of a token, what is made of one, and what ends one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

ADMIN = {"name": "admin", "domain": {"id": "default"}}
DEMO = {"name": "demo", "domain": {"id": "default"}}


def token_of(answer):
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Subject-Token"]


@pytest.fixture
def demo_token(log_in):
    return token_of(log_in(DEMO, {"project": {"name": "demo", "domain": {"id": "default"}}}))


def validate(client, token, method="GET", **query):
    headers = {} if token is None else {"X-Subject-Token": token}
    return client.request(method, "/auth/tokens", headers=headers, params=query)


def rescope(nobody, token, scope=None):
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}}
    if scope is not None:
        auth["scope"] = scope
    return nobody.post("/auth/tokens", json={"auth": auth})


def test_validation_shows_what_the_login_showed(admin, log_in):
    issued = log_in(DEMO, {"project": {"name": "demo", "domain": {"id": "default"}}})
    answer = validate(admin, token_of(issued))
    assert answer.status_code == 200
    assert answer.headers["X-Subject-Token"] == issued.headers["X-Subject-Token"]
    assert answer.json() == issued.json()
    assert "catalog" not in validate(admin, token_of(issued), nocatalog="").json()["token"]


def test_head_has_the_status_and_no_body(admin, demo_token):
    answer = validate(admin, demo_token, "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["X-Subject-Token"] == demo_token


def test_without_a_subject_or_with_a_strange_one_it_is_404(admin):
    assert validate(admin, None).status_code == 404
    assert validate(admin, "strange").json()["error"]["message"] == "Could not recognize Fernet token"
    assert validate(admin, "gAAAAABrACpwY").status_code == 404
    assert validate(admin, "x" * 9000).status_code == 404


def test_one_may_validate_ones_own_token_and_nobody_elses(world, demo, demo_token):
    assert validate(demo, demo_token).status_code == 200
    answer = validate(demo, world.token("admin"))
    assert answer.status_code == 403
    assert "identity:validate_token" in answer.json()["error"]["message"]


def test_a_service_may_validate_every_token(world, make, give, found, log_in, demo_token):
    user = make("user", name="nova", password="secret")
    give("service", user["id"], project=found("projects", "service"))
    service = world.api("identity", "nova", "service")
    assert validate(service, demo_token).status_code == 200
    assert service.get("/users").status_code == 403


def test_revoked_token_is_dead_at_once(world, admin, demo, demo_token):
    client = world.api("identity", None)
    client.client.headers["X-Auth-Token"] = demo_token
    assert client.get("/auth/projects").status_code == 200
    assert validate(client, demo_token, "DELETE").status_code == 204
    assert client.get("/auth/projects").status_code == 401
    assert validate(admin, demo_token).json()["error"]["message"] == "Failed to validate token"
    assert validate(admin, demo_token, "DELETE").status_code == 404
    assert demo.get("/auth/projects").status_code == 200, "another token of the same user lives on"


def test_nobody_revokes_the_token_of_another(world, demo):
    assert validate(demo, world.token("admin"), "DELETE").status_code == 403
    assert world.api("identity").get("/users").status_code == 200


def test_a_token_makes_tokens_of_other_scopes_with_the_same_end(nobody, log_in):
    origin = log_in(ADMIN, "unscoped")
    answer = rescope(nobody, token_of(origin), {"project": {"name": "demo", "domain": {"id": "default"}}})
    token, first = answer.json()["token"], origin.json()["token"]
    assert token["methods"] == ["password", "token"]
    assert token["expires_at"] == first["expires_at"]
    assert token["audit_ids"][1] == first["audit_ids"][0]
    again = rescope(nobody, token_of(answer), {"system": {"all": True}}).json()["token"]
    assert again["audit_ids"][1] == first["audit_ids"][0], "the chain keeps its first link"


def test_revoking_the_first_of_a_chain_ends_the_chain(nobody, admin, log_in):
    first = token_of(log_in(DEMO))
    second = token_of(rescope(nobody, first, {"project": {"name": "demo", "domain": {"id": "default"}}}))
    third = token_of(rescope(nobody, second))
    assert validate(admin, second, "DELETE").status_code == 204
    assert [validate(admin, token).status_code for token in (first, second, third)] == [200, 404, 200]
    assert validate(admin, first, "DELETE").status_code == 204
    assert [validate(admin, token).status_code for token in (first, second, third)] == [404, 404, 404]


def test_a_token_that_is_not_good_makes_none(nobody, admin, log_in):
    token = token_of(log_in(DEMO))
    assert rescope(nobody, "strange").status_code == 404
    assert validate(admin, token, "DELETE").status_code == 204
    assert rescope(nobody, token).status_code == 404


def test_a_token_ends_with_its_time(world, admin, demo_token):
    world.cloud.clock.advance(minutes=59)
    assert validate(admin, demo_token).status_code == 200
    world.cloud.clock.advance(minutes=2)
    assert admin.get("/users").status_code == 401
    world.tokens.clear()
    admin = world.api("identity")
    assert validate(admin, demo_token).status_code == 404
    expired = validate(admin, demo_token, allow_expired="1")
    assert expired.status_code == 200, "services may finish work that was begun in time"
    world.cloud.clock.advance(days=3)
    world.tokens.clear()
    assert validate(world.api("identity"), demo_token, allow_expired="1").status_code == 404


def ends(world, token, change):
    """The token is good before the change and wrong after it."""
    client = world.api("identity", None)
    client.client.headers["X-Auth-Token"] = token
    assert client.get("/auth/projects").status_code == 200
    change()
    assert client.get("/auth/projects").status_code == 401
    return client


def test_changing_the_password_ends_all_tokens(world, nobody, found, log_in, demo_token):
    user_id = found("users", "demo")
    body = {"user": {"original_password": "secret", "password": "better"}}
    ends(world, demo_token, lambda: nobody.post(f"/users/{user_id}/password", json=body).raise_for_status())
    assert log_in(DEMO).status_code == 401
    assert log_in(DEMO | {"password": "better"}).status_code == 201


def test_a_login_that_was_under_way_when_the_password_was_taken_is_refused(admin, make, log_in, monkeypatch):
    from monostack.identity.authentication import passwords

    verified, changed = threading.Event(), threading.Event()
    right = passwords.matches

    def slowly(password, stored):
        result = right(password, stored)
        verified.set()
        assert changed.wait(20)
        return result

    user = make("user", name="u", password="secret")["id"]
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(passwords, "matches", slowly)
        login = pool.submit(log_in, {"id": user})
        assert verified.wait(20)
        try:
            admin.patch(f"/users/{user}", json={"user": {"password": None}}).raise_for_status()
        finally:
            changed.set()
        assert login.result().status_code == 401


def test_setting_the_password_ends_all_tokens(world, admin, found, demo_token):
    path = f"/users/{found('users', 'demo')}"
    ends(world, demo_token, lambda: admin.patch(path, json={"user": {"password": "b"}}).raise_for_status())


@pytest.mark.parametrize(("collection", "name"), [("users", "demo"), ("projects", "demo")])
def test_disabling_ends_all_tokens_for_good(world, admin, found, demo_token, collection, name):
    path = f"/{collection}/{found(collection, name)}"
    kind = collection[:-1]
    client = ends(
        world, demo_token, lambda: admin.patch(path, json={kind: {"enabled": False}}).raise_for_status()
    )
    admin.patch(path, json={kind: {"enabled": True}}).raise_for_status()
    assert client.get("/auth/projects").status_code == 401, "an old token stays dead when its user comes back"


def test_disabling_or_deleting_a_domain_ends_the_tokens_of_its_users(world, admin, domain_with):
    domain, _, client = domain_with("reader")
    token = client.client.headers["X-Auth-Token"]
    path = f"/domains/{domain['id']}"
    ends(world, token, lambda: admin.patch(path, json={"domain": {"enabled": False}}).raise_for_status())
    assert admin.delete(path).status_code == 204
    assert validate(admin, token).status_code == 404


def test_deleting_the_user_or_the_project_ends_the_token(world, admin, make, give, log_in):
    for kind in ("user", "project"):
        project = make("project", name="p")
        user = make("user", name="u", password="secret")
        give("member", user["id"], project=project["id"])
        token = token_of(log_in({"id": user["id"]}, {"project": {"id": project["id"]}}))
        victim = {"user": user, "project": project}[kind]
        ends(world, token, lambda path=f"/{kind}s/{victim['id']}": admin.delete(path).raise_for_status())
        other = {"user": project, "project": user}[kind]
        admin.delete(f"/{'projects' if kind == 'user' else 'users'}/{other['id']}").raise_for_status()


def test_a_lost_role_is_lost_to_living_tokens(world, admin, demo, make, give, found, log_in):
    user, project = make("user", name="u", password="secret"), found("projects", "demo")
    member, reader = (give(role, user["id"], project=project) for role in ("member", "reader"))
    token = token_of(log_in({"id": user["id"]}, {"project": {"id": project}}))
    assert {r["name"] for r in validate(admin, token).json()["token"]["roles"]} == {"member", "reader"}
    admin.delete(f"/projects/{project}/users/{user['id']}/roles/{member}").raise_for_status()
    assert {r["name"] for r in validate(admin, token).json()["token"]["roles"]} == {"reader"}
    admin.delete(f"/projects/{project}/users/{user['id']}/roles/{reader}").raise_for_status()
    assert validate(admin, token).status_code == 404


def test_no_token_and_a_strange_token_are_401(nobody):
    assert nobody.get("/users").status_code == 401
    answer = nobody.get("/users", headers={"X-Auth-Token": "strange"})
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers
