"""`monostack identity`: the way back in, and what is wrong."""

import json
import time

import httpx
import pytest
from tests.testing.logging_in import log_in

from monostack import cli, testing
from monostack.identity import foundation
from monostack.identity.tables import ASSIGNMENTS, PROJECTS, ROLES, USERS
from monostack.identity.tokens import keys
from monostack.testing.disposable import DisposableCloud, settings_for_tests


def test_a_new_cloud_is_laid_and_laying_it_again_changes_nothing(monostack, tmp_path):
    words = ("bootstrap", "--bootstrap-password", "chosen", "--bootstrap-region-id", "Here")
    words += ("--bootstrap-public-url", "http://cloud:5000/v3")
    code, said = monostack(*words)
    assert code == 0, said
    assert "password: chosen" in (tmp_path / "clouds.yaml").read_text()
    assert "made the region Here" in said
    assert "made the public endpoint http://cloud:5000/v3" in said
    assert monostack(*words) == (0, "Everything was there already.\n")
    started = DisposableCloud(settings_for_tests(tmp_path, only=("identity",))).start()
    try:
        assert log_in(started.auth_url, "chosen").status_code == 201
    finally:
        started.stop()


def test_the_environment_goes_before_the_options(monostack, monkeypatch):
    monkeypatch.setenv("OS_BOOTSTRAP_PASSWORD", "secret")
    monkeypatch.setenv("OS_BOOTSTRAP_USERNAME", "root")
    code, said = monostack("bootstrap", "--bootstrap-username", "other", "--bootstrap-project-name", "ops")
    assert code == 0
    assert "made the user root" in said
    assert "made the project ops" in said
    assert "other" not in said


def test_without_a_password_nothing_is_done(monostack, tmp_path, monkeypatch):
    monkeypatch.delenv("OS_BOOTSTRAP_PASSWORD", raising=False)
    code, said = monostack("bootstrap")
    assert (code, "OS_BOOTSTRAP_PASSWORD" in said) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_who_locked_himself_out_of_a_running_cloud_comes_back_in(monostack):
    """Everything that lets an administrator in is taken away, then laid again beside the running process."""
    with testing.cloud(only=("identity",)) as cloud:
        engine = cloud.cloud.engine

        def take_away(tx):
            tx.set(tx.one(USERS, name="admin"), enabled=False)
            tx.set(tx.one(PROJECTS, name="admin"), enabled=False)
            tx.delete_all(ASSIGNMENTS, role_id=tx.one(ROLES, name="admin")["id"])
            tx.delete_all(ROLES, name="reader")

        cloud.run(engine.write(take_away))
        assert log_in(cloud.auth_url, testing.PASSWORD).status_code == 401
        words = ("bootstrap", "--bootstrap-password", "new")
        code, said = monostack(*words, state=cloud.settings.state)
        assert code == 0, said
        assert monostack(*words, state=cloud.settings.state) == (0, "Everything was there already.\n")
        for scope in (None, {"system": {"all": True}}):
            answer = log_in(cloud.auth_url, "new", scope=scope)
            assert answer.status_code == 201, answer.text
            assert {role["name"] for role in answer.json()["token"]["roles"]} == set(foundation.ROLE_CHAIN)


def test_a_running_cloud_hears_that_a_command_ended_tokens(monostack):
    with testing.cloud(only=("identity",)) as cloud:
        token = log_in(cloud.auth_url, testing.PASSWORD).headers["X-Subject-Token"]
        headers = {"X-Auth-Token": token}
        assert httpx.get(cloud.auth_url + "/auth/projects", headers=headers).status_code == 200
        cloud.cloud.engine.written_elsewhere()  # the first look only remembers
        assert monostack("bootstrap", "--bootstrap-password", "new", state=cloud.settings.state)[0] == 0
        for _ in range(100):
            answer = httpx.get(cloud.auth_url + "/auth/projects", headers=headers)
            if answer.status_code == 401:
                break
            time.sleep(0.05)
        assert answer.status_code == 401


def test_doctor_finds_nothing_in_a_new_cloud_but_weak_hashes(monostack):
    monostack("bootstrap", "--bootstrap-password", "secret")
    code, said = monostack("doctor")
    assert code == 1
    assert said.count("- ") == 1
    assert "password_hash_rounds is 4" in said
    assert monostack("--set", "identity.password_hash_rounds=12", "doctor") == (
        0,
        "Nothing wrong was found.\n",
    )


