"""Services, endpoints, regions, and the catalogue that they make."""

import pytest


@pytest.fixture
def service(make):
    return make("service", type="weather", name="rain")


def test_life_of_a_service(admin, promised):
    made = promised("services.create", admin.post("/services", json={"service": {"type": "weather"}}))[
        "service"
    ]
    assert made == {
        "id": made["id"],
        "name": "",
        "type": "weather",
        "enabled": True,
        "links": {"self": made["links"]["self"]},
    }
    path = f"/services/{made['id']}"
    changed = promised(
        "services.update", admin.patch(path, json={"service": {"name": "rain", "description": "d"}})
    )
    assert changed["service"] == made | {"name": "rain", "description": "d"}
    assert promised("services.show", admin.get(path)) == changed
    listed = promised("services.index", admin.get("/services", params={"type": "weather"}))["services"]
    assert listed == [changed["service"]]
    assert admin.get("/services", params={"name": "rain"}).json()["services"] == listed
    assert admin.delete(path).status_code == 204
    assert admin.get(path).json()["error"]["message"] == f"Could not find service: {made['id']}."
    assert admin.patch(path, json={"service": {"name": "x"}}).status_code == 404


@pytest.mark.parametrize(
    "service", [{}, {"name": "x"}, {"type": ""}, {"type": 1}, {"type": "t", "enabled": "x"}]
)
def test_services_that_cannot_be_made(admin, service):
    assert admin.post("/services", json={"service": service}).status_code == 400


def test_life_of_an_endpoint(admin, service, promised):
    body = {
        "service_id": service["id"],
        "interface": "public",
        "url": "http://rain",
        "region_id": "RegionOne",
    }
    made = promised("endpoints.create", admin.post("/endpoints", json={"endpoint": body}))["endpoint"]
    assert made == body | {
        "id": made["id"],
        "region": "RegionOne",
        "enabled": True,
        "links": {"self": made["links"]["self"]},
    }
    path = f"/endpoints/{made['id']}"
    changed = promised("endpoints.update", admin.patch(path, json={"endpoint": {"url": "http://sun"}}))[
        "endpoint"
    ]
    assert changed == made | {"url": "http://sun"}
    assert promised("endpoints.show", admin.get(path))["endpoint"] == changed
    for query in ({"service_id": service["id"]}, {"interface": "public", "service_id": service["id"]}):
        listed = promised("endpoints.index", admin.get("/endpoints", params=query))["endpoints"]
        assert listed == [changed]
    assert admin.get("/endpoints", params={"region_id": "nowhere"}).json()["endpoints"] == []
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404


def test_the_old_name_of_a_region_makes_it(admin, service, make):
    endpoint = make("endpoint", service_id=service["id"], interface="public", url="http://x", region="North")
    assert endpoint["region_id"] == endpoint["region"] == "North"
    assert admin.get("/regions/North").status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"service_id": "nope"},
        {"region_id": "nowhere"},
        {"interface": "secret"},
        {"url": "http://x/%(color)s"},
        {"url": "http://x/$(project_id"},
        {"url": "no address"},
        {"enabled": "x"},
    ],
)
def test_endpoints_that_cannot_be_made_or_changed_so(admin, service, make, change):
    body = {"service_id": service["id"], "interface": "public", "url": "http://x", "region_id": "RegionOne"}
    assert admin.post("/endpoints", json={"endpoint": body | change}).status_code == 400
    endpoint = make("endpoint", **body)
    assert admin.patch(f"/endpoints/{endpoint['id']}", json={"endpoint": change}).status_code == 400
    assert admin.get(f"/endpoints/{endpoint['id']}").json()["endpoint"] == endpoint


def test_a_service_goes_with_its_endpoints(admin, service, make):
    endpoint = make("endpoint", service_id=service["id"], interface="public", url="http://x")
    admin.delete(f"/services/{service['id']}").raise_for_status()
    assert admin.get(f"/endpoints/{endpoint['id']}").status_code == 404


