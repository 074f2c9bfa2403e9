"""Trusts: acting with the roles of another."""

import pytest

BASE = "/OS-TRUST/trusts"


@pytest.fixture
def worker(world, make):
    """Somebody who is trusted: his id."""
    return make("user", name="worker", password="secret")["id"]


@pytest.fixture
def trust(demo, worker, found):
    """`trust(impersonation=False)`: the member of demo trusts the worker."""

    def create(code=201, **changes):
        asked = {
            "trustor_user_id": found("users", "demo"),
            "trustee_user_id": worker,
            "impersonation": True,
            "project_id": found("projects", "demo"),
            "roles": [{"name": "member"}],
        }
        answer = demo.post(BASE, json={"trust": asked | changes})
        assert answer.status_code == code, answer.text
        return answer.json().get("trust")

    return create


def use(log_in, worker, trust):
    return log_in({"id": worker}, {"OS-TRUST:trust": {"id": trust["id"]}})


def client_of(world, answer):
    assert answer.status_code == 201, answer.text
    client = world.api("identity", None)
    client.client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    return client


def test_life(demo, admin, trust, found, promised):
    made = trust()
    assert [role["name"] for role in made["roles"]] == ["member"]
    assert made["roles_links"]["self"].endswith(f"/v3/{made['id']}/roles")
    assert (made["expires_at"], made["remaining_uses"], made["deleted_at"]) == (None, None, None)
    assert (made["redelegation_count"], made["redelegated_trust_id"]) == (0, None)
    path = f"{BASE}/{made['id']}"
    assert promised("trusts.show", demo.get(path))["trust"] == made
    mine = demo.get(BASE, params={"trustor_user_id": found("users", "demo")})
    (listed,) = promised("trusts.index", mine)["trusts"]
    assert listed == {name: value for name, value in made.items() if name not in ("roles", "roles_links")}
    assert [each["id"] for each in admin.get(BASE).json()["trusts"]] == [made["id"]]
    assert [role["name"] for role in demo.get(path + "/roles").json()["roles"]] == ["member"]
    member = found("roles", "member")
    assert demo.get(f"{path}/roles/{member}").json()["role"]["name"] == "member"
    assert demo.head(f"{path}/roles/{member}").status_code == 200
    assert demo.get(f"{path}/roles/{found('roles', 'reader')}").status_code == 404
    assert demo.delete(path).status_code == 204
    assert demo.get(path).json()["error"]["message"] == f"Could not find trust: {made['id']}."


def test_with_impersonation_the_trustee_is_the_trustor(world, log_in, worker, trust, found):
    made = trust()
    token = use(log_in, worker, made).json()["token"]
    assert token["user"]["name"] == "demo"
    assert token["project"]["name"] == "demo"
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}
    assert token["OS-TRUST:trust"] == {
        "id": made["id"],
        "trustor_user": {"id": found("users", "demo")},
        "trustee_user": {"id": worker},
        "impersonation": True,
    }


def test_without_impersonation_the_trustee_stays_himself(log_in, worker, trust):
    token = use(log_in, worker, trust(impersonation=False, roles=[{"name": "reader"}])).json()["token"]
    assert token["user"]["name"] == "worker"
    assert [role["name"] for role in token["roles"]] == ["reader"]


def test_only_the_trustee_may_use_it(log_in, trust):
    made = trust()
    demo = {"name": "demo", "domain": {"id": "default"}}
    assert log_in(demo, {"OS-TRUST:trust": {"id": made["id"]}}).status_code == 403
    assert log_in(demo, {"OS-TRUST:trust": {"id": "nope"}}).status_code == 401
    assert log_in(demo, {"OS-TRUST:trust": {}}).status_code == 400


def test_its_tokens_make_neither_tokens_nor_trusts_nor_credentials(
    world, nobody, log_in, worker, trust, found
):
    client = client_of(world, use(log_in, worker, trust()))
    demo, project = found("users", "demo"), found("projects", "demo")
    assert client.get("/auth/projects").status_code == 200
    token = client.client.headers["X-Auth-Token"]
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": "unscoped"}
    asked = {"trustor_user_id": demo, "trustee_user_id": worker, "impersonation": True, "project_id": project}
    robot = {"application_credential": {"name": "robot"}}
    for answer in (
        nobody.post("/auth/tokens", json={"auth": auth}),
        client.get(f"/users/{demo}/application_credentials"),
        client.get(f"/users/{demo}/access_rules"),
        client.post(BASE, json={"trust": asked | {"roles": [{"name": "member"}]}}),
        client.post(f"/users/{demo}/application_credentials", json=robot),
        client.post(f"/users/{demo}/credentials/OS-EC2", json={"tenant_id": project}),
        client.post("/credentials", json={"credential": {"user_id": demo, "type": "cert", "blob": "b"}}),
    ):
        assert answer.status_code == 403, answer.text


def test_it_has_no_more_than_the_trustor_has_now(world, admin, log_in, worker, trust, found):
    made = trust()
    client = client_of(world, use(log_in, worker, made))
    user, project, member = found("users", "demo"), found("projects", "demo"), found("roles", "member")
    admin.delete(f"/projects/{project}/users/{user}/roles/{member}").raise_for_status()
    assert client.get("/auth/projects").status_code == 401
    assert use(log_in, worker, made).status_code == 403


