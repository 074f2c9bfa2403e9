"""RBAC policies: what a project lets others use, and what the flags have to do with it."""

from __future__ import annotations

import pytest


@pytest.fixture
def guest(other) -> str:
    """The id of the other project."""
    return other.network(name="x")["project_id"]


def share(caller, kind: str, thing, target: str, action: str = "access_as_shared", expected: int = 201):
    body = {"object_type": kind, "object_id": thing["id"], "action": action, "target_tenant": target}
    return caller.post("/rbac-policies", {"rbac_policy": body}, expected)["rbac_policy"]


def test_a_network_is_shared_with_one_project(demo, other, guest):
    network = demo.network(name="n")
    subnet = demo.subnet(network)
    other.refused("GET", f"/networks/{network['id']}", 404, "NetworkNotFound")
    policy = share(demo, "network", network, guest)
    assert policy == {
        "id": policy["id"],
        "project_id": network["project_id"],
        "tenant_id": network["project_id"],
        "object_type": "network",
        "object_id": network["id"],
        "action": "access_as_shared",
        "target_tenant": guest,
    }
    assert other.get(f"/networks/{network['id']}")["network"]["shared"] is True
    assert demo.get(f"/networks/{network['id']}")["network"]["shared"] is False
    assert network["id"] in [each["id"] for each in other.get("/networks")["networks"]]
    assert other.get(f"/subnets/{subnet['id']}")["subnet"]["id"] == subnet["id"]
    port = other.port(network)
    other.refused(
        "PUT", f"/networks/{network['id']}", 403, "PolicyNotAuthorized", {"network": {"name": "mine"}}
    )
    words = demo.refused("DELETE", f"/rbac-policies/{policy['id']}", 409, "RbacPolicyInUse")
    assert guest in words
    other.delete(f"/ports/{port['id']}")
    demo.delete(f"/rbac-policies/{policy['id']}")
    other.refused("GET", f"/networks/{network['id']}", 404, "NetworkNotFound")


def test_the_flags_and_the_policies_say_the_same(admin, public):
    policies = admin.get("/rbac-policies", object_id=public["id"])["rbac_policies"]
    assert [(each["action"], each["target_tenant"]) for each in policies] == [("access_as_external", "*")]
    network = admin.network(shared=True)
    policies = admin.get("/rbac-policies", object_id=network["id"])["rbac_policies"]
    assert [(each["action"], each["target_tenant"]) for each in policies] == [("access_as_shared", "*")]
    admin.delete(f"/rbac-policies/{policies[0]['id']}")
    assert admin.get(f"/networks/{network['id']}")["network"]["shared"] is False
    share(admin, "network", network, "*", "access_as_external")
    assert admin.get(f"/networks/{network['id']}")["network"]["router:external"] is True
    admin.put(f"/networks/{network['id']}", {"network": {"router:external": False}})
    assert admin.get("/rbac-policies", object_id=network["id"])["rbac_policies"] == []


def test_an_external_network_in_use_stays_external(admin, demo, public):
    demo.router(external_gateway_info={"network_id": public["id"]})
    policy = admin.get("/rbac-policies", object_id=public["id"])["rbac_policies"][0]
    admin.refused("DELETE", f"/rbac-policies/{policy['id']}", 409, "RbacPolicyInUse")


def test_everybody_is_for_administrators_to_name(demo):
    network = demo.network()
    body = {
        "object_type": "network",
        "object_id": network["id"],
        "action": "access_as_shared",
        "target_tenant": "*",
    }
    words = demo.refused("POST", "/rbac-policies", 403, "PolicyNotAuthorized", {"rbac_policy": body})
    assert "target_tenant" in words


