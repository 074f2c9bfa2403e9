"""Tokens for signatures on requests of EC2 and S3: who may ask, which signatures fit, what the tokens may
do."""

import base64
import hashlib
import hmac
import json
from datetime import UTC
from urllib.parse import quote

import pytest

REFUSED = "The request you have made requires authentication."


@pytest.fixture
def pair(demo, found):
    user, project = found("users", "demo"), found("projects", "demo")
    answer = demo.post(f"/users/{user}/credentials/OS-EC2", json={"tenant_id": project})
    assert answer.status_code == 201, answer.text
    return answer.json()["credential"]


@pytest.fixture
def service(world, make, give, found):
    user = make("user", name="swift", password="secret")
    give("service", user["id"], project=found("projects", "service"))
    return world.api("identity", "swift", "service", password="secret")


def now(world, form="%Y-%m-%dT%H:%M:%SZ", **ago):
    from datetime import datetime, timedelta

    moment = datetime.fromtimestamp(world.cloud.clock.time(), UTC) - timedelta(**ago)
    return moment.strftime(form)


def query(params):
    return "&".join(f"{quote(k, safe='')}={quote(v, safe='-_~')}" for k, v in sorted(params.items()))


def version_2(pair, timestamp=None, host="cloud:8080", signed_host=None, secret=None, **changes):
    params = {"SignatureVersion": "2", "Action": "Test it", "AWSAccessKeyId": pair["access"]}
    params |= {"SignatureMethod": "HmacSHA256"} | ({"Timestamp": timestamp} if timestamp else {})
    text = "\n".join(("GET", signed_host or host, "/services/Cloud", query(params)))
    digest = hmac.digest((secret or pair["secret"]).encode(), text.encode(), "sha256")
    return {
        "access": pair["access"],
        "host": host,
        "verb": "GET",
        "path": "/services/Cloud",
        "params": params,
        "signature": base64.b64encode(digest).decode(),
    } | changes


def key_4(secret, date, region, service):
    key = b"AWS4" + secret.encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def version_4(pair, at, in_query=False, signed_at=None):
    date = (signed_at or at)[:8]
    scope = f"{date}/RegionOne/ec2/aws4_request"
    body_hash = hashlib.sha256(b"").hexdigest()
    headers, params = {"Host": "cloud", "X-Amz-Date": at}, {"Action": "Test"}
    names = "host;x-amz-date"
    if in_query:
        headers, names = {"Host": "cloud"}, "host"
        params |= {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{pair['access']}/{scope}",
            "X-Amz-SignedHeaders": names,
            "X-Amz-Date": at,
        }
    else:
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={pair['access']}/{scope}, SignedHeaders={names}, Signature=x"
        )
    lines = [f"{name.lower()}:{headers[name]}" for name in ("Host", "X-Amz-Date") if name in headers]
    canonical = "\n".join(("GET", "/", query(params), *lines, "", names, body_hash))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}"
    key = key_4(pair["secret"], date, "RegionOne", "ec2")
    return {
        "access": pair["access"],
        "host": "cloud",
        "verb": "GET",
        "path": "/",
        "params": params,
        "headers": headers,
        "body_hash": body_hash,
        "signature": hmac.digest(key, text.encode(), "sha256").hex(),
    }


def s3(pair, text, signature):
    token = base64.urlsafe_b64encode(text.encode()).decode()
    return {"access": pair["access"], "token": token, "signature": signature}


def s3_old(pair, secret=None):
    text = "GET\n\n\nThu, 20 Nov 2026 10:00:00 GMT\n/bucket"
    digest = hmac.digest((secret or pair["secret"]).encode(), text.encode(), "sha1")
    return s3(pair, text, base64.b64encode(digest).decode())


def s3_new(pair, service="s3"):
    text = f"AWS4-HMAC-SHA256\n20261120T100000Z\n20261120/r/{service}/aws4_request\n{'0' * 64}"
    key = key_4(pair["secret"], "20261120", "r", service)
    return s3(pair, text, hmac.digest(key, text.encode(), "sha256").hex())


def ask(client, asked, door="/ec2tokens", name="credentials"):
    return client.post(door, json={name: asked})


@pytest.mark.parametrize("name", ["credentials", "credential", "ec2Credentials"])
def test_a_service_gets_a_token_for_a_signed_request(world, service, pair, found, name):
    answer = ask(service, version_2(pair, now(world)), name=name)
    assert answer.status_code == 200, answer.text
    token = answer.json()["token"]
    assert token["methods"] == ["ec2credential"]
    assert token["user"]["name"] == token["project"]["name"] == "demo"
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}
    assert "catalog" in token
    subject = {"X-Subject-Token": answer.headers["X-Subject-Token"]}
    assert service.get("/auth/tokens", headers=subject).json()["token"]["methods"] == ["ec2credential"]


def test_version_4_in_headers_and_in_the_query(world, service, pair):
    at = now(world, "%Y%m%dT%H%M%SZ")
    assert ask(service, version_4(pair, at)).status_code == 200
    assert ask(service, version_4(pair, at, in_query=True)).status_code == 200
    assert ask(service, version_4(pair, at) | {"path": "/other"}).status_code == 401
    assert ask(service, version_4(pair, at, signed_at="19990101T000000Z")).status_code == 401


