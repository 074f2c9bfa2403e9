"""Inventories, traits, aggregates and resource classes over HTTP."""

import uuid

import pytest

LATEST = "1.39"


def generation(placement, host):
    return placement.at(LATEST, "GET", f"/resource_providers/{host}").json()["generation"]


def test_defaults_are_filled_in_and_the_generation_counts(placement, host):
    answer = placement.at(LATEST, "GET", f"/resource_providers/{host}/inventories").json()
    assert answer == {
        "resource_provider_generation": 1,
        "inventories": {
            "VCPU": {
                "total": 8,
                "reserved": 0,
                "min_unit": 1,
                "max_unit": 8,
                "step_size": 1,
                "allocation_ratio": 2.0,
            },
            "MEMORY_MB": {
                "total": 4096,
                "reserved": 0,
                "min_unit": 1,
                "max_unit": 2147483647,
                "step_size": 1,
                "allocation_ratio": 1.0,
            },
        },
    }


def test_an_old_generation_is_409(placement, host):
    body = {"resource_provider_generation": 0, "inventories": {}}
    answer = placement.at(LATEST, "PUT", f"/resource_providers/{host}/inventories", json=body)
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "placement.concurrent_update"


def test_one_class_is_added_changed_and_removed(placement, host):
    path = f"/resource_providers/{host}/inventories"
    added = placement.at(LATEST, "POST", path, json={"resource_class": "DISK_GB", "total": 10})
    assert added.status_code == 201
    assert added.json()["resource_provider_generation"] == 2
    assert (
        placement.at(LATEST, "POST", path, json={"resource_class": "DISK_GB", "total": 10}).status_code == 409
    )
    changed = placement.at(
        LATEST, "PUT", path + "/DISK_GB", json={"resource_provider_generation": 2, "total": 20}
    )
    assert (changed.status_code, changed.json()["total"]) == (200, 20)
    assert placement.at(LATEST, "GET", path + "/DISK_GB").json()["total"] == 20
    assert placement.at(LATEST, "DELETE", path + "/DISK_GB").status_code == 204
    assert placement.at(LATEST, "GET", path + "/DISK_GB").status_code == 404
    assert placement.at(LATEST, "DELETE", path + "/DISK_GB").status_code == 404


@pytest.mark.parametrize(
    "inventory",
    [
        {"total": 0},
        {"total": 2**31},
        {"total": 4, "reserved": 5},
        {"total": 4, "allocation_ratio": 0},
        {"total": 4, "allocation_ratio": 1e39},
        {"total": "4"},
        {"total": 4, "step_size": 0},
        {},
    ],
)
def test_an_impossible_inventory_is_400(placement, host, inventory):
    body = {"resource_provider_generation": 1, "inventories": {"DISK_GB": inventory}}
    answer = placement.at(LATEST, "PUT", f"/resource_providers/{host}/inventories", json=body)
    assert answer.status_code == 400
    assert generation(placement, host) == 1


def test_all_reserved_is_allowed_from_1_26_on(placement, host):
    body = {"resource_provider_generation": 1, "inventories": {"DISK_GB": {"total": 4, "reserved": 4}}}
    path = f"/resource_providers/{host}/inventories"
    assert placement.at("1.25", "PUT", path, json=body).status_code == 400
    assert placement.at("1.26", "PUT", path, json=body).status_code == 200


def test_a_class_in_use_cannot_be_removed(placement, host):
    consumer = {
        "allocations": {host: {"resources": {"VCPU": 1}}},
        "project_id": "p",
        "user_id": "u",
        "consumer_generation": None,
        "consumer_type": "INSTANCE",
    }
    assert placement.at(LATEST, "PUT", f"/allocations/{uuid.uuid4()}", json=consumer).status_code == 204
    path = f"/resource_providers/{host}/inventories"
    for answer in (
        placement.at(LATEST, "DELETE", path + "/VCPU"),
        placement.at(LATEST, "DELETE", path),
        placement.at(LATEST, "PUT", path, json={"resource_provider_generation": 2, "inventories": {}}),
    ):
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["code"] == "placement.inventory.inuse"
    assert "VCPU" in placement.at(LATEST, "GET", path).json()["inventories"]


