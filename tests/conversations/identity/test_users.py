"""Users: their attributes, their passwords, who may see and change them."""

import pytest


def test_life_of_a_user(admin, promised):
    body = {"user": {"name": "u", "password": "secret", "email": "u@example.org", "shoes": {"size": 44}}}
    made = promised("users.create", admin.post("/users", json=body))["user"]
    assert made["email"] == "u@example.org"
    assert made["shoes"] == {"size": 44}
    assert made["domain_id"] == "default"
    assert made["enabled"] is True
    assert made["options"] == {}
    assert made["password_expires_at"] is None
    assert made["links"]["self"].endswith(f"/v3/users/{made['id']}")
    assert not {"password", "description", "default_project_id", "extra"} & made.keys()
    path = f"/users/{made['id']}"
    assert promised("users.show", admin.get(path))["user"] == made
    changed = promised("users.update", admin.patch(path, json={"user": {"description": "tall", "hat": 1}}))
    changed = changed["user"]
    assert changed["extra"] == {
        "email": "u@example.org",
        "shoes": {"size": 44},
        "description": "tall",
        "hat": 1,
    }
    assert changed["description"] == "tall"
    shown = admin.get(path).json()["user"]
    assert shown == {name: value for name, value in changed.items() if name != "extra"}
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404
    assert admin.delete(path).status_code == 404
    assert admin.patch(path, json={"user": {"hat": 2}}).status_code == 404


def test_list_and_filters(admin, make, promised):
    domain = make("domain", name="d")
    make("user", name="anna")
    make("user", name="Hanna", enabled=False)
    make("user", name="otto", domain_id=domain["id"])

    def names(**query):
        answer = promised("users.index", admin.get("/users", params=query))
        assert answer["links"]["next"] is answer["links"]["previous"] is None
        return {user["name"] for user in answer["users"]}

    assert names() == {"admin", "demo", "anna", "Hanna", "otto"}
    assert names(name="anna") == {"anna"}
    assert names(enabled="false") == {"Hanna"}
    assert names(domain_id=domain["id"]) == {"otto"}
    assert names(name__contains="ann") == {"anna", "Hanna"}
    assert names(name__startswith="h") == set()
    assert names(name__istartswith="h") == {"Hanna"}
    assert names(name__endswith="nna", enabled="true") == {"anna"}
    assert names(name__icontains="OTT") == {"otto"}
    assert names(shoe_size="44") == {"admin", "demo", "anna", "Hanna", "otto"}, (
        "an unknown filter is no filter"
    )
    assert names(name="100%") == set()


def test_pages(admin, make):
    for number in range(5):
        make("user", name=f"u{number}")
    seen, answer = [], admin.get("/users", params={"limit": 3}).json()
    while True:
        seen += [user["id"] for user in answer["users"]]
        if answer["links"]["next"] is None:
            break
        assert answer["truncated"] is True
        answer = admin.client.get(answer["links"]["next"]).json()
    assert len(seen) == len(set(seen)) == 7
    answer = admin.get("/users", params={"limit": 1, "name__contains": "u"}).json()
    assert "limit=1" in answer["links"]["next"]
    assert admin.get("/users", params={"marker": "nope"}).status_code == 404
    assert admin.get("/users", params={"limit": "many"}).status_code == 400
    assert len(admin.get("/users", params={"limit": "-1"}).json()["users"]) == 7, "no limit of one's own"
    none = admin.get("/users", params={"limit": "0"}).json()
    assert (none["users"], none["truncated"]) == ([], True)
    in_order = [user["id"] for user in admin.get("/users", params={"sort_key": "name"}).json()["users"]]
    assert in_order == sorted(in_order), "identity sorts by id, whatever is asked"


