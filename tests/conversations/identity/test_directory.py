"""A domain whose users and groups live in a directory: a real slapd, started here."""

import hashlib
import time

import pytest
from tests import slapd
from tests.slapd import SUFFIX

pytestmark = pytest.mark.skipif(not slapd.PROGRAM.exists(), reason="slapd is not installed (Debian: slapd)")
DOMAIN = "company"


@pytest.fixture(scope="module")
def running():
    server = slapd.Slapd()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def options(running):
    return {
        "url": running.url,
        "user": slapd.READER,
        "password": slapd.READERS_PASSWORD,
        "suffix": SUFFIX,
        "user_tree_dn": f"ou=people,{SUFFIX}",
        "user_id_attribute": "uid",
        "user_name_attribute": "uid",
        "user_enabled_attribute": "employeeType",
        "group_tree_dn": f"ou=circles,{SUFFIX}",
        "page_size": 2,
    }


@pytest.fixture
def set_options(admin, domain):
    def put(ldap, driver="ldap"):
        config = {"identity": {"driver": driver}, "ldap": ldap}
        answer = admin.put(f"/domains/{domain}/config", json={"config": config})
        assert answer.is_success, answer.text

    return put


@pytest.fixture
def domain(make):
    return make("domain", name=DOMAIN)["id"]


@pytest.fixture
def company(domain, set_options, options):
    """The domain's id, once its directory is said."""
    set_options(options)
    return domain


@pytest.fixture
def people(admin, company):
    """name -> user."""
    users = admin.get("/users", params={"domain_id": company}).json()["users"]
    return {user["name"]: user for user in users}


@pytest.fixture
def circles(admin, company):
    groups = admin.get("/groups", params={"domain_id": company}).json()["groups"]
    return {group["name"]: group for group in groups}


def named(name, password=None):
    return {
        "name": name,
        "domain": {"name": DOMAIN},
        "password": name[::-1] if password is None else password,
    }


def names(answer, collection="users"):
    assert answer.status_code == 200, answer.text
    return sorted(each["name"] for each in answer.json()[collection])


def words(answer):
    return answer.json()["error"]["message"]


def test_users_are_listed_page_by_page_and_shown(admin, company, people, promised):
    assert sorted(people) == [*slapd.PEOPLE, "frank"]
    alice = people["alice"]
    assert promised("users.show", admin.get(f"/users/{alice['id']}"))["user"] == alice
    assert alice["id"] == hashlib.sha256(f"{company}useralice".encode()).hexdigest()
    assert (alice["email"], alice["enabled"], alice["domain_id"]) == ("alice@example.org", True, company)
    assert people["frank"]["enabled"] is False
    promised("users.index", admin.get("/users", params={"domain_id": company}))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"name": "bob"}, ["bob"]),
        ({"name": "*"}, []),
        ({"name": "bob)(uid=*"}, []),
        ({"name__contains": "a"}, ["alice", "carol", "dave", "frank"]),
        ({"name__startswith": "da"}, ["dave"]),
        ({"name__iendswith": "E"}, ["alice", "dave"]),
        ({"name__contains": "\\2a"}, []),
        ({"enabled": "false"}, ["frank"]),
        ({"limit": "2"}, None),
    ],
)
def test_lists_are_filtered(admin, company, query, found):
    answer = admin.get("/users", params={"domain_id": company} | query)
    if found is None:
        assert len(answer.json()["users"]) == 2
    else:
        assert names(answer) == found


def test_groups_and_who_is_in_them(admin, people, circles):
    red = circles["red"]
    assert (red["description"], admin.get(f"/groups/{red['id']}").json()["group"]) == ("those of red", red)
    assert names(admin.get(f"/groups/{red['id']}/users")) == ["alice", "bob"]
    assert names(admin.get(f"/users/{people['carol']['id']}/groups"), "groups") == ["blue"]
    assert admin.head(f"/groups/{red['id']}/users/{people['bob']['id']}").status_code == 204
    assert admin.head(f"/groups/{red['id']}/users/{people['carol']['id']}").status_code == 404


def test_logging_in_is_binding(company, log_in, nobody):
    answer = log_in(named("alice"))
    assert answer.status_code == 201
    assert answer.json()["token"]["user"]["name"] == "alice"
    by_id = {"id": answer.json()["token"]["user"]["id"], "password": "ecila"}
    assert log_in(by_id).status_code == 201
    for wrong in (
        named("alice", "wrong"),
        named("alice", ""),
        named("nobody"),
        named("frank"),
        named("*", "ecila"),
        named("alice)(uid=*", "ecila"),
        by_id | {"password": ""},
    ):
        refused = log_in(wrong)
        assert (refused.status_code, refused.json()["error"]["title"]) == (401, "Unauthorized")