def test_what_cannot_be(admin, demo, other, guest):
    network = demo.network()
    good = {
        "object_type": "network",
        "object_id": network["id"],
        "action": "access_as_shared",
        "target_tenant": guest,
    }
    share(demo, "network", network, guest)
    demo.refused("POST", "/rbac-policies", 409, "DuplicateRbacPolicy", {"rbac_policy": good})
    demo.refused(
        "POST", "/rbac-policies", 400, "InvalidInput", {"rbac_policy": good | {"object_type": "nope"}}
    )
    demo.refused("POST", "/rbac-policies", 400, "InvalidInput", {"rbac_policy": good | {"action": "nope"}})
    demo.refused("POST", "/rbac-policies", 400, "HTTPBadRequest", {"rbac_policy": good | {"object_id": "x"}})
    not_yours = good | {"target_tenant": "x"}
    other.refused("POST", "/rbac-policies", 400, "InvalidInput", {"rbac_policy": not_yours})
    not_seen = not_yours | {"object_id": demo.network()["id"]}
    other.refused("POST", "/rbac-policies", 404, "NetworkNotFound", {"rbac_policy": not_seen})


def test_policies_are_their_owners(demo, other, guest):
    policy = share(demo, "network", demo.network(), guest)
    other.refused("GET", f"/rbac-policies/{policy['id']}", 404, "RbacPolicyNotFound")
    assert other.get("/rbac-policies")["rbac_policies"] == []
    moved = demo.put(f"/rbac-policies/{policy['id']}", {"rbac_policy": {"target_tenant": "f" * 32}})
    assert moved["rbac_policy"]["target_tenant"] == "f" * 32


def test_a_security_group_is_shared(demo, other, guest):
    group = demo.group()
    network = other.network()
    body = {"port": {"network_id": network["id"], "security_groups": [group["id"]]}}
    other.refused("POST", "/ports", 404, "SecurityGroupNotFound", body)
    policy = share(demo, "security_group", group, guest)
    assert other.get(f"/security-groups/{group['id']}")["security_group"]["shared"] is True
    port = other.post("/ports", body)["port"]
    demo.refused("DELETE", f"/rbac-policies/{policy['id']}", 409, "RbacPolicyInUse")
    other.delete(f"/ports/{port['id']}")
    demo.delete(f"/rbac-policies/{policy['id']}")


def test_the_quota_ends_it(admin, demo, guest):
    network = demo.network()
    admin.put(f"/quotas/{network['project_id']}", {"quota": {"rbac_policy": 0}})
    body = {
        "object_type": "network",
        "object_id": network["id"],
        "action": "access_as_shared",
        "target_tenant": guest,
    }
    demo.refused("POST", "/rbac-policies", 409, "OverQuota", {"rbac_policy": body})


def test_a_network_is_external_for_one_project(admin, demo, other, guest):
    network = admin.network(name="outside")
    admin.subnet(network, "203.0.113.0/24", enable_dhcp=False)
    policy = share(admin, "network", network, guest, "access_as_external")
    assert admin.get(f"/networks/{network['id']}")["network"]["router:external"] is True
    demo.refused("GET", f"/networks/{network['id']}", 404, "NetworkNotFound")
    router = other.router(external_gateway_info={"network_id": network["id"]})
    admin.refused("DELETE", f"/rbac-policies/{policy['id']}", 409, "RbacPolicyInUse")
    everybody = share(admin, "network", network, "*", "access_as_external")
    admin.delete(f"/rbac-policies/{policy['id']}")
    assert demo.get(f"/networks/{network['id']}")["network"]["router:external"] is True
    other.delete(f"/routers/{router['id']}")
    admin.delete(f"/rbac-policies/{everybody['id']}")
    assert admin.get(f"/networks/{network['id']}")["network"]["router:external"] is False


def test_the_default_way_out_stays_open(admin, public):
    policy = admin.get("/rbac-policies", object_id=public["id"])["rbac_policies"][0]
    admin.refused("DELETE", f"/rbac-policies/{policy['id']}", 409, "RbacPolicyInUse")


def test_shared_is_what_is_shared_with_the_one_who_asks(demo, other, guest):
    network = demo.network(name="n")
    subnet = demo.subnet(network)
    share(demo, "network", network, guest)
    assert [each["id"] for each in other.get("/networks", shared="true")["networks"]] == [network["id"]]
    assert network["id"] not in [each["id"] for each in other.get("/networks", shared="false")["networks"]]
    assert [each["id"] for each in other.get("/subnets", shared="true")["subnets"]] == [subnet["id"]]
    assert demo.get("/networks", shared="true")["networks"] == []
    demo.refused("GET", "/networks?shared=maybe", 400, "InvalidInput")
