"""What a domain has of its own."""

import pytest

from monostack.identity.tables import DOMAIN_OPTIONS

ADDRESS = {"ldap": {"url": "ldap://127.0.0.1", "user_tree_dn": "ou=people"}, "identity": {"driver": "sql"}}


@pytest.fixture
def domain(make):
    return make("domain", name="elsewhere")["id"]


@pytest.fixture
def path(domain):
    return f"/domains/{domain}/config"


@pytest.fixture
def configured(admin, path):
    answer = admin.put(path, json={"config": ADDRESS})
    assert answer.status_code == 201
    return answer.json()["config"]


def words(answer):
    return answer.json()["error"]["message"]


def test_options_are_set_read_and_taken_away(admin, path, configured):
    assert configured == ADDRESS == admin.get(path).json()["config"]
    assert admin.head(path).status_code == 200
    assert admin.get(path + "/ldap").json()["config"] == {"ldap": ADDRESS["ldap"]}
    assert admin.get(path + "/ldap/url").json()["config"] == {"url": "ldap://127.0.0.1"}
    assert admin.delete(path + "/ldap/url").status_code == 204
    assert admin.get(path + "/ldap/url").status_code == 404
    assert admin.delete(path + "/ldap").status_code == 204
    assert admin.get(path).json()["config"] == {"identity": {"driver": "sql"}}
    again = admin.put(path, json={"config": {"ldap": {"suffix": "dc=a"}}})
    assert (again.status_code, again.json()["config"]) == (200, {"ldap": {"suffix": "dc=a"}})
    assert admin.delete(path).status_code == admin.delete(path).status_code == 204
    assert "Could not find any options in domain configuration" in words(admin.get(path))


@pytest.mark.parametrize(
    ("door", "asked"),
    [
        ("", {"ldap": {"url": "ldaps://a"}}),
        ("/ldap", {"ldap": {"url": "ldaps://a"}}),
        ("/ldap/url", {"url": "ldaps://a"}),
    ],
)
def test_three_doors_change_the_same_option(admin, path, configured, door, asked):
    answer = admin.patch(path + door, json={"config": asked})
    assert answer.status_code == 200
    assert answer.json()["config"]["ldap"] == ADDRESS["ldap"] | {"url": "ldaps://a"}


@pytest.mark.parametrize(
    ("door", "asked", "code", "said"),
    [
        ("", {}, 403, "No options specified"),
        ("", {"ldap": {}}, 403, "should be a dictionary of options"),
        ("", {"token": {"provider": "x"}}, 403, "Group token is not supported"),
        ("", {"ldap": {"shell": "x"}}, 403, "Option shell in group ldap is not supported"),
        ("", [1], 400, "'config' must be an object"),
        ("/ldap", {"identity": {"driver": "sql"}}, 403, "contains group identity instead"),
        ("/ldap", ADDRESS, 403, "that, and only that, group"),
        ("/ldap/url", {"user": "a"}, 403, "contains option user instead"),
        ("/ldap/url", {"ldap": {"url": "a"}}, 403, "Option ldap in group ldap is not supported"),
        ("/ldap/user", {"user": "a"}, 404, "Could not find option user in group ldap"),
    ],
)
def test_changes_that_are_refused(admin, path, configured, door, asked, code, said):
    answer = admin.patch(path + door, json={"config": asked})
    assert (answer.status_code, said in words(answer)) == (code, True), answer.text
    assert admin.get(path).json()["config"] == ADDRESS


def test_a_sensitive_option_is_sealed_and_never_shown(admin, path, configured, world):
    secret = "do-not-tell-anybody"
    for answer in (
        admin.patch(path, json={"config": {"ldap": {"password": secret, "user": "cn=%(password)s"}}}),
        admin.get(path),
        admin.get(path + "/ldap"),
    ):
        assert answer.status_code == 200
        assert secret not in answer.text
        assert answer.json()["config"]["ldap"]["user"] == "cn=%(password)s"
    assert admin.get(path + "/ldap/password").status_code == 404
    changed = admin.patch(path + "/ldap/password", json={"config": {"password": "another"}})
    assert (changed.status_code, "another" in changed.text) == (200, False)
    stored = world.cloud.read(lambda db: db.all(DOMAIN_OPTIONS))
    assert len(stored) == 5
    assert not any(secret in str(row) or "another" in str(row) for row in stored)


def test_defaults(admin):
    assert admin.get("/domains/config/default").json()["config"]["identity"]["driver"] == "sql"
    assert admin.get("/domains/config/identity/default").json() == {
        "config": {"identity": {"driver": "sql", "list_limit": None}}
    }
    assert admin.get("/domains/config/ldap/query_scope/default").json() == {"config": {"query_scope": "one"}}
    for path in ("token/default", "ldap/shell/default", "ldap/password/default"):
        assert admin.get("/domains/config/" + path).status_code == 403


def test_everybody_may_read_what_passwords_must_look_like(admin, demo, nobody, domain):
    path = "/domains/default/config/security_compliance"
    rules = {"password_regex": None, "password_regex_description": None}
    assert demo.get(path).json() == {"config": {"security_compliance": rules}}
    assert demo.get(path + "/password_regex").json() == {"config": {"password_regex": None}}
    assert demo.get(path + "/lockout_duration").status_code == 403
    assert admin.get(path.replace("default", domain)).status_code == 403
    assert nobody.get(path).status_code == 401


def test_only_administrators_read_and_write_the_rest(demo, path, configured):
    assert demo.get(path).status_code == 403
    assert demo.get("/domains/config/default").status_code == 403
    for method, door in (
        ("PUT", ""),
        ("PATCH", ""),
        ("PATCH", "/ldap"),
        ("DELETE", ""),
        ("DELETE", "/ldap/url"),
    ):
        assert demo.request(method, path + door, json={"config": ADDRESS}).status_code == 403


def test_it_goes_with_its_domain(admin, domain, path, configured):
    assert admin.patch(f"/domains/{domain}", json={"domain": {"enabled": False}}).status_code == 200
    assert admin.delete(f"/domains/{domain}").status_code == 204
    assert admin.get(path).status_code == 404
    assert "Could not find domain" in words(admin.put(path, json={"config": ADDRESS}))
