"""Access tokens for clients that speak OAuth 2.0."""

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

GRANT = {"grant_type": "client_credentials"}
DOOR = "/OS-OAUTH2/token"


@pytest.fixture
def client(demo, found):
    path = f"/users/{found('users', 'demo')}/application_credentials"
    answer = demo.post(path, json={"application_credential": {"name": "oauth"}})
    return answer.json()["application_credential"]


def basic(name, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def test_a_client_gets_a_token_that_works(world, nobody, client):
    ways = (
        {"data": GRANT, "headers": basic(client["id"], client["secret"])},
        {"data": GRANT | {"client_id": client["id"], "client_secret": client["secret"]}},
    )
    for way in ways:
        answer = nobody.post(DOOR, **way)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        body = answer.json()
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
        user = world.api("identity", None)
        for headers in (
            {"X-Auth-Token": body["access_token"]},
            {"Authorization": f"Bearer {body['access_token']}"},
        ):
            assert user.get("/auth/projects", headers=headers).json()["projects"][0]["name"] == "demo"


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"json": GRANT}, 400, "invalid_request"),
        ({"data": {"grant_type": "password"}}, 400, "unsupported_grant_type"),
        ({"data": GRANT}, 401, "invalid_client"),
        ({"data": GRANT, "headers": {"Authorization": "Basic %%%"}}, 401, "invalid_client"),
        ({"data": GRANT, "headers": {"Authorization": "Bearer x"}}, 401, "invalid_client"),
        ({"data": GRANT, "headers": basic("unknown", "x")}, 401, "invalid_client"),
        ({"data": GRANT, "headers": basic("", "x")}, 401, "invalid_client"),
        ({"data": GRANT | {"client_id": "x" * 20000}}, 413, "invalid_request"),
        (
            {"content": b"\xff=1", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
            400,
            "invalid_request",
        ),
    ],
)
def test_refusals_speak_oauth(nobody, options, code, error):
    answer = nobody.post(DOOR, **options)
    assert (answer.status_code, answer.json()["error"]) == (code, error), answer.text
    assert answer.json()["error_description"]
    assert ("WWW-Authenticate" in answer.headers) == (code == 401)


def test_a_wrong_secret_is_an_unknown_client(nobody, client):
    wrong = nobody.post(DOOR, data=GRANT, headers=basic(client["id"], "wrong"))
    unknown = nobody.post(DOOR, data=GRANT, headers=basic("unknown", "wrong"))
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())


def test_other_methods_are_405_in_oauths_shape(nobody):
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = nobody.request(method, DOOR)
        assert (answer.status_code, answer.json()["error"]) == (405, "other_error")
    assert nobody.request("HEAD", DOOR).status_code == 405


def certificate(name):
    """The PEM text of a certificate that a client of that name would show."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the ca")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(issuer, subject, key.public_key(), 1, now, now + timedelta(1))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def proxied(world, admin, make, give, found, monkeypatch):
    """`proxied("cn")`: headers that the trusted proxy sends for a client with that certificate; the user
    robot can be logged in by one called robot."""
    monkeypatch.setattr(world.cloud.settings.identity, "trusted_proxies", ("127.0.0.1",))
    rule = {
        "local": [{"user": {"name": "{0}"}}],
        "remote": [
            {"type": "SSL_CLIENT_SUBJECT_DN_CN"},
            {"type": "SSL_CLIENT_ISSUER_DN_CN", "any_one_of": ["the ca"]},
        ],
    }
    answer = admin.put("/OS-FEDERATION/mappings/oauth2_mapping", json={"mapping": {"rules": [rule]}})
    assert answer.status_code == 201, answer.text
    return lambda name: {"X-SSL-Client-Cert": quote(certificate(name))}


@pytest.fixture
def robot(make, give, found):
    project = found("projects", "demo")
    user = make("user", name="robot", default_project_id=project)["id"]
    give("member", user, project=project)
    return user


def test_a_certificate_logs_in_and_must_come_with_its_token(world, admin, nobody, proxied, robot):
    shown = proxied("robot")
    answer = nobody.post(DOOR, data=GRANT | {"client_id": robot}, headers=shown)
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    body = admin.get("/auth/tokens", headers={"X-Subject-Token": token}).json()["token"]
    assert body["methods"] == ["oauth2_credential"]
    assert body["project"]["name"] == "demo"
    assert len(body["oauth2_credential"]["x5t#S256"]) == 44
    bearer = {"Authorization": f"Bearer {token}"}
    assert nobody.get("/auth/projects", headers=bearer | shown).status_code == 200
    assert nobody.get("/auth/projects", headers=bearer).status_code == 401
    assert nobody.get("/auth/projects", headers=bearer | proxied("robot")).status_code == 401, "another one"
    again = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}}
    assert nobody.post("/auth/tokens", json=again, headers=shown).status_code == 403


def test_certificates_that_do_not_count(world, admin, nobody, proxied, robot, found, monkeypatch):
    asked = GRANT | {"client_id": robot}

    def refused(**headers):
        answer = nobody.post(DOOR, data=asked, headers=headers)
        return (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    assert refused(**proxied("somebody"))
    assert refused(**{"X-SSL-Client-Cert": "rubbish"})
    shown = proxied("robot")
    assert (
        nobody.post(DOOR, data=GRANT | {"client_id": found("users", "demo")}, headers=shown).status_code
        == 401
    )
    assert nobody.post(DOOR, data=GRANT, headers=shown).status_code == 401
    admin.delete("/OS-FEDERATION/mappings/oauth2_mapping").raise_for_status()
    assert refused(**shown)
    monkeypatch.setattr(world.cloud.settings.identity, "trusted_proxies", ("192.0.2.1",))
    assert refused(**shown)