def test_users_by_when_their_password_expires(admin):
    for asked in ("lt:2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "neq:2030-01-01T00:00:00"):
        assert admin.get("/users", params={"password_expires_at": asked}).json()["users"] == []
    for asked in ("lt:soon", "soon", "after:2030-01-01T00:00:00Z", ""):
        assert admin.get("/users", params={"password_expires_at": asked}).status_code == 400


@pytest.mark.parametrize(
    ("user", "code"),
    [
        ({}, 400),
        ({"name": ""}, 400),
        ({"name": "  "}, 400),
        ({"name": 5}, 400),
        ({"name": "x" * 256}, 400),
        ({"name": "u", "password": 5}, 400),
        ({"name": "u", "password": "x" * 5000}, 403),
        ({"name": "u", "enabled": "perhaps"}, 400),
        ({"name": "u", "options": {"color": "red"}}, 400),
        ({"name": "u", "domain_id": "nowhere"}, 404),
        ({"name": "u", "default_project_id": "default"}, 400),
        ({"name": "admin"}, 409),
    ],
)
def test_users_that_cannot_be_made(admin, user, code):
    answer = admin.post("/users", json={"user": user})
    assert answer.status_code == code, answer.text
    assert answer.json()["error"]["code"] == code
    assert len(admin.get("/users").json()["users"]) == 2


def test_names_are_unique_in_a_domain_only(admin, make):
    domain = make("domain", name="d")
    user = make("user", name="admin", domain_id=domain["id"])
    other = make("user", name="other", domain_id=domain["id"])
    answer = admin.patch(f"/users/{other['id']}", json={"user": {"name": "admin"}})
    assert answer.status_code == 409
    assert "Duplicate entry found with name admin" in answer.json()["error"]["message"]
    same = admin.patch(f"/users/{user['id']}", json={"user": {"name": "admin"}})
    assert same.status_code == 200


@pytest.mark.parametrize("change", [{"domain_id": "other"}, {"id": "other"}, {"name": ""}, {}])
def test_changes_that_are_refused(admin, found, change):
    assert admin.patch(f"/users/{found('users', 'demo')}", json={"user": change}).status_code == 400


def test_words_for_yes_and_no(admin, make):
    for word, truth in (("true", True), ("on", True), ("False", False), ("no", False), ("0", False)):
        assert make("user", name=f"u-{word}", enabled=word)["enabled"] is truth


def test_options_are_merged_and_null_takes_one_away(admin, make):
    user = make("user", name="u", options={"lock_password": True})
    path = f"/users/{user['id']}"
    answer = admin.patch(path, json={"user": {"options": {"ignore_password_expiry": True}}})
    assert answer.json()["user"]["options"] == {"lock_password": True, "ignore_password_expiry": True}
    answer = admin.patch(path, json={"user": {"options": {"lock_password": None}}})
    assert answer.json()["user"]["options"] == {"ignore_password_expiry": True}


def test_own_password(nobody, found, log_in):
    path = f"/users/{found('users', 'demo')}/password"
    who = {"name": "demo", "domain": {"id": "default"}}

    def change(old, new):
        return nobody.post(path, json={"user": {"original_password": old, "password": new}}).status_code

    assert change("wrong", "new") == 401
    assert change("secret", "new") == 204
    assert change("secret", "newer") == 401, "the old password is forgotten, also by the memory of logins"
    assert log_in(who).status_code == 401
    assert log_in(who | {"password": "new"}).status_code == 201
    assert nobody.post(path, json={"user": {"password": "x"}}).status_code == 400
    assert nobody.post(path, json={"user": {"original_password": 1, "password": "x"}}).status_code == 400
    assert nobody.post(path, content=b"").status_code == 400
    unknown = nobody.post("/users/nope/password", json={"user": {"original_password": "a", "password": "b"}})
    assert unknown.status_code == 401


def test_locked_password_and_disabled_user_cannot_change_it(nobody, admin, make):
    body = {"user": {"original_password": "secret", "password": "new"}}
    locked = make("user", name="locked", password="secret", options={"lock_password": True})
    assert nobody.post(f"/users/{locked['id']}/password", json=body).status_code == 400
    disabled = make("user", name="disabled", password="secret", enabled=False)
    assert nobody.post(f"/users/{disabled['id']}/password", json=body).status_code == 401


def test_passwords_of_any_characters_and_length(log_in, make):
    for number, password in enumerate(("pässwörd ☃", "x" * 72, "x" * 73, "y" * 4096, "a\0b")):
        user = make("user", name=f"u{number}", password=password)
        assert log_in({"id": user["id"], "password": password}).status_code == 201
        assert log_in({"id": user["id"], "password": password[:-1]}).status_code == 401
        assert log_in({"id": user["id"], "password": password + "x"}).status_code == 401


def test_a_user_without_a_password_cannot_log_in(log_in, make, admin, found):
    user = make("user", name="u")
    assert log_in({"id": user["id"], "password": ""}).status_code == 401
    path = f"/users/{found('users', 'demo')}"
    assert admin.patch(path, json={"user": {"password": None}}).status_code == 200
    assert log_in({"name": "demo", "domain": {"id": "default"}}).status_code == 401


def test_a_member_sees_himself_and_nobody_else(demo, found):
    me, boss = found("users", "demo"), found("users", "admin")
    assert demo.get(f"/users/{me}").json()["user"]["name"] == "demo"
    assert demo.get(f"/users/{me}/projects").status_code == 200
    assert demo.get(f"/users/{me}/groups").status_code == 200
    for path in (
        f"/users/{boss}",
        f"/users/{boss}/projects",
        f"/users/{boss}/groups",
        "/users",
        "/users/nope",
    ):
        assert demo.get(path).status_code == 403, path
    assert demo.patch(f"/users/{me}", json={"user": {"name": "king"}}).status_code == 403
    assert demo.post("/users", json={"user": {"name": "x"}}).status_code == 403
    assert demo.delete(f"/users/{me}").status_code == 403


def test_a_domain_manager_manages_his_domain_only(admin, domain_with, found, make):
    domain, manager, client = domain_with("manager")
    third = make("domain", name="third")
    assert client.post("/users", json={"user": {"name": "worker"}}).status_code == 403, "he names no domain"
    answer = client.post("/users", json={"user": {"name": "worker", "domain_id": domain["id"]}})
    assert answer.json()["user"]["domain_id"] == domain["id"]
    worker = answer.json()["user"]["id"]
    names = {user["name"] for user in client.get("/users").json()["users"]}
    assert names == {manager["name"], "worker"}, "the list ends at the domain"
    assert client.get("/users", params={"domain_id": "default"}).json()["users"] == []
    assert client.patch(f"/users/{worker}", json={"user": {"hat": 1}}).status_code == 200
    assert client.delete(f"/users/{worker}").status_code == 204
    assert client.post("/users", json={"user": {"name": "x", "domain_id": third["id"]}}).status_code == 403
    boss = found("users", "admin")
    assert client.get(f"/users/{boss}").status_code == 403
    assert client.patch(f"/users/{boss}", json={"user": {"name": "x"}}).status_code == 403
    assert client.delete(f"/users/{boss}").status_code == 403
    assert admin.get(f"/users/{boss}").json()["user"]["name"] == "admin"


def test_projects_of_a_user(admin, make, give, found, promised):
    user = make("user", name="u")
    give("reader", user["id"], project=found("projects", "demo"))
    give("member", user["id"], domain="default")
    answer = promised("projects.index", admin.get(f"/users/{user['id']}/projects"))
    assert [project["name"] for project in answer["projects"]] == ["demo"]
    assert admin.get(f"/users/{user['id']}/projects", params={"name": "x"}).json()["projects"] == []
    assert admin.get("/users/nope/projects").status_code == 404
