"""Projects and their tree, tags included."""

import pytest


def test_life_of_a_project(admin, promised):
    body = {"project": {"name": "p", "description": "d", "tags": ["a"], "color": "red"}}
    made = promised("projects.create", admin.post("/projects", json=body))["project"]
    assert made == {
        "id": made["id"],
        "name": "p",
        "domain_id": "default",
        "parent_id": "default",
        "description": "d",
        "enabled": True,
        "is_domain": False,
        "tags": ["a"],
        "options": {},
        "color": "red",
        "links": {"self": made["links"]["self"]},
    }
    path = f"/projects/{made['id']}"
    assert promised("projects.show", admin.get(path))["project"] == made
    changed = promised("projects.update", admin.patch(path, json={"project": {"name": "q", "size": 3}}))[
        "project"
    ]
    assert changed["extra"] == {"color": "red", "size": 3}
    assert (changed["name"], changed["size"]) == ("q", 3)
    assert admin.delete(path).status_code == 204
    for answer in (admin.get(path), admin.delete(path), admin.patch(path, json={"project": {"name": "x"}})):
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Could not find project: {made['id']}."


def test_description_is_empty_unless_given_and_null_if_so_given(make):
    assert make("project", name="a")["description"] == ""
    assert make("project", name="b", description=None)["description"] is None


@pytest.mark.parametrize(
    ("project", "code"),
    [
        ({}, 400),
        ({"name": 5}, 400),
        ({"name": ""}, 400),
        ({"name": "x" * 65}, 400),
        ({"name": "admin"}, 409),
        ({"name": "p", "domain_id": "nowhere"}, 400),
        ({"name": "p", "parent_id": "nowhere"}, 400),
        ({"name": "p", "tags": ["a,b"]}, 400),
        ({"name": "p", "tags": ["a", "a"]}, 400),
        ({"name": "p", "options": {"color": 1}}, 400),
    ],
)
def test_projects_that_cannot_be_made(admin, project, code):
    answer = admin.post("/projects", json={"project": project})
    assert answer.status_code == code, answer.text
    assert len(admin.get("/projects").json()["projects"]) == 3


def test_a_taken_name_is_told_with_the_id_that_has_it(admin, found):
    answer = admin.post("/projects", json={"project": {"name": "demo"}})
    assert answer.status_code == 409
    assert f"name is demo, project id {found('projects', 'demo')}." in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"domain_id": "other"}, 400),
        ({"parent_id": "other"}, 403),
        ({"is_domain": True}, 400),
        ({"id": "other"}, 400),
        ({"name": "admin"}, 409),
        ({"name": None}, 400),
    ],
)
def test_changes_that_are_refused(admin, found, change, code):
    assert admin.patch(f"/projects/{found('projects', 'demo')}", json={"project": change}).status_code == code


def test_filters(admin, make):
    domain = make("domain", name="d")
    make("project", name="in-d", domain_id=domain["id"], enabled=False)
    parent = make("project", name="parent")
    make("project", name="child", parent_id=parent["id"])

    def names(**query):
        return {each["name"] for each in admin.get("/projects", params=query).json()["projects"]}

    assert names(name="demo") == {"demo"}
    assert names(domain_id=domain["id"]) == {"in-d"}
    assert names(enabled="0") == {"in-d"}
    assert names(parent_id=parent["id"]) == {"child"}
    assert names(name__contains="i") == {"admin", "in-d", "child", "service"}
    assert names(name="demo", domain_id=domain["id"]) == set()


def test_tree(admin, make, give, found):
    top = make("project", name="top")
    middle = make("project", name="middle", parent_id=top["id"])
    leaf = make("project", name="leaf", parent_id=middle["id"])

    def show(project, parameter):
        return admin.get(f"/projects/{project['id']}", params={parameter: ""}).json()["project"]

    assert show(leaf, "parents_as_ids")["parents"] == {middle["id"]: {top["id"]: {"default": None}}}
    assert show(top, "subtree_as_ids")["subtree"] == {middle["id"]: {leaf["id"]: None}}
    assert show(leaf, "subtree_as_ids")["subtree"] is None
    assert show(leaf, "parents_as_list")["parents"] == [], "only those on which the caller has a role"
    give("reader", found("users", "admin"), project=middle["id"])
    assert [each["project"]["id"] for each in show(leaf, "parents_as_list")["parents"]] == [middle["id"]]
    assert [each["project"]["id"] for each in show(top, "subtree_as_list")["subtree"]] == [middle["id"]]
    both = admin.get(f"/projects/{leaf['id']}", params={"parents_as_list": "", "parents_as_ids": ""})
    assert both.status_code == 400


