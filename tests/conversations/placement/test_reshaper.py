"""Reshaping: inventories and allocations moved together, by a service."""

import uuid

import pytest


@pytest.fixture
def service(world):
    """A client with the role of a service."""
    world.persona("robot", role="service")
    return world.api("placement", user="robot")


def allocation(host, consumer_generation=None, **resources):
    return {
        "allocations": {host: {"resources": resources}},
        "project_id": "p",
        "user_id": "u",
        "consumer_generation": consumer_generation,
        "consumer_type": "INSTANCE",
    }


@pytest.fixture
def moving(placement, host):
    """A server on a host whose processors are to move to a cell: (host, cell, server, body)."""
    server = str(uuid.uuid4())
    answer = placement.at(
        "1.39", "PUT", f"/allocations/{server}", json=allocation(host, VCPU=8, MEMORY_MB=100)
    )
    assert answer.status_code == 204
    cell = placement.at(
        "1.39", "POST", "/resource_providers", json={"name": "cell", "parent_provider_uuid": host}
    ).json()["uuid"]
    held = allocation(host, 1, MEMORY_MB=100)
    held["allocations"][cell] = {"resources": {"VCPU": 8}}
    body = {
        "inventories": {
            host: {"resource_provider_generation": 2, "inventories": {"MEMORY_MB": {"total": 4096}}},
            cell: {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 8}}},
        },
        "allocations": {server: held},
    }
    return host, cell, server, body


def usages(placement, provider):
    return placement.at("1.39", "GET", f"/resource_providers/{provider}/usages").json()["usages"]


def test_inventories_and_allocations_move_together(placement, service, moving):
    host, cell, server, body = moving
    answer = service.at("1.39", "POST", "/reshaper", json=body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert usages(placement, host) == {"MEMORY_MB": 100}
    assert usages(placement, cell) == {"VCPU": 8}
    held = placement.at("1.39", "GET", f"/allocations/{server}").json()["allocations"]
    assert held[cell]["resources"] == {"VCPU": 8}


def test_what_does_not_fit_changes_nothing(placement, service, moving):
    host, cell, _, body = moving
    body["inventories"][cell]["inventories"]["VCPU"]["total"] = 7
    assert service.at("1.39", "POST", "/reshaper", json=body).status_code == 409
    assert usages(placement, host) == {"VCPU": 8, "MEMORY_MB": 100}
    assert usages(placement, cell) == {}


def test_what_is_still_in_use_cannot_go(placement, service, moving):
    host, _, _, body = moving
    body["allocations"] = {}
    answer = service.at("1.39", "POST", "/reshaper", json=body)
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "placement.inventory.inuse"
    assert usages(placement, host) == {"VCPU": 8, "MEMORY_MB": 100}


def test_an_old_generation_is_409_and_an_unknown_provider_400(service, moving):
    _, cell, _, body = moving
    body["inventories"][cell]["resource_provider_generation"] = 5
    assert service.at("1.39", "POST", "/reshaper", json=body).status_code == 409
    body["inventories"][str(uuid.uuid4())] = body["inventories"].pop(cell)
    answer = service.at("1.39", "POST", "/reshaper", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "placement.resource_provider.not_found"


@pytest.mark.parametrize("change", [{"max_unit": 50}, {"step_size": 7}, {"total": 99}])
def test_what_stays_as_it_was_must_fit_the_new_inventory(placement, service, moving, change):
    host, cell, server, body = moving
    assert body["allocations"][server]["allocations"][host]["resources"] == {"MEMORY_MB": 100}
    body["inventories"][host]["inventories"]["MEMORY_MB"] |= change
    assert service.at("1.39", "POST", "/reshaper", json=body).status_code == 409
    assert usages(placement, host) == {"VCPU": 8, "MEMORY_MB": 100}
    assert usages(placement, cell) == {}


def test_only_a_service_reshapes_and_only_from_1_30_on(placement, service, moving):
    *_, body = moving
    assert placement.at("1.39", "POST", "/reshaper", json=body).status_code == 403
    assert service.at("1.29", "POST", "/reshaper", json=body).status_code == 404
    assert service.at("1.39", "POST", "/reshaper", json={}).status_code == 400
