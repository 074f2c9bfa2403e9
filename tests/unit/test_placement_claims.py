"""The face of placement: claims of other services, in their transactions, on both databases."""

from __future__ import annotations

import asyncio
import random

import pytest
import sqlalchemy as sa

from monostack import placement, testing
from monostack.kit.db import query

HOST = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
INVENTORY = {"VCPU": {"total": 4}, "MEMORY_MB": {"total": 1000, "reserved": 100, "allocation_ratio": 1.5}}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request):
    options = {}
    if request.param == "postgresql":
        options["database"] = request.getfixturevalue("postgresql").database("placement_claims")
    with testing.cloud(only=("identity", "placement"), **options) as cloud:
        yield cloud


@pytest.fixture
def cloud(shared):
    shared.reset()
    write(shared, placement.ensure_provider, HOST, "host", INVENTORY, {"HW_CPU_X86_AVX"})
    return shared


def write(cloud, function, *args):
    return cloud.run(cloud.cloud.engine.write(function, *args))


def take(cloud, consumer, amount, provider=HOST, name="VCPU"):
    write(cloud, placement.claim, consumer, {provider: {name: amount}}, "project", "user")


def test_a_claim_is_taken_and_released(cloud):
    take(cloud, "a", 3)
    assert cloud.read(placement.usages, HOST) == {"VCPU": 3, "MEMORY_MB": 0}
    assert cloud.read(placement.allocations, "a") == {HOST: {"VCPU": 3}}
    assert write(cloud, placement.release, "a") is True
    assert write(cloud, placement.release, "a") is False
    assert cloud.read(placement.usages, HOST) == {"VCPU": 0, "MEMORY_MB": 0}


def test_no_room_says_what_is_free(cloud):
    take(cloud, "a", 3)
    with pytest.raises(placement.NoRoom) as caught:
        take(cloud, "b", 2)
    assert caught.value.words == "host has 1 VCPU free of 4; 2 were asked for."
    with pytest.raises(placement.NoRoom, match="host has no DISK_GB"):
        take(cloud, "b", 1, name="DISK_GB")
    with pytest.raises(placement.NoRoom, match="no provider"):
        take(cloud, "b", 1, provider=OTHER)


def test_no_room_can_be_caught_and_another_provider_tried_in_the_same_transaction(cloud):
    write(cloud, placement.ensure_provider, OTHER, "other", {"VCPU": {"total": 9}})

    def place(tx):
        with pytest.raises(placement.NoRoom):
            placement.claim(tx, "a", {HOST: {"MEMORY_MB": 10, "VCPU": 5}}, "project", "user")
        placement.claim(tx, "a", {OTHER: {"VCPU": 5}}, "project", "user")

    write(cloud, place)
    assert cloud.read(placement.usages, HOST) == {"VCPU": 0, "MEMORY_MB": 0}
    assert cloud.read(placement.allocations, "a") == {OTHER: {"VCPU": 5}}


def test_a_second_claim_replaces_the_first(cloud):
    take(cloud, "a", 3)
    take(cloud, "a", 4)
    assert cloud.read(placement.usages, HOST)["VCPU"] == 4
    take(cloud, "a", 1)
    assert cloud.read(placement.usages, HOST)["VCPU"] == 1


def test_a_transaction_that_fails_takes_nothing(cloud):
    def fails(tx):
        placement.claim(tx, "a", {HOST: {"VCPU": 1}}, "project", "user")
        raise ValueError("later")

    with pytest.raises(ValueError, match="later"):
        write(cloud, fails)
    assert cloud.read(placement.usages, HOST)["VCPU"] == 0


def test_many_at_once_never_take_more_than_there_is(cloud):
    async def rush():
        engine = cloud.cloud.engine
        claims = [
            engine.write(placement.claim, f"c{n}", {HOST: {"VCPU": 1, "MEMORY_MB": 10}}, "p", "u")
            for n in range(20)
        ]
        return await asyncio.gather(*claims, return_exceptions=True)

    results = cloud.run(rush())
    assert sum(result is None for result in results) == 4
    assert all(result is None or isinstance(result, placement.NoRoom) for result in results)
    assert cloud.read(placement.usages, HOST) == {"VCPU": 4, "MEMORY_MB": 40}


def test_usage_is_always_the_sum_of_the_allocations(cloud):
    from monostack.placement.tables import ALLOCATIONS, INVENTORIES

    dice = random.Random(7)
    for _ in range(60):
        consumer = f"c{dice.randrange(5)}"
        try:
            if dice.random() < 0.4:
                write(cloud, placement.release, consumer)
            else:
                take(cloud, consumer, dice.randrange(1, 4), name=dice.choice(("VCPU", "MEMORY_MB")))
        except placement.NoRoom:
            continue
    summed = query(
        sa.select(ALLOCATIONS.c.resource_class, sa.func.sum(ALLOCATIONS.c.used).label("used")).group_by(
            ALLOCATIONS.c.resource_class
        )
    )
    sums = {row["resource_class"]: row["used"] for row in cloud.read(lambda db: db.run(summed))}
    kept = cloud.read(lambda db: db.all(INVENTORIES, provider_id=HOST))
    assert {row["resource_class"]: row["used"] for row in kept} == {"VCPU": 0, "MEMORY_MB": 0} | sums


def test_capacities_are_what_is_free(cloud):
    write(cloud, placement.ensure_provider, OTHER, "other", {"VCPU": {"total": 9}})
    take(cloud, "a", 1)
    both = cloud.read(placement.capacities, ["VCPU", "MEMORY_MB"])
    assert [(each["name"], each["free"]) for each in both] == [("host", {"VCPU": 3, "MEMORY_MB": 1350})]
    names = {each["name"] for each in cloud.read(placement.capacities, {"VCPU": 3})}
    assert names == {"host", "other"}
    assert [each["name"] for each in cloud.read(placement.capacities, {"VCPU": 4})] == ["other"]
    assert cloud.read(placement.capacities, []) == []


def test_ensuring_what_is_so_already_changes_nothing(cloud):
    first = write(cloud, placement.ensure_provider, HOST, "host", INVENTORY, {"HW_CPU_X86_AVX"})
    again = write(cloud, placement.ensure_provider, HOST, "host", INVENTORY, {"HW_CPU_X86_AVX"})
    assert first["generation"] == again["generation"]
    assert first["updated_at"] == again["updated_at"]


def test_ensuring_changes_inventories_and_standard_traits_and_keeps_what_is_in_use(cloud):
    from monostack.placement.tables import PROVIDER_TRAITS

    write(cloud, lambda tx: tx.insert(PROVIDER_TRAITS, provider_id=HOST, name="CUSTOM_MINE"))
    take(cloud, "a", 1)
    row = write(
        cloud, placement.ensure_provider, HOST, "renamed", {"DISK_GB": {"total": 5}}, {"COMPUTE_NODE"}
    )
    assert row["name"] == "renamed"
    assert cloud.read(placement.usages, HOST) == {"VCPU": 1, "DISK_GB": 0}
    assert cloud.read(placement.traits, [HOST]) == {HOST: {"COMPUTE_NODE", "CUSTOM_MINE"}}


def test_a_provider_in_use_is_not_removed(cloud):
    take(cloud, "a", 1)
    assert write(cloud, placement.remove_provider, HOST) is False
    write(cloud, placement.release, "a")
    assert write(cloud, placement.remove_provider, HOST) is True
    assert cloud.read(placement.usages, HOST) == {}
