"""Endpoint filters: which endpoints the catalogue of a project has."""

import pytest

GROUPS = "/OS-EP-FILTER/endpoint_groups"


@pytest.fixture
def group(admin):
    """`group(interface="public")`: a new endpoint group."""

    def create(code=201, name="some", **filters):
        asked = {"endpoint_group": {"name": name, "filters": filters}}
        answer = admin.post(GROUPS, json=asked)
        assert answer.status_code == code, answer.text
        return answer.json().get("endpoint_group") or answer.json()["error"]["message"]

    return create


@pytest.fixture
def catalog(demo):
    """What the catalogue of the project demo has: (type of service, interface), in order."""

    def read():
        return sorted(
            (service["type"], endpoint["interface"])
            for service in demo.get("/auth/catalog").json()["catalog"]
            for endpoint in service["endpoints"] or [{"interface": None}]
        )

    return read


EVERYTHING = [("identity", "admin"), ("identity", "internal"), ("identity", "public")]


def test_life(admin, group, promised):
    made = group(interface="public", region_id="RegionOne")
    assert made["description"] is None
    assert made["filters"] == {"interface": "public", "region_id": "RegionOne"}
    path = f"{GROUPS}/{made['id']}"
    assert made["links"]["self"].endswith("/v3" + path)
    assert promised("endpoint_groups.show", admin.get(path))["endpoint_group"] == made
    assert admin.head(path).status_code == 200
    assert promised("endpoint_groups.index", admin.get(GROUPS))["endpoint_groups"] == [made]
    assert admin.get(GROUPS, params={"name": "other"}).json()["endpoint_groups"] == []
    assert admin.get(GROUPS, params={"colour": "red"}).status_code == 400
    changed = admin.patch(path, json={"endpoint_group": {"description": "x", "filters": {}}})
    assert promised("endpoint_groups.update", changed)["endpoint_group"] == made | {
        "description": "x",
        "filters": {},
    }
    assert admin.delete(path).status_code == 204
    assert admin.get(path).json()["error"]["message"] == f"Could not find Endpoint Group: {made['id']}."


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({}, "filters field is required"),
        ({"zone": "a"}, "service_id or region_id or interface"),
        ({"enabled": True}, "service_id or region_id or interface"),
        ({"interface": "private"}, "interface"),
        ({"service_id": 5}, "service_id"),
    ],
)
def test_what_is_no_filter_is_refused(group, filters, words):
    assert words in group(400, **filters)


def test_only_an_administrator_filters(demo, group, found):
    made, project = group(interface="public"), found("projects", "demo")
    for method, path in (
        ("GET", GROUPS),
        ("GET", f"{GROUPS}/{made['id']}"),
        ("DELETE", f"{GROUPS}/{made['id']}"),
        ("PUT", f"{GROUPS}/{made['id']}/projects/{project}"),
        ("GET", f"/OS-EP-FILTER/projects/{project}/endpoints"),
    ):
        assert demo.request(method, path).status_code == 403


def test_a_project_sees_the_endpoints_that_it_is_given(admin, demo, found, catalog):
    assert catalog() == EVERYTHING
    project = found("projects", "demo")
    by_interface = {each["interface"]: each for each in admin.get("/endpoints").json()["endpoints"]}
    path = f"/OS-EP-FILTER/projects/{project}/endpoints/{by_interface['public']['id']}"
    absent = f"Endpoint {by_interface['public']['id']} not found in project {project}"
    assert admin.get(path).json()["error"]["message"] == absent
    assert admin.put(path).status_code == 204
    assert admin.put(path).status_code == 409
    assert (admin.get(path).status_code, admin.head(path).status_code) == (204, 204)
    assert catalog() == [("identity", "public")]
    listed = admin.get(f"/OS-EP-FILTER/projects/{project}/endpoints").json()["endpoints"]
    assert listed == [by_interface["public"]]
    given = admin.get(f"/OS-EP-FILTER/endpoints/{by_interface['public']['id']}/projects").json()
    assert [each["id"] for each in given["projects"]] == [project]
    assert given["links"] | {"self": ""} == {"next": None, "previous": None, "self": ""}
    assert admin.delete(path).status_code == 204
    assert admin.delete(path).json()["error"]["message"] == absent
    assert catalog() == EVERYTHING


