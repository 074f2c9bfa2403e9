"""OAuth 1: a program acts in a user's name, with what he granted it."""

from urllib.parse import parse_qs

import pytest
from oauthlib import oauth1

ROOT = "/OS-OAUTH1"
LOGIN = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}


class Program:
    """A consumer, and its requests."""

    def __init__(self, world, nobody, admin, found) -> None:
        self.world, self.nobody, self.admin = world, nobody, admin
        self.project = found("projects", "admin")
        self.user = found("users", "admin")
        self.consumer = admin.post(f"{ROOT}/consumers", json={"consumer": {}}).json()["consumer"]

    def send(self, path, token=(), body=None, project=None, **changes):
        """A signed request: `token` is (key, secret)."""
        key, secret = token or (None, None)
        options = {
            "client_key": self.consumer["id"],
            "client_secret": self.consumer["secret"],
            "resource_owner_key": key,
            "resource_owner_secret": secret,
            "timestamp": str(int(self.world.cloud.cloud.clock.time())),
        }
        client = oauth1.Client(**options | changes)
        headers = client.sign(f"{self.world.cloud.url}/identity/v3{path}", "POST")[1]
        if project is not None:
            headers["Requested-Project-Id"] = project
        return self.nobody.post(path, headers=headers, **({} if body is None else {"json": body}))

    def ask(self, **changes):
        options = {"callback_uri": "oob", "project": self.project} | changes
        return self.send(f"{ROOT}/request_token", **options)

    def asked(self):
        return told(self.ask())

    def authorize(self, token, code=200, client=None, roles=({"name": "member"},)):
        answer = (client or self.admin).put(f"{ROOT}/authorize/{token[0]}", json={"roles": list(roles)})
        assert answer.status_code == code, answer.text
        return answer.json().get("token", {}).get("oauth_verifier")

    def trade(self, token, verifier, **changes):
        return self.send(f"{ROOT}/access_token", token, verifier=verifier, **changes)

    def granted(self, **options):
        token = self.asked()
        return told(self.trade(token, self.authorize(token, **options)))

    def log_in(self, token, **changes):
        return self.send("/auth/tokens", token, body=LOGIN, **changes)

    def client(self, token):
        answer = self.log_in(token)
        assert answer.status_code == 201, answer.text
        client = self.world.api("identity", None)
        client.client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
        return client


def told(answer):
    assert answer.status_code == 201, answer.text
    assert answer.headers["content-type"] == "application/x-www-form-urlencoded"
    values = {name: value for name, (value,) in parse_qs(answer.text).items()}
    assert values["oauth_expires_at"].endswith("Z")
    return values["oauth_token"], values["oauth_token_secret"]


@pytest.fixture
def program(world, nobody, admin, found):
    return Program(world, nobody, admin, found)


def test_life_of_a_consumer(admin):
    made = admin.post(f"{ROOT}/consumers", json={"consumer": {"description": "d", "colour": "red"}})
    consumer = made.json()["consumer"]
    assert len(consumer.pop("secret")) == 32
    path = f"{ROOT}/consumers/{consumer['id']}"
    assert consumer == {
        "id": consumer["id"],
        "description": "d",
        "colour": "red",
        "links": {"self": consumer["links"]["self"]},
    }
    assert consumer["links"]["self"].endswith("/v3" + path)
    assert admin.get(path).json()["consumer"] == consumer, "the secret is told once"
    assert admin.head(path).status_code == 200
    assert admin.get(f"{ROOT}/consumers").json()["consumers"] == [consumer]
    changed = admin.patch(path, json={"consumer": {"description": None}}).json()["consumer"]
    assert changed == consumer | {"description": None}
    assert admin.delete(path).status_code == 204
    assert admin.get(path).json()["error"]["message"] == "Consumer not found"
    assert admin.delete(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "asked"),
    [
        ("POST", {"description": 5}),
        ("POST", "x"),
        ("PATCH", {}),
        ("PATCH", {"secret": "x"}),
        ("PATCH", {"id": "x"}),
        ("PATCH", {"description": 5}),
    ],
)
def test_what_is_no_consumer_is_refused(admin, program, method, asked):
    path = f"{ROOT}/consumers" + (f"/{program.consumer['id']}" if method == "PATCH" else "")
    assert admin.request(method, path, json={"consumer": asked}).status_code == 400


def test_only_an_administrator_makes_consumers_and_authorizes(demo, program):
    assert demo.post(f"{ROOT}/consumers", json={"consumer": {}}).status_code == 403
    assert demo.get(f"{ROOT}/consumers").status_code == 403
    program.authorize(program.asked(), 403, demo)


