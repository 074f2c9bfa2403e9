"""Unified limits."""

import pytest


@pytest.fixture
def service(make):
    return make("service", type="weather")["id"]


@pytest.fixture
def registered(admin, service):
    body = {"registered_limits": [{"service_id": service, "resource_name": "rain", "default_limit": 5}]}
    return admin.post("/registered_limits", json=body).json()["registered_limits"][0]


def limit(service, **changes):
    return {"limits": [{"service_id": service, "resource_name": "rain", "resource_limit": 9} | changes]}


def test_registered_limits(admin, service, promised):
    body = {
        "registered_limits": [
            {"service_id": service, "resource_name": "rain", "default_limit": 5, "region_id": "RegionOne"},
            {"service_id": service, "resource_name": "rain", "default_limit": 7, "description": "d"},
        ]
    }
    first, second = promised("registered_limits.create", admin.post("/registered_limits", json=body))[
        "registered_limits"
    ]
    assert (first["region_id"], second["region_id"]) == ("RegionOne", None)
    assert admin.post("/registered_limits", json=body).status_code == 409
    path = f"/registered_limits/{first['id']}"
    assert promised("registered_limits.show", admin.get(path))["registered_limit"] == first
    changed = admin.patch(path, json={"registered_limit": {"default_limit": 6}})
    changed = promised("registered_limits.update", changed)["registered_limit"]
    assert changed == first | {"default_limit": 6}
    into_second = {"registered_limit": {"region_id": None}}
    assert admin.patch(path, json=into_second).status_code == 409
    listed = promised("registered_limits.index", admin.get("/registered_limits"))["registered_limits"]
    assert len(listed) == 2
    answer = admin.get("/registered_limits", params={"region_id": "RegionOne"})
    assert answer.json()["registered_limits"] == [changed]
    assert admin.delete(path).status_code == 204
    assert admin.get(path).json()["error"]["message"] == f"Could not find registered limit for {first['id']}."


@pytest.mark.parametrize(
    "change",
    [
        {"service_id": "f" * 32},
        {"region_id": "nowhere"},
        {"default_limit": -2},
        {"default_limit": 2**31},
        {"resource_name": ""},
        {"color": "red"},
    ],
)
def test_registered_limits_that_cannot_be_made(admin, service, change):
    asked = {"service_id": service, "resource_name": "rain", "default_limit": 5} | change
    assert admin.post("/registered_limits", json={"registered_limits": [asked]}).status_code == 400
    assert admin.post("/registered_limits", json={"registered_limits": []}).status_code == 400


def test_all_of_a_request_or_nothing(admin, service, registered):
    asked = [
        {"service_id": service, "resource_name": "snow", "default_limit": 5},
        {"service_id": service, "resource_name": "rain", "default_limit": 5},
    ]
    assert admin.post("/registered_limits", json={"registered_limits": asked}).status_code == 409
    assert len(admin.get("/registered_limits").json()["registered_limits"]) == 1


def test_limits(admin, service, registered, found, promised):
    project = found("projects", "demo")
    answer = admin.post("/limits", json=limit(service, project_id=project))
    (made,) = promised("limits.create", answer)["limits"]
    assert (made["project_id"], made["domain_id"], made["region_id"]) == (project, None, None)
    assert admin.post("/limits", json=limit(service, project_id=project)).status_code == 409
    assert admin.post("/limits", json=limit(service, domain_id="default")).status_code == 201
    path = f"/limits/{made['id']}"
    changed = promised("limits.update", admin.patch(path, json={"limit": {"resource_limit": 3}}))["limit"]
    assert changed == made | {"resource_limit": 3}
    assert promised("limits.show", admin.get(path))["limit"] == changed
    assert len(promised("limits.index", admin.get("/limits"))["limits"]) == 2
    assert admin.get("/limits", params={"project_id": project}).json()["limits"] == [changed]
    assert promised("limits_model.index", admin.get("/limits/model"))["model"]["name"] == "flat"
    held = f"/registered_limits/{registered['id']}"
    assert admin.delete(held).status_code == 403
    assert admin.patch(held, json={"registered_limit": {"resource_name": "snow"}}).status_code == 403
    assert admin.patch(held, json={"registered_limit": {"default_limit": 1}}).status_code == 200
    assert admin.delete(path).status_code == 204
    assert admin.get(path).json()["error"]["message"] == f"Could not find limit for {made['id']}."


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 400),
        ({"project_id": "nope"}, 400),
        ({"domain_id": "nope"}, 400),
        ({"project_id": "default"}, 400),
        ({"domain_id": "default", "resource_name": "snow"}, 403),
        ({"domain_id": "default", "region_id": "RegionOne"}, 403),
    ],
)
def test_limits_that_cannot_be_made(admin, service, registered, change, code):
    assert admin.post("/limits", json=limit(service, **change)).status_code == code