def test_own_classes_are_made_used_and_deleted(placement, host):
    assert placement.at("1.2", "POST", "/resource_classes", json={"name": "CUSTOM_GOLD"}).status_code == 201
    assert placement.at("1.2", "POST", "/resource_classes", json={"name": "CUSTOM_GOLD"}).status_code == 409
    assert placement.at(LATEST, "PUT", "/resource_classes/CUSTOM_GOLD").status_code == 204
    assert placement.at(LATEST, "PUT", "/resource_classes/CUSTOM_IRON").status_code == 201
    assert placement.at(LATEST, "PUT", "/resource_classes/GOLD").status_code == 400
    names = [
        each["name"] for each in placement.at(LATEST, "GET", "/resource_classes").json()["resource_classes"]
    ]
    assert names[0] == "VCPU"
    assert names[-2:] == ["CUSTOM_GOLD", "CUSTOM_IRON"]
    body = {"resource_provider_generation": 1, "inventories": {"CUSTOM_GOLD": {"total": 1}}}
    assert (
        placement.at(LATEST, "PUT", f"/resource_providers/{host}/inventories", json=body).status_code == 200
    )
    assert placement.at(LATEST, "DELETE", "/resource_classes/CUSTOM_GOLD").status_code == 409
    assert placement.at(LATEST, "DELETE", "/resource_classes/CUSTOM_IRON").status_code == 204
    assert placement.at(LATEST, "GET", "/resource_classes/CUSTOM_IRON").status_code == 404
    assert placement.at(LATEST, "DELETE", "/resource_classes/VCPU").status_code == 400
    assert (
        placement.at("1.6", "PUT", "/resource_classes/CUSTOM_GOLD", json={"name": "CUSTOM_ORE"}).status_code
        == 409
    )


def test_an_unknown_class_is_400(placement, host):
    body = {"resource_provider_generation": 1, "inventories": {"CUSTOM_NONE": {"total": 1}}}
    assert (
        placement.at(LATEST, "PUT", f"/resource_providers/{host}/inventories", json=body).status_code == 400
    )


def test_traits_of_the_cloud(placement):
    found = placement.at(LATEST, "GET", "/traits", params={"name": "startswith:HW_CPU_X86_AVX"}).json()[
        "traits"
    ]
    assert len(found) == 18
    assert placement.at(LATEST, "PUT", "/traits/CUSTOM_FAST").status_code == 201
    assert placement.at(LATEST, "PUT", "/traits/CUSTOM_FAST").status_code == 204
    assert placement.at(LATEST, "PUT", "/traits/FAST").status_code == 400
    assert placement.at(LATEST, "GET", "/traits/CUSTOM_FAST").status_code == 204
    named = placement.at(LATEST, "GET", "/traits", params={"name": "in:CUSTOM_FAST,HW_CPU_X86_AVX,NO"}).json()
    assert named["traits"] == ["HW_CPU_X86_AVX", "CUSTOM_FAST"]
    assert placement.at(LATEST, "GET", "/traits", params={"name": "CUSTOM_FAST"}).status_code == 400
    assert placement.at(LATEST, "GET", "/traits", params={"associated": "perhaps"}).status_code == 400
    assert placement.at(LATEST, "DELETE", "/traits/HW_CPU_X86_AVX").status_code == 400
    assert placement.at(LATEST, "DELETE", "/traits/CUSTOM_FAST").status_code == 204
    assert placement.at(LATEST, "DELETE", "/traits/CUSTOM_FAST").status_code == 404


def test_traits_of_a_provider(placement, host):
    placement.at(LATEST, "PUT", "/traits/CUSTOM_FAST")
    path = f"/resource_providers/{host}/traits"
    body = {"resource_provider_generation": 1, "traits": ["CUSTOM_FAST", "HW_CPU_X86_AVX"]}
    answer = placement.at(LATEST, "PUT", path, json=body)
    assert answer.json() == {"traits": ["CUSTOM_FAST", "HW_CPU_X86_AVX"], "resource_provider_generation": 2}
    assert placement.at(LATEST, "PUT", path, json=body).status_code == 409
    used = placement.at(LATEST, "GET", "/traits", params={"associated": "true"}).json()["traits"]
    assert used == ["HW_CPU_X86_AVX", "CUSTOM_FAST"]
    assert placement.at(LATEST, "DELETE", "/traits/CUSTOM_FAST").status_code == 409
    strange = {"resource_provider_generation": 2, "traits": ["NOPE"]}
    assert placement.at(LATEST, "PUT", path, json=strange).status_code == 400
    assert placement.at(LATEST, "DELETE", path).status_code == 204
    assert placement.at(LATEST, "GET", path).json() == {"traits": [], "resource_provider_generation": 3}


def test_aggregates_take_a_bare_list_before_1_19_and_a_generation_after(placement, host):
    path, group = f"/resource_providers/{host}/aggregates", str(uuid.uuid4())
    assert placement.at("1.18", "PUT", path, json=[group]).json() == {"aggregates": [group]}
    body = {"aggregates": [], "resource_provider_generation": 1}
    assert placement.at("1.19", "PUT", path, json=body).json() == {
        "aggregates": [],
        "resource_provider_generation": 2,
    }
    assert placement.at("1.19", "PUT", path, json=body).status_code == 409
    assert placement.at("1.19", "PUT", path, json=[group]).status_code == 400
    assert placement.at("1.18", "PUT", path, json=["x"]).status_code == 400
