"""`monostack identity`, for users who live in a directory: a real slapd, started here."""

import time

import httpx
import pytest
from tests import slapd
from tests.slapd import SUFFIX

from monostack import testing
from monostack.identity.domains import configuration
from monostack.identity.foundation import Foundation
from monostack.identity.tables import GROUPS, PROJECTS, USERS
from monostack.testing.disposable import DisposableCloud, settings_for_tests

pytestmark = pytest.mark.skipif(not slapd.PROGRAM.exists(), reason="slapd is not installed (Debian: slapd)")
FILE = f"""
# where the company's users are
[identity]
driver = ldap
{{identity}}
[ldap]
{{ldap}}
url = {{url}}
user = {slapd.READER}
password = "{slapd.READERS_PASSWORD}"
suffix = {SUFFIX}
user_tree_dn = ou=people,{SUFFIX}
user_id_attribute = uid
user_name_attribute = uid
user_enabled_attribute = employeeType
group_tree_dn: ou=circles,{SUFFIX}
"""


@pytest.fixture(scope="module")
def directory():
    server = slapd.Slapd()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def cloud(tmp_path, directory):
    """A running cloud with the domain company, and a file about its directory."""
    started = DisposableCloud(settings_for_tests(tmp_path, only=("identity",))).start()
    started.run(started.cloud.engine.write(_company))
    _write(tmp_path, directory.url)
    yield started
    started.stop()


def _company(tx):
    home = {"is_domain": True, "domain_id": "", "tags": [], "options": {}, "extra": {}}
    tx.insert(PROJECTS, id="company", name="company", enabled=True, **home)


def _write(state, url, ldap="", identity=""):
    (state / "domains").mkdir(exist_ok=True)
    content = FILE.format(url=url, ldap=ldap, identity=identity)
    (state / "domains" / "keystone.company.conf").write_text(content)


def log_in(cloud, name):
    user = {"name": name, "domain": {"name": "company"}, "password": name[::-1]}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
    return httpx.post(cloud.auth_url + "/auth/tokens", json={"auth": auth}, timeout=30)


def mirrored(cloud, table=USERS):
    return {row["name"] for row in cloud.read(lambda db: db.all(table)) if row["seen_at"] is not None}


UPLOAD, POPULATE = ("domain_config_upload", "--all"), ("mapping_populate", "--domain-name", "company")
EVERYBODY = "6 users and 2 groups of the domain company are mirrored now\n"


def test_a_directory_is_said_mirrored_and_forgotten_beside_a_running_cloud(monostack, cloud):
    assert monostack(*UPLOAD)[0] == 0
    assert monostack(*POPULATE) == (0, EVERYBODY)
    assert mirrored(cloud) == {*slapd.PEOPLE, "frank"}
    assert mirrored(cloud, GROUPS) == {"red", "blue"}
    assert monostack(*POPULATE) == (0, EVERYBODY), "again"
    answer = log_in(cloud, "alice")
    assert answer.status_code == 201, answer.text
    token = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
    assert httpx.get(cloud.auth_url + "/auth/projects", headers=token).status_code == 200
    cloud.cloud.engine.written_elsewhere()  # the first look only remembers
    code, said = monostack("mapping_purge", "--domain-name", "company", "--local-id", "alice")
    assert (code, said) == (0, "1 users and 0 groups of directories were forgotten\n")
    until = time.monotonic() + 10
    while httpx.get(cloud.auth_url + "/auth/projects", headers=token).status_code != 401:
        assert time.monotonic() < until, "the token of somebody forgotten is still good"
        time.sleep(0.05)
    assert log_in(cloud, "alice").status_code == 201, "he is mirrored again"