@pytest.mark.parametrize("who", ["demo", "worker"])
def test_it_ends_with_either_user(world, admin, log_in, worker, trust, found, who):
    made = trust()
    client = client_of(world, use(log_in, worker, made))
    path = f"/users/{found('users', who)}"
    admin.patch(path, json={"user": {"enabled": False}}).raise_for_status()
    assert client.get("/auth/projects").status_code == 401
    admin.delete(path).raise_for_status()
    assert admin.get(f"{BASE}/{made['id']}").status_code == 404


def test_its_tokens_end_with_it(world, demo, log_in, worker, trust):
    made = trust()
    client = client_of(world, use(log_in, worker, made))
    assert client.get("/auth/projects").status_code == 200
    demo.delete(f"{BASE}/{made['id']}").raise_for_status()
    assert client.get("/auth/projects").status_code == 401
    assert use(log_in, worker, made).status_code == 401


def test_it_expires(world, log_in, worker, trust):
    made = trust(expires_at=world.cloud.clock.after(600)[:19] + "Z")
    assert made["expires_at"].endswith(".000000Z")
    client = client_of(world, use(log_in, worker, made))
    world.cloud.clock.advance(minutes=11)
    assert client.get("/auth/projects").status_code == 401
    assert use(log_in, worker, made).status_code == 401


def test_it_may_be_good_for_so_many_logins(world, log_in, worker, trust, demo):
    made = trust(remaining_uses=2)
    first = client_of(world, use(log_in, worker, made))
    assert demo.get(f"{BASE}/{made['id']}").json()["trust"]["remaining_uses"] == 1
    assert use(log_in, worker, made).status_code == 201
    assert use(log_in, worker, made).status_code == 401
    assert first.get("/auth/projects").status_code == 200, "a token once given is good until it ends"
    assert demo.get(f"{BASE}/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"trustee_user_id": "nope"}, 404),
        ({"project_id": "nope"}, 404),
        ({"roles": [{"name": "admin"}]}, 404),
        ({"roles": [{"name": "nope"}]}, 404),
        ({"roles": [{"id": "nope"}]}, 404),
        ({"roles": []}, 403),
        ({"project_id": None}, 404),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 400),
        ({"expires_at": "soon"}, 400),
        ({"remaining_uses": 0}, 400),
        ({"remaining_uses": 2**70}, 400),
        ({"impersonation": "yes"}, 400),
        ({"allow_redelegation": True, "redelegation_count": 4}, 403),
        ({"allow_redelegation": True, "remaining_uses": 1}, 400),
        ({"redelegated_trust_id": "nope"}, 403),
        ({"redelegation_count": -1}, 400),
    ],
)
def test_trusts_that_cannot_be_made(trust, changes, code):
    trust(code, **changes)


def test_nobody_is_made_to_trust(world, admin, demo, found, trust):
    asked = {
        "trustor_user_id": found("users", "admin"),
        "trustee_user_id": found("users", "demo"),
        "impersonation": True,
        "project_id": found("projects", "admin"),
        "roles": [{"name": "admin"}],
    }
    assert demo.post(BASE, json={"trust": asked}).status_code == 403
    made = trust()
    world.persona("eve")
    eve = world.api("identity", "eve")
    for answer in (
        eve.get(BASE),
        eve.get(BASE, params={"trustor_user_id": found("users", "demo")}),
        eve.get(f"{BASE}/{made['id']}"),
        eve.delete(f"{BASE}/{made['id']}"),
    ):
        assert answer.status_code == 403
    assert demo.get(BASE).status_code == 403


def test_lists_are_for_those_whom_they_are_about(world, admin, demo, trust, found, worker):
    made, user = trust(), found("users", "demo")
    both = {"trustor_user_id": user, "trustee_user_id": worker}
    assert [each["id"] for each in demo.get(BASE, params=both).json()["trusts"]] == [made["id"]]
    mine = world.api("identity", None)
    mine.client.headers["X-Auth-Token"] = world.token("worker", None, password="secret")
    given = mine.get(BASE, params={"trustee_user_id": worker}).json()["trusts"]
    assert [each["id"] for each in given] == [made["id"]]
    assert mine.get(BASE, params=both).status_code == 403
    assert demo.get(BASE, params={"trustee_user_id": worker}).status_code == 403
    world.cloud.clock.advance(minutes=1)
    trust(expires_at=world.cloud.clock.after(60)[:19] + "Z")
    world.cloud.clock.advance(minutes=2)
    assert len(demo.get(BASE, params={"trustor_user_id": user}).json()["trusts"]) == 2, "until it is deleted"


def test_tokens_of_application_credentials_know_no_trusts(world, demo, nobody, trust, found):
    made, user = trust(), found("users", "demo")
    asked = {"name": "robot", "secret": "known", "unrestricted": True}
    path = f"/users/{user}/application_credentials"
    robot = demo.post(path, json={"application_credential": asked}).json()["application_credential"]
    secret = {"id": robot["id"], "secret": "known"}
    identity = {"methods": ["application_credential"], "application_credential": secret}
    client = client_of(world, nobody.post("/auth/tokens", json={"auth": {"identity": identity}}))
    for answer in (
        client.get(BASE, params={"trustor_user_id": user}),
        client.get(f"{BASE}/{made['id']}"),
        client.get(f"{BASE}/{made['id']}/roles"),
        client.delete(f"{BASE}/{made['id']}"),
        client.post(
            BASE, json={"trust": {"trustor_user_id": user, "trustee_user_id": user, "impersonation": False}}
        ),
    ):
        assert answer.status_code == 403
        assert "Delegated tokens cannot manage trusts" in answer.json()["error"]["message"]
