"""From one cloud to another: the first vouches for its user, the second believes it."""

import base64

import pytest
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from lxml import etree
from signxml import SignatureConfiguration, XMLVerifier
from tests.conftest import World

from monostack import testing

F = "/OS-FEDERATION"
SAML2 = "/auth/OS-FEDERATION/saml2"
AUTH = F + "/identity_providers/first/protocols/mapped/auth"
RULES = [
    {
        "local": [
            {
                "user": {"name": "{0} of {1}"},
                "projects": [{"name": "{2}", "roles": [{"name": "member"}]}],
            }
        ],
        "remote": [
            {"type": "openstack_user"},
            {"type": "openstack_user_domain"},
            {"type": "openstack_project"},
            {"type": "openstack_roles", "any_one_of": ["member"]},
        ],
    },
    {"local": [{"groups": "{0}"}], "remote": [{"type": "openstack_groups"}]},
]


@pytest.fixture(scope="module")
def shared_world(database):
    with testing.cloud(only=("identity",), database=database) as cloud:
        cloud.settings.federation.public_url = cloud.url + "/identity"
        yield World(cloud)


@pytest.fixture(scope="module")
def shared_second():
    with testing.cloud(only=("identity",)) as cloud:
        cloud.settings.federation.public_url = cloud.url + "/identity"
        yield World(cloud)


@pytest.fixture
def second(shared_second, nobody):
    """The other cloud; it believes the first."""
    shared_second.cloud.reset()
    shared_second.tokens.clear()
    state = shared_second.cloud.settings.state
    (state / "first.xml").write_bytes(nobody.get(F + "/saml2/metadata").content)
    (state / "federation.toml").write_text('[first.mapped]\nkind = "saml"\nmetadata = "first.xml"\n')
    admin = shared_second.api("identity")
    admin.put(F + "/identity_providers/first", json={"identity_provider": {"enabled": True}})
    admin.put(F + "/mappings/first", json={"mapping": {"rules": RULES}})
    path = F + "/identity_providers/first/protocols/mapped"
    assert admin.put(path, json={"protocol": {"mapping_id": "first"}}).status_code == 201
    return shared_second


@pytest.fixture
def vouch(admin, second, nobody):
    """`vouch(token)`: the answer of the first cloud, asked for an assertion for the second."""
    url = second.cloud.auth_url + AUTH
    provider = {"service_provider": {"auth_url": url, "sp_url": url, "enabled": True}}
    assert admin.put(F + "/service_providers/second", json=provider).status_code == 201

    def ask(token, path=SAML2 + "/ecp", provider_id="second"):
        identity = {"methods": ["token"], "token": {"id": token}}
        scope = {"service_provider": {"id": provider_id}}
        return nobody.post(path, json={"auth": {"identity": identity, "scope": scope}})

    return ask


def test_the_client_goes_from_one_to_the_other(world, admin, second, vouch, make):
    group = make("group", name="staff", domain_id="default")
    demo = admin.get("/users", params={"name": "demo"}).json()["users"][0]["id"]
    assert admin.put(f"/groups/{group['id']}/users/{demo}").status_code == 204
    there = second.api("identity")
    staff = there.post("/groups", json={"group": {"name": "staff", "domain_id": "default"}}).json()["group"]
    session = Session()
    local = v3.Password(
        auth_url=world.cloud.auth_url,
        username="demo",
        password=testing.PASSWORD,
        user_domain_id="default",
        project_name="demo",
        project_domain_id="default",
    )
    unscoped = v3.Keystone2Keystone(local, "second").get_access(session)
    assert unscoped.username == "demo of Default"
    shown = there.get("/auth/tokens", headers={"X-Subject-Token": unscoped.auth_token}).json()["token"]
    assert shown["user"]["OS-FEDERATION"]["groups"] == [{"id": staff["id"]}]
    project = there.get("/projects", params={"name": "demo"}).json()["projects"]
    made = next(each for each in project if each["domain_id"] != "default")
    scoped = v3.Keystone2Keystone(local, "second", project_id=made["id"]).get_access(session)
    assert scoped.role_names[0] in ("member", "reader")
    assert scoped.project_id == made["id"]


