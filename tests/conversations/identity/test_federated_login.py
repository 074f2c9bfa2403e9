"""People whom an identity provider vouches for, as a front proxy tells it in headers."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.conftest import World

from monostack import testing

F = "/OS-FEDERATION"
AUTH = F + "/identity_providers/acme/protocols/mapped/auth"
WEBSSO = "/auth/OS-FEDERATION/identity_providers/acme/protocols/mapped/websso"
DASHBOARD = "http://dashboard.example/auth/websso/"
BOB = {"OIDC-sub": "bob", "OIDC-iss": "https://acme.example"}


@pytest.fixture(scope="module")
def shared_world(database: str):
    options = {
        "federation.trusted_proxies": "127.0.0.0/8",
        "federation.trusted_dashboards": DASHBOARD.replace("dashboard", "Dashboard"),
    }
    with testing.cloud(only=("identity",), database=database, **options) as cloud:
        yield World(cloud)


@pytest.fixture
def mapping(admin):
    """`mapping([local, ...], remote, ...)`: the mapping gets one rule."""

    def store(local: list, *remote: dict, version: str = "1.0", more: tuple = ()) -> None:
        remote = remote or ({"type": "HTTP_OIDC_SUB"},)
        rules = [{"local": local, "remote": list(remote)}, *more]
        body = {"mapping": {"rules": rules, "schema_version": version}}
        answer = admin.patch(F + "/mappings/m", json=body)
        if answer.status_code == 404:
            answer = admin.put(F + "/mappings/m", json=body)
        assert answer.is_success, answer.text

    return store


@pytest.fixture
def acme(admin, mapping):
    """The identity provider; everybody it vouches for is let in."""
    mapping([{"user": {"name": "{0}"}}])
    provider = {"remote_ids": ["https://acme.example"], "enabled": True}
    made = admin.put(F + "/identity_providers/acme", json={"identity_provider": provider})
    protocol = {"mapping_id": "m", "remote_id_attribute": "HTTP_OIDC_ISS"}
    path = F + "/identity_providers/acme/protocols/mapped"
    assert admin.put(path, json={"protocol": protocol}).status_code == 201
    return made.json()["identity_provider"]


@pytest.fixture
def arrive(nobody, acme):
    def come(path: str = AUTH, method: str = "GET", **headers: str):
        said = {name: value for name, value in (BOB | headers).items() if value is not None}
        return nobody.request(method, path, headers=said)

    return come


@pytest.fixture
def group(make, admin, found):
    """A group of the domain Default with the role member on the project demo."""
    row = make("group", name="staff", domain_id="default")
    role = found("roles", "member")
    answer = admin.put(f"/projects/{found('projects', 'demo')}/groups/{row['id']}/roles/{role}")
    assert answer.status_code == 204
    return row["id"]


def of(answer):
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Subject-Token"], answer.json()["token"]


def scoped(nobody, token, scope, method="token"):
    identity = {"methods": [method], method: {"id": token}}
    return nobody.post("/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})


def check(admin, token):
    return admin.get("/auth/tokens?nocatalog", headers={"X-Subject-Token": token})


DEMO = {"project": {"name": "demo", "domain": {"id": "default"}}}


def test_the_first_login_makes_the_user(admin, acme, arrive):
    token, body = of(arrive())
    domain = {"id": acme["domain_id"], "name": acme["domain_id"]}
    unique = hashlib.sha256(f"{acme['domain_id']}userbob".encode()).hexdigest()
    assert body["user"] == {
        "domain": domain,
        "id": unique,
        "name": "bob",
        "OS-FEDERATION": {
            "groups": [],
            "identity_provider": {"id": "acme"},
            "protocol": {"id": "mapped"},
        },
    }
    assert body["methods"] == ["mapped"]
    assert "project" not in body and "roles" not in body
    user = admin.get(f"/users/{unique}").json()["user"]
    assert user["federated"] == [
        {"idp_id": "acme", "protocols": [{"protocol_id": "mapped", "unique_id": "bob"}]}
    ]
    assert (user["domain_id"], user["enabled"]) == (acme["domain_id"], True)
    assert of(arrive(method="POST"))[1]["user"]["id"] == unique, "the second login finds him"
    assert check(admin, token).json()["token"]["user"] == body["user"]


def test_who_comes_for_the_first_time_several_times_at_once_is_one(admin, arrive, mapping):
    local = [{"user": {"name": "{0}"}}, {"projects": [{"name": "p", "roles": [{"name": "reader"}]}]}]
    mapping(local)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: arrive(), range(8)))
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    assert len({answer.json()["token"]["user"]["id"] for answer in answers}) == 1
    assert len(admin.get("/users?idp_id=acme").json()["users"]) == 1
    assert len(admin.get("/projects?name=p").json()["projects"]) == 1


def test_name_and_mail_are_kept_up_to_date(admin, arrive, mapping):
    mapping(
        [{"user": {"id": "{0}", "name": "{1}", "email": "{2}"}}],
        *({"type": f"HTTP_OIDC_{name}"} for name in ("SUB", "NAME", "EMAIL")),
    )
    said = {"OIDC-name": "Bob B\u00f6hm".encode(), "OIDC-email": "bob@acme.example"}
    user_id = of(arrive(**said))[1]["user"]["id"]
    user = admin.get(f"/users/{user_id}").json()["user"]
    assert (user["name"], user["email"]) == ("Bob Böhm", "bob@acme.example")
    of(arrive(**said | {"OIDC-name": "Robert", "OIDC-email": "robert@acme.example"}))
    user = admin.get(f"/users/{user_id}").json()["user"]
    assert (user["name"], user["email"]) == ("Robert", "robert@acme.example")
    other = of(arrive(**said | {"OIDC-sub": "another", "OIDC-name": "Robert"}))[1]["user"]
    assert (other["name"], other["id"] != user_id) == ("Robert", True), "names need not be unique"


def test_groups_of_the_mapping_are_in_the_token_and_give_scopes(world, nobody, arrive, mapping, group):
    mapping([{"user": {"name": "{0}"}}, {"group": {"id": group}}])
    token, body = of(arrive())
    assert body["user"]["OS-FEDERATION"]["groups"] == [{"id": group}]
    bob = world.api("identity", None)
    bob.client.headers["X-Auth-Token"] = token
    for path in (F + "/projects", "/auth/projects"):
        assert [each["name"] for each in bob.get(path).json()["projects"]] == ["demo"]
    assert bob.get(F + "/domains").json()["domains"] == []
    assert nobody.get(F + "/projects").status_code == 401
    second, at_demo = of(scoped(nobody, token, DEMO))
    assert {role["name"] for role in at_demo["roles"]} == {"member", "reader"}
    assert at_demo["methods"] == ["mapped", "token"]
    assert at_demo["expires_at"] == body["expires_at"]
    assert at_demo["user"] == body["user"]
    again = of(scoped(nobody, token, DEMO, "mapped"))[1]
    assert (again["methods"], again["expires_at"]) == (["mapped"], body["expires_at"])
    third = of(scoped(nobody, second, "unscoped"))[1]
    assert third["user"]["OS-FEDERATION"] == body["user"]["OS-FEDERATION"]
    admin_scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    assert scoped(nobody, token, admin_scope).status_code == 401


def test_domain_and_system_by_group(nobody, arrive, mapping, group, admin, found):
    role = found("roles", "reader")
    assert admin.put(f"/domains/default/groups/{group}/roles/{role}").status_code == 204
    assert admin.put(f"/system/groups/{group}/roles/{role}").status_code == 204
    mapping([{"user": {"name": "{0}"}}, {"group": {"name": "staff", "domain": {"name": "Default"}}}])
    token, _ = of(arrive())
    assert of(scoped(nobody, token, {"domain": {"id": "default"}}))[1]["domain"]["id"] == "default"
    assert of(scoped(nobody, token, {"system": {"all": True}}))[1]["system"] == {"all": True}


def test_memberships_last_as_long_as_the_provider_says(world, admin, nobody, arrive, mapping, group):
    change = {"identity_provider": {"authorization_ttl": 10}}
    assert admin.patch(F + "/identity_providers/acme", json=change).status_code == 200
    mapping([{"user": {"name": "{0}"}}, {"group": {"id": group}}])
    user_id = of(arrive())[1]["user"]["id"]
    groups = admin.get(f"/users/{user_id}/groups").json()["groups"]
    assert [each["id"] for each in groups] == [group]
    assert groups[0]["membership_expires_at"]
    assert [each["name"] for each in admin.get(f"/users/{user_id}/projects").json()["projects"]] == ["demo"]
    world.cloud.clock.advance(minutes=11)
    assert admin.get(f"/users/{user_id}/groups").json()["groups"] == []
    assert admin.get(f"/users/{user_id}/projects").json()["projects"] == []


def test_who_lost_a_group_loses_his_tokens_at_the_next_login(admin, arrive, mapping, group):
    mapping([{"user": {"name": "{0}"}}, {"group": {"id": group}}])
    token, _ = of(arrive())
    of(arrive())
    assert check(admin, token).status_code == 200
    mapping([{"user": {"name": "{0}"}}])
    newer, _ = of(arrive())
    assert check(admin, token).status_code == 404
    assert check(admin, newer).status_code == 200


def test_projects_are_made_with_their_roles(admin, nobody, arrive, mapping, found, acme):
    local = [
        {"user": {"name": "{0}"}},
        {"projects": [{"name": "of {0}", "roles": [{"name": "member"}, {"name": "reader"}]}]},
    ]
    mapping(local)
    token, body = of(arrive())
    project = admin.get("/projects", params={"name": "of bob"}).json()["projects"][0]
    assert project["domain_id"] == acme["domain_id"]
    at_project = of(scoped(nobody, token, {"project": {"id": project["id"]}}))[1]
    assert {role["name"] for role in at_project["roles"]} == {"member", "reader"}
    of(arrive())
    assert len(admin.get("/projects", params={"name": "of bob"}).json()["projects"]) == 1
    mapping([local[0]], version="2.0")
    of(arrive())
    assert scoped(nobody, token, {"project": {"id": project["id"]}}).status_code == 201
    mapping([local[0], {"projects": []}], version="3.0")
    newer, _ = of(arrive())
    assert scoped(nobody, newer, {"project": {"id": project["id"]}}).status_code == 401
    mapping([local[0], {"projects": [{"name": "never", "roles": [{"name": "nothing"}]}]}])
    assert arrive().status_code == 404
    assert admin.get("/projects", params={"name": "never"}).json()["projects"] == []


def test_schema_2_puts_people_and_projects_where_the_mapping_says(admin, arrive, mapping):
    local = {
        "domain": {"name": "Default"},
        "user": {"name": "{0}"},
        "projects": [{"name": "of {0}", "roles": [{"name": "reader"}]}],
    }
    mapping([local], version="2.0")
    assert of(arrive())[1]["user"]["domain"]["id"] == "default"
    assert admin.get("/projects", params={"name": "of bob"}).json()["projects"][0]["domain_id"] == "default"


def test_a_local_user_is_one_of_our_own(arrive, mapping):
    local = {"name": "{0}", "type": "local", "domain": {"id": "default"}}
    mapping([{"user": local}])
    body = of(arrive(**{"OIDC-sub": "demo"}))[1]
    assert body["user"]["name"] == "demo"
    assert "OS-FEDERATION" not in body["user"] and body["user"]["password_expires_at"] is None
    assert arrive(**{"OIDC-sub": "nobody"}).status_code == 401
    mapping([{"user": local | {"domain": {"name": "Nowhere"}}}])
    assert arrive(**{"OIDC-sub": "demo"}).status_code == 404


def test_a_federated_namesake_is_somebody_else(admin, nobody, mapping, make, log_in, arrive):
    mapping([{"user": {"name": "{0}", "domain": {"id": "default"}}}])
    body = of(arrive(**{"OIDC-sub": "admin"}))[1]
    user = {"name": "admin", "domain": {"id": "default"}}
    assert log_in(user).json()["token"]["user"]["id"] != body["user"]["id"]
    assert len(admin.get("/users", params={"name": "admin"}).json()["users"]) == 2


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"OIDC-iss": "https://evil.example"}, 403),
        ({"OIDC-iss": None}, 401),
        ({"OIDC-sub": None}, 401),
        ({"OIDC-sub": ""}, 401),
        ({"OIDC-sub": "x" * 300}, 401),
        ({"OIDC-iss": "https://acme.example;https://evil.example"}, 403),
        ({"OIDC-sub": None, "OIDC_sub": "bob"}, 401),
        ({"OIDC-sub": None, "X-sub": "bob"}, 401),
    ],
)
def test_who_is_not_let_in(arrive, said, code):
    assert arrive(**said).status_code == code


@pytest.mark.parametrize(
    "local",
    [
        [{"user": {"name": "{3}"}}],
        [{"user": {"name": "{0}"}}, {"group": {"id": "nothing"}}],
        [{"groups": "{0}"}],
        [{"user": {"email": "{0}"}}],
        [],
    ],
)
def test_a_mapping_that_fits_nobody_lets_nobody_in(arrive, mapping, local):
    mapping(local)
    answer = arrive()
    assert answer.status_code == 401
    assert "mapping" not in answer.text, "the caller is told nothing"


def test_the_provider_decides_whether_its_tokens_are_good(admin, arrive, acme):
    token, body = of(arrive())
    provider = F + "/identity_providers/acme"
    admin.patch(provider, json={"identity_provider": {"enabled": False}})
    assert check(admin, token).status_code == 404
    assert arrive().status_code == 403
    admin.patch(provider, json={"identity_provider": {"enabled": True}})
    assert check(admin, token).status_code == 200
    assert arrive(AUTH.replace("mapped", "other")).status_code == 404
    assert arrive(AUTH.replace("acme", "other")).status_code == 404
    admin.delete(provider)
    assert check(admin, token).status_code == 404
    assert admin.get(f"/users/{body['user']['id']}").status_code == 404


def test_people_go_with_the_protocol_and_come_back_the_same(admin, arrive):
    token, body = of(arrive())
    path = F + "/identity_providers/acme/protocols/mapped"
    assert admin.delete(path).status_code == 204
    assert check(admin, token).status_code == 404
    assert admin.get(f"/users/{body['user']['id']}").status_code == 404
    assert admin.put(path, json={"protocol": {"mapping_id": "m"}}).status_code == 201
    assert of(arrive())[1]["user"]["id"] == body["user"]["id"]


def test_a_disabled_or_deleted_user_is_out(admin, arrive):
    token, body = of(arrive())
    path = f"/users/{body['user']['id']}"
    assert admin.patch(path, json={"user": {"enabled": False}}).status_code == 200
    assert check(admin, token).status_code == 404
    assert arrive().status_code == 401
    assert admin.delete(path).status_code == 204
    assert of(arrive())[1]["user"]["id"] == body["user"]["id"]


def test_by_the_token_door(nobody, arrive):
    def ask(method="mapped", **asked):
        body = {"auth": {"identity": {"methods": [method], method: asked}}}
        return nobody.post("/auth/tokens", json=body, headers=BOB)

    assert of(ask(identity_provider="acme", protocol="mapped"))[1]["user"]["name"] == "bob"
    assert ask(identity_provider="acme").status_code == 400
    assert ask(identity_provider=7, protocol="mapped").status_code == 400
    assert ask(identity_provider="other", protocol="mapped").status_code == 404
    assert ask(id="strange").status_code == 404


def test_no_ordinary_token_becomes_a_federated_one(world, nobody, acme):
    assert scoped(nobody, world.token("demo", "demo"), DEMO, "mapped").status_code == 401


def test_a_browser_is_sent_to_a_trusted_dashboard(nobody, arrive):
    for path in (WEBSSO, "/auth/OS-FEDERATION/websso/mapped"):
        answer = arrive(f"{path}?origin={DASHBOARD}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"].startswith("text/html")
        assert answer.headers["Cache-Control"] == "no-store"
        assert f'action="{DASHBOARD}"' in answer.text
        token = answer.text.partition('name="token" value="')[2].partition('"')[0]
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        assert nobody.get("/auth/tokens", headers=headers).is_success
        assert arrive(f"{path}?origin=http://evil.example/").status_code == 401
        assert arrive(path).status_code == 400
    any_door = f"/auth/OS-FEDERATION/websso/mapped?origin={DASHBOARD}"
    assert arrive(any_door, **{"OIDC-iss": "https://evil.example"}).status_code == 404
    assert arrive(any_door, **{"OIDC-iss": None}).status_code == 401


def test_users_say_how_providers_know_them(admin, acme, make, arrive):
    federated = [{"idp_id": "acme", "protocols": [{"protocol_id": "mapped", "unique_id": "bob"}]}]
    user = make("user", name="robert", federated=federated)
    assert user["federated"] == federated
    assert of(arrive())[1]["user"]["id"] == user["id"]
    assert admin.get(f"/users/{user['id']}").json()["user"]["name"] == "robert", "our own keep their names"
    for query in ("idp_id=acme", "protocol_id=mapped", "unique_id=bob", "unique_id=bob&idp_id=acme"):
        found = admin.get(f"/users?{query}").json()["users"]
        assert [each["id"] for each in found] == [user["id"]], query
    assert admin.get("/users?unique_id=alice").json()["users"] == []

    def try_with(idp_id="acme", protocol_id="mapped", unique_id="x"):
        known = [{"idp_id": idp_id, "protocols": [{"protocol_id": protocol_id, "unique_id": unique_id}]}]
        return admin.post("/users", json={"user": {"name": "new", "federated": known}}).status_code

    assert try_with(idp_id="other") == 400
    assert try_with(protocol_id="other") == 400
    assert try_with(unique_id="bob") == 409
    known = {"idp_id": "acme", "protocols": [{"protocol_id": "mapped", "unique_id": "rob"}]}
    change = {"user": {"federated": [known]}}
    answer = admin.patch(f"/users/{user['id']}", json=change)
    assert answer.json()["user"]["federated"] == change["user"]["federated"]
    assert of(arrive(**{"OIDC-sub": "rob"}))[1]["user"]["id"] == user["id"]
    admin.delete(F + "/identity_providers/acme")
    assert "federated" not in admin.get(f"/users/{user['id']}").json()["user"], "he stays, unknown to it"


def test_signed_tokens_say_the_same():
    options = {"federation.trusted_proxies": "127.0.0.1", "identity.token_provider": "jws"}
    with testing.cloud(only=("identity",), **options) as cloud:
        world = World(cloud)
        admin, nobody = world.api("identity"), world.api("identity", None)
        group = admin.post("/groups", json={"group": {"name": "g", "domain_id": "default"}}).json()["group"]
        local = [{"user": {"name": "{0}"}}, {"group": {"id": group["id"]}}]
        rules = [{"local": local, "remote": [{"type": "HTTP_OIDC_SUB"}]}]
        admin.put(F + "/mappings/m", json={"mapping": {"rules": rules}})
        admin.put(F + "/identity_providers/acme", json={"identity_provider": {"enabled": True}})
        path = F + "/identity_providers/acme/protocols/mapped"
        admin.put(path, json={"protocol": {"mapping_id": "m"}})
        token, body = of(nobody.get(AUTH, headers=BOB))
        assert token.count(".") == 2
        shown = check(admin, token).json()["token"]
        assert shown["user"] == body["user"]
        assert shown["user"]["OS-FEDERATION"]["groups"] == [{"id": group["id"]}]
