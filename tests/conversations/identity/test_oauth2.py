"""Access tokens for clients that speak OAuth 2.0."""

import base64

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
