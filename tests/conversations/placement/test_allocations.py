"""Allocations, usages and candidates over HTTP."""

import uuid

import pytest

LATEST = "1.39"


def body(host, consumer_generation=None, **resources):
    held = {host: {"resources": resources}} if resources else {}
    return {
        "allocations": held,
        "project_id": "project",
        "user_id": "user",
        "consumer_generation": consumer_generation,
        "consumer_type": "INSTANCE",
    }


def used(placement, host):
    return placement.at(LATEST, "GET", f"/resource_providers/{host}/usages").json()["usages"]


def test_allocations_are_written_read_and_deleted(placement, host):
    path = f"/allocations/{uuid.uuid4()}"
    assert placement.at(LATEST, "GET", path).json() == {"allocations": {}}
    answer = placement.at(LATEST, "PUT", path, json=body(host, VCPU=2, MEMORY_MB=512))
    assert (answer.status_code, answer.content) == (204, b"")
    assert placement.at(LATEST, "GET", path).json() == {
        "allocations": {host: {"resources": {"VCPU": 2, "MEMORY_MB": 512}, "generation": 2}},
        "project_id": "project",
        "user_id": "user",
        "consumer_generation": 1,
        "consumer_type": "INSTANCE",
    }
    assert used(placement, host) == {"VCPU": 2, "MEMORY_MB": 512}
    assert placement.at(LATEST, "DELETE", f"/resource_providers/{host}").status_code == 409
    assert placement.at(LATEST, "DELETE", path).status_code == 204
    assert placement.at(LATEST, "DELETE", path).status_code == 404
    assert used(placement, host) == {"VCPU": 0, "MEMORY_MB": 0}


def test_more_than_there_is_is_409_and_nothing_is_taken(placement, host):
    answer = placement.at(
        LATEST, "PUT", f"/allocations/{uuid.uuid4()}", json=body(host, MEMORY_MB=1, VCPU=17)
    )
    assert answer.status_code == 409
    answer = placement.at(LATEST, "PUT", f"/allocations/{uuid.uuid4()}", json=body(host, MEMORY_MB=4097))
    assert "exceed the capacity" in answer.json()["errors"][0]["detail"]
    assert used(placement, host) == {"VCPU": 0, "MEMORY_MB": 0}


def test_the_last_unit_goes_to_one(placement, host):
    for expected in (204, 204, 409):
        answer = placement.at(LATEST, "PUT", f"/allocations/{uuid.uuid4()}", json=body(host, VCPU=8))
        assert answer.status_code == expected


def test_units_of_an_amount_are_respected(placement, host):
    answer = placement.at(LATEST, "PUT", f"/allocations/{uuid.uuid4()}", json=body(host, VCPU=9))
    assert answer.status_code == 409
    assert "inventory constraints" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"VCPU": 0},
        {"VCPU": -1},
        {"VCPU": "1"},
        {"NOPE": 1},
        {"VCPU": 10**30},
    ],
)
def test_impossible_amounts_are_refused(placement, host, wrong):
    answer = placement.at(LATEST, "PUT", f"/allocations/{uuid.uuid4()}", json=body(host, **wrong))
    assert answer.status_code in (400, 409)
    assert used(placement, host) == {"VCPU": 0, "MEMORY_MB": 0}


def test_an_unknown_provider_and_a_consumer_that_is_no_uuid_are_400(placement, host):
    answer = placement.at(LATEST, "PUT", f"/allocations/{uuid.uuid4()}", json=body(str(uuid.uuid4()), VCPU=1))
    assert answer.status_code == 400
    assert placement.at(LATEST, "PUT", "/allocations/me", json=body(host, VCPU=1)).status_code == 400


def test_the_consumer_generation_guards_against_an_old_reader(placement, host):
    path = f"/allocations/{uuid.uuid4()}"
    assert placement.at(LATEST, "PUT", path, json=body(host, 1, VCPU=1)).status_code == 409
    assert placement.at(LATEST, "PUT", path, json=body(host, VCPU=1)).status_code == 204
    answer = placement.at(LATEST, "PUT", path, json=body(host, VCPU=2))
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "placement.concurrent_update"
    assert placement.at(LATEST, "PUT", path, json=body(host, 1, VCPU=2)).status_code == 204
    assert used(placement, host)["VCPU"] == 2


