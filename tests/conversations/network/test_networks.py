"""Networks: what they are born with, who sees them, what forbids their end."""

from __future__ import annotations

import pytest


def test_a_new_network_has_what_clients_expect(demo):
    network = demo.network(name="n")
    assert network["status"] == "ACTIVE"
    assert network["admin_state_up"] is True
    assert network["mtu"] == 1450
    assert network["subnets"] == [] and network["tags"] == [] and network["description"] == ""
    assert network["project_id"] == network["tenant_id"]
    assert network["revision_number"] == 1
    assert network["created_at"].endswith("Z")
    assert "provider:segmentation_id" not in network


def test_an_administrator_sees_the_segment(admin, demo):
    network = demo.network(name="n")
    seen = admin.get(f"/networks/{network['id']}")["network"]
    assert seen["provider:network_type"] == "vxlan"
    assert seen["provider:physical_network"] is None
    assert isinstance(seen["provider:segmentation_id"], int)


def test_the_external_network_is_there_from_the_start(demo, public):
    assert public["router:external"] is True
    assert public["shared"] is False
    assert public["provider:network_type"] == "flat"
    seen = demo.get("/networks", **{"router:external": "true"})["networks"]
    assert [each["id"] for each in seen] == [public["id"]]
    subnet = demo.get(f"/subnets/{public['subnets'][0]}")["subnet"]
    assert subnet["enable_dhcp"] is False
    assert subnet["allocation_pools"] == [{"start": "172.24.4.2", "end": "172.24.4.254"}]


def test_another_projects_network_does_not_exist(demo, other):
    network = demo.network(name="mine")
    words = other.refused("GET", f"/networks/{network['id']}", 404, "NetworkNotFound")
    assert words == f"Network {network['id']} could not be found."
    other.refused("PUT", f"/networks/{network['id']}", 404, "NetworkNotFound", {"network": {"name": "x"}})
    other.refused("DELETE", f"/networks/{network['id']}", 404, "NetworkNotFound")
    assert network["id"] not in [each["id"] for each in other.get("/networks")["networks"]]


def test_a_shared_network_is_seen_and_not_changed(admin, demo):
    network = admin.network(name="all", shared=True)
    assert demo.get(f"/networks/{network['id']}")["network"]["shared"] is True
    words = demo.refused(
        "PUT", f"/networks/{network['id']}", 403, "PolicyNotAuthorized", {"network": {"name": "x"}}
    )
    assert "update_network" in words
    demo.refused("DELETE", f"/networks/{network['id']}", 403, "PolicyNotAuthorized")


@pytest.mark.parametrize("attribute", ["shared", "router:external"])
def test_only_an_administrator_shares(demo, attribute):
    words = demo.refused("POST", "/networks", 403, "PolicyNotAuthorized", {"network": {attribute: True}})
    assert attribute in words


def test_only_an_administrator_names_a_segment(demo):
    body = {"network": {"provider:network_type": "vlan", "provider:physical_network": "p"}}
    demo.refused("POST", "/networks", 403, "PolicyNotAuthorized", body)


def test_a_default_that_is_sent_asks_for_no_permission(demo):
    assert demo.network(shared=False)["shared"] is False


def test_unknown_attributes_are_refused(demo):
    words = demo.refused("POST", "/networks", 400, "HTTPBadRequest", {"network": {"nope": 1}})
    assert words == "Unrecognized attribute(s) 'nope'"


def test_what_is_no_boolean_is_refused(demo):
    words = demo.refused("POST", "/networks", 400, "InvalidInput", {"network": {"admin_state_up": "x"}})
    assert words == "Invalid input for operation: 'x' cannot be converted to boolean."


@pytest.mark.parametrize(
    "body", [None, {}, {"nope": {}}, {"network": []}, {"networks": []}, {"networks": {}}, [], "x"]
)
def test_bodies_of_other_shapes_are_refused(demo, body):
    demo.refused("POST", "/networks", 400, "HTTPBadRequest", body)


