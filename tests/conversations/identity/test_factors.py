"""One-time codes, several factors with receipts, users whom a proxy names."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest

from monostack.identity.authentication.methods import totp

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.fixture
def code(world):
    """`code(-1)`: the code of one half minute ago."""

    def shown(steps: int = 0, secret: str = SECRET) -> str:
        return totp.code(secret, int(world.cloud.clock.time()) // totp.SECONDS + steps)

    return shown


@pytest.fixture
def user(make):
    made = make("user", name="u", password="secret")
    make("credential", type="totp", blob=SECRET, user_id=made["id"])
    return made


@pytest.fixture
def attempt(nobody):
    """`attempt(user, password="secret", totp="123456")`: a login by those methods."""

    def log_in(user: dict, receipt: str | None = None, **given: str):
        identity: dict = {"methods": list(given)}
        if "password" in given:
            identity["password"] = {"user": {"id": user["id"], "password": given["password"]}}
        if "totp" in given:
            identity["totp"] = {"user": {"id": user["id"], "passcode": given["totp"]}}
        headers = {"Openstack-Auth-Receipt": receipt} if receipt is not None else {}
        return nobody.post("/auth/tokens", json={"auth": {"identity": identity}}, headers=headers)

    return log_in


def test_a_code_is_good_once(user, attempt, code):
    assert attempt(user, totp=code(-1)).status_code == 201
    answer = attempt(user, totp=code())
    assert answer.status_code == 201
    assert answer.json()["token"]["methods"] == ["totp"]
    for used in (code(), code(-1)):
        assert attempt(user, totp=used).status_code == 401


def test_a_code_is_good_once_at_the_same_moment_too(user, attempt, code):
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: attempt(user, totp=code()).status_code, range(6)))
    assert sorted(answers) == [201] + [401] * 5


def test_codes_of_other_times_people_and_kinds(world, user, make, attempt, code, settings):
    for wrong in (code(1), code(-2), code(secret="B" * 32), "", "000000x", "ü" * 6):
        assert attempt(user, totp=wrong).status_code == 401, wrong
    other = make("user", name="o", password="secret")
    assert attempt(other, totp=code()).status_code == 401
    assert attempt({"id": "nobody"}, totp=code()).status_code == 401
    settings(totp_included_previous_windows=0)
    assert attempt(user, totp=code(-1)).status_code == 401
    assert attempt(user, totp=code()).status_code == 201


def test_a_passcode_that_is_no_text_is_refused(user, nobody):
    for passcode in (123456, None, ["1"], {}):
        asked = {"user": {"id": user["id"], "passcode": passcode}}
        body = {"auth": {"identity": {"methods": ["totp"], "totp": asked}}}
        assert nobody.post("/auth/tokens", json=body).status_code == 401


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "user"),
        ({"user": {}}, "id or name"),
        ({"user": {"name": "u"}}, "domain"),
        ({"user": 5}, "object"),
        (5, "object"),
    ],
)
def test_what_a_body_lacks_is_told(nobody, asked, words):
    answer = nobody.post("/auth/tokens", json={"auth": {"identity": {"methods": ["totp"], "totp": asked}}})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_secrets_that_are_none_do_no_harm(make, attempt, code):
    user = make("user", name="u", password="secret")
    for blob in ("not base 32!", '{"a": 1}', " ", SECRET.lower()):
        make("credential", type="totp", blob=blob, user_id=user["id"])
    for guess in ("unreadable", "None", "", code(secret="")):
        assert attempt(user, totp=guess or "").status_code == 401
    assert attempt(user, totp=code()).status_code == 201, "one of several, in small letters"


def test_wrong_codes_lock_the_account_and_repeated_ones_do_not(user, attempt, code, settings):
    settings(lockout_failure_attempts=2)
    assert [attempt(user, totp=code()).status_code for _ in range(3)] == [201, 401, 401]
    assert attempt(user, password="secret").status_code == 201
    assert [attempt(user, totp="000000").status_code for _ in range(2)] == [401, 401]
    assert attempt(user, password="secret").status_code == 401
    assert attempt(user, totp=code(-1)).status_code == 401


def test_a_deleted_user_leaves_no_used_codes(world, admin, user, attempt, code):
    from monostack.identity.tables import PASSCODES

    assert attempt(user, totp=code()).status_code == 201
    assert len(world.cloud.read(lambda db: db.all(PASSCODES))) == 1
    admin.delete(f"/users/{user['id']}").raise_for_status()
    assert world.cloud.read(lambda db: db.all(PASSCODES)) == []


# several factors


@pytest.fixture
def careful(admin, user):
    options = {
        "multi_factor_auth_enabled": True,
        "multi_factor_auth_rules": [["password", "totp"], ["totp", "token", "magic"], ["magic"]],
    }
    admin.patch(f"/users/{user['id']}", json={"user": {"options": options}}).raise_for_status()
    return user


def test_half_a_login_gives_a_receipt_and_the_rest_a_token(careful, attempt, code):
    answer = attempt(careful, password="secret")
    assert answer.status_code == 401
    assert "WWW-Authenticate" not in answer.headers
    assert "X-Subject-Token" not in answer.headers
    body = answer.json()
    assert body["required_auth_methods"] == [["password", "totp"]]
    assert body["receipt"]["methods"] == ["password"]
    assert body["receipt"]["user"]["domain"] == {"id": "default", "name": "Default"}
    assert body["receipt"]["issued_at"] < body["receipt"]["expires_at"]
    answer = attempt(careful, receipt=answer.headers["Openstack-Auth-Receipt"], totp=code())
    assert answer.status_code == 201
    assert set(answer.json()["token"]["methods"]) == {"password", "totp"}


def test_the_other_way_round(careful, attempt, code):
    answer = attempt(careful, totp=code())
    assert answer.status_code == 401
    assert answer.json()["required_auth_methods"] == [["password", "totp"], ["totp", "token"]]
    receipt = answer.headers["Openstack-Auth-Receipt"]
    assert attempt(careful, receipt=receipt, password="wrong").status_code == 401
    assert attempt(careful, receipt=receipt, password="secret").status_code == 201


def test_both_at_once(careful, attempt, code):
    assert attempt(careful, password="secret", totp="000000").status_code == 401
    assert attempt(careful, password="wrong", totp=code()).status_code == 401
    assert attempt(careful, password="secret", totp=code()).status_code == 201


def test_a_token_of_several_factors_makes_others(careful, attempt, code, nobody):
    token = attempt(careful, password="secret", totp=code()).headers["X-Subject-Token"]
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}}
    answer = nobody.post("/auth/tokens", json=body)
    assert answer.status_code == 201
    assert set(answer.json()["token"]["methods"]) == {"password", "totp", "token"}


def test_the_same_factor_twice_is_one(careful, attempt):
    receipt = attempt(careful, password="secret").headers["Openstack-Auth-Receipt"]
    assert attempt(careful, receipt=receipt, password="secret").json()["receipt"]["methods"] == ["password"]


def test_receipts_that_are_not_good(world, careful, make, admin, attempt, code):
    receipt = attempt(careful, password="secret").headers["Openstack-Auth-Receipt"]
    other = make("user", name="o", password="secret")
    assert attempt(other, receipt=receipt, password="secret").status_code == 401
    answer = attempt(other, receipt="rubbish", password="secret")
    assert answer.status_code == 401
    assert "Could not find auth receipt: rubbish." in answer.text
    token = attempt(other, password="secret").headers["X-Subject-Token"]
    assert attempt(other, receipt=token, password="secret").status_code == 401
    headers = {"X-Subject-Token": receipt}
    assert admin.get("/auth/tokens", headers=headers).status_code == 404, "nor is a receipt a token"
    assert attempt(careful, receipt="", totp=code(-1)).json()["receipt"]["methods"] == ["totp"]
    world.cloud.clock.advance(seconds=301)
    assert attempt(careful, receipt=receipt, totp=code()).status_code == 401


def test_a_changed_password_ends_receipts(admin, careful, attempt, code):
    receipt = attempt(careful, password="secret").headers["Openstack-Auth-Receipt"]
    admin.patch(f"/users/{careful['id']}", json={"user": {"password": "new"}}).raise_for_status()
    assert attempt(careful, receipt=receipt, totp=code()).status_code == 401


def test_a_disabled_user_gets_no_receipt(admin, careful, attempt):
    admin.patch(f"/users/{careful['id']}", json={"user": {"enabled": False}}).raise_for_status()
    answer = attempt(careful, password="secret")
    assert answer.status_code == 401
    assert "receipt" not in answer.json()


@pytest.mark.parametrize(
    "options",
    [
        {"multi_factor_auth_enabled": False},
        {"multi_factor_auth_rules": None},
        {"multi_factor_auth_rules": []},
        {"multi_factor_auth_rules": [["magic"]]},
        {"multi_factor_auth_rules": [["totp"], ["password", "magic"]]},
    ],
)
def test_rules_that_demand_nothing_more(admin, careful, attempt, options):
    admin.patch(f"/users/{careful['id']}", json={"user": {"options": options}}).raise_for_status()
    assert attempt(careful, password="secret").status_code == 201


@pytest.mark.parametrize(
    "rules", [[[]], [["password", "password"]], [["password"], ["password"]], ["password"], 5]
)
def test_rules_that_are_none(admin, user, rules):
    options = {"multi_factor_auth_rules": rules}
    answer = admin.patch(f"/users/{user['id']}", json={"user": {"options": options}})
    assert answer.status_code == 400


# offered methods, and users whom a proxy names


def test_a_method_that_is_not_offered(nobody, attempt, user, settings):
    settings(methods=("password", "token"))
    answer = attempt(user, totp="123456")
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "Attempted to authenticate with an unsupported method."
    assert answer.json()["error"]["identity"] == {"methods": ["password", "token"]}


NAMED = {"X-Remote-User": "u"}
BODY = {"auth": {"identity": {"methods": ["external"], "external": {}}}}


def test_nobody_is_believed_by_default(nobody, user):
    assert nobody.post("/auth/tokens", json=BODY, headers=NAMED).status_code == 401


def test_a_trusted_proxy_names_the_user(nobody, make, user, settings):
    settings(trusted_proxies=("192.0.2.1", "127.0.0.0/8"))
    answer = nobody.post("/auth/tokens", json=BODY, headers=NAMED)
    assert answer.status_code == 201
    assert answer.json()["token"]["methods"] == ["external"]
    assert answer.json()["token"]["user"]["id"] == user["id"]
    domain = make("domain", name="d")
    other = make("user", name="u", domain_id=domain["id"])
    answer = nobody.post("/auth/tokens", json=BODY, headers=NAMED | {"X-Remote-Domain": "d"})
    assert answer.json()["token"]["user"]["id"] == other["id"]
    for headers in ({}, {"X-Remote-User": "nobody"}, NAMED | {"X-Remote-Domain": "nowhere"}):
        assert nobody.post("/auth/tokens", json=BODY, headers=headers).status_code == 401


def test_another_proxy_does_not(nobody, user, settings):
    settings(trusted_proxies=("192.0.2.1",))
    assert nobody.post("/auth/tokens", json=BODY, headers=NAMED).status_code == 401


def test_what_a_proxy_says_goes_with_what_is_asked(nobody, make, user, settings):
    settings(trusted_proxies=("127.0.0.1",))
    identity = {"methods": ["password"], "password": {"user": {"id": user["id"], "password": "secret"}}}
    answer = nobody.post("/auth/tokens", json={"auth": {"identity": identity}}, headers=NAMED)
    assert answer.json()["token"]["methods"] == ["external", "password"]
    make("user", name="o", password="secret")
    answer = nobody.post(
        "/auth/tokens", json={"auth": {"identity": identity}}, headers={"X-Remote-User": "o"}
    )
    assert answer.status_code == 401, "two users at once"
    answer = nobody.post(
        "/auth/tokens", json={"auth": {"identity": identity}}, headers={"X-Remote-User": "no"}
    )
    assert answer.json()["token"]["methods"] == ["password"], "a proxy's user that we do not know is no proof"