def test_writing_nothing_gives_back(placement, host):
    path = f"/allocations/{uuid.uuid4()}"
    placement.at(LATEST, "PUT", path, json=body(host, VCPU=1))
    assert placement.at(LATEST, "PUT", path, json=body(host, 1)).status_code == 204
    assert used(placement, host)["VCPU"] == 0
    assert placement.at(LATEST, "PUT", path, json=body(host, VCPU=1)).status_code == 204


def test_the_oldest_form_is_a_list_without_an_owner(placement, host):
    path = f"/allocations/{uuid.uuid4()}"
    old = {"allocations": [{"resource_provider": {"uuid": host}, "resources": {"VCPU": 1}}]}
    assert placement.at("1.0", "PUT", path, json=old).status_code == 204
    found = placement.at("1.0", "GET", path).json()
    assert list(found) == ["allocations"]
    found = placement.at(LATEST, "GET", path).json()
    assert found["project_id"] == "00000000-0000-0000-0000-000000000000"
    assert found["consumer_type"] == "unknown"


def test_a_claim_moves_between_consumers_on_a_full_host(placement, host):
    server, migration = str(uuid.uuid4()), str(uuid.uuid4())
    placement.at(LATEST, "PUT", f"/allocations/{server}", json=body(host, MEMORY_MB=4096))
    move = {migration: body(host, MEMORY_MB=4096), server: body(host, 1)}
    assert placement.at(LATEST, "POST", "/allocations", json=move).status_code == 204
    assert placement.at(LATEST, "GET", f"/allocations/{server}").json() == {"allocations": {}}
    assert used(placement, host)["MEMORY_MB"] == 4096


def test_many_at_once_is_all_or_nothing(placement, host):
    fits, does_not = str(uuid.uuid4()), str(uuid.uuid4())
    asked = {fits: body(host, VCPU=8), does_not: body(host, MEMORY_MB=5000)}
    assert placement.at(LATEST, "POST", "/allocations", json=asked).status_code == 409
    assert used(placement, host) == {"VCPU": 0, "MEMORY_MB": 0}


def test_the_provider_tells_its_consumers(placement, host):
    consumer = str(uuid.uuid4())
    placement.at(LATEST, "PUT", f"/allocations/{consumer}", json=body(host, VCPU=1))
    assert placement.at(LATEST, "GET", f"/resource_providers/{host}/allocations").json() == {
        "allocations": {consumer: {"resources": {"VCPU": 1}, "consumer_generation": 1}},
        "resource_provider_generation": 2,
    }


def test_usages_of_a_project(placement, host):
    for _ in range(2):
        placement.at(LATEST, "PUT", f"/allocations/{uuid.uuid4()}", json=body(host, VCPU=1, MEMORY_MB=10))
    one = {"VCPU": 2, "MEMORY_MB": 20}

    def ask(version, **query):
        return placement.at(version, "GET", "/usages", params=query).json()["usages"]

    assert ask("1.9", project_id="project") == one
    assert ask("1.37", project_id="project", user_id="user") == one
    assert ask("1.38", project_id="project") == {"INSTANCE": {"consumer_count": 2} | one}
    assert ask("1.38", project_id="project", consumer_type="all") == {"all": {"consumer_count": 2} | one}
    assert ask("1.38", project_id="project", consumer_type="MIGRATION") == {}
    assert ask("1.38", project_id="project", user_id="nobody") == {}
    assert placement.at("1.38", "GET", "/usages").status_code == 400


def test_a_member_sees_the_usages_of_his_own_project_only(world):
    demo = world.api("placement", user="demo")
    own = world.cloud.read(_project_id, "demo")
    assert demo.at(LATEST, "GET", "/usages", params={"project_id": own}).status_code == 200
    assert demo.at(LATEST, "GET", "/usages", params={"project_id": "other"}).status_code == 403


def _project_id(db, name):
    from monostack.identity.tables import PROJECTS

    return db.one(PROJECTS, name=name)["id"]


