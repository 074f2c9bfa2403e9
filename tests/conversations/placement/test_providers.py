"""Resource providers over HTTP."""

import uuid

import pytest

LATEST = "1.39"
LINKS = ["self", "inventories", "usages", "aggregates", "traits", "allocations"]


def test_the_root_needs_no_token_and_tells_the_versions(world):
    answer = world.api("placement", user=None).get("/")
    assert answer.status_code == 200
    version = answer.json()["versions"][0]
    assert (version["id"], version["min_version"], version["max_version"]) == ("v1.0", "1.0", "1.39")


def test_without_a_token_is_401(world):
    answer = world.api("placement", user=None).get("/resource_providers")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Keystone uri=")


def test_a_member_may_not_see_providers(world):
    answer = world.api("placement", user="demo").at(LATEST, "GET", "/resource_providers")
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["title"] == "Forbidden"


def test_create_answers_201_empty_before_1_20_and_200_with_a_body_after(placement):
    old = placement.at("1.19", "POST", "/resource_providers", json={"name": "old"})
    assert (old.status_code, old.content) == (201, b"")
    assert "/resource_providers/" in old.headers["Location"]
    new = placement.at("1.20", "POST", "/resource_providers", json={"name": "new"})
    assert new.status_code == 200
    assert new.headers["Cache-Control"] == "no-cache"
    assert "Last-Modified" in new.headers
    body = new.json()
    assert body["generation"] == 0
    assert body["root_provider_uuid"] == body["uuid"]
    assert body["parent_provider_uuid"] is None
    assert [link["rel"] for link in body["links"]] == LINKS


def test_without_a_version_header_1_0_is_spoken(placement):
    placement.post("/resource_providers", json={"name": "a"})
    answer = placement.get("/resource_providers")
    assert answer.headers["openstack-api-version"] == "placement 1.0"
    assert "Last-Modified" not in answer.headers
    provider = answer.json()["resource_providers"][0]
    assert [link["rel"] for link in provider["links"]] == ["self", "inventories", "usages"]
    assert "root_provider_uuid" not in provider


def test_an_unknown_version_is_406_with_the_limits(placement):
    answer = placement.at("1.99", "GET", "/resource_providers")
    assert answer.status_code == 406
    assert "openstack-api-version" not in answer.headers
    error = answer.json()["errors"][0]
    assert (error["min_version"], error["max_version"]) == ("1.0", "1.39")


def test_a_version_that_is_none_is_400(placement):
    assert placement.at("one", "GET", "/resource_providers").status_code == 400


def test_a_taken_name_and_a_taken_uuid_are_409_with_a_code(placement):
    mine = str(uuid.uuid4())
    assert placement.at(LATEST, "POST", "/resource_providers", json={"name": "a", "uuid": mine}).is_success
    for body in ({"name": "a"}, {"name": "b", "uuid": mine}):
        answer = placement.at(LATEST, "POST", "/resource_providers", json=body)
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["code"] == "placement.duplicate_name"


def test_errors_have_codes_from_1_23_on(placement):
    path = f"/resource_providers/{uuid.uuid4()}"
    assert "code" not in placement.at("1.22", "GET", path).json()["errors"][0]
    answer = placement.at("1.23", "GET", path)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "placement.undefined_code"
    assert "Vary" not in answer.headers