def test_tree_is_five_deep_and_one_domain(admin, make):
    parent = make("project", name="p0")
    for depth in range(1, 5):
        parent = make("project", name=f"p{depth}", parent_id=parent["id"])
    assert (
        admin.post("/projects", json={"project": {"name": "p5", "parent_id": parent["id"]}}).status_code
        == 403
    )
    domain = make("domain", name="d")
    body = {"project": {"name": "x", "parent_id": parent["id"], "domain_id": domain["id"]}}
    assert admin.post("/projects", json=body).status_code == 400
    inside = make("project", name="y", domain_id=domain["id"])
    body = {"project": {"name": "z", "parent_id": inside["id"]}}
    refused = admin.post("/projects", json=body)
    assert (refused.status_code, "a parent in a different domain" in refused.text) == (400, True), (
        "not the token's"
    )
    make("project", name="z", parent_id=inside["id"], domain_id=domain["id"])


def test_only_leaves_are_deleted_and_disabled(admin, make):
    top = make("project", name="top")
    leaf = make("project", name="leaf", parent_id=top["id"])
    assert admin.delete(f"/projects/{top['id']}").status_code == 403
    off = {"project": {"enabled": False}}
    assert admin.patch(f"/projects/{top['id']}", json=off).status_code == 403
    assert admin.patch(f"/projects/{leaf['id']}", json=off).status_code == 200
    assert admin.patch(f"/projects/{top['id']}", json=off).status_code == 200
    on = {"project": {"enabled": True}}
    assert admin.patch(f"/projects/{leaf['id']}", json=on).status_code == 403, "its parent is disabled"
    assert admin.post("/projects", json={"project": {"name": "x", "parent_id": top["id"]}}).status_code == 400
    assert admin.delete(f"/projects/{leaf['id']}").status_code == 204
    assert admin.delete(f"/projects/{top['id']}").status_code == 204


def test_deleting_takes_the_assignments_along(admin, make, give):
    project, user = make("project", name="p"), make("user", name="u")
    give("member", user["id"], project=project["id"])
    admin.delete(f"/projects/{project['id']}").raise_for_status()
    assert admin.get("/role_assignments", params={"user.id": user["id"]}).json()["role_assignments"] == []


def test_an_immutable_project_stays(admin, make):
    project = make("project", name="p", options={"immutable": True})
    path = f"/projects/{project['id']}"
    for answer in (
        admin.patch(path, json={"project": {"name": "q"}}),
        admin.delete(path),
        admin.put(path + "/tags/a"),
    ):
        assert answer.status_code == 403
        assert "immutable" in answer.json()["error"]["message"]
    assert admin.patch(path, json={"project": {"options": {"immutable": False}}}).status_code == 200
    assert admin.delete(path).status_code == 204


def test_tags(admin, make, promised):
    path = f"/projects/{make('project', name='p', tags=['a', 'b'])['id']}/tags"
    assert promised("projects_tags.index", admin.get(path))["tags"] == ["a", "b"]
    assert admin.put(f"{path}/c").status_code == 201
    assert admin.put(f"{path}/c").status_code == 400
    assert admin.get(f"{path}/c").status_code == admin.head(f"{path}/c").status_code == 204
    assert admin.get(f"{path}/d").json()["error"]["message"] == "Could not find project tag: d."
    assert admin.delete(f"{path}/d").status_code == 404
    assert admin.delete(f"{path}/c").status_code == 204
    assert promised("projects_tags.put", admin.put(path, json={"tags": ["x", "y"]}))["tags"] == ["x", "y"]
    for tags in (["x", "x"], ["a,b"], ["a/b"], [""], [5], "x", ["x" * 256], [str(n) for n in range(81)]):
        assert admin.put(path, json={"tags": tags}).status_code == 400, tags
    assert admin.put(f"{path}/a,b").status_code == 400
    assert admin.delete(path).status_code == 204
    assert admin.get(path).json()["tags"] == []


def test_projects_are_found_by_tags(admin, make):
    make("project", name="ab", tags=["a", "b"])
    make("project", name="bc", tags=["b", "c"])

    def names(**query):
        query = {name.replace("_", "-"): value for name, value in query.items()}
        return {each["name"] for each in admin.get("/projects", params=query).json()["projects"]}

    assert names(tags="a,b") == {"ab"}
    assert names(tags_any="a,c") == {"ab", "bc"}
    assert names(not_tags="b,c") == {"ab", "admin", "demo", "service"}
    assert names(not_tags_any="a,c") == {"admin", "demo", "service"}


def test_a_member_sees_his_project_and_no_other(demo, found):
    mine, other = found("projects", "demo"), found("projects", "admin")
    assert demo.get(f"/projects/{mine}").status_code == demo.get(f"/projects/{mine}/tags").status_code == 200
    for path in ("/projects", f"/projects/{other}", f"/projects/{other}/tags", "/projects/nope"):
        assert demo.get(path).status_code == 403, path
    assert demo.post("/projects", json={"project": {"name": "x"}}).status_code == 403
    assert demo.patch(f"/projects/{mine}", json={"project": {"name": "x"}}).status_code == 403
    assert (
        demo.delete(f"/projects/{mine}").status_code
        == demo.put(f"/projects/{mine}/tags/a").status_code
        == 403
    )