def test_from_asking_to_acting(world, program, found, admin):
    asked = program.asked()
    verifier = program.authorize(asked)
    assert len(verifier) == 8
    key, secret = told(program.trade(asked, verifier))
    assert program.trade(asked, verifier).status_code == 404, "a request token is good for one"
    token = program.log_in((key, secret)).json()["token"]
    assert token["methods"] == ["oauth1"]
    assert token["user"]["name"] == "admin"
    assert token["project"]["id"] == program.project
    assert sorted(role["name"] for role in token["roles"]) == ["member", "reader"]
    assert token["OS-OAUTH1"] == {"access_token_id": key, "consumer_id": program.consumer["id"]}
    client = program.client((key, secret))
    assert client.get("/auth/projects").status_code == 200
    assert client.get("/users").status_code == 403, "he granted no more"


def test_a_users_access_tokens(admin, program, found):
    key, _ = program.granted()
    base = f"/users/{program.user}/OS-OAUTH1/access_tokens"
    (listed,) = admin.get(base).json()["access_tokens"]
    assert listed["links"]["self"].endswith(f"/v3{base}/{key}")
    assert listed["links"]["roles"].endswith(f"/v3{base}/{key}/roles")
    assert listed["expires_at"].endswith("Z")
    assert listed | {"links": 0, "expires_at": 0} == {
        "id": key,
        "authorizing_user_id": program.user,
        "project_id": program.project,
        "consumer_id": program.consumer["id"],
        "expires_at": 0,
        "links": 0,
    }
    assert admin.get(f"{base}/{key}").json()["access_token"] == listed
    (role,) = admin.get(f"{base}/{key}/roles").json()["roles"]
    assert role["name"] == "member"
    member = found("roles", "member")
    assert admin.get(f"{base}/{key}/roles/{member}").json()["role"] == role
    assert admin.get(f"{base}/{key}/roles/{found('roles', 'admin')}").status_code == 404
    other = f"/users/{found('users', 'demo')}/OS-OAUTH1/access_tokens"
    assert admin.get(other).json()["access_tokens"] == []
    for path in (f"{other}/{key}", f"{base}/nope", f"{base}/nope/roles", f"{other}/{key}/roles/{member}"):
        assert admin.get(path).status_code == 404
    assert admin.delete(f"{other}/{key}").status_code == 404
    assert admin.delete(f"{base}/{key}").status_code == 204
    assert admin.get(f"{base}/{key}").json()["error"]["message"] == "Access token not found"


@pytest.mark.parametrize("how", ["access token", "consumer", "role", "project", "user"])
def test_its_tokens_end_with_what_they_stand_on(world, admin, program, found, make, give, log_in, how):
    user = make("user", name="giver", password="secret")
    project = make("project", name="place")["id"]
    role = give("admin", user["id"], project=project)
    scope = {"project": {"id": project}}
    giver = world.api("identity", None)
    answer = log_in({"id": user["id"], "password": "secret"}, scope)
    giver.client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    program.project = project
    access = program.granted(client=giver)
    client = program.client(access)
    assert client.get("/auth/projects").status_code == 200
    path = {
        "access token": f"/users/{user['id']}/OS-OAUTH1/access_tokens/{access[0]}",
        "consumer": f"{ROOT}/consumers/{program.consumer['id']}",
        "role": f"/projects/{project}/users/{user['id']}/roles/{role}",
        "project": f"/projects/{project}",
        "user": f"/users/{user['id']}",
    }[how]
    assert admin.delete(path).status_code == 204
    assert client.get("/auth/projects").status_code == 401
    assert program.log_in(access).status_code == 401


def test_what_he_granted_is_not_more_than_he_has(program, found):
    asked = program.asked()
    program.authorize(asked, 401, roles=[{"id": "nope"}])
    program.authorize(asked, 404, roles=[{"name": "nope"}])
    program.authorize(asked, 401, roles=[{"id": found("roles", "service")}])
    for wrong in ([{}], ["member"], [{"id": "a", "name": "b"}], [{"name": 5}], [{"colour": "red"}]):
        program.authorize(asked, 400, roles=wrong)
    program.authorize(("nope", ""), 404)
    access = told(program.trade(asked, program.authorize(asked, roles=[])))
    assert program.log_in(access).status_code == 401, "no roles, no token"