def test_what_is_no_json_is_refused(demo):
    answer = demo.api.post("/networks", content=b"{nope", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "NeutronError" in answer.json()


def test_read_only_attributes_are_refused(demo):
    demo.refused("POST", "/networks", 400, "HTTPBadRequest", {"network": {"id": "x"}})
    network = demo.network()
    demo.refused("PUT", f"/networks/{network['id']}", 400, "HTTPBadRequest", {"network": {"status": "DOWN"}})


def test_a_name_may_have_255_characters(demo):
    assert demo.network(name="n" * 255)["name"] == "n" * 255
    demo.refused("POST", "/networks", 400, "HTTPBadRequest", {"network": {"name": "n" * 256}})


def test_a_path_that_does_not_exist(demo):
    words = demo.refused("GET", "/nope", 404, "HTTPNotFound")
    assert words == "The resource could not be found."


def test_many_are_made_at_once_or_none(demo):
    made = demo.post("/networks", {"networks": [{"name": "a"}, {"name": "b"}]})["networks"]
    assert [each["name"] for each in made] == ["a", "b"]
    demo.refused("POST", "/networks", 400, "HTTPBadRequest", {"networks": [{"name": "c"}, {"nope": 1}]})
    demo.refused(
        "POST",
        "/networks",
        403,
        "PolicyNotAuthorized",
        {"networks": [{"name": "c"}, {"name": "d", "shared": True}]},
    )
    assert demo.get("/networks", name="c")["networks"] == []


def test_an_administrator_makes_for_another_project(admin, demo):
    project = demo.network()["project_id"]
    made = admin.network(name="for-demo", tenant_id=project)
    assert made["project_id"] == project
    assert demo.get(f"/networks/{made['id']}")["network"]["name"] == "for-demo"


def test_nobody_else_makes_for_another_project(demo):
    demo.refused("POST", "/networks", 400, "HTTPBadRequest", {"network": {"tenant_id": "f" * 32}})


def test_a_change_counts_in_the_revision(demo):
    network = demo.network(name="a")
    changed = demo.put(f"/networks/{network['id']}", {"network": {"name": "b", "mtu": 1400}})["network"]
    assert (changed["name"], changed["mtu"]) == ("b", 1400)
    assert changed["revision_number"] == 2
    stale = {"If-Match": "revision_number=1"}
    demo.refused(
        "PUT",
        f"/networks/{network['id']}",
        412,
        "RevisionNumberConstraintFailed",
        {"network": {"name": "c"}},
        headers=stale,
    )
    fresh = {"If-Match": "revision_number=2"}
    assert (
        demo.put(f"/networks/{network['id']}", {"network": {"name": "c"}}, headers=fresh)["network"]["name"]
        == "c"
    )


@pytest.mark.parametrize("mtu", [-1, 1451, "x"])
def test_an_mtu_out_of_range_is_refused(demo, mtu):
    answer = demo.api.post("/networks", json={"network": {"mtu": mtu}})
    assert answer.status_code == 400
    assert answer.json()["NeutronError"]["type"] == "InvalidInput"


def test_a_flat_network_takes_its_physical_network_whole(admin):
    body = {"network": {"provider:network_type": "flat", "provider:physical_network": "public"}}
    words = admin.refused("POST", "/networks", 409, "FlatNetworkInUse", body)
    assert words == "Unable to create the flat network. Physical network public is in use."


def test_a_vlan_is_claimed_once_per_physical_network(admin):
    vlan = {
        "provider:network_type": "vlan",
        "provider:physical_network": "one",
        "provider:segmentation_id": 7,
    }
    made = admin.network(**vlan)
    assert made["mtu"] == 1500
    admin.refused("POST", "/networks", 409, "VlanIdInUse", {"network": vlan})
    admin.network(**vlan | {"provider:physical_network": "two"})
    admin.delete(f"/networks/{made['id']}")
    admin.network(**vlan)


@pytest.mark.parametrize(
    "segment",
    [
        {"provider:network_type": "nope"},
        {"provider:network_type": "flat"},
        {"provider:network_type": "vlan", "provider:physical_network": "p", "provider:segmentation_id": 4095},
        {"provider:network_type": "vxlan", "provider:physical_network": "p"},
        {"provider:network_type": "local", "provider:segmentation_id": 1},
        {"provider:segmentation_id": 1},
    ],
)
def test_segments_that_cannot_be(admin, segment):
    assert admin.api.post("/networks", json={"network": segment}).status_code == 400


def test_a_port_keeps_its_network(demo):
    network = demo.network()
    demo.subnet(network)
    port = demo.port(network)
    words = demo.refused("DELETE", f"/networks/{network['id']}", 409, "NetworkInUse")
    assert port["id"] in words
    demo.delete(f"/ports/{port['id']}")
    demo.delete(f"/networks/{network['id']}")
    assert demo.get("/subnets", network_id=network["id"])["subnets"] == []
    assert demo.get("/ports", network_id=network["id"])["ports"] == []


def test_a_network_with_guests_of_others_stays_shared(admin, demo):
    network = admin.network(shared=True)
    port = demo.port(network)
    body = {"network": {"shared": False}}
    admin.refused("PUT", f"/networks/{network['id']}", 409, "InvalidSharedSetting", body)
    demo.delete(f"/ports/{port['id']}")
    admin.put(f"/networks/{network['id']}", body)
    demo.refused("GET", f"/networks/{network['id']}", 404, "NetworkNotFound")


def test_the_quota_ends_it(admin, demo):
    network = demo.network()
    project = network["project_id"]
    admin.put(f"/quotas/{project}", {"quota": {"network": 2}})
    demo.network()
    words = demo.refused("POST", "/networks", 409, "OverQuota", {"network": {}})
    assert "network" in words
    demo.delete(f"/networks/{network['id']}")
    demo.network()


def test_deleting_twice_is_404(demo):
    network = demo.network()
    demo.delete(f"/networks/{network['id']}")
    demo.refused("DELETE", f"/networks/{network['id']}", 404, "NetworkNotFound")


def test_without_a_token(world):
    answer = world.api("network", None).get("/networks")
    assert answer.status_code == 401
    assert answer.json()["error"]["title"] == "Unauthorized"
    assert answer.headers["WWW-Authenticate"].startswith("Keystone uri=")