def test_who_sees_what(admin, demo, service, registered, found):
    mine = limit(service, project_id=found("projects", "demo"))
    mine = admin.post("/limits", json=mine).json()["limits"][0]
    other = limit(service, project_id=found("projects", "admin"))
    other = admin.post("/limits", json=other).json()["limits"][0]
    assert demo.get("/limits").json()["limits"] == [mine]
    assert demo.get(f"/limits/{mine['id']}").status_code == 200
    assert demo.get(f"/limits/{other['id']}").status_code == 403
    assert demo.get("/registered_limits").status_code == demo.get("/limits/model").status_code == 200
    for answer in (
        demo.post("/limits", json=limit(service, domain_id="default")),
        demo.patch(f"/limits/{mine['id']}", json={"limit": {"resource_limit": 99}}),
        demo.delete(f"/limits/{mine['id']}"),
        demo.delete(f"/registered_limits/{registered['id']}"),
    ):
        assert answer.status_code == 403


@pytest.mark.parametrize("role", ["reader", "manager"])
def test_in_a_domain_one_sees_its_limits_and_its_projects(
    admin, service, registered, make, domain_with, role
):
    domain, _, client = domain_with(role)
    project = make("project", name="p", domain_id=domain["id"])["id"]
    owners = ({"domain_id": domain["id"]}, {"project_id": project}, {"domain_id": "default"})
    bodies = [limit(service, **owner) for owner in owners]
    made = [admin.post("/limits", json=body).json()["limits"][0]["id"] for body in bodies]
    seen = client.get("/limits").json()["limits"]
    assert {each["id"] for each in seen} == set(made[:2])
    seen = client.get("/limits", params={"project_id": project}).json()["limits"]
    assert [each["id"] for each in seen] == made[1:2]


def test_limits_go_with_their_project_and_service(admin, service, registered, make):
    project = make("project", name="p")["id"]
    made = admin.post("/limits", json=limit(service, project_id=project)).json()["limits"][0]
    admin.delete(f"/projects/{project}").raise_for_status()
    assert admin.get(f"/limits/{made['id']}").status_code == 404
    admin.delete(f"/services/{service}").raise_for_status()
    assert admin.get("/registered_limits").json()["registered_limits"] == []


@pytest.fixture
def two_levels(world):
    world.cloud.settings.identity.limit_enforcement_model = "strict_two_level"
    yield
    world.cloud.settings.identity.limit_enforcement_model = "flat"


def test_in_two_levels_no_project_has_more_than_its_domain(
    admin, service, registered, two_levels, make, promised
):
    model = promised("limits_model.index", admin.get("/limits/model"))["model"]
    assert model["name"] == "strict_two_level"
    domain = make("domain", name="d")["id"]
    first = make("project", name="first", domain_id=domain)["id"]
    second = make("project", name="second", domain_id=domain)["id"]

    def ask(value, **whose):
        return admin.post("/limits", json=limit(service, resource_limit=value, **whose))

    refused = ask(6, project_id=first)
    assert (refused.status_code, "doesn't satisfy" in refused.text) == (403, True), "5 is registered"
    assert ask(-1, project_id=first).status_code == 403
    of_first = ask(5, project_id=first).json()["limits"][0]["id"]
    assert ask(4, domain_id=domain).status_code == 403, "a project has more"
    whole = {
        "limits": [
            limit(service, project_id=second)["limits"][0],
            limit(service, domain_id=domain)["limits"][0],
        ]
    }
    assert admin.post("/limits", json=whole).status_code == 201, "9 for both, in one request"
    of_domain = admin.get("/limits", params={"domain_id": domain}).json()["limits"][0]["id"]

    def change(id, value):  # noqa: A002
        return admin.patch(f"/limits/{id}", json={"limit": {"resource_limit": value}}).status_code

    assert change(of_first, 10) == 403
    assert change(of_domain, 8) == 403
    assert change(of_domain, -1) == 200
    assert change(of_first, 10) == 200
    assert change(of_domain, 9) == 403
    assert admin.get(f"/limits/{of_first}").json()["limit"]["resource_limit"] == 10


def test_in_two_levels_trees_are_two_deep(admin, two_levels, make):
    child = make("project", name="b", parent_id=make("project", name="a")["id"])["id"]
    refused = admin.post("/projects", json={"project": {"name": "c", "parent_id": child}})
    assert (refused.status_code, "Max hierarchy depth" in refused.text) == (403, True)