def test_borrowed_tokens_authorize_nothing(world, admin, program):
    borrowed = program.client(program.granted(roles=[{"name": "admin"}]))
    program.authorize(program.asked(), 403, borrowed)
    base = f"/users/{program.user}"
    robot = {"application_credential": {"name": "robot"}}
    for answer in (
        borrowed.get(f"{base}/OS-OAUTH1/access_tokens"),
        borrowed.get(f"{base}/application_credentials"),
        borrowed.post(f"{base}/application_credentials", json=robot),
        borrowed.get("/OS-TRUST/trusts"),
    ):
        assert answer.status_code == 403, answer.text
    assert borrowed.get("/users").status_code == 200, "but it may do what an administrator may"
    token = borrowed.client.headers["X-Auth-Token"]
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": "unscoped"}
    assert program.nobody.post("/auth/tokens", json={"auth": auth}).status_code == 403


def test_a_wrong_signature_is_refused(program):
    asked = program.asked()
    verifier = program.authorize(asked)
    wrong = {"client_secret": "wrong"}
    other = program.admin.post(f"{ROOT}/consumers", json={"consumer": {}}).json()["consumer"]
    strange = {"client_key": other["id"], "client_secret": other["secret"]}
    for answer in (
        program.ask(**wrong),
        program.trade(asked, verifier, **wrong),
        program.trade((asked[0], "wrong"), verifier),
        program.trade(asked, verifier, **strange),
        program.trade(asked, "abcdefgh"),
        program.trade(program.asked(), verifier),
    ):
        assert answer.status_code == 401, answer.text
    access = told(program.trade(asked, verifier))
    for answer in (
        program.log_in(access, **wrong),
        program.log_in((access[0], "wrong")),
        program.log_in(("nope", access[1])),
        program.log_in(access, **strange),
    ):
        assert answer.status_code == 401, answer.text


def test_what_lacks_something_is_told(program, nobody):
    assert "Requested-Project-Id" in program.ask(project="").json()["error"]["message"]
    assert program.ask(project="nope").status_code == 404
    assert program.ask(client_key="nope").json()["error"]["message"] == "Consumer not found"
    assert "oauth_callback" in program.ask(callback_uri=None).json()["error"]["message"]
    asked = program.asked()
    assert "oauth_verifier" in program.trade(asked, None).json()["error"]["message"]
    assert "oauth_token" in program.trade((), "abcdefgh").json()["error"]["message"]
    for answer in (
        nobody.post(f"{ROOT}/request_token"),
        nobody.post(f"{ROOT}/access_token"),
        nobody.post("/auth/tokens", json=LOGIN),
    ):
        assert answer.status_code == 400
        assert "OAuth" in answer.json()["error"]["message"]


def test_a_signed_request_is_good_once_and_about_now(world, program):
    access = program.granted()
    now = str(int(world.cloud.cloud.clock.time()))
    assert program.log_in(access, nonce="once", timestamp=now).status_code == 201
    assert program.log_in(access, nonce="once", timestamp=now).status_code == 401
    assert program.log_in(access, nonce="again", timestamp=now).status_code == 201
    for off in (-700, 700):
        answer = program.log_in(access, timestamp=str(int(now) + off))
        assert answer.status_code == 400
        assert "oauth_timestamp" in answer.json()["error"]["message"]


def test_tokens_expire(world, program):
    asked = program.asked()
    program.authorize(asked)
    world.cloud.clock.advance(hours=9)
    world.tokens.clear()
    program.admin = world.api("identity")
    program.authorize(asked, 401)
    access = program.granted()
    assert program.log_in(access).status_code == 201
    world.cloud.clock.advance(hours=25)
    assert program.log_in(access).status_code == 401


@pytest.mark.parametrize("path", ["request_token", "access_token", "authorize/some"])
def test_other_methods_are_not_allowed(nobody, path):
    answer = nobody.get(f"{ROOT}/{path}")
    assert answer.status_code == 405
    assert answer.headers["allow"].startswith("PUT" if "authorize" in path else "POST")


@pytest.mark.parametrize(("method", "path"), [("PATCH", ""), ("DELETE", ""), ("POST", "/some")])
def test_a_mixed_up_consumer_request_is_told_so(admin, method, path):
    answer = admin.request(method, f"{ROOT}/consumers{path}")
    assert answer.status_code == 400
    assert "made by POST" in answer.json()["error"]["message"]


def test_secrets_are_not_kept_as_they_are(world, program):
    asked = program.asked()
    verifier = program.authorize(asked)
    access = program.granted()

    def kept(db):
        from monostack.identity.oauth1.tables import TABLES

        return repr([db.all(table) for table in TABLES])

    text = world.cloud.read(kept)
    for secret in (program.consumer["secret"], asked[1], access[1], verifier):
        assert secret not in text
