"""Credentials for other systems, and EC2 key pairs."""

import hashlib
import json

import pytest


@pytest.fixture
def user(found):
    return found("users", "demo")


def body(user, **changes):
    return {"credential": {"user_id": user, "type": "cert", "blob": "-----BEGIN"} | changes}


def test_life(admin, user, promised):
    made = promised("credentials.create", admin.post("/credentials", json=body(user)))["credential"]
    assert (made["blob"], made["type"], made["user_id"], made["project_id"]) == (
        "-----BEGIN",
        "cert",
        user,
        None,
    )
    path = f"/credentials/{made['id']}"
    assert promised("credentials.show", admin.get(path))["credential"] == made
    changed = promised("credentials.update", admin.patch(path, json={"credential": {"blob": "new"}}))
    assert changed["credential"] == made | {"blob": "new"}
    listed = promised("credentials.index", admin.get("/credentials", params={"type": "cert"}))["credentials"]
    assert listed == [changed["credential"]]
    assert admin.get("/credentials", params={"type": "totp"}).json()["credentials"] == []
    assert admin.patch(path, json={"credential": {"type": "totp"}}).status_code == 400
    assert admin.delete(path).status_code == 204
    assert admin.get(path).json()["error"]["message"] == f"Could not find credential: {made['id']}."


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"user_id": "nope"}, 404),
        ({"blob": 5}, 400),
        ({"type": None}, 400),
        ({"type": "ec2", "project_id": "p"}, 400),
        ({"type": "ec2", "project_id": "p", "blob": "{}"}, 400),
        ({"type": "ec2", "blob": '{"access": "a"}'}, 400),
    ],
)
def test_credentials_that_cannot_be_made(admin, user, changes, code):
    assert admin.post("/credentials", json=body(user, **changes)).status_code == code


def test_blobs_are_sealed_in_the_database(world, admin, user):
    from monostack.identity.tables import CREDENTIALS

    made = admin.post("/credentials", json=body(user, blob="very secret")).json()["credential"]
    row = world.cloud.read(lambda db: db.one(CREDENTIALS, id=made["id"]))
    assert "very secret" not in json.dumps(dict(row))


def test_the_id_of_an_ec2_credential_is_the_digest_of_its_access_key(admin, user, found):
    project = found("projects", "demo")
    asked = body(user, type="ec2", project_id=project, blob='{"access": "key", "secret": "s"}')
    made = admin.post("/credentials", json=asked).json()["credential"]
    assert made["id"] == hashlib.sha256(b"key").hexdigest()
    assert admin.post("/credentials", json=asked).status_code == 409
    pair = admin.get(f"/users/{user}/credentials/OS-EC2/key").json()["credential"]
    assert (pair["access"], pair["secret"], pair["tenant_id"]) == ("key", "s", project)


def test_ec2_pairs(demo, user, found):
    base, project = f"/users/{user}/credentials/OS-EC2", found("projects", "demo")
    answer = demo.post(base, json={"tenant_id": project})
    assert answer.status_code == 201
    made = answer.json()["credential"]
    assert made["links"]["self"].endswith(f"/v3{base}/{made['access']}")
    assert (made["user_id"], made["tenant_id"], made["trust_id"]) == (user, project, None)
    assert demo.get(f"{base}/{made['access']}").json()["credential"] == made
    assert demo.get(base).json()["credentials"] == [made]
    assert demo.post(base, json={"tenant_id": "nope"}).status_code == 404
    assert demo.post(base, json={}).status_code == demo.post(base, content=b"").status_code == 400
    assert demo.delete(f"{base}/{made['access']}").status_code == 204
    assert demo.get(f"{base}/{made['access']}").status_code == 404


def test_one_sees_and_makes_ones_own_only(world, admin, demo, user, found):
    boss = found("users", "admin")
    theirs = admin.post("/credentials", json=body(boss)).json()["credential"]
    mine = demo.post("/credentials", json=body(user)).json()["credential"]
    assert demo.get("/credentials").json()["credentials"] == [mine]
    assert len(admin.get("/credentials").json()["credentials"]) == 2
    path = f"/credentials/{theirs['id']}"
    for answer in (
        demo.get(path),
        demo.patch(path, json={"credential": {"blob": "x"}}),
        demo.delete(path),
        demo.get("/credentials/nope"),
        demo.post("/credentials", json=body(boss)),
        demo.get(f"/users/{boss}/credentials/OS-EC2"),
        demo.post(f"/users/{boss}/credentials/OS-EC2", json={"tenant_id": found("projects", "demo")}),
    ):
        assert answer.status_code == 403
    pair = admin.post(f"/users/{boss}/credentials/OS-EC2", json={"tenant_id": found("projects", "admin")})
    access = pair.json()["credential"]["access"]
    for answer in (
        demo.get(f"/users/{user}/credentials/OS-EC2/{access}"),
        demo.delete(f"/users/{user}/credentials/OS-EC2/{access}"),
    ):
        assert answer.status_code == 403, "whose it is decides, not whose path it is asked by"
    for answer in (
        demo.get(f"/users/{boss}/credentials/OS-EC2/nope"),
        demo.delete(f"/users/{boss}/credentials/OS-EC2/nope"),
    ):
        assert answer.status_code == 404, "what is not there is nobody's"
    assert admin.get(f"/users/{user}/credentials/OS-EC2/{access}").json()["credential"]["user_id"] == boss
    assert admin.delete(f"/users/{user}/credentials/OS-EC2/{access}").status_code == 204


def test_they_go_with_their_user(admin, make):
    user = make("user", name="u")["id"]
    made = admin.post("/credentials", json=body(user)).json()["credential"]
    admin.delete(f"/users/{user}").raise_for_status()
    assert admin.get(f"/credentials/{made['id']}").status_code == 404