def test_bad_bodies_are_400_in_words(placement):
    for body in (
        {},
        {"name": 5},
        {"name": "x" * 201},
        {"name": "a", "uuid": "1"},
        {"name": "a", "extra": 1},
        [],
    ):
        answer = placement.at(LATEST, "POST", "/resource_providers", json=body)
        assert answer.status_code == 400, body
        assert answer.json()["errors"][0]["detail"]
    answer = placement.at(
        LATEST, "POST", "/resource_providers", content=b"{", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    answer = placement.at(
        LATEST, "POST", "/resource_providers", content=b"x", headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 415


def test_an_unknown_path_is_404_and_a_wrong_method_405(placement):
    assert placement.get("/nope").status_code == 404
    answer = placement.patch("/resource_providers")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, POST"


def test_rename_show_and_delete(placement, host):
    answer = placement.at(LATEST, "PUT", f"/resource_providers/{host}", json={"name": "host-b"})
    assert answer.json()["name"] == "host-b"
    assert placement.at(LATEST, "GET", f"/resource_providers/{host}").json()["name"] == "host-b"
    answer = placement.at(LATEST, "DELETE", f"/resource_providers/{host}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert placement.at(LATEST, "GET", f"/resource_providers/{host}").status_code == 404
    assert placement.at(LATEST, "DELETE", f"/resource_providers/{host}").status_code == 404


def test_a_tree_keeps_its_root_and_a_parent_cannot_be_deleted(placement, host):
    make = {"name": "cell", "parent_provider_uuid": host}
    cell = placement.at(LATEST, "POST", "/resource_providers", json=make).json()
    assert cell["root_provider_uuid"] == host
    answer = placement.at(LATEST, "DELETE", f"/resource_providers/{host}")
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "placement.resource_provider.cannot_delete_parent"
    found = placement.at(LATEST, "GET", "/resource_providers", params={"in_tree": cell["uuid"]}).json()
    assert {each["name"] for each in found["resource_providers"]} == {"host-a", "cell"}


def test_a_provider_cannot_become_its_own_ancestor(placement, host):
    make = {"name": "cell", "parent_provider_uuid": host}
    cell = placement.at(LATEST, "POST", "/resource_providers", json=make).json()
    answer = placement.at(
        LATEST,
        "PUT",
        f"/resource_providers/{host}",
        json={"name": "host-a", "parent_provider_uuid": cell["uuid"]},
    )
    assert answer.status_code == 400


def test_another_parent_is_refused_before_1_37_and_moves_the_subtree_after(placement, host):
    other = placement.at(LATEST, "POST", "/resource_providers", json={"name": "other"}).json()["uuid"]
    cell = placement.at(
        LATEST, "POST", "/resource_providers", json={"name": "cell", "parent_provider_uuid": host}
    ).json()["uuid"]
    leaf = placement.at(
        LATEST, "POST", "/resource_providers", json={"name": "leaf", "parent_provider_uuid": cell}
    ).json()["uuid"]
    move = {"name": "cell", "parent_provider_uuid": other}
    assert placement.at("1.36", "PUT", f"/resource_providers/{cell}", json=move).status_code == 400
    assert placement.at("1.37", "PUT", f"/resource_providers/{cell}", json=move).status_code == 200
    assert placement.at(LATEST, "GET", f"/resource_providers/{leaf}").json()["root_provider_uuid"] == other


def test_lists_filter_by_name_room_traits_and_aggregates(placement, host):
    placement.at(LATEST, "POST", "/resource_providers", json={"name": "empty"})
    group = str(uuid.uuid4())
    placement.at("1.18", "PUT", f"/resource_providers/{host}/aggregates", json=[group])
    generation = placement.at(LATEST, "GET", f"/resource_providers/{host}").json()["generation"]
    placement.at(
        LATEST,
        "PUT",
        f"/resource_providers/{host}/traits",
        json={"resource_provider_generation": generation, "traits": ["HW_CPU_X86_AVX2"]},
    )

    def names(**query):
        answer = placement.at(LATEST, "GET", "/resource_providers", params=query)
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json()["resource_providers"]]

    assert names() == ["host-a", "empty"]
    assert names(name="empty") == ["empty"]
    assert names(resources="VCPU:8,MEMORY_MB:4096") == ["host-a"]
    assert names(resources="VCPU:9") == []
    assert names(required="HW_CPU_X86_AVX2") == ["host-a"]
    assert names(required="!HW_CPU_X86_AVX2") == ["empty"]
    assert names(required="in:HW_CPU_X86_AVX2,HW_CPU_X86_AVX") == ["host-a"]
    assert names(member_of=group) == ["host-a"]
    assert names(member_of="!" + group) == ["empty"]
    assert names(member_of=f"in:{group},{uuid.uuid4()}") == ["host-a"]


def test_bad_filters_are_400_in_words(placement):
    bad = (
        {"resources": "VCPU"},
        {"resources": "VCPU:0"},
        {"resources": "NOPE:1"},
        {"required": "NOPE"},
        {"required": ""},
        {"member_of": "x"},
        {"uuid": "x"},
        {"nope": "1"},
        {"resources": "VCPU:" + "9" * 30},
    )
    for query in bad:
        answer = placement.at(LATEST, "GET", "/resource_providers", params=query)
        assert answer.status_code == 400, query


def test_what_came_later_is_404_for_an_older_version(placement, host):
    assert placement.at("1.0", "GET", f"/resource_providers/{host}/traits").status_code == 404
    assert placement.at("1.0", "GET", "/resource_classes").status_code == 404
    assert placement.at("1.9", "GET", "/allocation_candidates?resources=VCPU:1").status_code == 404


def test_the_root_is_dated_from_1_15_on(world):
    root = world.api("placement", user=None)
    assert "Last-Modified" not in root.at("1.14", "GET", "/").headers
    answer = root.at("1.15", "GET", "/")
    assert answer.headers["Cache-Control"] == "no-cache" and "Last-Modified" in answer.headers


def test_an_unknown_path_speaks_the_version_that_was_asked_for(placement):
    answer = placement.at("1.23", "GET", "/nothing/here")
    assert (answer.status_code, answer.headers["openstack-api-version"]) == (404, "placement 1.23")
    assert answer.json()["errors"][0]["code"] == "placement.undefined_code"
    assert "code" not in placement.at("1.22", "GET", "/nothing/here").json()["errors"][0]
    assert placement.at("1.23", "PATCH", "/resource_providers").json()["errors"][0]["code"]
    assert placement.at("1.99", "GET", "/nothing/here").status_code == 406


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/plain", 406),
        ("application/json;q=0, text/html", 406),
        ("text/html, */*;q=0.1", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/*", 200),
    ],
)
def test_who_does_not_take_json_gets_406(placement, accept, status):
    answer = placement.at(LATEST, "GET", "/resource_providers", headers={"Accept": accept})
    assert answer.status_code == status
    if status == 406:
        assert "max_version" not in answer.json()["errors"][0], "it is not the version that is refused"
    assert placement.at(LATEST, "GET", "/", headers={"Accept": accept}).status_code == 200


def test_what_a_version_does_not_have_is_404_before_its_body_is_looked_at(placement):
    answer = placement.at(
        "1.1", "POST", "/resource_classes", content=b"x", headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 404


def test_up_to_1_38_the_last_required_counts(placement):
    placement.at(LATEST, "PUT", "/traits/CUSTOM_A").raise_for_status()
    host = placement.at(LATEST, "POST", "/resource_providers", json={"name": "host"}).json()["uuid"]
    traits = {"traits": ["CUSTOM_A"], "resource_provider_generation": 0}
    placement.at(LATEST, "PUT", f"/resource_providers/{host}/traits", json=traits).raise_for_status()
    path = "/resource_providers?required=HW_CPU_X86_AVX2&required=CUSTOM_A"
    assert len(placement.at("1.38", "GET", path).json()["resource_providers"]) == 1
    assert placement.at("1.39", "GET", path).json()["resource_providers"] == []