def test_a_group_gives_what_fits_it_now(admin, make, found, group, catalog):
    project = found("projects", "demo")
    made = group(interface="admin")
    path = f"{GROUPS}/{made['id']}/projects/{project}"
    assert admin.get(path).json()["error"]["message"] == "Endpoint Group Project Association not found"
    assert admin.put(path).status_code == 204
    assert admin.put(path).status_code == 409
    shown = admin.get(path).json()["project_endpoint_group"]
    assert shown == {
        "endpoint_group_id": made["id"],
        "project_id": project,
        "links": {"self": f"/OS-EP-FILTER/endpoint_groups/{made['id']}/projects/{project}"},
    }
    assert admin.head(path).status_code == 200
    assert catalog() == [("identity", "admin")]
    service = make("service", type="new", name="new")
    make("endpoint", service_id=service["id"], interface="admin", url="http://x/", region_id="RegionOne")
    assert catalog() == [("identity", "admin"), ("new", "admin")]
    fitting = admin.get(f"{GROUPS}/{made['id']}/endpoints").json()["endpoints"]
    assert {each["interface"] for each in fitting} == {"admin"}
    assert len(fitting) == 2
    having = admin.get(f"{GROUPS}/{made['id']}/projects").json()["projects"]
    assert [each["id"] for each in having] == [project]
    groups = admin.get(f"/OS-EP-FILTER/projects/{project}/endpoint_groups").json()["endpoint_groups"]
    assert groups == [made]
    changed = {"endpoint_group": {"filters": {"interface": "internal"}}}
    assert admin.patch(f"{GROUPS}/{made['id']}", json=changed).status_code == 200
    assert catalog() == [("identity", "internal")]
    assert admin.delete(path).status_code == 204
    assert admin.delete(path).status_code == 404
    assert ("identity", "public") in catalog()


def test_a_token_carries_what_the_filter_leaves(admin, found, group, log_in):
    project = found("projects", "demo")
    admin.put(f"{GROUPS}/{group(interface='public')['id']}/projects/{project}")
    scope = {"project": {"id": project}}
    token = log_in({"name": "demo", "domain": {"id": "default"}}, scope).json()["token"]
    (service,) = token["catalog"]
    assert [each["interface"] for each in service["endpoints"]] == ["public"]


def test_a_disabled_endpoint_filters_but_is_not_told(admin, found, catalog):
    project = found("projects", "demo")
    endpoint = admin.get("/endpoints", params={"interface": "public"}).json()["endpoints"][0]["id"]
    admin.put(f"/OS-EP-FILTER/projects/{project}/endpoints/{endpoint}")
    admin.patch(f"/endpoints/{endpoint}", json={"endpoint": {"enabled": False}})
    assert catalog() == []


def test_what_does_not_exist_is_told(admin, found, group):
    project, made = found("projects", "demo"), group(interface="public")
    endpoint = admin.get("/endpoints").json()["endpoints"][0]["id"]
    for path in (
        "/OS-EP-FILTER/projects/nope/endpoints",
        "/OS-EP-FILTER/projects/nope/endpoint_groups",
        "/OS-EP-FILTER/endpoints/nope/projects",
        f"{GROUPS}/nope/endpoints",
        f"{GROUPS}/nope/projects/{project}",
        f"{GROUPS}/{made['id']}/projects/nope",
    ):
        assert admin.get(path).status_code == 404, path
    assert admin.put(f"/OS-EP-FILTER/projects/nope/endpoints/{endpoint}").status_code == 404
    assert admin.put(f"/OS-EP-FILTER/projects/{project}/endpoints/nope").status_code == 404
    assert admin.get(f"{GROUPS}/nope/projects").json()["projects"] == []


@pytest.mark.parametrize("gone", ["project", "endpoint", "group", "service"])
def test_what_is_deleted_is_given_to_nobody(admin, make, group, gone):
    project = make("project", name="short")["id"]
    service = make("service", type="new")["id"]
    endpoint = make("endpoint", service_id=service, interface="public", url="http://x/")["id"]
    made = group(service_id=service)["id"]
    assert admin.put(f"{GROUPS}/{made}/projects/{project}").status_code == 204
    assert admin.put(f"/OS-EP-FILTER/projects/{project}/endpoints/{endpoint}").status_code == 204
    path = {
        "project": f"/projects/{project}",
        "endpoint": f"/endpoints/{endpoint}",
        "group": f"{GROUPS}/{made}",
        "service": f"/services/{service}",
    }[gone]
    assert admin.delete(path).status_code == 204
    if gone == "project":
        assert admin.get(f"{GROUPS}/{made}/projects").json()["projects"] == []
        assert admin.get(f"/OS-EP-FILTER/endpoints/{endpoint}/projects").json()["projects"] == []
        return
    left = admin.get(f"/OS-EP-FILTER/projects/{project}/endpoints").json()["endpoints"]
    assert [each["id"] for each in left] == ([endpoint] if gone == "group" else [])


def test_without_filters_a_catalogue_may_be_empty(world, make, catalog):
    """A setting decides it; it takes effect with the next start, here with the next change."""
    settings = world.cloud.cloud.settings.identity
    settings.return_all_endpoints_if_no_filter = False
    try:
        make("service", type="new")
        assert catalog() == []
    finally:
        settings.return_all_endpoints_if_no_filter = True