def test_roles_of_users_and_of_their_groups(admin, found, people, circles, log_in, make):
    project = make("project", name="p")["id"]
    scope = {"project": {"id": project}}
    assert log_in(named("bob"), scope).status_code == 401
    reader, member = found("roles", "reader"), found("roles", "member")
    path = f"/projects/{project}/users/{people['bob']['id']}/roles/{reader}"
    assert admin.put(path).status_code == 204
    assert [role["name"] for role in log_in(named("bob"), scope).json()["token"]["roles"]] == ["reader"]
    path = f"/projects/{project}/groups/{circles['red']['id']}/roles/{member}"
    assert admin.put(path).status_code == 204
    token = log_in(named("alice"), scope).json()["token"]
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}
    listed = admin.get(
        "/role_assignments", params={"effective": "", "include_names": "", "scope.project.id": project}
    )
    who = {each["user"]["name"] for each in listed.json()["role_assignments"]}
    assert who == {"alice", "bob"}


def test_the_directory_is_only_read(admin, people, circles, company, make, found):
    alice, red = people["alice"]["id"], circles["red"]["id"]
    ours = make("group", name="ours")["id"]
    for answer in (
        admin.post("/users", json={"user": {"name": "new", "domain_id": company}}),
        admin.patch(f"/users/{alice}", json={"user": {"name": "other"}}),
        admin.delete(f"/users/{alice}"),
        admin.post("/groups", json={"group": {"name": "new", "domain_id": company}}),
        admin.patch(f"/groups/{red}", json={"group": {"name": "other"}}),
        admin.delete(f"/groups/{red}"),
        admin.delete(f"/groups/{red}/users/{alice}"),
        admin.put(f"/groups/{red}/users/{found('users', 'demo')}"),
    ):
        assert (answer.status_code, words(answer)) == (403, "LDAP does not support write operations")
    refused = admin.put(f"/groups/{ours}/users/{alice}")
    assert (refused.status_code, "across backend boundaries" in words(refused)) == (403, True)


def test_who_is_disabled_or_gone_loses_his_tokens(admin, company, running, log_in, world):
    running.change(lambda directory: directory.add(
        f"uid=gina,ou=people,{SUFFIX}", "inetOrgPerson",
        {"cn": "gina", "sn": "G", "uid": "gina", "userPassword": "anig", "employeeType": "TRUE"},
    ))  # fmt: skip
    try:
        answer = log_in(named("gina"))
        token, user_id = answer.headers["X-Subject-Token"], answer.json()["token"]["user"]["id"]
        asked = {"X-Subject-Token": token}
        assert admin.get("/auth/tokens", headers=asked).status_code == 200
        running.change(lambda directory: directory.modify(
            f"uid=gina,ou=people,{SUFFIX}", {"employeeType": [("MODIFY_REPLACE", ["FALSE"])]}
        ))  # fmt: skip
        seen_again(world, user_id, lambda row: row is not None and not row["enabled"])
        assert admin.get("/auth/tokens", headers=asked).status_code == 404
        running.change(lambda directory: directory.modify(
            f"uid=gina,ou=people,{SUFFIX}", {"employeeType": [("MODIFY_REPLACE", ["TRUE"])]}
        ))  # fmt: skip
        second = log_in(named("gina")).headers["X-Subject-Token"]
    finally:
        running.change(lambda directory: directory.delete(f"uid=gina,ou=people,{SUFFIX}"))
    seen_again(world, user_id, lambda row: row is None)
    for old in (token, second):
        assert admin.get("/auth/tokens", headers={"X-Subject-Token": old}).status_code == 404
    assert admin.get(f"/users/{user_id}").status_code == 404
    assert log_in(named("gina")).status_code == 401


def test_a_list_that_the_directory_cuts_short_forgets_nobody(
    admin, domain, options, set_options, log_in, monkeypatch
):
    monkeypatch.setattr(slapd, "CONFIGURATION", "sizelimit 3\n" + slapd.CONFIGURATION)
    small = slapd.Slapd()
    small.start()
    try:
        set_options(options | {"url": small.url, "page_size": 0})
        tokens = [log_in(named(name)).headers["X-Subject-Token"] for name in slapd.PEOPLE]
        assert len(names(admin.get("/users", params={"domain_id": domain}))) == 3
        for token in tokens:
            assert admin.get("/auth/tokens", headers={"X-Subject-Token": token}).status_code == 200
    finally:
        small.remove()


