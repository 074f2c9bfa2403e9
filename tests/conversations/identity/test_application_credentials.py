"""Application credentials: logins for programs."""

import pytest


@pytest.fixture
def mine(found):
    return f"/users/{found('users', 'demo')}/application_credentials"


def make(client, path, code=201, **attributes):
    body = {"application_credential": {"name": "robot"} | attributes}
    answer = client.post(path, json=body)
    assert answer.status_code == code, answer.text
    return answer.json().get("application_credential")


def log_in(nobody, credential, **auth):
    identity = {"methods": ["application_credential"], "application_credential": credential}
    return nobody.post("/auth/tokens", json={"auth": {"identity": identity} | auth})


def client_of(world, answer):
    assert answer.status_code == 201, answer.text
    client = world.api("identity", None)
    client.client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    return client


def test_life(demo, mine, found, promised):
    body = {"application_credential": {"name": "robot", "description": "d"}}
    made = promised("users_application_credentials.create", demo.post(mine, json=body))
    made = made["application_credential"]
    assert len(made.pop("secret")) > 60
    assert {role["name"] for role in made["roles"]} == {"member", "reader"}
    assert made["project_id"] == found("projects", "demo")
    assert (made["expires_at"], made["unrestricted"], made["system"]) == (None, None, None)
    path = f"{mine}/{made['id']}"
    shown = promised("users_application_credentials.show", demo.get(path))["application_credential"]
    assert shown == made, "the secret is shown once"
    listed = promised("users_application_credentials.index", demo.get(mine))["application_credentials"]
    assert listed == [made]
    assert demo.get(mine, params={"name": "other"}).json()["application_credentials"] == []
    make(demo, mine, 409)
    assert demo.delete(path).status_code == 204
    assert (
        demo.get(path).json()["error"]["message"] == f"Could not find Application Credential: {made['id']}."
    )


def test_login_by_id_and_by_name(demo, mine, nobody, found):
    made = make(demo, mine, roles=[{"name": "reader"}], secret="known")
    demo_user = {"name": "demo", "domain": {"id": "default"}}
    for credential in (
        {"id": made["id"], "secret": "known"},
        {"name": "robot", "user": {"id": found("users", "demo")}, "secret": "known"},
        {"name": "robot", "user": demo_user, "secret": "known"},
    ):
        answer = log_in(nobody, credential)
        assert answer.status_code == 201, answer.text
        token = answer.json()["token"]
        assert token["methods"] == ["application_credential"]
        assert token["project"]["name"] == "demo"
        assert [role["name"] for role in token["roles"]] == ["reader"]
        assert token["application_credential"] == {"id": made["id"], "name": "robot", "restricted": True}


def test_logins_that_are_refused(demo, mine, nobody):
    made = make(demo, mine)
    secret = made["secret"]
    for credential in (
        {"id": made["id"], "secret": "wrong"},
        {"id": made["id"]},
        {"id": "nope", "secret": secret},
        {"name": "other", "user": {"name": "demo", "domain": {"id": "default"}}, "secret": secret},
        {"name": "robot", "user": {"name": "admin", "domain": {"id": "default"}}, "secret": secret},
    ):
        assert log_in(nobody, credential).status_code == 401, credential
    scope = {"project": {"name": "demo", "domain": {"id": "default"}}}
    assert log_in(nobody, {"id": made["id"], "secret": secret}, scope=scope).status_code == 401
    assert log_in(nobody, {"name": "robot", "secret": secret}).status_code == 400
    assert log_in(nobody, {"secret": secret}).status_code == 400


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"name": ""}, "name"),
        ({"roles": [{"name": "admin"}]}, "unassigned role"),
        ({"roles": [{"id": "nope"}]}, "unassigned role"),
        ({"expires_at": "soon"}, "Timestamp"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "must not be before now"),
    ],
)
def test_credentials_that_cannot_be_made(demo, mine, attributes, words):
    answer = demo.post(mine, json={"application_credential": {"name": "robot"} | attributes})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert demo.get(mine).json()["application_credentials"] == []


