"""`monostack identity`: trusts that ended, accounts, mappings, metadata."""

import json
import subprocess
import sys
import time

import httpx
import pytest
from tests.testing.logging_in import log_in

from monostack import testing
from monostack.identity.tables import PROJECTS, TRUSTS, USERS
from monostack.kit import clock
from monostack.testing.disposable import DisposableCloud, settings_for_tests

DAY = 86_400.0


@pytest.fixture
def cloud(tmp_path):
    started = DisposableCloud(settings_for_tests(tmp_path, only=("identity",))).start()
    yield started
    started.stop()


def write(cloud, function):
    return cloud.run(cloud.cloud.engine.write(function))


def moment(days):
    return clock.from_seconds(time.time() + days * DAY)


# trusts


def trusts(cloud):
    return cloud.read(lambda db: {row["id"] for row in db.all(TRUSTS)})


@pytest.fixture
def lent(cloud):
    """Trusts: good ones, expired ones, a used one, and one that was passed on."""

    def lay(tx):
        for name, expires, values in (
            ("good", 5, {}),
            ("for ever", None, {}),
            ("a day", -1, {}),
            ("ten days", -10, {"project_id": "p"}),
            ("passed on", 1, {"redelegated_trust_id": "ten days"}),
            ("used", None, {"remaining_uses": 1, "trustor_user_id": "ann"}),
            ("usable", None, {"remaining_uses": 1}),
        ):
            people = {"trustor_user_id": "bob", "trustee_user_id": "carol", "impersonation": False}
            until = None if expires is None else moment(expires)
            tx.insert(TRUSTS, **(people | {"id": name, "roles": [], "expires_at": until} | values))
        tx.set(tx.one(TRUSTS, id="used"), remaining_uses=0)

    write(cloud, lay)
    return cloud


GOOD = {"good", "for ever", "usable"}


def test_trusts_that_ended_are_deleted_with_those_that_came_of_them(monostack, lent):
    assert monostack("trust_flush") == (0, "3 trusts that had expired or were used up were deleted\n")
    assert trusts(lent) == GOOD
    assert monostack("trust_flush") == (0, "0 trusts that had expired or were used up were deleted\n")


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("--project-id", "p"), {"a day", "used"}),
        (("--trustor-user-id", "ann"), {"a day", "ten days", "passed on"}),
        (("--trustor-user-id", "ann", "--project-id", "p"), {"a day", "ten days", "passed on", "used"}),
        (("--trustee-user-id", "nobody"), {"a day", "ten days", "passed on", "used"}),
    ],
)
def test_which_trusts_are_deleted(monostack, lent, options, left):
    assert monostack("trust_flush", *options)[0] == 0
    assert trusts(lent) == GOOD | left


def test_trusts_that_ended_before_a_day(monostack, lent):
    day = time.strftime("%d-%m-%Y", time.gmtime(time.time() - 5 * DAY))
    assert monostack("trust_flush", "--date", day)[1].startswith("1 trusts")
    assert trusts(lent) == GOOD | {"a day", "used"}
    for wrong in ("2025-01-01", "1.1.2025", "32-01-2025"):
        code, said = monostack("trust_flush", "--date", wrong)
        assert (code, f"--date {wrong}: write a day as DD-MM-YYYY" in said) == (1, True)
    code, said = monostack("trust_flush", "--date", "01-01-2999")
    assert (code, "still good" in said) == (1, True)
    assert trusts(lent) == GOOD | {"a day", "used"}


# accounts


def test_who_never_logged_in_counts_as_active_from_today(monostack, cloud, monkeypatch):
    monkeypatch.setattr(cloud.cloud.settings.identity, "disable_user_account_days_inactive", 30)
    write(cloud, lambda tx: tx.update(USERS, {}, created_at=moment(-40)))
    write(cloud, lambda tx: tx.set(tx.one(USERS, name="admin"), last_active_at=moment(-35)))
    assert log_in(cloud.auth_url, testing.PASSWORD).status_code == 401
    scope = {"project": {"name": "demo", "domain": {"id": "default"}}}
    assert log_in(cloud.auth_url, testing.PASSWORD, "demo", scope).status_code == 401
    cloud.cloud.engine.written_elsewhere()
    said = "1 users who never logged in count as active from today\n"
    assert monostack("reset_last_active") == (0, said)
    assert monostack("reset_last_active") == (0, said.replace("1", "0"))
    assert log_in(cloud.auth_url, testing.PASSWORD, "demo", scope).status_code == 201
    assert log_in(cloud.auth_url, testing.PASSWORD).status_code == 401, "who was away stays away"


def test_a_project_with_an_id_that_is_chosen(monostack, cloud):
    words = ("project_setup", "--project-name", "p", "--project-id", "f" * 32)
    said = f"the project p has the id {'f' * 32}\n"
    assert monostack(*words) == (0, "made the project p\n" + said)
    assert monostack(*words) == (0, said)
    assert monostack(*words[:3]) == (0, said)
    assert cloud.read(lambda db: db.one(PROJECTS, id="f" * 32))["name"] == "p"
    for name, id, why in (  # noqa: A001 - the field's word
        ("p", "e" * 32, "p is there already"),
        ("q", "f" * 32, "p has it already"),
        ("q", "xyz", "32 hexadecimal digits"),
    ):
        code, said = monostack("project_setup", "--project-name", name, "--project-id", id)
        assert (code, f"--project-id {id}: " in said, why in said) == (1, True, True), said
    assert monostack("project_setup", "--project-name", "q")[1].startswith("made the project q\n")


