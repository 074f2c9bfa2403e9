"""Groups, their members, and the roles that come with membership."""

import pytest


def test_life_of_a_group(admin, promised):
    made = promised("groups.create", admin.post("/groups", json={"group": {"name": "g", "color": 1}}))[
        "group"
    ]
    assert made == {
        "id": made["id"],
        "name": "g",
        "domain_id": "default",
        "description": "",
        "color": 1,
        "links": {"self": made["links"]["self"]},
    }
    path = f"/groups/{made['id']}"
    assert promised("groups.show", admin.get(path))["group"] == made
    changed = promised("groups.update", admin.patch(path, json={"group": {"description": "d", "size": 2}}))
    assert changed["group"] == made | {"description": "d", "size": 2}
    assert admin.patch(path, json={"group": {"domain_id": "other"}}).status_code == 400
    assert [each["id"] for each in promised("groups.index", admin.get("/groups"))["groups"]] == [made["id"]]
    assert admin.get("/groups", params={"name": "h"}).json()["groups"] == []
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404


@pytest.mark.parametrize(
    ("group", "code"),
    [({}, 400), ({"name": ""}, 400), ({"name": "taken"}, 409), ({"name": "g", "domain_id": "nowhere"}, 404)],
)
def test_groups_that_cannot_be_made(admin, make, group, code):
    make("group", name="taken")
    assert admin.post("/groups", json={"group": group}).status_code == code


def test_membership(admin, make, found):
    group, user = make("group", name="g")["id"], found("users", "demo")
    path = f"/groups/{group}/users/{user}"
    missing = admin.head(path)
    assert (missing.status_code, missing.content) == (404, b"")
    assert admin.put(path).status_code == 204
    assert admin.put(path).status_code == 204, "twice is once"
    assert admin.get(path).status_code == admin.head(path).status_code == 204
    assert [each["name"] for each in admin.get(f"/groups/{group}/users").json()["users"]] == ["demo"]
    (shown,) = admin.get(f"/users/{user}/groups").json()["groups"]
    assert (shown["id"], shown["membership_expires_at"]) == (group, None)
    assert admin.delete(path).status_code == 204
    answer = admin.delete(path)
    assert answer.json()["error"]["message"] == f"User '{user}' not found in group '{group}'"
    assert admin.put(f"/groups/{group}/users/nope").status_code == 404
    assert admin.put(f"/groups/nope/users/{user}").status_code == 404
    assert admin.get("/groups/nope/users").status_code == 404


def test_a_members_role_comes_and_goes_with_membership(admin, make, found, log_in):
    group, project = make("group", name="g")["id"], make("project", name="p")["id"]
    reader = found("roles", "reader")
    user, scope = {"name": "demo", "domain": {"id": "default"}}, {"project": {"id": project}}
    assert admin.put(f"/projects/{project}/groups/{group}/roles/{reader}").status_code == 204
    assert log_in(user, scope).status_code == 401
    membership = f"/groups/{group}/users/{found('users', 'demo')}"
    admin.put(membership).raise_for_status()
    answer = log_in(user, scope)
    assert [role["name"] for role in answer.json()["token"]["roles"]] == ["reader"]
    admin.delete(membership).raise_for_status()
    headers = {"X-Subject-Token": answer.headers["X-Subject-Token"]}
    assert admin.get("/auth/tokens", headers=headers).status_code == 404
    admin.put(membership).raise_for_status()
    admin.delete(f"/groups/{group}").raise_for_status()
    assert log_in(user, scope).status_code == 401
    assert admin.get("/role_assignments", params={"group.id": group}).json()["role_assignments"] == []


def test_who_may(demo, domain_with, make, found):
    domain, manager, client = domain_with("manager")
    elsewhere = make("group", name="g")["id"]
    assert demo.get("/groups").status_code == demo.get(f"/groups/{elsewhere}").status_code == 403
    assert demo.post("/groups", json={"group": {"name": "x"}}).status_code == 403
    group = client.post("/groups", json={"group": {"name": "g"}}).json()["group"]
    assert group["domain_id"] == domain["id"]
    assert [each["id"] for each in client.get("/groups").json()["groups"]] == [group["id"]]
    assert client.put(f"/groups/{group['id']}/users/{manager['id']}").status_code == 204
    stranger = found("users", "demo")
    assert client.put(f"/groups/{group['id']}/users/{stranger}").status_code == 403
    assert client.get(f"/groups/{elsewhere}").status_code == 403
    assert client.delete(f"/groups/{elsewhere}").status_code == 403
    assert client.delete(f"/groups/{group['id']}").status_code == 204


def test_a_domains_token_shows_that_domains_groups_and_members(admin, make, domain_with):
    domain, user, client = domain_with("reader")
    own, other = (make("group", name="g", domain_id=id)["id"] for id in (domain["id"], "default"))  # noqa: A001
    stranger = make("user", name="stranger")["id"]
    for group in (own, other):
        for member in (user["id"], stranger):
            assert admin.put(f"/groups/{group}/users/{member}").status_code == 204
    assert [each["id"] for each in client.get(f"/groups/{own}/users").json()["users"]] == [user["id"]]
    assert [each["id"] for each in client.get(f"/users/{user['id']}/groups").json()["groups"]] == [own]
    assert len(admin.get(f"/groups/{own}/users").json()["users"]) == 2
    assert len(admin.get(f"/users/{user['id']}/groups").json()["groups"]) == 2


def test_a_group_that_is_not_there_is_404_to_whoever_would_delete_it(demo, admin, make):
    assert demo.delete("/groups/nope").status_code == admin.delete("/groups/nope").status_code == 404
    assert demo.delete(f"/groups/{make('group', name='g')['id']}").status_code == 403
