"""Giving and taking roles, and the list of who has which."""

import pytest


def entries(admin, **query):
    query = {name.replace("__", "."): value for name, value in query.items()}
    answer = admin.get("/role_assignments", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["role_assignments"]


@pytest.mark.parametrize("actor", ["user", "group"])
@pytest.mark.parametrize("target", ["project", "domain", "system"])
def test_give_check_list_take(admin, make, found, promised, actor, target):
    actor_id, role = make(actor, name="a")["id"], found("roles", "member")
    where = {
        "project": f"/projects/{found('projects', 'demo')}",
        "domain": "/domains/default",
        "system": "/system",
    }
    base = f"{where[target]}/{actor}s/{actor_id}/roles"
    path = f"{base}/{role}"
    assert admin.head(path).status_code == admin.delete(path).status_code == 404
    assert admin.put(path).status_code == 204
    assert admin.put(path).status_code == 204, "twice is once"
    assert admin.head(path).status_code == admin.get(path).status_code == 204
    name = f"{target}s_{actor}s_roles.index" if target != "system" else f"system_{actor}s_roles.index"
    listed = promised(name, admin.get(base))["roles"]
    assert [each["name"] for each in listed] == ["member"]
    (entry,) = entries(admin, **{f"{actor}__id": actor_id})
    assert entry["links"]["assignment"].endswith("/v3" + path)
    assert entry[actor] == {"id": actor_id}
    assert target in entry["scope"]
    assert admin.delete(path).status_code == 204
    assert entries(admin, **{f"{actor}__id": actor_id}) == []
    answer = admin.delete(path)
    assert answer.status_code == 404
    assert (
        f"role assignment with role: {role}, user or group: {actor_id}" in answer.json()["error"]["message"]
    )


def test_what_does_not_exist_is_404(admin, found):
    user, project, role = found("users", "demo"), found("projects", "demo"), found("roles", "member")
    for path in (
        f"/projects/nope/users/{user}/roles/{role}",
        f"/projects/{project}/users/nope/roles/{role}",
        f"/projects/{project}/groups/nope/roles/{role}",
        f"/projects/{project}/users/{user}/roles/nope",
        f"/domains/nope/users/{user}/roles/{role}",
        f"/domains/{project}/users/{user}/roles/{role}",
        f"/system/users/nope/roles/{role}",
    ):
        assert admin.put(path).status_code == 404, path
        assert admin.head(path).status_code == 404, path
    assert admin.get(f"/projects/{project}/users/nope/roles").status_code == 404


def test_what_does_not_exist_is_404_for_strangers_too(demo, found):
    user, project, role = found("users", "demo"), found("projects", "demo"), found("roles", "member")
    for path in (
        f"/projects/nope/users/{user}/roles/{role}",
        f"/projects/{project}/users/nope/roles/{role}",
        f"/projects/{project}/users/{user}/roles/nope",
        f"/system/groups/nope/roles/{role}",
    ):
        assert demo.put(path).status_code == 404, path
    assert demo.get("/roles/nope").status_code == demo.get(f"/roles/{role}/implies/nope").status_code == 404
    assert demo.delete(f"/projects/{project}/users/nope/roles/{role}").status_code == 403


def test_taking_from_somebody_gone_tells_that_there_is_no_assignment(admin, found):
    project, role = found("projects", "demo"), found("roles", "member")
    answer = admin.delete(f"/projects/{project}/users/nope/roles/{role}")
    assert answer.status_code == 404
    assert "role assignment" in answer.json()["error"]["message"]


def test_inherited_roles_count_below_and_not_on_the_target(admin, make, found, log_in):
    top = make("project", name="top")
    leaf = make("project", name="leaf", parent_id=top["id"])
    user, role = make("user", name="u", password="secret")["id"], found("roles", "member")
    path = f"/OS-INHERIT/projects/{top['id']}/users/{user}/roles/{role}/inherited_to_projects"
    assert admin.put(path).status_code == admin.head(path).status_code == 204
    assert log_in({"id": user}, {"project": {"id": top["id"]}}).status_code == 401
    token = log_in({"id": user}, {"project": {"id": leaf["id"]}}).json()["token"]
    assert {each["name"] for each in token["roles"]} == {"member", "reader"}
    (entry,) = entries(admin, user__id=user)
    assert entry["scope"] == {"project": {"id": top["id"]}, "OS-INHERIT:inherited_to": "projects"}
    assert entry["links"]["assignment"].endswith(path)
    assert [each["name"] for each in admin.get(f"/users/{user}/projects").json()["projects"]] == ["leaf"]
    assert admin.delete(path).status_code == 204
    assert log_in({"id": user}, {"project": {"id": leaf["id"]}}).status_code == 401


def test_a_domains_inherited_roles_count_on_all_its_projects(admin, make, found, log_in):
    user, role = make("user", name="u", password="secret")["id"], found("roles", "reader")
    base = f"/OS-INHERIT/domains/default/users/{user}/roles"
    assert admin.put(f"{base}/{role}/inherited_to_projects").status_code == 204
    listed = admin.get(f"{base}/inherited_to_projects").json()["roles"]
    assert [each["name"] for each in listed] == ["reader"]
    assert admin.get(f"/domains/default/users/{user}/roles").json()["roles"] == []
    assert log_in({"id": user}, {"project": {"id": found("projects", "service")}}).status_code == 201
    assert log_in({"id": user}, {"domain": {"id": "default"}}).status_code == 401
    names = {each["name"] for each in admin.get(f"/users/{user}/projects").json()["projects"]}
    assert names == {"admin", "demo", "service"}


def test_as_given_and_in_effect(admin, make, found, promised):
    group, user = make("group", name="g")["id"], make("user", name="u")["id"]
    admin.put(f"/groups/{group}/users/{user}").raise_for_status()
    member, project = found("roles", "member"), found("projects", "demo")
    given = f"/projects/{project}/groups/{group}/roles/{member}"
    admin.put(given).raise_for_status()
    assert entries(admin, user__id=user) == []
    answer = admin.get("/role_assignments", params={"user.id": user, "effective": "", "include_names": ""})
    direct, implied = promised("role_assignments.index", answer)["role_assignments"]
    assert direct["links"]["assignment"].endswith(given)
    assert direct["links"]["membership"].endswith(f"/groups/{group}/users/{user}")
    default = {"id": "default", "name": "Default"}
    assert direct["user"] == {"id": user, "name": "u", "domain": default}
    assert direct["scope"] == {"project": {"id": project, "name": "demo", "domain": default}}
    assert direct["role"] == {"id": member, "name": "member"}
    assert implied["role"]["name"] == "reader"
    assert implied["links"]["prior_role"].endswith(f"/prior_role/{found('roles', 'reader')}/implies/{member}")
    assert implied["links"]["assignment"].endswith(given)


def test_filters(admin, found, promised):
    boss, demo, project = found("users", "admin"), found("users", "demo"), found("projects", "demo")
    assert len(promised("role_assignments.index", admin.get("/role_assignments"))["role_assignments"]) == 5
    assert len(entries(admin, user__id=boss)) == 4
    assert len(entries(admin, role__id=found("roles", "member"))) == 1
    assert len(entries(admin, scope__project__id=project)) == 2
    assert len(entries(admin, scope__domain__id="default")) == 1
    assert len(entries(admin, scope__system="all")) == 1
    assert len(entries(admin, user__id=demo, scope__project__id=project)) == 1
    assert len(entries(admin, user__id=demo, effective="", role__id=found("roles", "reader"))) == 1
    assert len(entries(admin, user__id=demo, effective="0")) == 1
    assert entries(admin, user__id="nope") == []
    assert entries(admin, **{"scope.OS-INHERIT:inherited_to": "projects"}) == []


def test_subtree(admin, make, give, found):
    top = make("project", name="top")
    leaf = make("project", name="leaf", parent_id=top["id"])
    user = make("user", name="u")["id"]
    give("reader", user, project=leaf["id"])
    assert entries(admin, scope__project__id=top["id"]) == []
    assert len(entries(admin, scope__project__id=top["id"], include_subtree="")) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"user.id": "a", "group.id": "b"},
        {"scope.project.id": "a", "scope.domain.id": "b"},
        {"scope.project.id": "a", "scope.system": "all"},
        {"effective": "", "group.id": "a"},
        {"effective": "", "scope.domain.id": "a", "scope.OS-INHERIT:inherited_to": "projects"},
        {"include_subtree": ""},
    ],
)
def test_questions_that_make_no_sense_are_400(admin, query):
    assert admin.get("/role_assignments", params=query).status_code == 400