def test_a_domain_manager_manages_the_projects_of_his_domain(domain_with, make, found):
    domain, _, client = domain_with("manager")
    third = make("domain", name="third")
    made = client.post("/projects", json={"project": {"name": "p"}})
    assert made.json()["project"]["domain_id"] == domain["id"]
    assert [each["name"] for each in client.get("/projects").json()["projects"]] == ["p"]
    path = f"/projects/{made.json()['project']['id']}"
    assert client.patch(path, json={"project": {"name": "q"}}).status_code == 200
    assert client.put(path + "/tags/t").status_code == 201
    assert client.delete(path).status_code == 204
    elsewhere = {"project": {"name": "x", "domain_id": third["id"]}}
    assert client.post("/projects", json=elsewhere).status_code == 403
    assert client.post("/projects", json={"project": {"name": "x", "is_domain": True}}).status_code == 403
    below = {"project": {"name": "x", "parent_id": found("projects", "demo")}}
    assert client.post("/projects", json=below).status_code == 400
    assert client.delete(f"/projects/{found('projects', 'demo')}").status_code == 403


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"is_domain": "maybe"}, 400),
        ({"enabled": "perhaps"}, 400),
        ({"name": ""}, 400),
        ({"domain_id": ""}, 400),
        ({"parent_id": ""}, 400),
        ({"color": "red"}, 200),
    ],
)
def test_filters_that_are_none_are_told(admin, query, code):
    assert admin.get("/projects", params=query).status_code == code


def test_relatives_may_be_asked_for_with_a_zero_for_no(admin, found):
    path = f"/projects/{found('projects', 'demo')}"
    shown = admin.get(path, params={"parents_as_list": "0", "parents_as_ids": ""}).json()["project"]
    assert shown["parents"] == {"default": None}


def test_tags_are_a_list(admin, found):
    path = f"/projects/{found('projects', 'demo')}/tags"
    for body in ({}, {"tags": None}, {"tags": "red"}):
        assert admin.put(path, json=body).status_code == 400
    assert admin.get("/projects", params={"tags": ""}).json()["projects"] == []


def test_a_domain_stands_in_nothing(admin, make):
    domain = make("domain", name="d", is_domain=False, parent_id="x", domain_id="y")
    assert not {"is_domain", "parent_id", "domain_id"} & set(domain)
    changed = admin.patch(f"/domains/{domain['id']}", json={"domain": {"id": "z", "is_domain": False}})
    assert (changed.status_code, changed.json()["domain"]) == (200, domain)


@pytest.fixture
def set_setting(world):
    """Change a setting of identity for one test."""
    settings, before = world.cloud.settings.identity, {}

    def put(name, value):
        before.setdefault(name, getattr(settings, name))
        setattr(settings, name, value)

    yield put
    for name, value in before.items():
        setattr(settings, name, value)


def test_a_tree_may_be_as_deep_as_the_setting_says(admin, make, give, log_in, set_setting):
    set_setting("max_project_tree_depth", 12)
    top = parent = make("project", name="p0")
    for depth in range(1, 12):
        parent = make("project", name=f"p{depth}", parent_id=parent["id"])
    refused = admin.post("/projects", json={"project": {"name": "p12", "parent_id": parent["id"]}})
    assert (refused.status_code, "Max hierarchy depth reached" in refused.text) == (403, True)
    user = make("user", name="u", password="a password of u")
    reader = admin.get("/roles", params={"name": "reader"}).json()["roles"][0]["id"]
    path = f"/OS-INHERIT/projects/{top['id']}/users/{user['id']}/roles/{reader}/inherited_to_projects"
    assert admin.put(path).status_code == 204
    scope = {"project": {"id": parent["id"]}}
    answer = log_in({"id": user["id"], "password": "a password of u"}, scope)
    assert [role["name"] for role in answer.json()["token"]["roles"]] == ["reader"]


def test_names_that_need_no_quoting_in_paths(admin, make, log_in, set_setting):
    make("project", name="a/b")
    in_it = {"project": {"name": "a/b", "domain": {"id": "default"}}}
    admin_user = {"name": "admin", "domain": {"id": "default"}}
    set_setting("project_name_url_safe", "new")
    set_setting("domain_name_url_safe", "strict")
    for path, body in (
        ("/projects", {"project": {"name": "c?d"}}),
        ("/domains", {"domain": {"name": "c&d"}}),
        ("/projects", {"project": {"name": "c:d", "is_domain": True}}),
    ):
        refused = admin.post(path, json=body)
        assert (refused.status_code, "reserved characters" in refused.text) == (400, True)
    demo = admin.get("/projects", params={"name": "demo"}).json()["projects"][0]["id"]
    assert admin.patch(f"/projects/{demo}", json={"project": {"name": "x#y"}}).status_code == 400
    set_setting("project_name_url_safe", "strict")
    assert log_in(admin_user, in_it).status_code == 401
    assert log_in(admin_user | {"domain": {"name": "De/fault"}}).status_code == 401
    assert (
        log_in(admin_user, {"project": {"name": "admin", "domain": {"name": "Default"}}}).status_code == 201
    )
