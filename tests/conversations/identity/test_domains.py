"""Domains: made, shown, disabled, and gone with all that is in them."""

import pytest


def test_life_of_a_domain(admin, promised):
    made = promised("domains.create", admin.post("/domains", json={"domain": {"name": "d"}}))["domain"]
    assert made == {
        "id": made["id"],
        "name": "d",
        "description": "",
        "enabled": True,
        "tags": [],
        "options": {},
        "links": {"self": made["links"]["self"]},
    }
    assert len(made["id"]) == 32
    path = f"/domains/{made['id']}"
    assert promised("domains.show", admin.get(path))["domain"] == made
    answer = admin.delete(path)
    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == (
        "Cannot delete a domain that is enabled, please disable it first."
    )
    changed = promised("domains.update", admin.patch(path, json={"domain": {"enabled": False, "name": "e"}}))
    assert changed["domain"] == made | {"enabled": False, "name": "e"}
    assert admin.delete(path).status_code == 204
    assert admin.get(path).json()["error"]["message"] == f"Could not find domain: {made['id']}."


def test_list_and_filters(admin, make, promised):
    make("domain", name="d", enabled=False)

    def names(**query):
        answer = promised("domains.index", admin.get("/domains", params=query))
        return [domain["name"] for domain in answer["domains"]]

    assert sorted(names()) == ["Default", "d"]
    assert names(name="d") == ["d"]
    assert names(enabled="true") == ["Default"]
    assert names(name="default") == []


@pytest.mark.parametrize(
    ("domain", "code"),
    [
        ({}, 400),
        ({"name": ""}, 400),
        ({"name": "x" * 65}, 400),
        ({"name": "Default"}, 409),
        ({"name": "default"}, 409),
        ({"name": "d", "explicit_domain_id": "default"}, 409),
        ({"name": "d", "enabled": "perhaps"}, 400),
    ],
)
def test_domains_that_cannot_be_made(admin, domain, code):
    assert admin.post("/domains", json={"domain": domain}).status_code == code


def test_a_domain_is_named_with_or_without_capitals(world):
    for name in ("Default", "default"):
        user = {"name": "admin", "password": "secret", "domain": {"name": name}}
        scope = {"project": {"name": "admin", "domain": {"name": name}}}
        auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
        assert world.api("identity", None).post("/auth/tokens", json={"auth": auth}).status_code == 201


def test_an_id_may_be_chosen(make):
    wanted = "0123456789abcdef0123456789abcdef"
    assert make("domain", name="d", explicit_domain_id=wanted)["id"] == wanted


def test_a_domain_goes_with_all_that_is_in_it(admin, make, give):
    domain = make("domain", name="d")
    inside = {
        "users": make("user", name="u", domain_id=domain["id"]),
        "groups": make("group", name="g", domain_id=domain["id"]),
        "projects": make("project", name="p", domain_id=domain["id"]),
        "roles": make("role", name="r", domain_id=domain["id"]),
    }
    give("member", inside["users"]["id"], project=inside["projects"]["id"])
    admin.patch(f"/domains/{domain['id']}", json={"domain": {"enabled": False}})
    assert admin.delete(f"/domains/{domain['id']}").status_code == 204
    for collection, resource in inside.items():
        assert admin.get(f"/{collection}/{resource['id']}").status_code == 404, collection
    assert (
        admin.get("/role_assignments", params={"user.id": inside["users"]["id"]}).json()["role_assignments"]
        == []
    )


def test_an_immutable_domain_stays(admin, make):
    domain = make("domain", name="d", enabled=False, options={"immutable": True})
    path = f"/domains/{domain['id']}"
    assert admin.patch(path, json={"domain": {"name": "e"}}).status_code == 403
    assert admin.delete(path).status_code == 403
    assert admin.patch(path, json={"domain": {"options": {"immutable": None}}}).status_code == 200
    assert admin.delete(path).status_code == 204


def test_who_sees_what(admin, demo, domain_with):
    domain, _, reader = domain_with("reader")
    assert demo.get("/domains").status_code == 403
    assert demo.get("/domains/default").status_code == 200, "his own"
    assert demo.get(f"/domains/{domain['id']}").status_code == 403
    assert [each["id"] for each in reader.get("/domains").json()["domains"]] == [domain["id"]]
    assert reader.get(f"/domains/{domain['id']}").status_code == 200
    assert reader.get("/domains/default").status_code == 403
    for client in (demo, reader):
        assert client.post("/domains", json={"domain": {"name": "x"}}).status_code == 403
        assert client.patch(f"/domains/{domain['id']}", json={"domain": {"name": "x"}}).status_code == 403
        assert client.delete(f"/domains/{domain['id']}").status_code == 403
        assert client.patch("/domains/nope", json={"domain": {"name": "x"}}).status_code == 404
        assert client.delete("/domains/nope").status_code == 404


def test_a_domain_is_a_project_too(admin, make):
    shown = admin.get("/projects/default").json()["project"]
    assert (shown["is_domain"], shown["domain_id"], shown["parent_id"]) == (True, None, None)
    made = make("project", name="d", is_domain=True)
    assert admin.get(f"/domains/{made['id']}").json()["domain"]["name"] == "d"
    names = [each["name"] for each in admin.get("/projects", params={"is_domain": "true"}).json()["projects"]]
    assert sorted(names) == ["Default", "d"]
    path = f"/projects/{made['id']}"
    assert admin.delete(path).status_code == 403
    assert admin.patch(path, json={"project": {"enabled": False}}).status_code == 200
    assert admin.delete(path).status_code == 204
    wrong = {"project": {"name": "x", "is_domain": True, "domain_id": "default"}}
    assert admin.post("/projects", json=wrong).status_code == 400
