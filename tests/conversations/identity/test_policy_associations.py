"""Which of the kept policies is meant for an endpoint."""

import pytest


@pytest.fixture
def policy(admin):
    def create():
        asked = {"policy": {"type": "application/json", "blob": "{}"}}
        return admin.post("/policies", json=asked).json()["policy"]["id"]

    return create


@pytest.fixture
def place(admin, make):
    """A service with an endpoint in a region below another."""
    make("region", id="country")
    make("region", id="town", parent_region_id="country")
    service = make("service", type="new")["id"]
    endpoint = make("endpoint", service_id=service, interface="public", url="http://x/", region_id="town")
    return {"service": service, "endpoint": endpoint["id"]}


def at(policy_id, *words):
    return "/".join([f"/policies/{policy_id}/OS-ENDPOINT-POLICY", *words])


def meant(admin, endpoint):
    answer = admin.get(f"/endpoints/{endpoint}/OS-ENDPOINT-POLICY/policy")
    return answer.json()["policy"]["id"] if answer.status_code == 200 else None


def test_the_nearest_association_decides(admin, policy, place):
    endpoint, service = place["endpoint"], place["service"]
    anywhere, country, town, own = (policy() for _ in range(4))
    assert meant(admin, endpoint) is None
    for policy_id, words in (
        (anywhere, ("services", service)),
        (country, ("services", service, "regions", "country")),
        (town, ("services", service, "regions", "town")),
        (own, ("endpoints", endpoint)),
    ):
        path = at(policy_id, *words)
        absent = admin.get(path)
        assert absent.status_code == 404
        assert absent.json()["error"]["message"] == "Could not find policy association."
        assert admin.put(path).status_code == 204
        assert admin.put(path).status_code == 204
        assert (admin.get(path).status_code, admin.head(path).status_code) == (204, 204)
        assert meant(admin, endpoint) == policy_id
        listed = admin.get(at(policy_id, "endpoints")).json()["endpoints"]
        assert [each["id"] for each in listed] == [endpoint]
    assert admin.delete(at(own, "endpoints", endpoint)).status_code == 204
    assert meant(admin, endpoint) == town
    assert admin.delete(at(own, "endpoints", endpoint)).status_code == 204


def test_a_place_has_one_policy(admin, policy, place):
    first, second = policy(), policy()
    for policy_id in (first, second):
        assert admin.put(at(policy_id, "services", place["service"])).status_code == 204
    assert admin.get(at(first, "services", place["service"])).status_code == 404
    assert admin.delete(at(first, "services", place["service"])).status_code == 204
    assert meant(admin, place["endpoint"]) == second


def test_no_policy_is_told(admin, place):
    answer = admin.get(f"/endpoints/{place['endpoint']}/OS-ENDPOINT-POLICY/policy")
    assert answer.status_code == 404
    words = f"No policy is associated with endpoint {place['endpoint']}."
    assert answer.json()["error"]["message"] == words


def test_what_does_not_exist_is_told(admin, policy, place):
    made = policy()
    for path in (
        at("nope", "endpoints", place["endpoint"]),
        at(made, "endpoints", "nope"),
        at(made, "services", "nope"),
        at(made, "services", place["service"], "regions", "nope"),
    ):
        assert [admin.request(verb, path).status_code for verb in ("PUT", "GET", "DELETE")] == [404] * 3
    assert admin.get(at("nope", "endpoints")).status_code == 404
    assert admin.get("/endpoints/nope/OS-ENDPOINT-POLICY/policy").status_code == 404


@pytest.mark.parametrize("gone", ["policy", "service", "endpoint", "region"])
def test_associations_end_with_what_they_name(admin, policy, place, gone):
    made = policy()
    service, endpoint = place["service"], place["endpoint"]
    for words in (("services", service, "regions", "country"), ("endpoints", endpoint)):
        assert admin.put(at(made, *words)).status_code == 204
    if gone == "region":
        away = {"endpoint": {"region_id": None}}
        assert admin.patch(f"/endpoints/{endpoint}", json=away).status_code == 200
    path = {
        "policy": f"/policies/{made}",
        "service": f"/services/{service}",
        "endpoint": f"/endpoints/{endpoint}",
        "region": "/regions/country",
    }[gone]
    assert admin.delete(path).status_code == 204
    if gone == "policy":
        assert meant(admin, endpoint) is None
        return
    listed = admin.get(at(made, "endpoints")).json()["endpoints"]
    assert [each["id"] for each in listed] == ([endpoint] if gone == "region" else [])


def test_members_neither_see_nor_make_associations(demo, policy, place):
    path = at(policy(), "services", place["service"])
    assert [demo.request(verb, path).status_code for verb in ("PUT", "GET", "DELETE")] == [403] * 3


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "/policies"), ("DELETE", "/policies"), ("POST", "/policies/some")]
)
def test_a_mixed_up_policy_request_is_told_so(admin, demo, method, path):
    for client in (admin, demo):
        answer = client.request(method, path)
        assert answer.status_code == 400
        assert "made by POST /v3/policies" in answer.json()["error"]["message"]