def seen_again(world, user_id, until):
    """Let the time pass after which the directory is asked again, and wait for what it says."""
    from monostack.identity.tables import USERS

    world.cloud.clock.advance(minutes=6)
    world.cloud.run(_wake(world))
    deadline = time.monotonic() + 10
    while not until(world.cloud.read(lambda db: db.one(USERS, id=user_id))):
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def _wake(world):
    world.cloud.cloud.loops.wake("identity.directories")


@pytest.mark.parametrize(
    ("change", "enabled"),
    [
        ({"user_enabled_attribute": "employeeNumber", "user_enabled_mask": 2, "user_enabled_default": "512"},
         [*slapd.PEOPLE]),
        ({"user_enabled_invert": True}, ["frank"]),
        ({"user_attribute_ignore": ["enabled"]}, [*slapd.PEOPLE, "frank"]),
        ({"user_enabled_emulation": True, "user_enabled_emulation_dn": f"cn=blue,ou=circles,{SUFFIX}"},
         ["carol"]),
        ({"user_filter": "(|(uid=alice)(uid=bob))"}, ["alice", "bob"]),
        ({"user_filter": "uid=alice", "user_additional_attribute_mapping": "sn:surname"}, ["alice"]),
    ],
)  # fmt: skip
def test_who_is_enabled(admin, domain, options, set_options, change, enabled):
    set_options(options | change)
    answer = admin.get("/users", params={"domain_id": domain, "enabled": "true"})
    assert names(answer) == enabled
    if "user_additional_attribute_mapping" in change:
        assert answer.json()["users"][0]["surname"] == "Alice"


def test_members_that_are_ids(admin, domain, options, set_options):
    set_options(options | {"group_member_attribute": "description", "group_members_are_ids": True})
    red = admin.get("/groups", params={"domain_id": domain, "name": "red"}).json()["groups"][0]["id"]
    assert names(admin.get(f"/groups/{red}/users")) == []


def test_tls(admin, domain, options, set_options, running, log_in):
    certain = {"tls_cacertfile": running.certificate}
    for change, code in (
        ({"url": running.secure_url} | certain, 201),
        ({"use_tls": True} | certain, 201),
        ({"url": running.secure_url}, 503),
        ({"use_tls": True}, 503),
        ({"use_tls": True, "tls_req_cert": "never"}, 201),
        ({"url": running.secure_url, "use_tls": True}, 503),
    ):
        set_options(options | change)
        assert log_in(named("alice")).status_code == code, change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": "http://127.0.0.1"}, "url is 'http://127.0.0.1': it must be ldap://"),
        ({"url": "ldap://127.0.0.1:9"}, "does not answer"),
        ({"password": "wrong"}, "does not let"),
        ({"query_scope": "all"}, "query_scope is 'all': it must be one, sub"),
        ({"page_size": "many"}, "page_size is 'many': it must be a number"),
        ({"user_filter": "(((("}, "user_filter or group_filter cannot be used"),
        ({"use_tls": "perhaps"}, "use_tls is 'perhaps': it must be true or false"),
    ],
)
def test_a_directory_that_cannot_be_asked_is_told_of(
    admin, domain, options, set_options, log_in, change, said
):
    set_options(options | change)
    for answer in (admin.get("/users", params={"domain_id": domain}), log_in(named("alice"))):
        assert (answer.status_code, said in words(answer)) == (503, True), answer.text
        assert slapd.READERS_PASSWORD not in answer.text
    assert admin.get("/users").status_code == 200


def test_a_directory_that_died_and_came_back(admin, company, options, set_options, running, log_in):
    assert log_in(named("alice")).status_code == 201
    running.stop()
    try:
        started = time.monotonic()
        assert log_in(named("alice")).status_code == 503
        assert log_in(named("alice")).headers["Retry-After"] == "5"
        assert time.monotonic() - started < 5
    finally:
        running.start()
    set_options(options | {"page_size": 0})  # a changed option is tried at once
    assert log_in(named("alice")).status_code == 201


def test_our_own_users_of_the_domain_stay(admin, domain, make, set_options, options, log_in):
    ours = make("user", name="bob", domain_id=domain, password="our bob's")
    set_options(options)
    assert log_in(named("bob", "our bob's")).status_code == 201
    assert log_in(named("bob")).status_code == 401
    users = admin.get("/users", params={"domain_id": domain}).json()["users"]
    assert [user["id"] for user in users if user["name"] == "bob"] == [ours["id"]]


def test_a_domain_without_its_directory_has_none_of_its_users(
    admin, company, people, log_in, set_options, options
):
    token = log_in(named("alice")).headers["X-Subject-Token"]
    set_options(options, driver="sql")
    assert admin.get("/users", params={"domain_id": company}).json()["users"] == []
    assert admin.get("/auth/tokens", headers={"X-Subject-Token": token}).status_code == 404
    assert log_in(named("alice")).status_code == 401
