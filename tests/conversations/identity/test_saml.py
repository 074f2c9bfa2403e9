"""SAML: people of a provider who come with programs and browsers, and what is not believed."""

import base64
import html

import pytest
from keystoneauth1.extras import _saml2
from keystoneauth1.session import Session
from lxml import etree
from signxml import DigestAlgorithm, SignatureMethod
from tests.conftest import World
from tests.conversations.identity.saml_provider import (
    ASSERTION,
    ENTITY,
    PASSWORD,
    USER,
    Provider,
    self_signed,
    wrapped,
)

from monostack import testing

F = "/OS-FEDERATION"
AUTH = F + "/identity_providers/partner/protocols/saml2/auth"
WEBSSO = "/auth/OS-FEDERATION/identity_providers/partner/protocols/saml2/websso"
DASHBOARD = "http://dashboard.example/auth/websso/"
PAOS = "application/vnd.paos+xml"
RULES = [
    {
        "local": [{"user": {"name": "{0}", "email": "{1}"}}],
        "remote": [{"type": "uid"}, {"type": "MELLON_mail"}, {"type": "MELLON_IDP", "any_one_of": [ENTITY]}],
    },
    {"local": [{"groups": "{0}", "domain": {"id": "default"}}], "remote": [{"type": "urn:x:groups"}]},
]


@pytest.fixture(scope="module")
def provider():
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def shared_world(provider, database):
    trusted = {"federation.trusted_dashboards": DASHBOARD}
    with testing.cloud(only=("identity",), database=database, **trusted) as cloud:
        cloud.settings.federation.public_url = cloud.url + "/identity"
        (cloud.settings.state / "federation.toml").write_text(
            '[partner.saml2]\nkind = "saml"\nmetadata = "partner.xml"\n'
        )
        (cloud.settings.state / "partner.xml").write_text(provider.metadata())
        yield World(cloud)


@pytest.fixture
def here(world):
    return world.cloud.url + "/identity/v3"


@pytest.fixture
def audience(here):
    return here + F + "/saml2/metadata"


@pytest.fixture
def partner(admin):
    asked = {"identity_provider": {"enabled": True, "remote_ids": [ENTITY]}}
    admin.put(F + "/identity_providers/partner", json=asked)
    admin.put(F + "/mappings/partner", json={"mapping": {"rules": RULES}})
    protocol = {"mapping_id": "partner", "remote_id_attribute": "Shib-Identity-Provider"}
    path = F + "/identity_providers/partner/protocols/saml2"
    assert admin.put(path, json={"protocol": protocol}).status_code == 201


@pytest.fixture
def bring(nobody, partner, provider, here, audience):
    """`bring(uid="bob")`: a program brings a response in an envelope."""

    def post(envelope=None, change=lambda response: response, relay="", **said):
        if envelope is None:
            made = provider.response(**({"recipient": here + AUTH, "audience": audience} | said))
            envelope = wrapped(change(made), relay=relay)
        return nobody.post(AUTH, content=envelope, headers={"Content-Type": PAOS})

    return post


def test_a_signed_assertion_lets_in_once(bring, admin, make, provider, here, audience):
    group = make("group", name="a", domain_id="default")["id"]
    envelope = wrapped(provider.response(here + AUTH, audience))
    answer = bring(envelope)
    assert answer.status_code == 201, answer.text
    token = answer.json()["token"]
    assert (token["user"]["name"], token["methods"]) == ("alice", ["saml2"])
    assert token["user"]["OS-FEDERATION"]["groups"] == [{"id": group}]
    assert admin.get(f"/users/{token['user']['id']}").json()["user"]["email"] == "alice@partner.example"
    assert bring(envelope).status_code == 401, "an assertion is good once"
    assert bring(sign="Response").status_code == 201, "a signed response does as well"


@pytest.mark.parametrize(
    "said",
    [
        {"sign": ""},
        {"audience": "https://another.example"},
        {"recipient": "https://another.example/auth"},
        {"issuer": "https://another.example"},
        {"until": -120},
        {"since": 120},
        {"status": "urn:oasis:names:tc:SAML:2.0:status:Responder"},
        {"method": "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"},
        {"answers": "_a-request-we-never-made"},
        {"relay": "nonsense", "answers": "_x"},
        {"algorithm": (SignatureMethod.RSA_SHA1, DigestAlgorithm.SHA1)},
    ],
)
def test_what_is_not_believed(bring, said):
    assert bring(**said).status_code == 401


def test_another_key_is_nobodys(bring):
    assert bring(key=self_signed()).status_code == 401


def tree(response):
    return etree.fromstring(response)


def assertion_of(root):
    return root.find(f"{{{ASSERTION}}}Assertion")


def tampered(response):
    return response.replace(b">alice<", b">admin<")


def with_comment(response):
    return response.replace(b">alice<", b">alice<!-- -->.evil<")


def evil(original, new_id):
    """An assertion like the original about somebody else, without the signature."""
    forged = tree(etree.tostring(original).replace(b">alice<", b">admin<"))
    signature = forged.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
    forged.remove(signature)
    forged.set("ID", new_id)
    return forged, signature


def wrap_beside(response):
    root = tree(response)
    forged, _ = evil(assertion_of(root), "_forged")
    root.insert(0, forged)
    return etree.tostring(root)


def wrap_around(response):
    """The signature still fits what it was made for, which now stands deep inside."""
    root = tree(response)
    original = assertion_of(root)
    forged, _ = evil(original, "_forged")
    signature = original.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
    original.remove(signature)
    root.replace(original, forged)
    etree.SubElement(forged, f"{{{ASSERTION}}}Advice").append(original)
    forged.insert(1, signature)
    return etree.tostring(root)


