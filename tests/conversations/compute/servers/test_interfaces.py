"""Interfaces, security groups and diagnostics of a running server."""


def attach(place, server_id, **interface):
    return place.nova.post(
        f"/servers/{server_id}/os-interface",
        {"interfaceAttachment": interface} if interface else None,
        "attach_interfaces.create",
    )


def test_the_interfaces_of_a_server_are_its_ports(place):
    server = place.server()
    found = place.nova.get(f"/servers/{server['id']}/os-interface", "attach_interfaces.index").json()
    (interface,) = found["interfaceAttachments"]
    entry = server["addresses"]["private"][0]
    assert interface["net_id"] == place.network
    assert interface["mac_addr"] == entry["OS-EXT-IPS-MAC:mac_addr"]
    assert interface["port_state"] == "ACTIVE"
    assert interface["fixed_ips"] == [{"subnet_id": place.subnet, "ip_address": entry["addr"]}]
    one = place.nova.get(
        f"/servers/{server['id']}/os-interface/{interface['port_id']}", "attach_interfaces.show"
    )
    assert one.json() == {"interfaceAttachment": interface}
    missing = place.nova.get(f"/servers/{server['id']}/os-interface/00000000-0000-0000-0000-000000000000")
    assert missing.status_code == 404
    older = place.nova.get(
        f"/servers/{server['id']}/os-interface", "attach_interfaces.index", at="2.1"
    ).json()
    assert "tag" not in older["interfaceAttachments"][0]


def test_an_interface_is_plugged_and_unplugged(place):
    server_id = place.server()["id"]
    network, _ = place.add_network("second", "10.60.0.0/24")
    answer = attach(place, server_id, net_id=network, tag="inner", fixed_ips=[{"ip_address": "10.60.0.9"}])
    assert answer.status_code == 200, answer.text
    interface = answer.json()["interfaceAttachment"]
    assert (interface["tag"], interface["fixed_ips"][0]["ip_address"]) == ("inner", "10.60.0.9")
    shown = place.nova.server(server_id)["addresses"]
    assert shown["second"][0]["addr"] == "10.60.0.9"
    plugged(place, server_id, 2)
    gone = place.nova.call("DELETE", f"/servers/{server_id}/os-interface/{interface['port_id']}")
    assert gone.status_code == 202
    assert "second" not in place.nova.server(server_id)["addresses"]
    plugged(place, server_id, 1)
    neutron = place.world.api("network")
    assert neutron.get(f"/ports/{interface['port_id']}").status_code == 404
    names = [
        each["action"]
        for each in place.nova.get(f"/servers/{server_id}/os-instance-actions").json()["instanceActions"]
    ]
    assert names == ["detach_interface", "attach_interface", "create"]


def plugged(place, server_id, count):
    """Wait until the guest has so many ports."""
    import time

    until = time.monotonic() + 10
    while len(place.cloud.world()["servers"][server_id]["plugged"]) != count:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_users_port_is_plugged_and_let_go(place):
    server_id = place.server(networks="none")["id"]
    neutron = place.world.api("network")
    port = neutron.post("/ports", json={"port": {"network_id": place.network}}).json()["port"]["id"]
    assert attach(place, server_id, port_id=port).status_code == 200
    assert attach(place, server_id, port_id=port).status_code == 409
    assert place.nova.call("DELETE", f"/servers/{server_id}/os-interface/{port}").status_code == 202
    assert neutron.get(f"/ports/{port}").json()["port"]["device_id"] == ""


def test_without_a_word_the_only_network_is_meant(place):
    server_id = place.server(networks="none")["id"]
    answer = place.nova.post(f"/servers/{server_id}/os-interface", {"interfaceAttachment": {}})
    assert answer.json()["interfaceAttachment"]["net_id"] == place.network