def test_a_domains_own_role_stays_with_its_projects(admin, make, found):
    domain = make("domain", name="d")
    role = make("role", name="own", domain_id=domain["id"])["id"]
    inside, user = make("project", name="p", domain_id=domain["id"])["id"], found("users", "demo")
    assert admin.put(f"/projects/{inside}/users/{user}/roles/{role}").status_code == 204
    assert admin.put(f"/projects/{found('projects', 'demo')}/users/{user}/roles/{role}").status_code == 403
    assert admin.put(f"/domains/default/users/{user}/roles/{role}").status_code == 204


def test_a_member_gives_and_sees_nothing(demo, found):
    user, project, role = found("users", "demo"), found("projects", "demo"), found("roles", "admin")
    path = f"/projects/{project}/users/{user}/roles/{role}"
    assert demo.put(path).status_code == demo.head(path).status_code == demo.delete(path).status_code == 403
    assert demo.put(f"/system/users/{user}/roles/{role}").status_code == 403
    assert demo.get("/role_assignments").status_code == 403
    assert demo.get("/role_assignments", params={"scope.project.id": project}).status_code == 403


def test_a_domain_manager_gives_small_roles_in_his_domain(domain_with, make, found):
    domain, manager, client = domain_with("manager")
    project = make("project", name="p", domain_id=domain["id"])["id"]
    member, admins = found("roles", "member"), found("roles", "admin")
    base = f"/projects/{project}/users/{manager['id']}/roles"
    assert client.put(f"{base}/{member}").status_code == 204
    assert client.put(f"{base}/{admins}").status_code == 403, "no way up"
    assert client.put(f"/domains/{domain['id']}/users/{manager['id']}/roles/{admins}").status_code == 403
    assert client.get(base).status_code == 200
    stranger = found("users", "demo")
    assert client.put(f"/projects/{project}/users/{stranger}/roles/{member}").status_code == 403
    assert (
        client.put(f"/projects/{found('projects', 'demo')}/users/{manager['id']}/roles/{member}").status_code
        == 403
    )
    assert client.put(f"/system/users/{manager['id']}/roles/{member}").status_code == 403
    seen = entries(client)
    assert {next(iter(entry["scope"])) for entry in seen} == {"domain", "project"}
    assert len(seen) == 2, "the list ends at the domain"