def wrap_around_same_id(response):
    root = tree(response)
    original = assertion_of(root)
    forged, signature = evil(original, original.get("ID"))
    root.replace(original, forged)
    etree.SubElement(forged, f"{{{ASSERTION}}}Advice").append(original)
    forged.insert(1, signature)
    return etree.tostring(root)


def wrap_in_extensions(response):
    root = tree(response)
    original = assertion_of(root)
    forged, signature = evil(original, "_forged")
    root.replace(original, forged)
    extensions = etree.SubElement(root, "{urn:oasis:names:tc:SAML:2.0:protocol}Extensions")
    extensions.append(original)
    forged.insert(1, signature)
    return etree.tostring(root)


@pytest.mark.parametrize(
    "change", [tampered, with_comment, wrap_beside, wrap_around, wrap_around_same_id, wrap_in_extensions]
)
def test_what_the_signature_does_not_cover_is_not_read(bring, admin, change):
    assert bring(change=change).status_code == 401
    assert admin.get("/users", params={"idp_id": "partner"}).json()["users"] == []


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
)


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"nonsense",
        b"<a/>",
        BOMB + b"]><x>&j;</x>",
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><x/>',
        wrapped(b"<x/>"),
        wrapped(b""),
        b"<a>" * 5000,
        b"\xff\xfe",
    ],
)
def test_xml_that_is_none_or_malice(bring, envelope):
    assert bring(envelope).status_code == 401


def test_a_body_that_is_too_large(bring):
    assert bring(b"x" * (1 << 21)).status_code == 413


def test_who_brings_nothing_is_refused(nobody, partner):
    assert nobody.get(AUTH).status_code == 401
    assert nobody.get(AUTH, headers={"OIDC-uid": "alice"}).status_code == 401


def test_without_our_own_address_no_saml_is_spoken(world, bring, nobody):
    settings = world.cloud.settings.federation
    url, settings.public_url = settings.public_url, ""
    try:
        assert bring().status_code == 401
        assert nobody.get(F + "/saml2/metadata").status_code == 404
        world.cloud.settings.public_url = "https://cloud.example"
        root = tree(nobody.get(F + "/saml2/metadata").content)
        assert root.get("entityID") == "https://cloud.example/identity/v3" + F + "/saml2/metadata"
    finally:
        settings.public_url, world.cloud.settings.public_url = url, ""


# programs


def test_a_program_asks_its_provider(world, partner, provider):
    plugin = _saml2.V3Saml2Password(
        auth_url=world.cloud.auth_url,
        identity_provider="partner",
        protocol="saml2",
        identity_provider_url=provider.url + "/ecp",
        username=USER,
        password=PASSWORD,
    )
    access = plugin.get_access(Session())
    assert access.username == "alice"
    assert access.auth_token


def test_a_request_is_answered_once_and_by_whoever_was_asked(nobody, bring, provider, here, audience):
    headers = {"Accept": f"text/html, {PAOS}", "PAOS": 'ver="urn:liberty:paos:2003-08"'}
    answer = nobody.get(AUTH, headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, PAOS)
    request = tree(answer.content)
    relay = request.findtext(".//{urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp}RelayState")
    request_id = request.find(".//{urn:oasis:names:tc:SAML:2.0:protocol}AuthnRequest").get("ID")
    assert bring(relay=relay, answers="_other").status_code == 401
    assert bring(relay=relay).status_code == 401, "no answer to any request"
    assert bring(answers=request_id).status_code == 401, "the request is not told"
    assert bring(relay=relay, answers=request_id).status_code == 201


# browsers


def test_a_browser_goes_there_and_comes_back_to_the_dashboard(nobody, partner, provider, here, audience):
    start = nobody.get(f"{WEBSSO}?origin={DASHBOARD}")
    assert start.status_code == 302, start.text
    assert start.headers["Location"].startswith(provider.url + "/redirect?")
    asked = provider.request_of(start.headers["Location"])
    assert asked["AssertionConsumerServiceURL"] == here + WEBSSO
    assert (asked["Issuer"], asked["Destination"]) == (audience, provider.url + "/redirect")
    assert asked["SigAlg"].endswith("rsa-sha256") and asked["Signature"]

    def post(relay=asked["RelayState"], response=None, **said):
        if response is None:
            said = {"recipient": here + WEBSSO, "audience": audience, "answers": asked["ID"]} | said
            response = base64.b64encode(provider.response(**said)).decode()
        return nobody.post(WEBSSO, data={"SAMLResponse": response, "RelayState": relay})

    assert post(relay="").status_code == 401
    assert post(relay="other").status_code == 401
    assert post(answers="_other").status_code == 401
    assert post(answers=None).status_code == 401
    assert post(response="!").status_code == 401
    assert post(recipient=here + AUTH).status_code == 401, "meant for programs"
    page = post()
    assert page.status_code == 200, page.text
    assert f'action="{DASHBOARD}"' in html.unescape(page.text)
    token = page.text.partition('name="token" value="')[2].partition('"')[0]
    shown = nobody.get("/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token})
    assert shown.json()["token"]["user"]["name"] == "alice"


def test_a_browser_needs_a_trusted_dashboard(nobody, partner):
    assert nobody.get(WEBSSO).status_code == 400
    assert nobody.get(f"{WEBSSO}?origin=http://evil.example/").status_code == 401


def test_our_metadata_say_where_we_are(nobody, here, audience):
    answer = nobody.get(F + "/saml2/metadata")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/xml")
    root = tree(answer.content)
    assert root.get("entityID") == audience
    urls = [each.get("Location") for each in root.iter() if each.tag.endswith("AssertionConsumerService")]
    assert urls == [here + WEBSSO, here + AUTH]
    assert b"PRIVATE" not in answer.content