def candidates(placement, version=LATEST, **query):
    answer = placement.at(version, "GET", "/allocation_candidates", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_candidates_are_hosts_with_room(placement, host):
    found = candidates(placement, resources="VCPU:8,MEMORY_MB:512")
    assert found["allocation_requests"] == [
        {"allocations": {host: {"resources": {"VCPU": 8, "MEMORY_MB": 512}}}, "mappings": {"": [host]}},
    ]
    assert found["provider_summaries"] == {
        host: {
            "resources": {"VCPU": {"capacity": 16, "used": 0}, "MEMORY_MB": {"capacity": 4096, "used": 0}},
            "traits": [],
            "parent_provider_uuid": None,
            "root_provider_uuid": host,
        }
    }
    placement.at(LATEST, "PUT", f"/allocations/{uuid.uuid4()}", json=body(host, MEMORY_MB=4096))
    assert candidates(placement, resources="VCPU:8,MEMORY_MB:512")["allocation_requests"] == []


def test_candidates_in_the_oldest_form(placement, host):
    found = candidates(placement, "1.10", resources="VCPU:1")
    assert found == {
        "allocation_requests": [
            {"allocations": [{"resource_provider": {"uuid": host}, "resources": {"VCPU": 1}}]},
        ],
        "provider_summaries": {host: {"resources": {"VCPU": {"capacity": 16, "used": 0}}}},
    }


def test_candidates_respect_traits_and_the_limit(placement, host):
    other = placement.at(LATEST, "POST", "/resource_providers", json={"name": "other"}).json()["uuid"]
    placement.at(
        LATEST,
        "PUT",
        f"/resource_providers/{other}/inventories",
        json={"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 4}}},
    )
    placement.at(
        LATEST,
        "PUT",
        f"/resource_providers/{other}/traits",
        json={"resource_provider_generation": 1, "traits": ["COMPUTE_STATUS_DISABLED"]},
    )

    def hosts(**query):
        found = candidates(placement, resources="VCPU:1", **query)
        return [next(iter(each["allocations"])) for each in found["allocation_requests"]]

    assert hosts() == [host, other]
    assert hosts(limit="1") == [host]
    assert len(hosts(limit=["9", "1"])) == 2
    assert hosts(required="!COMPUTE_STATUS_DISABLED") == [host]
    assert hosts(required="COMPUTE_STATUS_DISABLED") == [other]
    assert hosts(root_required="COMPUTE_STATUS_DISABLED") == [other]
    assert hosts(in_tree=other) == [other]


def test_groups_of_a_tree(placement, host):
    cells = []
    for name in ("cell-0", "cell-1"):
        made = {"name": name, "parent_provider_uuid": host}
        cell = placement.at(LATEST, "POST", "/resource_providers", json=made).json()["uuid"]
        placement.at(
            LATEST,
            "PUT",
            f"/resource_providers/{cell}/inventories",
            json={"resource_provider_generation": 0, "inventories": {"PCPU": {"total": 4}}},
        )
        cells.append(cell)
    query = {"resources": "VCPU:1", "resources_A": "PCPU:2", "resources_B": "PCPU:2"}
    together = candidates(placement, group_policy="none", **query)["allocation_requests"]
    assert len(together) == 4
    apart = candidates(placement, group_policy="isolate", **query)["allocation_requests"]
    assert {(each["mappings"]["_A"][0], each["mappings"]["_B"][0]) for each in apart} == {
        (cells[0], cells[1]),
        (cells[1], cells[0]),
    }
    assert candidates(placement, resources="VCPU:1,PCPU:4", limit="1")["allocation_requests"]
    assert candidates(placement, "1.28", resources="VCPU:1,PCPU:4")["allocation_requests"] == []


def test_a_provider_shares_with_its_aggregate(placement, host):
    shared, aggregate = _with_disk(placement), str(uuid.uuid4())
    asked = {"resources": "VCPU:1,DISK_GB:10"}
    assert candidates(placement, **asked)["allocation_requests"] == []
    for provider, generation in ((host, 1), (shared, 2)):
        placement.at(
            LATEST,
            "PUT",
            f"/resource_providers/{provider}/aggregates",
            json={"resource_provider_generation": generation, "aggregates": [aggregate]},
        )
    found = candidates(placement, **asked)
    assert found["allocation_requests"] == [
        {
            "allocations": {
                host: {"resources": {"VCPU": 1}},
                shared: {"resources": {"DISK_GB": 10}},
            },
            "mappings": {"": [host, shared]},
        }
    ]
    assert set(found["provider_summaries"]) == {host, shared}
    only_disk = candidates(placement, resources="DISK_GB:10")["allocation_requests"]
    assert [list(each["allocations"]) for each in only_disk] == [[shared]], "once, whoever it is shared with"
    assert candidates(placement, in_tree=host, **asked)["allocation_requests"] == []


def _with_disk(placement) -> str:
    made = placement.at(LATEST, "POST", "/resource_providers", json={"name": "shared-disk"}).json()["uuid"]
    path = f"/resource_providers/{made}"
    inventories = {"DISK_GB": {"total": 100}}
    placement.at(
        LATEST,
        "PUT",
        path + "/inventories",
        json={"resource_provider_generation": 0, "inventories": inventories},
    )
    traits = ["MISC_SHARES_VIA_AGGREGATE"]
    placement.at(LATEST, "PUT", path + "/traits", json={"resource_provider_generation": 1, "traits": traits})
    return made


def test_every_change_is_seen_by_the_next_question(placement, host):
    def found(**query):
        return len(candidates(placement, **{"resources": "VCPU:8"} | query)["allocation_requests"])

    path, aggregate = f"/resource_providers/{host}", str(uuid.uuid4())
    assert found() == 1
    assert found(member_of=aggregate) == 0
    placement.at("1.1", "PUT", path + "/aggregates", json=[aggregate])
    assert found(member_of=aggregate) == 1
    placement.at("1.1", "PUT", path + "/aggregates", json=[])
    assert found(member_of=aggregate) == 0
    consumer = str(uuid.uuid4())
    for _ in range(2):
        placement.at(LATEST, "PUT", f"/allocations/{uuid.uuid4()}", json=body(host, VCPU=4))
    placement.at(LATEST, "PUT", f"/allocations/{consumer}", json=body(host, VCPU=1))
    assert found() == 0
    placement.at(LATEST, "DELETE", f"/allocations/{consumer}")
    assert found() == 1
    parent = placement.at(LATEST, "POST", "/resource_providers", json={"name": "above"}).json()["uuid"]
    assert found(in_tree=parent) == 0
    placement.at(LATEST, "PUT", path, json={"name": "host-a", "parent_provider_uuid": parent})
    assert found(in_tree=parent) == 1


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"resources": "NOPE"},
        {"resources": "NOPE:1"},
        {"resources": "VCPU:1", "limit": "0"},
        {"resources": "VCPU:1", "root_required": "HW_CPU_X86_AVX,!HW_CPU_X86_AVX"},
        {"resources": "VCPU:1", "required": "NOPE"},
        {"required": "HW_CPU_X86_AVX"},
        {"resources": "VCPU:1", "x": "1"},
        {"resources1": "VCPU:1", "resources2": "VCPU:1"},
        {"resources": "VCPU:1", "group_policy": "odd"},
        {"resources": "VCPU:1", "same_subtree": "_A"},
        {"resources": "VCPU:1", "required1": "HW_CPU_X86_AVX"},
    ],
)
def test_bad_questions_are_400(placement, query):
    answer = placement.at(LATEST, "GET", "/allocation_candidates", params=query)
    assert answer.status_code == 400, answer.text


def test_what_is_given_back_leaves_the_generation_as_it_is(placement, host):
    server, path = str(uuid.uuid4()), f"/resource_providers/{host}"
    body = {
        "allocations": {host: {"resources": {"VCPU": 8}}},
        "project_id": "p",
        "user_id": "u",
        "consumer_generation": None,
        "consumer_type": "INSTANCE",
    }
    assert placement.at(LATEST, "PUT", f"/allocations/{server}", json=body).status_code == 204
    before = placement.at(LATEST, "GET", path).json()["generation"]
    assert candidates(placement, resources="VCPU:9")["allocation_requests"] == []
    assert placement.at(LATEST, "DELETE", f"/allocations/{server}").status_code == 204
    assert placement.at(LATEST, "GET", path).json()["generation"] == before
    found = candidates(placement, resources="VCPU:8")
    assert found["provider_summaries"][host]["resources"]["VCPU"]["used"] == 0