def test_doctor_says_what_is_wrong_and_what_to_do(monostack, tmp_path):
    monostack("bootstrap", "--bootstrap-password", "secret")
    fernet, credential = tmp_path / "fernet-keys", tmp_path / "credential-keys"
    fernet.chmod(0o755)
    (fernet / "1").chmod(0o644)
    (credential / "2").write_bytes((fernet / "1").read_bytes())
    from monostack.cloud import Cloud
    from monostack.settings import Settings

    cloud = Cloud(Settings(state=tmp_path, only=("identity",)))
    cloud.prepare()
    cloud.engine.write_now(lambda tx: tx.set(tx.one(USERS, name="admin"), enabled=False))
    cloud.engine.close()
    cloud.state_lock.close()
    options = ("identity.max_active_keys=1", "identity.password_regex=(", "identity.password_expires_days=2")
    options += ("identity.minimum_password_age=3",)
    code, said = monostack(*(word for option in options for word in ("--set", option)), "doctor")
    assert code == 1
    for words in (
        f"chmod 700 {fernet}",
        f"chmod 600 {fernet / '1'}",
        "share a key",
        "max_active_keys is less than 3",
        "No enabled user has the role admin",
        "password_regex is no regular expression",
        "minimum_password_age is not less than",
    ):
        assert words in said, said
    for path in keys.status(fernet):
        (fernet / str(path.number)).unlink()
    assert "monostack keys setup" in monostack("doctor")[1]


def test_ended_tokens_are_forgotten_by_hand(monostack):
    monostack("bootstrap", "--bootstrap-password", "secret")
    assert monostack("token_flush") == (0, "0 rows about ended tokens dropped\n")


def test_a_mapping_is_tried_on_an_assertion(monostack, tmp_path):
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "UserName"}]}]
    (tmp_path / "rules").write_text(json.dumps({"rules": rules}))
    (tmp_path / "input").write_text("UserName: ann\nGroups: a;b\n")
    words = ("mapping_engine", "--rules", str(tmp_path / "rules"), "--input", str(tmp_path / "input"))
    code, said = monostack(*words)
    assert code == 0, said
    assert json.loads(said)["user"]["name"] == "ann"
    (tmp_path / "input").write_text("Other: ann\n")
    code, said = monostack(*words)
    assert (code, "nobody follows" in said) == (1, True)
    (tmp_path / "rules").write_text("{}")
    code, said = monostack(*words)
    assert (code, "holds no mapping" in said) == (1, True)


@pytest.mark.postgresql
def test_the_commands_work_on_postgresql(monostack, postgresql, tmp_path, capsys):
    database = ("--database", postgresql.database("commands"))
    bootstrap = (*database, "bootstrap", "--bootstrap-password", "other")
    assert cli.main(["keys", "--state", str(tmp_path), "setup"]) == 0
    started = DisposableCloud(
        settings_for_tests(tmp_path / "cloud", only=("identity",), database=database[1])
    ).start()
    try:
        before = {"X-Auth-Token": log_in(started.auth_url, testing.PASSWORD).headers["X-Subject-Token"]}
        assert httpx.get(started.auth_url + "/auth/projects", headers=before).status_code == 200
        code, said = monostack(*bootstrap, state=tmp_path / "cloud")
        assert code == 0, said
        answer = httpx.get(started.auth_url + "/auth/projects", headers=before)
        assert answer.status_code == 401, "what it ended, a process that had just seen it knows at once"
        assert log_in(started.auth_url, "other").status_code == 201, "in force at once, without a look"
        assert monostack(*bootstrap, state=tmp_path / "cloud") == (0, "Everything was there already.\n")
        keys_of = ["keys", "--state", str(tmp_path / "cloud"), "--only", "identity", *database]
        for words in (["rotate", "credential"], ["migrate", "credential"], ["rotate", "credential"]):
            assert cli.main([*keys_of, *words]) == 0
        assert "max_active_keys" not in monostack(*database, "doctor", state=tmp_path / "cloud")[1]
    finally:
        started.stop()