def test_what_is_purged(monostack, cloud):
    monostack(*UPLOAD)
    monostack(*POPULATE)
    ids = cloud.read(lambda db: {row["name"]: row["id"] for row in db.all(USERS)})
    for options, users, groups in (
        (("--public-id", ids["bob"], "--type", "group"), 0, 0),
        (("--public-id", ids["bob"]), 1, 0),
        (("--public-id", ids["admin"]), 0, 0),
        (("--domain-name", "default"), 0, 0),
        (("--local-id", "blue", "--domain-name", "company"), 0, 1),
        (("--type", "group"), 0, 1),
        (("--all",), 5, 0),
        (("--all",), 0, 0),
    ):
        said = f"{users} users and {groups} groups of directories were forgotten\n"
        assert monostack("mapping_purge", *options) == (0, said), options
    assert {"admin", "demo"} <= cloud.read(lambda db: {row["name"] for row in db.all(USERS)})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--all, or one or more of --domain-name, --public-id, --local-id, --type"),
        (("--all", "--type", "user"), "--all takes no other option"),
        (("--all", "--domain-name", "company"), "--all takes no other option"),
        (("--domain-name", "nowhere"), "--domain-name nowhere: there is no such domain"),
    ],
)
def test_what_is_not_purged_is_told(monostack, cloud, options, said):
    code, words = monostack("mapping_purge", *options)
    assert (code, said in words) == (1, True), words


def test_a_stopped_cloud_is_populated_too(monostack, cloud):
    monostack(*UPLOAD)
    cloud.stop()
    assert monostack(*POPULATE) == (0, EVERYBODY)
    assert monostack("mapping_purge", "--all")[1].startswith("6 users and 2 groups")


def test_more_than_a_list_shows_is_mirrored_and_who_left_is_forgotten(monostack, cloud, directory, tmp_path):
    _write(tmp_path, directory.url, "page_size = 2\n", "list_limit = 3\n")
    monostack(*UPLOAD)
    directory.change(lambda tree: tree.add(
        f"uid=gina,ou=people,{SUFFIX}", "inetOrgPerson", {"cn": "gina", "sn": "G", "uid": "gina"}
    ))  # fmt: skip
    try:
        assert monostack(*POPULATE)[1].startswith("7 users")
    finally:
        directory.change(lambda tree: tree.delete(f"uid=gina,ou=people,{SUFFIX}"))
    assert monostack(*POPULATE) == (0, EVERYBODY)
    assert "gina" not in mirrored(cloud)


def test_who_has_the_name_of_one_of_our_own_is_left_out(monostack, cloud):
    def ours(tx):
        user_id = Foundation(tx).user("bob", "a hash")
        tx.set(tx.one(USERS, id=user_id), domain_id="company")

    cloud.run(cloud.cloud.engine.write(ours))
    monostack(*UPLOAD)
    code, said = monostack(*POPULATE)
    assert code == 0
    assert "5 users and 2 groups" in said
    assert "1 users were left out: the domain has users of its own with their names" in said


def test_a_directory_that_gives_no_more_is_told_of_and_nobody_is_forgotten(monostack, cloud, monkeypatch):
    monkeypatch.setattr(slapd, "CONFIGURATION", "sizelimit 4\n" + slapd.CONFIGURATION)
    small = slapd.Slapd()
    small.start()
    try:
        _write(cloud.settings.state, small.url)
        monostack(*UPLOAD)
        for name in (*slapd.PEOPLE, "frank"):
            log_in(cloud, name)
        before = mirrored(cloud)
        assert len(before) > 4
        code, said = monostack(*POPULATE)
        assert (code, "the directory has more users than it gives at once" in said) == (1, True), said
        assert mirrored(cloud) == before
        token = _admin(cloud)
        listed = httpx.get(cloud.auth_url + "/users?domain_id=company", headers=token).json()["users"]
        assert len(listed) == 4
        assert mirrored(cloud) == before, "a list that was cut short forgets nobody"
    finally:
        small.remove()


def _admin(cloud):
    user = {"name": "admin", "domain": {"id": "default"}, "password": testing.PASSWORD}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
    auth["scope"] = {"system": {"all": True}}
    answer = httpx.post(cloud.auth_url + "/auth/tokens", json={"auth": auth}, timeout=30)
    return {"X-Auth-Token": answer.headers["X-Subject-Token"]}


def test_why_a_domain_is_not_populated(monostack, cloud):
    code, said = monostack("mapping_populate", "--domain-name", "nowhere")
    assert (code, "--domain-name nowhere: there is no such domain" in said) == (1, True)
    code, said = monostack(*POPULATE)
    assert (code, "the domain has no directory" in said) == (1, True)
    _write(cloud.settings.state, "ldap://127.0.0.1:1")
    monostack(*UPLOAD)
    code, said = monostack(*POPULATE)
    assert (code, "does not answer" in said, said.count("\n")) == (1, True, 1), said


