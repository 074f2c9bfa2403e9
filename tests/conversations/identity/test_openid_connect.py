"""People of an OpenID provider: programs with access tokens, browsers with codes, the openstack client."""

import base64
import hmac
import json
import os
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization as form
from openstackclient import shell
from tests.conftest import World
from tests.conversations.identity.openid_provider import CLIENT, PASSWORD, PERSON, SECRET, USER, Provider

from monostack import testing
from monostack.identity.federation import fetch

F = "/OS-FEDERATION"
AUTH = F + "/identity_providers/acme/protocols/openid/auth"
WEBSSO = "/auth/OS-FEDERATION/identity_providers/acme/protocols/openid/websso"
DASHBOARD = "http://dashboard.example/auth/websso/"
RULES = [
    {
        "local": [{"user": {"id": "{0}", "name": "{1}", "email": "{2}"}}],
        "remote": [{"type": f"HTTP_OIDC_{name}"} for name in ("SUB", "PREFERRED_USERNAME", "EMAIL")],
    },
    {"local": [{"groups": "{0}", "domain": {"id": "default"}}], "remote": [{"type": "OIDC-groups"}]},
]


@pytest.fixture(scope="module")
def provider():
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def shared_world(provider, database):
    trusted = {"federation.trusted_dashboards": DASHBOARD}
    with testing.cloud(only=("identity",), database=database, **trusted) as cloud:
        yield World(cloud)


@pytest.fixture
def configure(world, provider, monkeypatch):
    """`configure(introspect="true")`: the operator's file, with further settings of the provider."""
    monkeypatch.setattr(fetch, "_kept", {})
    monkeypatch.setattr(fetch, "_failed", {})
    monkeypatch.setattr(fetch, "NOT_SOONER", 0.0)
    provider.changed = {}
    provider.client_secret = SECRET
    file = world.cloud.settings.state / "federation.toml"

    def write(**more: str) -> None:
        values = {"kind": '"oidc"', "issuer": f'"{provider.issuer}"', "client_id": f'"{CLIENT}"'}
        values |= {"client_secret": f'"{SECRET}"'} | more
        lines = [f"{name} = {value}" for name, value in values.items()]
        file.write_text("[acme.openid]\n" + "\n".join(lines) + "\n")
        write.count += 1
        os.utime(file, ns=(write.count, write.count))

    write.count = file.stat().st_mtime_ns if file.exists() else 1
    write()
    return write


@pytest.fixture
def acme(admin, configure):
    asked = {"identity_provider": {"enabled": True}}
    admin.put(F + "/identity_providers/acme", json=asked)
    admin.put(F + "/mappings/acme", json={"mapping": {"rules": RULES}})
    path = F + "/identity_providers/acme/protocols/openid"
    assert admin.put(path, json={"protocol": {"mapping_id": "acme"}}).status_code == 201


@pytest.fixture
def bring(nobody, acme):
    def present(token, method="POST", **headers):
        return nobody.request(method, AUTH, headers={"Authorization": f"Bearer {token}"} | headers)

    return present


def test_an_access_token_of_the_provider_lets_in(admin, bring, provider, make):
    group = make("group", name="a", domain_id="default")["id"]
    answer = bring(provider.token())
    assert answer.status_code == 201, answer.text
    user = answer.json()["token"]["user"]
    assert (user["name"], user["OS-FEDERATION"]["groups"]) == ("alice", [{"id": group}])
    assert answer.json()["token"]["methods"] == ["openid"]
    shown = admin.get(f"/users/{user['id']}").json()["user"]
    assert shown["email"] == PERSON["email"]
    assert shown["federated"][0]["protocols"] == [{"protocol_id": "openid", "unique_id": "alice-1"}]
    assert bring(provider.token(), "GET").status_code == 201


def test_the_times_are_the_clouds_own(world, bring, provider):
    token = provider.token()
    world.cloud.clock.advance(seconds=600)
    assert bring(token).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody else"},
        {"aud": None},
        {"iss": "http://127.0.0.1:1"},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 2**40},
        {"iat": 2**40},
        {"sub": None},
        {"sub": ""},
        {"key_id": "unknown"},
        {"preferred_username": None},
    ],
)
def test_what_does_not_let_in(bring, provider, claims):
    assert bring(provider.token(**claims)).status_code == 401