def test_a_system_reader_sees_all_and_changes_nothing(world, make, give, log_in, found):
    user = make("user", name="auditor", password="secret")["id"]
    give("reader", user, system="all")
    client = world.api("identity", "auditor", scope={"system": {"all": True}})
    for path in (
        "/users",
        "/projects",
        "/domains",
        "/roles",
        "/groups",
        "/services",
        "/endpoints",
        "/role_assignments",
        f"/users/{found('users', 'admin')}",
    ):
        assert client.get(path).status_code == 200, path
    assert client.post("/users", json={"user": {"name": "x"}}).status_code == 403
    assert client.delete(f"/users/{found('users', 'demo')}").status_code == 403


def test_what_is_in_effect_on_the_system_is_listed_when_asked_for(admin, make, found, give):
    user = make("user", name="u")["id"]
    give("member", user, system="all")
    assert entries(admin, user__id=user, effective="") == []
    listed = admin.get("/role_assignments", params={"user.id": user, "scope.system": "all", "effective": ""})
    roles = {each["role"]["id"] for each in listed.json()["role_assignments"]}
    assert roles == {found("roles", "member"), found("roles", "reader")}


def test_only_a_zero_turns_a_flag_off(admin, make, found, give):
    user, project = make("user", name="u")["id"], found("projects", "demo")
    give("member", user, project=project)
    for value, count in (("0", 1), ("false", 2), ("", 2), ("1", 2)):
        assert len(entries(admin, user__id=user, effective=value)) == count
    missing = admin.get("/role_assignments", params={"scope.project.id": "nope", "effective": ""})
    assert missing.status_code == 404
    given = {"scope.OS-INHERIT:inherited_to": "nothing", "user.id": user}
    assert len(admin.get("/role_assignments", params=given).json()["role_assignments"]) == 1
