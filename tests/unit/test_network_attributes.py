"""The declared attributes against the published attribute maps, and the small checks of values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import monostack.network
from monostack.kit.resource import UNSET
from monostack.network import (
    address_scopes,
    checks,
    extensions,
    floating_ips,
    networks,
    rbac,
    security_group_rules,
    security_groups,
    subnetpools,
    subnets,
)
from monostack.network.ports import api as ports
from monostack.network.routers import api as routers

FOLDER = Path(monostack.network.__file__).parent
FACTS = json.loads((FOLDER / "attributes.json").read_text())["resources"]
ROOMS = (
    networks,
    subnets,
    ports,
    routers,
    floating_ips,
    security_groups,
    security_group_rules,
    subnetpools,
    address_scopes,
    rbac,
)
COLLECTIONS = {each.COLLECTION.plural: each.COLLECTION for each in ROOMS}
RULES = {line.split("\t")[0] for line in (FOLDER / "policies.tsv").read_text().splitlines()}
CORE = {"network", "subnet", "port", "project-id", None}
STANDARD = {"description", "tags", "created_at", "updated_at", "revision_number"}
DIFFERENT = {
    ("routers", "flavor_id"): "shown as null; router flavors are not offered",
    ("networks", "qos_policy_id"): "shown as null; QoS is not offered",
    ("ports", "qos_policy_id"): "shown as null; QoS is not offered",
    ("floatingips", "qos_policy_id"): "shown as null; QoS is not offered",
    ("floatingips", "router_id"): "may be sent with floating-ip-router-writable only, which is not offered",
    ("subnets", "service_types"): "has a rule, which the published map does not ask for",
    ("rbac_policies", "object_type"): "has a default, null, that nothing can be made with",
    ("subnetpools", "default_quota"): "may be null, which is how it is shown when there is none",
}
"""Where a declaration differs from what is published, and why."""


@pytest.fixture(params=sorted(COLLECTIONS))
def collection(request):
    return COLLECTIONS[request.param]


def facts(collection):
    """What is published of the collection's attributes, by name."""
    return {name: fact for name, fact in FACTS[collection.plural].items() if name not in STANDARD}


def test_every_attribute_is_published(collection):
    unknown = {each.name for each in collection.attributes} - set(FACTS[collection.plural]) - STANDARD
    assert unknown <= {"project_id"}


def test_attributes_of_what_is_offered_are_there(collection):
    offered = CORE | set(extensions.BUILT)
    wanted = {
        name
        for name, fact in facts(collection).items()
        if fact.get("extension") in offered and (fact.get("is_visible") or fact.get("allow_post"))
    }
    assert wanted - {each.name for each in collection.attributes} == set()


def published_of(collection):
    """(attribute, what is published of it) for all that should agree."""
    published = facts(collection)
    for each in collection.attributes:
        owner = each.name in ("project_id", "tenant_id")
        if each.name in published and not owner and (collection.plural, each.name) not in DIFFERENT:
            yield each, published[each.name]


def test_what_may_be_sent_is_what_is_published(collection):
    for each, fact in published_of(collection):
        assert each.post == bool(fact.get("allow_post")), each.name
        assert each.put == bool(fact.get("allow_put")), each.name


def test_defaults_are_the_published_ones(collection):
    published = facts(collection)
    for each in collection.attributes:
        fact = published.get(each.name, {})
        if not each.post or "default" not in fact:
            continue
        default = fact["default"]
        if default == "ATTR_NOT_SPECIFIED":
            assert each.default is UNSET, each.name
        elif each.default is not UNSET:
            assert each.default == default or list(each.default) == default, each.name


def test_guarded_attributes_are_those_with_a_rule(collection):
    for each, _ in published_of(collection):
        if each.post:
            assert each.guarded == (f"create_{collection.name}:{each.name}" in RULES), each.name
        if each.put and each.guarded:
            assert f"update_{collection.name}:{each.name}" in RULES, each.name


def test_required_attributes_are_those_without_a_default(collection):
    for each, fact in published_of(collection):
        if each.post:
            assert each.required == ("default" not in fact), each.name


def test_offered_extensions_bring_what_they_require():
    published = json.loads((Path(monostack.network.__file__).parent / "extensions.json").read_text())[
        "extensions"
    ]
    for alias in extensions.BUILT:
        missing = set(published[alias]["required"]) - set(extensions.BUILT) - CORE
        assert not missing, f"{alias} requires {missing}"


@pytest.mark.parametrize(
    ("value", "stored"),
    [(True, True), ("True", True), ("1", True), (1, True), (False, False), ("false", False), (0, False)],
)
def test_booleans(value, stored):
    assert checks.boolean(value) is stored


@pytest.mark.parametrize("value", ["x", None, 2, [], {}])
def test_what_is_no_boolean(value):
    with pytest.raises(checks.Unconvertible):
        checks.boolean(value)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (checks.mac_address, "00:00:00:00:00:00"),
        (checks.mac_address, "fa:16:3e"),
        (checks.mac_address, 7),
        (checks.ip_address, "10.0.0.0/8"),
        (checks.ip_address, "10.0.0"),
        (checks.ip_address, None),
        (checks.cidr, "10.0.0.1"),
        (checks.cidr, "10.0.0.0/33"),
        (checks.cidr, []),
        (checks.host_routes, [{"destination": "10.0.0.0/8"}]),
        (checks.host_routes, [{"destination": "10.0.0.1/8", "nexthop": "10.0.0.1"}]),
        (checks.nameservers, ["8.8.8.8", "8.8.8.8"]),
        (checks.nameservers, "8.8.8.8"),
        (checks.allocation_pools, [{"start": "10.0.0.1"}]),
        (checks.allocation_pools, {"start": "a", "end": "b"}),
        (checks.fixed_ips, [7]),
        (checks.fixed_ips, [{"nope": 1}]),
        (checks.address_pairs, [{"mac_address": "fa:16:3e:00:00:01"}]),
        (checks.dhcp_options, [{"opt_value": "x"}]),
        (checks.dhcp_options, [{"opt_name": "x", "ip_version": 5}]),
        (checks.uuids, "x"),
        (checks.uuids, ["x"]),
        (checks.text(3), "four"),
        (checks.text(3), 3),
    ],
)
def test_values_that_do_not_fit(check, value):
    with pytest.raises(ValueError):
        check(value)


@pytest.mark.parametrize(
    ("check", "value", "stored"),
    [
        (checks.mac_address, "FA-16-3E-00-00-01", "fa:16:3e:00:00:01"),
        (checks.ip_address, "FD00::0001", "fd00::1"),
        (checks.cidr, "10.1.2.3/8", "10.0.0.0/8"),
        (checks.prefix, "10.0.0.1", "10.0.0.1/32"),
        (checks.prefix, "fd00::1", "fd00::1/128"),
        (checks.prefix, "10.0.0.1/8", "10.0.0.1/8"),
        (checks.prefix, "", None),
        (checks.nameservers, None, []),
    ],
)
def test_values_are_spelled_one_way(check, value, stored):
    assert check(value) == stored