def test_it_expires(world, demo, mine, nobody):
    made = make(demo, mine, expires_at=world.cloud.clock.after(600)[:19])
    answer = log_in(nobody, {"id": made["id"], "secret": made["secret"]})
    client = client_of(world, answer)
    assert client.get("/auth/projects").status_code == 200
    world.cloud.clock.advance(minutes=11)
    assert client.get("/auth/projects").status_code == 401, "its token ends with it, not an hour after"
    assert log_in(nobody, {"id": made["id"], "secret": made["secret"]}).status_code == 401


def test_a_restricted_token_makes_neither_credentials_nor_tokens(world, demo, mine, nobody):
    made = make(demo, mine)
    client = client_of(world, log_in(nobody, {"id": made["id"], "secret": made["secret"]}))
    assert client.get(f"{mine}/{made['id']}").status_code == 200
    make(client, mine, 403, name="child")
    assert client.delete(f"{mine}/{made['id']}").status_code == 403
    token = client.client.headers["X-Auth-Token"]
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": "unscoped"}
    assert nobody.post("/auth/tokens", json={"auth": auth}).status_code == 403


def test_an_unrestricted_token_makes_credentials(world, demo, mine, nobody):
    made = make(demo, mine, unrestricted=True)
    client = client_of(world, log_in(nobody, {"id": made["id"], "secret": made["secret"]}))
    make(client, mine, name="child")


def test_it_has_no_more_than_its_user_has_now(world, admin, make, give, nobody, found, log_in):
    user, project = found("users", "demo"), found("projects", "demo")
    path = f"/users/{user}/application_credentials"
    answer = world.api("identity", "demo").post(path, json={"application_credential": {"name": "robot"}})
    made = answer.json()["application_credential"]
    credential = {"id": made["id"], "secret": made["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": credential}
    give("reader", user, project=project)
    admin.delete(f"/projects/{project}/users/{user}/roles/{found('roles', 'member')}").raise_for_status()
    token = nobody.post("/auth/tokens", json={"auth": {"identity": identity}}).json()["token"]
    assert [role["name"] for role in token["roles"]] == ["reader"]
    admin.delete(f"/projects/{project}/users/{user}/roles/{found('roles', 'reader')}").raise_for_status()
    assert nobody.post("/auth/tokens", json={"auth": {"identity": identity}}).status_code == 401


def test_its_tokens_end_with_it(world, demo, mine, nobody):
    made = make(demo, mine)
    client = client_of(world, log_in(nobody, {"id": made["id"], "secret": made["secret"]}))
    assert client.get("/auth/projects").status_code == 200
    demo.delete(f"{mine}/{made['id']}").raise_for_status()
    assert client.get("/auth/projects").status_code == 401


def test_nobody_makes_one_for_another_and_strangers_see_none(world, admin, demo, mine):
    made = make(demo, mine)
    make(admin, mine, 403, name="other")
    assert admin.get(mine).status_code == 200
    world.persona("eve")
    eve = world.api("identity", "eve")
    for answer in (eve.get(mine), eve.get(f"{mine}/{made['id']}"), eve.delete(f"{mine}/{made['id']}")):
        assert answer.status_code == 403
    assert admin.delete(f"{mine}/{made['id']}").status_code == 204


def test_a_token_without_a_project_makes_none(world, log_in_by_password, mine):
    client = client_of(world, log_in_by_password({"name": "demo", "domain": {"id": "default"}}, "unscoped"))
    answer = client.post(mine, json={"application_credential": {"name": "robot"}})
    assert answer.status_code in (400, 403)


@pytest.fixture
def log_in_by_password(nobody):
    def attempt(user, scope):
        identity = {"methods": ["password"], "password": {"user": user | {"password": "secret"}}}
        return nobody.post("/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})

    return attempt


def test_a_user_may_have_so_many(world, demo, mine):
    limit = world.cloud.cloud.settings.identity
    limit.application_credential_limit = 1
    try:
        made = make(demo, mine, name="one")
        make(demo, mine, 403, name="two")
        assert demo.delete(f"{mine}/{made['id']}").status_code == 204
        make(demo, mine, name="two")
    finally:
        limit.application_credential_limit = -1
