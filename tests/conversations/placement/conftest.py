"""Placement with nothing above it."""

from collections.abc import Iterator

import pytest

from monostack import testing


@pytest.fixture(scope="module")
def shared_world(database: str) -> Iterator:
    from tests.conftest import World

    with testing.cloud(only=("identity", "placement"), database=database) as cloud:
        yield World(cloud)


@pytest.fixture
def placement(world):
    """An administrator's client."""
    return world.api("placement")


@pytest.fixture
def host(placement):
    """A host with eight virtual processors (ratio 2) and 4 GiB; its UUID."""
    answer = placement.at("1.39", "POST", "/resource_providers", json={"name": "host-a"})
    uuid = answer.json()["uuid"]
    inventories = {"VCPU": {"total": 8, "allocation_ratio": 2.0, "max_unit": 8}, "MEMORY_MB": {"total": 4096}}
    answer = placement.at(
        "1.39",
        "PUT",
        f"/resource_providers/{uuid}/inventories",
        json={"resource_provider_generation": 0, "inventories": inventories},
    )
    assert answer.status_code == 200, answer.text
    return uuid