def test_the_assertion_is_as_other_clouds_expect_it(world, nobody, vouch, second):
    answer = vouch(world.token("demo", "demo"), SAML2)
    assert answer.status_code == 200, answer.text
    url = second.cloud.auth_url + AUTH
    assert answer.headers["Content-Type"] == "text/xml"
    assert (answer.headers["X-sp-url"], answer.headers["X-auth-url"]) == (url, url)
    names = {"a": "urn:oasis:names:tc:SAML:2.0:assertion", "ds": "http://www.w3.org/2000/09/xmldsig#"}
    response = etree.fromstring(answer.content)
    assertion = response.find("a:Assertion", names)
    metadata = etree.fromstring(nobody.get(F + "/saml2/metadata").content)
    issuer = metadata.get("entityID")
    assert response.get("Destination") == url
    assert response.findtext("a:Issuer", namespaces=names) == issuer
    bare = metadata.findtext(".//ds:X509Certificate", namespaces=names)
    pem = "-----BEGIN CERTIFICATE-----\n" + "\n".join(bare[n : n + 64] for n in range(0, len(bare), 64))
    config = SignatureConfiguration(location="./")
    verified = XMLVerifier().verify(
        etree.tostring(assertion),
        x509_cert=pem + "\n-----END CERTIFICATE-----\n",
        id_attribute="ID",
        expect_config=config,
    )
    said = {
        each.get("Name"): [value.text for value in each]
        for each in verified.signed_xml.iterfind(".//a:Attribute", names)
    }
    assert said["openstack_user"] == ["demo"]
    assert (said["openstack_project"], said["openstack_project_domain"]) == (["demo"], ["Default"])
    assert set(said["openstack_roles"]) >= {"member", "reader"}
    order = [etree.QName(each).localname for each in assertion]
    assert order == ["Issuer", "Signature", "Subject", "Conditions", "AuthnStatement", "AttributeStatement"]
    data = assertion.find(".//a:SubjectConfirmationData", names)
    assert data.get("Recipient") == url


def test_the_envelope_carries_a_relay_state(world, admin, vouch):
    admin.patch(F + "/service_providers/second", json={"service_provider": {"relay_state_prefix": "x:"}})
    root = etree.fromstring(vouch(world.token("demo", "demo")).content)
    relay = root.findtext(".//{urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp}RelayState")
    assert relay.startswith("x:") and len(relay) == 34


def test_what_is_vouched_for_whom(world, admin, nobody, vouch, log_in):
    token = world.token("demo", "demo")
    for path in (SAML2, SAML2 + "/ecp"):
        assert vouch(token, path, "nobody").status_code == 404
        assert vouch("strange", path).status_code == 404
        unscoped = log_in({"name": "demo", "domain": {"id": "default"}}, "unscoped")
        assert vouch(unscoped.headers["X-Subject-Token"], path).status_code == 403
        assert nobody.get(path).status_code == 405
        for wrong in ({}, {"auth": {}}, {"auth": {"identity": {"token": {"id": 7}}, "scope": {}}}, []):
            assert nobody.post(path, json=wrong).status_code == 400
    admin.patch(F + "/service_providers/second", json={"service_provider": {"enabled": False}})
    assert vouch(token).status_code == 403


def test_an_assertion_for_one_cloud_is_nothing_to_another(world, admin, second, vouch):
    provider = {"service_provider": {"sp_url": "https://third.example/sp"}}
    admin.patch(F + "/service_providers/second", json=provider)
    envelope = vouch(world.token("demo", "demo")).content
    there = second.api("identity", None)
    kind = {"Content-Type": "application/vnd.paos+xml"}
    assert there.post(AUTH, content=envelope, headers=kind).status_code == 401
    tampered = base64.b64encode(envelope)
    assert there.post(AUTH, content=tampered, headers=kind).status_code == 401


def test_an_assertion_ends(world, second, vouch):
    envelope = vouch(world.token("demo", "demo")).content
    second.cloud.clock.advance(hours=2)
    there = second.api("identity", None)
    answer = there.post(AUTH, content=envelope, headers={"Content-Type": "application/vnd.paos+xml"})
    assert answer.status_code == 401
