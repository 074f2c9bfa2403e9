"""Roles, a domain's own roles, and which imply which."""

import pytest


def test_life_of_a_role(admin, promised):
    made = promised("roles.create", admin.post("/roles", json={"role": {"name": "r"}}))["role"]
    assert made == {
        "id": made["id"],
        "name": "r",
        "domain_id": None,
        "description": None,
        "options": {},
        "links": {"self": made["links"]["self"]},
    }
    path = f"/roles/{made['id']}"
    assert promised("roles.show", admin.get(path))["role"] == made
    changed = promised("roles.update", admin.patch(path, json={"role": {"description": "d", "color": 1}}))
    assert changed["role"] == made | {"description": "d", "color": 1}
    assert admin.patch(path, json={"role": {"domain_id": "default"}}).status_code == 400
    assert admin.patch(path, json={"role": {"name": "admin"}}).status_code == 409
    assert admin.delete(path).status_code == 204
    assert admin.get(path).json()["error"]["message"] == f"Could not find role: {made['id']}."


def test_roles_of_the_first_start_are_immutable(admin, found, promised):
    listed = promised("roles.index", admin.get("/roles"))["roles"]
    assert {role["name"] for role in listed} == {"admin", "manager", "member", "reader", "service"}
    assert all(role["options"] == {"immutable": True} for role in listed)
    path = f"/roles/{found('roles', 'member')}"
    for answer in (admin.patch(path, json={"role": {"name": "x"}}), admin.delete(path)):
        assert answer.status_code == 403
        assert "immutable" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("role", "code"), [({}, 400), ({"name": ""}, 400), ({"name": "admin"}, 409), ({"name": 1}, 400)]
)
def test_roles_that_cannot_be_made(admin, role, code):
    assert admin.post("/roles", json={"role": role}).status_code == code


def test_a_domains_own_roles_are_listed_apart(admin, make):
    own = make("role", name="admin", domain_id="default")
    assert own["domain_id"] == "default"
    listed = admin.get("/roles", params={"domain_id": "default"}).json()["roles"]
    assert [role["id"] for role in listed] == [own["id"]]
    assert own["id"] not in {role["id"] for role in admin.get("/roles").json()["roles"]}
    assert admin.post("/roles", json={"role": {"name": "r", "domain_id": "nowhere"}}).status_code == 404


def test_implied_roles(admin, make, found, promised):
    prior, member = make("role", name="r")["id"], found("roles", "member")
    path = f"/roles/{prior}/implies/{member}"
    assert admin.get(path).status_code == admin.head(path).status_code == 404
    answer = admin.put(path)
    assert answer.status_code == 201
    inference = promised("roles_implies.put", answer)["role_inference"]
    assert (inference["prior_role"]["name"], inference["implies"]["name"]) == ("r", "member")
    assert admin.put(path).status_code == 409
    assert admin.head(path).status_code == 204
    assert promised("roles_implies.show", admin.get(path))["role_inference"] == inference
    listed = promised("roles_implies.index", admin.get(f"/roles/{prior}/implies"))["role_inference"]
    assert [role["name"] for role in listed["implies"]] == ["member"]
    rules = promised("role_inferences.index", admin.get("/role_inferences"))["role_inferences"]
    assert {rule["prior_role"]["name"] for rule in rules} == {"admin", "manager", "member", "r"}
    assert admin.put(f"/roles/{prior}/implies/{found('roles', 'admin')}").status_code == 403
    assert admin.put(f"/roles/{prior}/implies/nope").status_code == 404
    assert admin.delete(path).status_code == 204
    assert admin.delete(path).json()["error"]["message"] == f"{prior} does not imply {member}."


def test_what_a_role_implies_counts_in_tokens(admin, make, give, found, log_in):
    user, project = make("user", name="u", password="secret")["id"], found("projects", "demo")
    make("role", name="boss")
    own = make("role", name="own", domain_id="default")["id"]
    admin.put(f"/roles/{own}/implies/{found('roles', 'boss')}").raise_for_status()
    admin.put(f"/roles/{found('roles', 'boss')}/implies/{found('roles', 'member')}").raise_for_status()
    admin.put(f"/projects/{project}/users/{user}/roles/{own}").raise_for_status()
    token = log_in({"id": user}, {"project": {"id": project}}).json()["token"]
    names = {role["name"] for role in token["roles"]}
    assert names == {"boss", "member", "reader"}, "a domain's own role itself never stands in a token"


def test_circles_of_implication_end(admin, make, found, log_in, give):
    first, second = make("role", name="a")["id"], make("role", name="b")["id"]
    admin.put(f"/roles/{first}/implies/{second}").raise_for_status()
    admin.put(f"/roles/{second}/implies/{first}").raise_for_status()
    user, project = make("user", name="u", password="secret")["id"], found("projects", "demo")
    give("a", user, project=project)
    token = log_in({"id": user}, {"project": {"id": project}}).json()["token"]
    assert {role["name"] for role in token["roles"]} == {"a", "b"}
    entries = admin.get("/role_assignments", params={"user.id": user, "effective": ""}).json()[
        "role_assignments"
    ]
    assert len(entries) == 2


def test_who_may(demo, domain_with, found, make):
    _, _, manager = domain_with("manager")
    member, admins = found("roles", "member"), found("roles", "admin")
    assert demo.get("/roles").status_code == demo.get(f"/roles/{member}").status_code == 403
    assert demo.get("/role_inferences").status_code == 403
    assert manager.get("/roles").status_code == 200
    assert manager.get(f"/roles/{member}").status_code == 200, "one that he may give"
    assert manager.get(f"/roles/{admins}").status_code == 403
    for client in (demo, manager):
        assert client.post("/roles", json={"role": {"name": "x"}}).status_code == 403
        assert client.put(f"/roles/{member}/implies/{admins}").status_code == 403