def test_no_signature_but_the_providers(bring, provider):
    assert bring(provider.token(key=Provider.new_key())).status_code == 401
    assert bring(provider.token(key="x" * 32, algorithm="HS256")).status_code == 401
    good = provider.token()
    assert bring(good[:-4] + "AAAA").status_code == 401
    unsigned = "eyJhbGciOiJub25lIn0." + good.split(".")[1] + "."
    for bad in (unsigned, "nonsense", "a.b.c", "x" * 20_000):
        assert bring(bad).status_code == 401, bad[:30]
    public = provider.key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    header, claims = "eyJhbGciOiJIUzI1NiIsImtpZCI6Im9uZSJ9", good.split(".")[1]
    seal = base64.urlsafe_b64encode(hmac.digest(public, f"{header}.{claims}".encode(), "sha256"))
    assert bring(f"{header}.{claims}.{seal.rstrip(b'=').decode()}").status_code == 401


def test_headers_are_not_believed_where_the_provider_can_be_asked(nobody, acme):
    said = {"OIDC-sub": "admin", "OIDC-preferred_username": "admin", "OIDC-email": "a@b"}
    assert nobody.get(AUTH, headers=said).status_code == 401


def test_new_keys_of_the_provider_are_found(bring, provider):
    assert bring(provider.token()).status_code == 201
    provider.key, provider.key_id = Provider.new_key(), f"after {provider.key_id}"
    assert bring(provider.token()).status_code == 201
    assert provider.asked.count("/keys") == 2 or "/keys" in provider.asked


def test_tokens_that_only_the_provider_understands(configure, bring, provider):
    configure(introspect="true")
    assert bring("opaque").status_code == 201
    assert bring("forged").status_code == 401
    provider.client_secret = "changed"
    assert bring("opaque").status_code == 401


def test_claims_that_only_the_provider_tells(configure, bring, provider, admin):
    configure(userinfo="true")
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-department"}]}]
    admin.patch(F + "/mappings/acme", json={"mapping": {"rules": rules}})
    assert bring(provider.token()).json()["token"]["user"]["name"] == "sales"
    assert bring(provider.token(sub="another")).status_code == 401


def test_a_file_that_is_wrong_lets_nobody_in(configure, bring, provider):
    for wrong in ({"kind": '"ldap"'}, {"colour": '"red"'}, {"scopes": '"openid"'}, {"issuer": "7"}):
        configure(**wrong)
        assert bring(provider.token()).status_code == 401
    configure(issuer='"http://login.acme.example"')
    assert bring(provider.token()).status_code == 401, "http only on this machine"
    configure()
    assert bring(provider.token()).status_code == 201


# browsers


def path_of(url):
    parts = urlsplit(url)
    return parts.path.partition("/v3")[2] + "?" + parts.query


@pytest.fixture
def browser(world, acme):
    """A client with a cookie jar, as browsers have them."""
    return world.api("identity", None)