def test_a_host_signed_without_its_port_fits(world, service, pair):
    assert ask(service, version_2(pair, now(world), signed_host="cloud")).status_code == 200


def test_s3_tokens_are_described_but_not_given(service, pair):
    for asked in (s3_old(pair), s3_new(pair), s3_new(pair, "sts")):
        answer = ask(service, asked, "/s3tokens")
        assert answer.status_code == 200, answer.text
        assert answer.json()["token"]["user"]["name"] == "demo"
        assert "X-Subject-Token" not in answer.headers
    assert ask(service, s3_new(pair, "ec2"), "/s3tokens").status_code == 401
    assert ask(service, s3_old(pair, "wrong"), "/s3tokens").status_code == 401


@pytest.mark.parametrize(("door", "make_asked"), [("/ec2tokens", version_2), ("/s3tokens", s3_old)])
def test_only_services_and_administrators_may_ask(admin, demo, nobody, service, pair, door, make_asked):
    asked = make_asked(pair)
    assert ask(admin, asked, door).status_code == ask(service, asked, door).status_code == 200
    assert ask(demo, asked, door).status_code == 403
    assert ask(nobody, asked, door).status_code == 401


def test_old_and_far_signatures_are_refused(world, service, pair):
    assert ask(service, version_2(pair, now(world, minutes=14))).status_code == 200
    for moment in (now(world, minutes=16), now(world, minutes=-16), "rubbish"):
        answer = ask(service, version_2(pair, moment))
        assert answer.status_code == 401
        assert answer.json()["error"]["message"] == REFUSED


def test_wrong_secret_and_unknown_key(world, service, pair):
    assert ask(service, version_2(pair, now(world), secret="wrong")).status_code == 401
    for door in ("/ec2tokens", "/s3tokens"):
        answer = ask(service, {"access": "x", "signature": "y"}, door)
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == "EC2 access key not found."


@pytest.mark.parametrize("door", ["/ec2tokens", "/s3tokens"])
def test_whatever_is_missing_or_strange_is_refused_in_words(service, pair, door):
    for body in ({}, [], "x", 5, None):
        assert service.post(door, json=body).status_code == 400
    access = {"access": pair["access"]}
    strange = [5, [1], {}, {"access": 5}, access]
    strange += [access | {"signature": value, "token": value} for value in (None, "", 5, "ü", "%%%", [])]
    for host in ("a", ":", 5):
        asked = access | {"signature": "x", "host": host, "verb": "GET", "path": "/", "body_hash": "x"}
        for params in (None, {}, {"SignatureVersion": "2"}, {"SignatureVersion": "0"}, {"a": [1]}, "x"):
            for headers in (None, 5, {"Authorization": 5}, {"Authorization": "AWS4-HMAC-SHA256 a, b"}):
                strange.append(asked | {"params": params, "headers": headers})
    for asked in strange:
        assert ask(service, asked, door).status_code == 401, asked


def test_identity_takes_no_such_token(world, service, pair, found):
    token = ask(service, version_2(pair, now(world))).headers["X-Subject-Token"]
    client = world.api("identity", None)
    client.client.headers["X-Auth-Token"] = token
    for path in ("/auth/projects", f"/users/{found('users', 'demo')}"):
        assert client.get(path).status_code == 403
    again = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}}
    answer = world.api("identity", None).post("/auth/tokens", json=again)
    assert answer.status_code == 403
    assert "delegated token" in answer.json()["error"]["message"]


def test_a_pair_whose_user_is_disabled_or_that_is_gone_opens_nothing(
    world, admin, demo, service, pair, found
):
    user = found("users", "demo")
    asked = version_2(pair, now(world))
    admin.patch(f"/users/{user}", json={"user": {"enabled": False}}).raise_for_status()
    assert ask(service, asked).status_code == 401
    admin.patch(f"/users/{user}", json={"user": {"enabled": True}}).raise_for_status()
    assert ask(service, asked).status_code == 200
    admin.delete(f"/users/{user}/credentials/OS-EC2/{pair['access']}").raise_for_status()
    assert ask(service, asked).status_code == 404


def test_a_pair_lends_no_more_than_what_it_was_made_under(world, admin, demo, service, found):
    """The blob of a credential may name an application credential or a trust."""
    user, project = found("users", "demo"), found("projects", "demo")
    credential = {"name": "a", "roles": [{"name": "reader"}]}
    lent = demo.post(f"/users/{user}/application_credentials", json={"application_credential": credential})
    lent = lent.json()["application_credential"]["id"]
    for named, code in (({"app_cred_id": lent}, 200), ({"app_cred_id": "x"}, 401), ({"trust_id": "x"}, 401)):
        pair = {"access": f"key-{list(named)[0]}-{list(named.values())[0]}", "secret": "s"}
        blob = json.dumps(pair | named)
        body = {"user_id": user, "project_id": project, "type": "ec2", "blob": blob}
        assert admin.post("/credentials", json={"credential": body}).status_code == 201
        answer = ask(service, version_2(pair, now(world)))
        assert answer.status_code == code, named
        if code == 200:
            assert [role["name"] for role in answer.json()["token"]["roles"]] == ["reader"]


def test_get_is_405(nobody):
    for door in ("/ec2tokens", "/s3tokens"):
        answer = nobody.get(door)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