def test_a_user_with_an_id_that_is_chosen(monostack, cloud):
    words = ("user_setup", "--username", "u", "--user-password-plain", "first", "--user-id", "a" * 32)
    said = f"the user u has the id {'a' * 32}\n"
    assert monostack(*words) == (0, "made the user u\n" + said)
    assert monostack(*words) == (0, said)
    assert _unscoped(cloud, "a" * 32, "first").status_code == 201
    words = ("user_setup", "--username", "u", "--user-password-plain", "second")
    assert monostack(*words) == (0, "set the password of the user u\n" + said)
    assert _unscoped(cloud, "a" * 32, "second").status_code == 201
    code, said = monostack(*words, "--user-id", "b" * 32)
    assert (code, "u is there already" in said) == (1, True)
    assert monostack("user_setup", "--username", "u")[0] == 2


def _unscoped(cloud, user_id, password):
    user = {"id": user_id, "password": password}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
    return httpx.post(cloud.auth_url + "/auth/tokens", json={"auth": auth}, timeout=30)


# federation


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ({"rules": [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "U"}]}]}, 0, "schema 1.0"),
        ([{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "U"}]}], 0, "schema 1.0"),
        ({"mapping": {"rules": []}}, 1, "rules"),
        ({"mapping": 5}, 1, "rules"),
        ([{"local": []}], 1, "'remote' is a required property"),
        ([{"local": [{"projects_json": "x"}], "remote": [{"type": "U"}]}], 1, "projects_json"),
        ([{"local": [], "remote": [{"type": "U", "any_one_of": ["("], "regex": True}]}], 1, "("),
        ("{", 1, "is no JSON"),
        (None, 1, "cannot be read"),
    ],
)
def test_a_mapping_is_held_to_its_schema(monostack, cloud, tmp_path, content, code, said):
    file = tmp_path / "mapping"
    if content is not None:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    got, words = monostack("mapping_schema_validate", str(file))
    assert (got, said in words) == (code, True), words


def test_the_schema_of_a_mapping_is_chosen(monostack, cloud, tmp_path):
    rule = {"local": [{"projects_json": "{0}"}], "remote": [{"type": "U"}]}
    (tmp_path / "mapping").write_text(json.dumps([rule]))
    words = ("mapping_schema_validate", str(tmp_path / "mapping"), "--mapping-schema-version")
    assert monostack(*words, "3.0")[0] == 0
    code, said = monostack(*words, "4.0")
    assert (code, "1.0, 2.0, 3.0" in said) == (1, True)


def test_attributes_of_an_assertion_are_chosen_by_their_prefix(monostack, tmp_path):
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-name"}]}]
    (tmp_path / "rules").write_text(json.dumps(rules))
    (tmp_path / "input").write_text("OIDC-name: ann\nname: bob\n")
    words = ("mapping_engine", "--rules", str(tmp_path / "rules"), "--input", str(tmp_path / "input"))
    code, said = monostack(*words, "--prefix", "OIDC-", "--engine-debug")
    assert code == 0, said
    assert '"OIDC-name"' in said
    assert '"bob"' not in said
    assert monostack(*words, "--prefix", "SAML-")[0] == 1


def test_the_metadata_are_those_that_are_served(monostack, cloud, monkeypatch):
    path = "/OS-FEDERATION/saml2/metadata"
    code, said = monostack("saml_idp_metadata")
    assert (code, "does not speak SAML" in said) == (1, True)
    url = "https://identity.example.org"
    monkeypatch.setattr(cloud.cloud.settings.federation, "public_url", url)
    served = httpx.get(cloud.auth_url + path, timeout=30)
    assert served.status_code == 200
    words = ("--set", f"federation.public_url={url}", "saml_idp_metadata")
    assert monostack(*words) == (0, served.text + "\n")
    (cloud.settings.state / "federation.toml").write_text("[acme.openid]\nkind = 5\n")
    code, said = monostack(*words)
    assert (code, "federation.toml: [acme.openid]: kind must be" in said) == (1, True)


# all of them


@pytest.mark.postgresql
def test_the_words_work_on_postgresql(monostack, postgresql, tmp_path):
    database = postgresql.database("words")
    started = DisposableCloud(settings_for_tests(tmp_path, only=("identity",), database=database)).start()
    try:
        for words in (("trust_flush",), ("mapping_purge", "--all"), ("reset_last_active",)):
            assert monostack("--database", database, *words)[0] == 0
    finally:
        started.stop()


def test_help_is_quick_and_says_where_other_words_are():
    command = [sys.executable, "-X", "importtime", "-m", "monostack", "identity", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "monostack keys setup" in done.stdout
    assert "sqlalchemy" not in done.stderr
    assert "ldap3" not in done.stderr
