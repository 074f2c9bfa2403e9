"""Rules on passwords and accounts: strength, history, age, expiry, lock, long absence. All default to off."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from monostack.identity.authentication import passwords
from monostack.kit.events import EVENTS

RIGHT = 201


@pytest.fixture
def user(make):
    return make("user", name="u", password="secret")


@pytest.fixture
def change(nobody):
    """`change(user, old, new)`: a user changes his password himself."""

    def attempt(user: dict, old: str, new: str):
        body = {"user": {"original_password": old, "password": new}}
        return nobody.post(f"/users/{user['id']}/password", json=body)

    return attempt


@pytest.fixture
def try_(log_in):
    """`try_(user, password)`: the status of a login."""

    def attempt(user: dict, password: str = "secret") -> int:
        return log_in({"id": user["id"], "password": password}).status_code

    return attempt


def later(world, **delta):
    """An administrator, after so much time."""
    world.cloud.clock.advance(**delta)
    world.tokens.clear()
    return world.api("identity")


def test_weak_passwords_are_refused_in_the_operators_words(admin, user, change, settings):
    settings(password_regex=r"^(?=.*\d).{7,}$", password_regex_description="seven characters and a digit")
    answers = [
        admin.post("/users", json={"user": {"name": "weak", "password": "short"}}),
        admin.patch(f"/users/{user['id']}", json={"user": {"password": "nodigits"}}),
        change(user, "secret", "nodigits"),
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert "seven characters and a digit" in answer.json()["error"]["message"]
    assert admin.patch(f"/users/{user['id']}", json={"user": {"password": None}}).status_code == 400
    assert admin.patch(f"/users/{user['id']}", json={"user": {"email": "u@example.org"}}).status_code == 200
    assert change(user, "secret", "8characters").status_code == 204


def test_long_passwords(make, admin, user, change, try_, settings):
    assert admin.post("/users", json={"user": {"name": "l", "password": "x" * 4097}}).status_code == 403
    settings(max_password_length=10)
    assert change(user, "secret", "x" * 11).status_code == 403
    assert change(user, "secret", "ü" * 6).status_code == 403, "the limit is on bytes"
    settings(max_password_length=4096, strict_password_check=True)
    assert change(user, "secret", "x" * 73).status_code == 403, "bcrypt would not read it to the end"
    assert change(user, "secret", "x" * 72).status_code == 204
    settings(password_hash_algorithm="scrypt")
    assert change(user, "x" * 72, "x" * 73).status_code == 204
    assert try_(user, "x" * 73) == RIGHT


def test_a_wrong_old_password_is_told_before_anything_else(user, change, settings):
    settings(password_regex="never")
    assert change(user, "wrong", "weak").status_code == 401
    assert change({"id": "nobody"}, "wrong", "weak").status_code == 401


def test_unknown_attributes_of_a_change_are_refused(nobody, user):
    body = {"user": {"original_password": "secret", "password": "new", "domain_id": "default"}}
    answer = nobody.post(f"/users/{user['id']}/password", json=body)
    assert answer.status_code == 400
    assert "domain_id" in answer.json()["error"]["message"]


def test_history(admin, user, change, settings):
    settings(unique_last_password_count=3)
    for old, new in (("secret", "one"), ("one", "two")):
        assert change(user, old, new).status_code == 204
    for reused in ("secret", "one", "two"):
        answer = change(user, "two", reused)
        assert answer.status_code == 400
        assert "last 3" in answer.json()["error"]["message"]
    assert change(user, "two", "three").status_code == 204
    assert change(user, "three", "secret").status_code == 204, "the fourth last may be used again"
    path = f"/users/{user['id']}"
    assert admin.patch(path, json={"user": {"password": "three"}}).status_code == 200, (
        "history binds users only"
    )
    assert change(user, "three", "secret").status_code == 400, "what an administrator replaced counts too"


def test_history_is_kept_no_longer_than_asked_for(world, user, change, settings):
    from monostack.identity.tables import OLD_PASSWORDS

    settings(unique_last_password_count=4)
    for number in range(6):
        old = f"p{number - 1}" if number else "secret"
        assert change(user, old, f"p{number}").status_code == 204
    assert len(world.cloud.read(lambda db: db.all(OLD_PASSWORDS, user_id=user["id"]))) == 3
    settings(unique_last_password_count=0)
    assert change(user, "p5", "p5").status_code == 204
    assert world.cloud.read(lambda db: db.all(OLD_PASSWORDS, user_id=user["id"])) == []


def test_least_age(world, admin, user, change, settings):
    settings(minimum_password_age=1)
    assert change(user, "secret", "one").status_code == 204, (
        "an administrator's password may be changed at once"
    )
    answer = change(user, "one", "two")
    assert answer.status_code == 400
    assert "1 day(s)" in answer.json()["error"]["message"]
    admin.patch(f"/users/{user['id']}", json={"user": {"password": "reset"}}).raise_for_status()
    assert change(user, "reset", "two").status_code == 204
    later(world, hours=25)
    assert change(user, "two", "three").status_code == 204


def test_expiry(world, admin, make, change, log_in, try_, settings):
    settings(password_expires_days=90)
    user = make("user", name="u", password="secret")
    assert user["password_expires_at"].endswith(".000000")
    exempt = make("user", name="e", password="secret", options={"ignore_password_expiry": True})
    assert exempt["password_expires_at"] is None
    token = log_in({"id": user["id"]}).json()["token"]
    assert token["user"]["password_expires_at"] == user["password_expires_at"]
    admin = later(world, days=91)
    answer = log_in({"id": user["id"]})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith("The password is expired and needs to be changed")
    assert "expired" not in log_in({"id": user["id"], "password": "wrong"}).text, "only who knows it is told"
    assert try_(exempt) == RIGHT
    found = admin.get("/users", params={"password_expires_at": f"lt:{world.cloud.clock.now()}Z"})
    assert [each["name"] for each in found.json()["users"]] == ["u"]
    for lowest, count in (("2000-01-01T00:00:00Z", 1), ("2999-01-01T00:00:00Z", 0)):
        both = {"password_expires_at": [f"gt:{lowest}", f"lt:{world.cloud.clock.now()}Z"]}
        assert len(admin.get("/users", params=both).json()["users"]) == count, (
            "where there are two, both hold"
        )
    exactly = {"password_expires_at": user["password_expires_at"] + "Z"}
    assert len(admin.get("/users", params=exactly).json()["users"]) == 1
    answer = admin.get("/users", params={"password_expires_at": "about:2030-01-01T00:00:00Z"})
    assert answer.status_code == 400
    assert "about" in answer.json()["error"]["message"]
    assert change(user, "secret", "newer").status_code == 204
    assert try_(user, "newer") == RIGHT
    path = f"/users/{user['id']}"
    assert admin.get(path).json()["user"]["password_expires_at"] > world.cloud.clock.now()
    option = {"options": {"ignore_password_expiry": True}}
    later(world, days=91)
    assert try_(user, "newer") == 401
    world.api("identity").patch(path, json={"user": option}).raise_for_status()
    assert try_(user, "newer") == RIGHT


def test_expired_password_of_a_disabled_user_is_the_plain_refusal(world, make, log_in, settings):
    settings(password_expires_days=1)
    user = make("user", name="u", password="secret")
    admin = later(world, days=2)
    admin.patch(f"/users/{user['id']}", json={"user": {"enabled": False}}).raise_for_status()
    assert "expired" not in log_in({"id": user["id"]}).text


def test_change_upon_first_use(admin, make, change, try_, settings):
    settings(change_password_upon_first_use=True)
    user = make("user", name="u", password="secret")
    service = make(
        "user", name="s", password="secret", options={"ignore_change_password_upon_first_use": True}
    )
    assert try_(user) == 401
    assert try_(service) == RIGHT
    assert change(user, "secret", "own").status_code == 204
    assert try_(user, "own") == RIGHT
    admin.patch(f"/users/{user['id']}", json={"user": {"password": "reset"}}).raise_for_status()
    assert try_(user, "reset") == 401
    assert make("user", name="without")["password_expires_at"] is None


def test_lock_after_failures(world, admin, user, change, try_, settings):
    settings(lockout_failure_attempts=3, lockout_duration=60)
    assert [try_(user, "wrong") for _ in range(2)] == [401, 401]
    assert try_(user) == RIGHT, "a success sets the count back"
    assert [try_(user, "wrong") for _ in range(3)] == [401] * 3
    assert try_(user) == 401
    told = world.cloud.read(lambda db: db.all(EVENTS, kind="identity.user.locked"))
    assert [event["resource_id"] for event in told] == [user["id"]]
    assert "3 failed logins" in told[0]["cause"]
    assert "127.0.0.1" in told[0]["cause"]
    assert change(user, "secret", "new").status_code == 401
    assert admin.get(f"/users/{user['id']}").json()["user"]["enabled"] is True
    later(world, seconds=61)
    assert try_(user, "wrong") == 401, "one failure after the lock does not lock again"
    assert try_(user) == RIGHT


def test_changing_the_password_with_a_wrong_one_counts_too(user, change, try_, settings):
    settings(lockout_failure_attempts=2)
    assert [change(user, "wrong", "new").status_code for _ in range(2)] == [401, 401]
    assert try_(user) == 401


def test_guesses_at_the_same_moment_are_all_counted(user, try_, settings):
    settings(lockout_failure_attempts=5)
    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(lambda _: try_(user, "wrong"), range(5))) == [401] * 5
    assert try_(user) == 401


def test_lock_until_an_administrator_ends_it(world, admin, user, try_, settings):
    settings(lockout_failure_attempts=1, lockout_duration=0)
    assert try_(user, "wrong") == 401
    admin = later(world, days=100)
    assert try_(user) == 401
    admin.patch(f"/users/{user['id']}", json={"user": {"enabled": True}}).raise_for_status()
    assert try_(user) == RIGHT


def test_who_is_exempt_from_the_lock(make, try_, settings):
    settings(lockout_failure_attempts=1)
    user = make("user", name="u", password="secret", options={"ignore_lockout_failure_attempts": True})
    assert [try_(user, "wrong") for _ in range(3)] == [401] * 3
    assert try_(user) == RIGHT


def test_a_locked_account_costs_the_same_work(user, try_, settings, monkeypatch):
    """The memory of verified logins must not answer for it: that would tell that the password is right."""
    settings(lockout_failure_attempts=1)
    assert try_(user) == RIGHT
    compared = []
    real = passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda *args: compared.append(args) or real(*args))
    assert try_(user, "wrong") == 401
    for password in ("secret", "wrong"):
        assert try_(user, password) == 401
    assert len(compared) == 3


def test_absence(world, admin, make, found, log_in, try_, settings):
    settings(disable_user_account_days_inactive=30)
    user = make("user", name="u", password="secret")
    other = make("user", name="o", password="secret")
    exempt = make("user", name="e", password="secret", options={"ignore_user_inactivity": True})
    admin = later(world, days=29)
    assert try_(user) == RIGHT
    admin = later(world, days=2)
    assert try_(user) == RIGHT, "his last login counts"
    assert try_(other) == 401
    assert try_(exempt) == RIGHT
    shown = admin.get(f"/users/{other['id']}").json()["user"]
    assert shown["enabled"] is False
    admin.patch(f"/users/{other['id']}", json={"user": {"enabled": True}}).raise_for_status()
    assert try_(other) == RIGHT


def test_one_address_may_guess_so_often(world, user, nobody, try_, settings, monkeypatch):
    monkeypatch.setattr(world.cloud.cloud.identity.attempts, "most", 3)
    for who in (user, {"id": "nobody"}):
        assert [try_(who, "wrong") for _ in range(3)] == [401] * 3
        assert try_(who) == 429
    body = {"user": {"original_password": "secret", "password": "new"}}
    answer = nobody.post(f"/users/{user['id']}/password", json=body)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert answer.json()["error"]["title"] == "Too Many Requests"


@pytest.mark.parametrize(
    ("algorithm", "rounds", "begins"),
    [
        ("bcrypt_sha256", 4, "$bcrypt-sha256$v=2,t=2b,r=4$"),
        ("scrypt", 4, "$scrypt$ln=4,r=8,p=1$"),
        ("pbkdf2_sha512", 10, "$pbkdf2-sha512$10$"),
        ("argon2", 1, "$argon2id$v=19$m=65536,t=1,p=4$"),
        ("bcrypt", 5, "$2b$05$"),
    ],
)
def test_hashes_are_made_anew_at_the_next_login(
    world, user, log_in, try_, monkeypatch, algorithm, rounds, begins
):
    from monostack.identity.tables import USERS

    token = log_in({"id": user["id"]}).headers["X-Subject-Token"]
    monkeypatch.setattr(world.cloud.cloud.identity, "recipe", passwords.Recipe(algorithm, rounds))
    assert try_(user, "wrong") == 401
    stored = world.cloud.read(lambda db: db.one(USERS, id=user["id"]))["password_hash"]
    assert not stored.startswith(begins)
    assert try_(user) == RIGHT
    stored = world.cloud.read(lambda db: db.one(USERS, id=user["id"]))["password_hash"]
    assert stored.startswith(begins)
    assert try_(user) == RIGHT
    assert try_(user, "wrong") == 401
    client = world.api("identity", None)
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    assert client.get("/auth/tokens", headers=headers).status_code == 200, (
        "the password is the same: so is the token"
    )