# options of domains


def test_what_is_uploaded_counts_as_if_the_api_had_been_told(monostack, cloud, directory):
    code, said = monostack("domain_config_upload", "--domain-name", "company")
    assert (code, "the domain company has these options now" in said) == (0, True), said
    said = cloud.read(configuration.in_use, "company", "ldap")
    assert (said["url"], said["password"]) == (directory.url, slapd.READERS_PASSWORD)
    token = _admin(cloud)
    shown = httpx.get(cloud.auth_url + "/domains/company/config", headers=token).json()["config"]
    assert shown["identity"] == {"driver": "ldap"}
    assert "password" not in shown["ldap"]
    code, said = monostack("domain_config_upload", "--domain-name", "company")
    assert (code, "has options already" in said) == (1, True)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("keystone.nowhere.conf", b"[ldap]\nurl = x\n", "there is no domain called nowhere"),
        ("keystone.Default.conf", b"[nova]\nurl = x\n", "Group nova is not supported"),
        ("keystone.Default.conf", b"[DEFAULT]\ndebug = true\n", "Group DEFAULT is not supported"),
        ("keystone.Default.conf", b"[ldap]\nURL = x\n", "Option URL in group ldap is not supported"),
        ("keystone.Default.conf", b"[ldap]\n", "The value of group ldap"),
        ("keystone.Default.conf", b"", "No options specified"),
        ("keystone.Default.conf", b"url = x\n", "no file of options"),
        ("keystone.Default.conf", b"[ldap]\nurl = x\nurl = y\n", "no file of options"),
        ("keystone.Default.conf", b"[ldap]\nurl = \xff\n", "no text in UTF-8"),
        ("notes.txt", b"", "notes.txt: passed over: it is not called keystone.DOMAIN.conf"),
        ("keystone.conf", b"", "keystone.conf: passed over"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_itself(monostack, cloud, name, content, said):
    (cloud.settings.state / "domains" / name).write_bytes(content)
    code, words = monostack(*UPLOAD)
    assert said in words
    assert code == (0 if "passed over" in said else 1)
    assert "the domain company has these options now" in words, "the others are taken"
    if "Default" in name:
        assert not cloud.read(configuration.is_said, "default")


def test_where_the_files_are(monostack, cloud, tmp_path):
    for options, said in (
        ((), "--all, or --domain-name NAME"),
        (("--all", "--domain-name", "company"), "leave one of them out"),
        (("--domain-name", "other"), "it cannot be read: No such file or directory"),
        (
            ("--all", "--domain-config-dir", "/nowhere"),
            "--domain-config-dir /nowhere: there is no such folder",
        ),
    ):
        code, words = monostack("domain_config_upload", *options)
        assert (code, said in words) == (1, True), words
    (tmp_path / "elsewhere").mkdir()
    elsewhere = (*UPLOAD, "--domain-config-dir", str(tmp_path / "elsewhere"))
    code, words = monostack(*elsewhere)
    assert (code, "there is no keystone.DOMAIN.conf" in words) == (1, True)
    (tmp_path / "domains" / "keystone.company.conf").rename(tmp_path / "elsewhere" / "keystone.company.conf")
    assert monostack(*elsewhere)[0] == 0


def test_nothing_is_sealed_with_keys_that_are_not_the_clouds(monostack, cloud, tmp_path):
    (tmp_path / "credential-keys").rename(tmp_path / "gone")
    code, said = monostack(*UPLOAD)
    assert (code, "--state must be the cloud's own directory" in said) == (1, True)
    assert not (tmp_path / "credential-keys").exists()


def test_a_cloud_with_tokens_that_are_signed_has_no_fernet_keys_and_needs_none(monostack, tmp_path):
    signed = ("--set", "identity.token_provider=jws")
    assert monostack(*signed, "bootstrap", "--bootstrap-password", "secret")[0] == 0
    assert not (tmp_path / "fernet-keys").exists()
    (tmp_path / "domains").mkdir()
    (tmp_path / "domains" / "keystone.Default.conf").write_text("[identity]\ndriver = sql\n")
    code, said = monostack(*signed, *UPLOAD)
    assert (code, "the domain Default has these options now" in said) == (0, True), said
    assert not (tmp_path / "fernet-keys").exists()