def test_catalogue_fills_places_and_leaves_out_what_it_cannot(admin, service, make, log_in, found, promised):
    for url in ("http://a/%(project_id)s", "http://b/$(tenant_id)s", "http://c/%(user_id)s", "http://d"):
        make("endpoint", service_id=service["id"], interface="public", url=url)
    user = {"name": "admin", "domain": {"id": "default"}}
    project, user_id = found("projects", "admin"), found("users", "admin")

    def urls(scope):
        catalog = log_in(user, scope).json()["token"]["catalog"]
        (entry,) = [each for each in catalog if each["type"] == "weather"]
        return {each["url"] for each in entry["endpoints"]}

    everywhere = {f"http://c/{user_id}", "http://d"}
    in_project = everywhere | {f"http://a/{project}", f"http://b/{project}"}
    assert urls({"project": {"id": project}}) == in_project
    assert urls({"system": {"all": True}}) == everywhere
    catalog = admin.get("/auth/catalog").json()
    assert catalog["links"]["self"].endswith("/v3/auth/catalog")
    assert {each["type"] for each in catalog["catalog"]} == {"identity", "weather"}


def test_what_is_disabled_is_not_in_the_catalogue(admin, service, make):
    endpoint = make("endpoint", service_id=service["id"], interface="public", url="http://x")

    def catalog():
        found = admin.get("/auth/catalog").json()["catalog"]
        return {each["type"]: len(each["endpoints"]) for each in found}

    assert catalog() == {"identity": 3, "weather": 1}
    admin.patch(f"/endpoints/{endpoint['id']}", json={"endpoint": {"enabled": False}}).raise_for_status()
    assert catalog() == {"identity": 3, "weather": 0}
    admin.patch(f"/services/{service['id']}", json={"service": {"enabled": False}}).raise_for_status()
    assert catalog() == {"identity": 3}


def test_life_of_a_region(admin, promised):
    made = promised("regions.create", admin.post("/regions", json={"region": {"id": "North", "color": 1}}))[
        "region"
    ]
    assert made == {
        "id": "North",
        "description": "",
        "parent_region_id": None,
        "color": 1,
        "links": {"self": made["links"]["self"]},
    }
    assert admin.post("/regions", json={"region": {"id": "North"}}).status_code == 409
    child = admin.post("/regions", json={"region": {"parent_region_id": "North"}}).json()["region"]
    assert len(child["id"]) == 32
    listed = promised("regions.index", admin.get("/regions", params={"parent_region_id": "North"}))["regions"]
    assert [each["id"] for each in listed] == [child["id"]]
    changed = promised(
        "regions.update", admin.patch("/regions/North", json={"region": {"description": "cold"}})
    )
    assert changed["region"]["description"] == "cold"
    assert promised("regions.show", admin.get("/regions/North")) == changed
    circle = admin.patch("/regions/North", json={"region": {"parent_region_id": child["id"]}})
    assert circle.status_code == 400
    assert admin.delete("/regions/North").status_code == 204
    assert admin.get(f"/regions/{child['id']}").status_code == 404, "children go along"
    assert admin.delete("/regions/North").status_code == 404


def test_a_region_may_be_put(admin, promised):
    answer = admin.put("/regions/South", json={"region": {"description": "d"}})
    assert answer.status_code == 201
    assert promised("regions.put", answer)["region"]["id"] == "South"
    assert admin.put("/regions/South", json={"region": {}}).status_code == 409
    answer = admin.put("/regions/West", json={"region": {"id": "East"}})
    assert answer.json()["error"]["message"] == 'Conflicting region IDs specified: "West" != "East"'
    assert admin.post("/regions", json={"region": {"parent_region_id": "nowhere"}}).status_code == 404


def test_a_region_with_endpoints_stays(admin, service, make):
    admin.put("/regions/North", json={"region": {}}).raise_for_status()
    make("region", id="Pole", parent_region_id="North")
    make("endpoint", service_id=service["id"], interface="public", url="http://x", region_id="Pole")
    assert admin.delete("/regions/North").status_code == 403
    assert admin.delete("/regions/RegionOne").status_code == 403
    assert admin.get("/regions/Pole").status_code == 200


def test_who_may(demo, service):
    assert demo.get("/regions").status_code == demo.get("/regions/RegionOne").status_code == 200
    for path in ("/services", f"/services/{service['id']}", "/endpoints"):
        assert demo.get(path).status_code == 403
    assert demo.post("/regions", json={"region": {"id": "x"}}).status_code == 403
    assert demo.post("/services", json={"service": {"type": "x"}}).status_code == 403
    assert demo.delete(f"/services/{service['id']}").status_code == 403
    body = {"service_id": service["id"], "interface": "public", "url": "http://x"}
    assert demo.post("/endpoints", json={"endpoint": body}).status_code == 403