def test_a_browser_goes_there_and_comes_back_to_the_dashboard(browser, nobody, provider):
    start = browser.get(f"{WEBSSO}?origin={DASHBOARD}")
    assert start.status_code == 302, start.text
    asked = dict(parse_qsl(urlsplit(start.headers["Location"]).query))
    assert (asked["client_id"], asked["response_type"]) == (CLIENT, "code")
    assert asked["redirect_uri"].endswith("/v3" + WEBSSO)
    assert SECRET not in start.headers["Location"]
    cookie = start.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    there = nobody.get(start.headers["Location"])
    back = path_of(there.headers["Location"])
    assert nobody.get(back).status_code == 401, "another browser has no use of it"
    page = browser.get(back)
    assert page.status_code == 200, page.text
    assert f'action="{DASHBOARD}"' in page.text
    token = page.text.partition('name="token" value="')[2].partition('"')[0]
    shown = nobody.get("/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token})
    assert shown.json()["token"]["user"]["name"] == "alice"
    assert browser.get(back).status_code == 401, "a code is good once"


def test_what_a_browser_brings_back_is_looked_at(browser, nobody, provider):
    for change in ({"state": "other"}, {"code": "other"}, {"iss": "http://other"}, {"code": None}):
        start = browser.get(f"{WEBSSO}?origin={DASHBOARD}")
        back = nobody.get(start.headers["Location"]).headers["Location"]
        query = dict(parse_qsl(urlsplit(back).query)) | change
        answer = browser.get(WEBSSO, params={k: v for k, v in query.items() if v is not None})
        assert answer.status_code == 401, change
    for wrong in ({"nonce": "other"}, {"azp": "other"}, {"aud": "other"}, {"exp": 1}):
        provider.changed = {}
        start = browser.get(f"{WEBSSO}?origin={DASHBOARD}")
        back = path_of(nobody.get(start.headers["Location"]).headers["Location"])
        provider.changed = wrong
        provider.codes = {code: asked | wrong for code, asked in provider.codes.items()}
        assert browser.get(back).status_code == 401, wrong


def test_a_browser_needs_a_trusted_dashboard(browser):
    assert browser.get(WEBSSO).status_code == 400
    assert browser.get(f"{WEBSSO}?origin=http://evil.example/").status_code == 401


def test_a_browser_that_names_no_provider(browser, admin, configure, world, provider):
    door = f"/auth/OS-FEDERATION/websso/openid?origin={DASHBOARD}"
    answer = browser.get(door)
    assert answer.status_code == 302
    assert path_of(answer.headers["Location"]).startswith(WEBSSO + "?origin=")
    assert browser.get("/auth/OS-FEDERATION/websso/saml2?origin=" + DASHBOARD).status_code == 401
    assert browser.get("/auth/OS-FEDERATION/websso/openid?origin=http://evil.example/").status_code == 401
    admin.put(F + "/identity_providers/b<b", json={"identity_provider": {"enabled": True}})
    path = F + "/identity_providers/b<b/protocols/openid"
    assert admin.put(path, json={"protocol": {"mapping_id": "acme"}}).status_code == 201
    file = world.cloud.settings.state / "federation.toml"
    first = file.read_text()
    file.write_text(first + first.replace("[acme.", '["b<b".'))
    page = browser.get(door)
    assert page.status_code == 200
    assert ">acme</a>" in page.text and ">b&lt;b</a>" in page.text
    admin.patch(F + "/identity_providers/acme", json={"identity_provider": {"enabled": False}})
    assert browser.get(door).status_code == 302


# the openstack client


@pytest.fixture
def openstack(world, capsys):
    """`openstack(["token", "issue"], username="alice")`: what the real client prints."""

    def run(words, **options):
        settings = {"auth-url": world.cloud.auth_url} | options
        arguments = [f"--os-{name.replace('_', '-')}={value}" for name, value in settings.items()]
        capsys.readouterr()
        code = shell.main([*arguments, *words])
        printed = capsys.readouterr()
        assert code == 0, printed.out + printed.err
        return printed.out.strip()

    return run


@pytest.mark.parametrize("plugin", ["password", "clientcredentials", "accesstoken"])
def test_the_openstack_client_logs_in(openstack, acme, provider, make, admin, found, plugin):
    group = make("group", name="a", domain_id="default")["id"]
    project, role = found("projects", "demo"), found("roles", "member")
    admin.put(f"/projects/{project}/groups/{group}/roles/{role}")
    options = {
        "client_id": CLIENT,
        "client_secret": SECRET,
        "discovery_endpoint": provider.issuer + "/.well-known/openid-configuration",
    }
    if plugin == "password":
        options |= {"username": USER, "password": PASSWORD}
    if plugin == "accesstoken":
        options = {"access_token": provider.token()}
    options |= {"auth_type": f"v3oidc{plugin}", "identity_provider": "acme", "protocol": "openid"}
    options |= {"project_name": "demo", "project_domain_id": "default"}
    assert openstack(["token", "issue", "-f", "value", "-c", "project_id"], **options) == project


def test_the_openstack_client_sets_federation_up(openstack, world, tmp_path):
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps(RULES))
    admin = {"username": "admin", "password": testing.PASSWORD, "project_name": "admin"}
    admin |= {"user_domain_id": "default", "project_domain_id": "default", "identity_api_version": "3"}

    def run(words, column=None):
        shown = ["-f", "value", "-c", column] if column else []
        return openstack([*words.split(), *shown], **admin)

    assert run(f"mapping create --rules {rules} m", "id") == "m"
    assert run("identity provider create --remote-id r --domain default p", "id") == "p"
    assert run("identity provider set --disable p") == ""
    assert run("identity provider show p", "enabled") == "False"
    assert run("identity provider list", "ID") == "p"
    assert run("federation protocol create --identity-provider p --mapping m openid", "mapping") == "m"
    assert run("federation protocol list --identity-provider p", "id") == "openid"
    assert run(f"mapping set --rules {rules} m") == ""
    assert run("mapping list", "ID") == "m"
    urls = "--auth-url https://b.example/v3 --service-provider-url https://b.example/sp"
    assert run(f"service provider create {urls} s", "id") == "s"
    assert run("service provider set --disable s", "enabled") == "False"
    assert run("service provider list", "Enabled") == "False"
    for words in ("service provider delete s", "identity provider delete p", "mapping delete m"):
        assert run(words) == ""