def test_what_is_not_there_cannot_be_attached(place):
    server_id = place.server(networks="none")["id"]
    nowhere = "00000000-0000-0000-0000-000000000000"
    assert attach(place, server_id, net_id=nowhere).status_code == 404
    assert attach(place, server_id, port_id=nowhere).status_code == 404
    assert attach(place, server_id, fixed_ips=[{"ip_address": "10.0.0.1"}]).status_code == 400
    place.nova.act(server_id, "suspend")
    place.nova.settled(server_id)
    answer = attach(place, server_id, net_id=place.network)
    assert answer.status_code == 409
    assert "Cannot 'attach_interface' instance" in answer.json()["conflictingRequest"]["message"]


def test_security_groups_are_added_and_removed(place):
    server_id = place.server()["id"]
    neutron = place.world.api("network")
    neutron.post("/security-groups", json={"security_group": {"name": "web"}})
    assert place.nova.act(server_id, "addSecurityGroup", {"name": "web"}).status_code == 202
    assert place.nova.server(server_id)["security_groups"] == [{"name": "default"}, {"name": "web"}]
    assert place.nova.act(server_id, "removeSecurityGroup", {"name": "default"}).status_code == 202
    assert place.nova.server(server_id)["security_groups"] == [{"name": "web"}]
    assert place.nova.act(server_id, "removeSecurityGroup", {"name": "default"}).status_code == 400
    assert place.nova.act(server_id, "addSecurityGroup", {"name": "nope"}).status_code == 404


def test_diagnostics_come_from_the_host(place):
    server_id = place.server()["id"]
    found = place.nova.get(f"/servers/{server_id}/diagnostics", "server_diagnostics.index").json()
    assert (found["state"], found["num_cpus"], found["num_nics"]) == ("running", 1, 1)
    older = place.nova.get(f"/servers/{server_id}/diagnostics", "server_diagnostics.index", at="2.1").json()
    assert "cpu0_time" in older
    place.nova.act(server_id, "os-stop")
    place.nova.settled(server_id)
    assert place.nova.get(f"/servers/{server_id}/diagnostics").status_code == 409


def test_a_config_drive_holds_the_metadata(place):
    server_id = place.server(config_drive=True, metadata={"role": "web"})["id"]
    assert place.nova.server(server_id)["config_drive"] == "True"
    part = place.cloud.world()["servers"][server_id]["part"]
    assert "openstack/latest/meta_data.json" in part["config_drive"]
    plain = place.server()["id"]
    assert place.cloud.world()["servers"][plain]["part"]["config_drive"] is None


def test_the_groups_of_a_server_are_shown_with_their_rules(place):
    server_id = place.server()["id"]
    groups = place.nova.get(f"/servers/{server_id}/os-security-groups").json()["security_groups"]
    (group,) = groups
    assert group["name"] == "default"
    assert [(rule["group"]["name"], rule["ip_range"]) for rule in group["rules"]] == [("default", {})] * 2


def test_events_of_other_services_are_answered_one_by_one(place):
    server_id = place.server()["id"]
    nowhere = "00000000-0000-0000-0000-000000000000"
    changed = {"name": "network-changed", "server_uuid": server_id}
    lost = {"name": "network-changed", "server_uuid": nowhere, "status": "failed"}
    both = place.nova.post("/os-server-external-events", {"events": [changed, lost]})
    assert both.status_code == 207
    assert [each["code"] for each in both.json()["events"]] == [200, 404]
    one = place.nova.post(
        "/os-server-external-events", {"events": [changed]}, "server_external_events.create"
    )
    assert (one.status_code, one.json()["events"][0]["status"]) == (200, "completed")
    assert place.nova.post("/os-server-external-events", {"events": [lost]}).status_code == 404
    place.world.persona("member")
    answer = place.caller(user="member").post("/os-server-external-events", {"events": [changed]})
    assert answer.status_code == 403


def test_networking_is_read_anew_on_an_operators_word(place):
    server_id = place.server()["id"]
    assert place.nova.act(server_id, "injectNetworkInfo").status_code == 202
    assert place.nova.server(server_id)["status"] == "ACTIVE"
