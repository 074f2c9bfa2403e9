"""Servers from POST to gone, and what lists and updates show."""

import pytest

CREATED = {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
FIRST = {
    "accessIPv4",
    "accessIPv6",
    "addresses",
    "created",
    "flavor",
    "hostId",
    "id",
    "image",
    "links",
    "metadata",
    "name",
    "status",
    "tenant_id",
    "user_id",
    "updated",
    "OS-DCF:diskConfig",
    "progress",
    "OS-EXT-AZ:availability_zone",
    "config_drive",
    "key_name",
    "OS-SRV-USG:launched_at",
    "OS-SRV-USG:terminated_at",
    "security_groups",
    "OS-EXT-SRV-ATTR:host",
    "OS-EXT-SRV-ATTR:instance_name",
    "OS-EXT-SRV-ATTR:hypervisor_hostname",
    "OS-EXT-STS:task_state",
    "OS-EXT-STS:vm_state",
    "OS-EXT-STS:power_state",
    "os-extended-volumes:volumes_attached",
}
LATER = {
    "OS-EXT-SRV-ATTR:hostname",
    "OS-EXT-SRV-ATTR:kernel_id",
    "OS-EXT-SRV-ATTR:launch_index",
    "OS-EXT-SRV-ATTR:ramdisk_id",
    "OS-EXT-SRV-ATTR:reservation_id",
    "OS-EXT-SRV-ATTR:root_device_name",
    "OS-EXT-SRV-ATTR:user_data",
    "locked",
    "host_status",
    "description",
    "tags",
    "trusted_image_certificates",
    "server_groups",
    "locked_reason",
    "pinned_availability_zone",
}
FOR_ADMINISTRATORS = {name for name in FIRST | LATER if name.startswith("OS-EXT-SRV-ATTR:")} | {"host_status"}


def test_a_new_server_is_202_with_a_location_and_a_password(place):
    answer = place.nova.post("/servers", {"server": place.body()}, "servers.create")
    assert answer.status_code == 202
    server = answer.json()["server"]
    assert set(server) == CREATED
    assert server["security_groups"] == [{"name": "default"}]
    assert len(server["adminPass"]) == 12
    assert answer.headers["Location"] == server["links"][0]["href"]


def test_a_server_becomes_active_with_an_address(place):
    server = place.server(name="One Two", metadata={"a": "b"})
    entry = server["addresses"]["private"][0]
    assert entry["addr"].startswith("10.20.0.")
    assert entry["OS-EXT-IPS:type"] == "fixed"
    assert (server["OS-EXT-STS:vm_state"], server["OS-EXT-STS:power_state"]) == ("active", 1)
    assert server["OS-EXT-SRV-ATTR:hostname"] == "one-two"
    assert server["OS-EXT-SRV-ATTR:instance_name"] == "instance-00000001"
    assert server["flavor"]["original_name"] == "m1.nano"
    assert server["metadata"] == {"a": "b"}
    assert server["OS-SRV-USG:launched_at"] is not None
    world = place.cloud.world()
    assert world["servers"][server["id"]]["power"] == "running"


def test_the_first_and_a_late_version_show_just_their_attributes(place):
    server_id = place.server()["id"]
    assert set(place.nova.server(server_id, at="2.1")) == FIRST
    assert set(place.nova.server(server_id, at="2.96")) == FIRST | LATER


@pytest.mark.parametrize(
    "version",
    [
        "2.1",
        "2.3",
        "2.9",
        "2.16",
        "2.19",
        "2.26",
        "2.47",
        "2.63",
        "2.69",
        "2.71",
        "2.73",
        "2.90",
        "2.96",
        "2.98",
        "2.100",
        "2.101",
        "2.104",
    ],
)
def test_every_version_fits_its_schema(place, version):
    server_id = place.server(name="one")["id"]
    place.nova.server(server_id, at=version)
    place.nova.get("/servers", "servers.index", at=version)
    place.nova.get("/servers/detail", "servers.detail", at=version)
    body = {"server": {"accessIPv4": "192.0.2.1"}}
    answer = place.nova.call("PUT", f"/servers/{server_id}", "servers.update", at=version, json=body)
    assert answer.json()["server"]["accessIPv4"] == "192.0.2.1"


def test_a_member_does_not_see_what_is_for_administrators(place):
    place.world.persona("member")
    member = place.caller(user="member")
    place.add_network("shared", "10.30.0.0/24", shared=True)
    server = member.create(**place.body(networks="auto"))
    member.settled(server["id"])
    shown = set(member.server(server["id"]))
    assert shown & FOR_ADMINISTRATORS == {"OS-EXT-SRV-ATTR:hostname"}
    assert "OS-EXT-SRV-ATTR:hostname" not in member.server(server["id"], at="2.89")


def test_another_projects_server_is_not_there(place):
    server = place.server()
    place.world.persona("member")
    member = place.caller(user="member")
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"server": {"name": "mine"}}),
        ("DELETE", "", None),
        ("POST", "/action", {"os-stop": None}),
        ("GET", "/ips", None),
        ("GET", "/os-instance-actions", None),
    ):
        answer = member.call(method, f"/servers/{server['id']}{path}", json=body)
        assert answer.status_code == 404, (method, path)
        message = f"Instance {server['id']} could not be found."
        assert answer.json()["itemNotFound"]["message"] == message
    assert member.get("/servers").json() == {"servers": []}
    assert member.get("/servers?all_tenants=1").status_code == 403


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"flavorRef": "nope"}, 400, "Flavor nope could not be found."),
        ({"imageRef": "00000000-0000-0000-0000-000000000000"}, 400, "Can not find requested image"),
        ({"key_name": "nope"}, 400, "Invalid key_name provided."),
        ({"networks": [{"uuid": "00000000-0000-0000-0000-000000000000"}]}, 400, "could not be found"),
        ({"networks": [{"port": "00000000-0000-0000-0000-000000000000"}]}, 400, "could not be found"),
        ({"security_groups": [{"name": "nope"}]}, 400, "Security group nope not found for project"),
        ({"availability_zone": "nope"}, 400, "The requested availability zone is not available"),
        ({"min_count": 3, "max_count": 2}, 400, "min_count must be <= max_count"),
        ({"host": "nope"}, 400, "Compute host nope could not be found."),
        (
            {"flavorRef": "5", "min_count": 3},
            403,
            "Quota exceeded for cores: Requested 24, but already used 0 of 20",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_words(place, change, status, words):
    answer = place.nova.post("/servers", {"server": place.body(**change)})
    assert answer.status_code == status, answer.text
    assert words in next(iter(answer.json().values()))["message"]
    assert place.nova.get("/servers").json()["servers"] == []


def test_volumes_are_refused_in_words(place):
    device = {"source_type": "image", "destination_type": "volume", "boot_index": 0, "uuid": place.image,
              "volume_size": 1}  # fmt: skip
    answer = place.nova.post("/servers", {"server": place.body(block_device_mapping_v2=[device])})
    assert answer.status_code == 400
    assert "no volume service" in answer.json()["badRequest"]["message"]


def test_a_local_disk_from_an_image_may_be_asked_for_as_a_block_device(place):
    device = {"source_type": "image", "destination_type": "local", "boot_index": 0, "uuid": place.image}
    body = place.body(block_device_mapping_v2=[device])
    del body["imageRef"]
    assert place.nova.settled(place.nova.create(**body)["id"])["status"] == "ACTIVE"


def test_auto_takes_the_only_network_and_refuses_to_choose(place):
    server = place.server(networks="auto")
    assert list(server["addresses"]) == ["private"]
    place.add_network("second", "10.40.0.0/24")
    answer = place.nova.post("/servers", {"server": place.body(networks="auto")})
    assert answer.status_code == 409
    assert answer.json()["conflictingRequest"]["message"] == (
        "Multiple possible networks found, use a Network ID to be more specific."
    )


def test_none_means_no_port(place):
    assert place.server(networks="none")["addresses"] == {}


def test_a_fixed_address_is_given_once(place):
    networks = [{"uuid": place.network, "fixed_ip": "10.20.0.77"}]
    server = place.server(networks=networks)
    assert server["addresses"]["private"][0]["addr"] == "10.20.0.77"
    answer = place.nova.post("/servers", {"server": place.body(networks=networks)})
    assert answer.status_code == 400
    assert "10.20.0.77" in answer.json()["badRequest"]["message"]


def test_a_users_port_is_taken_and_outlives_the_server(place):
    neutron = place.world.api("network")
    port = neutron.post("/ports", json={"port": {"network_id": place.network}}).json()["port"]
    server = place.server(networks=[{"port": port["id"]}])
    assert server["addresses"]["private"][0]["OS-EXT-IPS-MAC:mac_addr"] == port["mac_address"]
    again = place.nova.post("/servers", {"server": place.body(networks=[{"port": port["id"]}])})
    assert again.status_code == 409
    assert again.json()["conflictingRequest"]["message"] == f"Port {port['id']} is still in use."
    place.nova.call("DELETE", f"/servers/{server['id']}")
    place.nova.gone(server["id"])
    after = neutron.get(f"/ports/{port['id']}").json()["port"]
    assert (after["device_id"], after["device_owner"]) == ("", "")


def test_a_deleted_port_leaves_the_server(place):
    server = place.server()
    neutron = place.world.api("network")
    port = neutron.get("/ports", params={"device_id": server["id"]}).json()["ports"][0]
    assert port["status"] == "ACTIVE"
    assert neutron.delete(f"/ports/{port['id']}").status_code == 204
    assert place.nova.server(server["id"])["addresses"] == {}


def test_security_groups_are_shown_by_name(place):
    neutron = place.world.api("network")
    neutron.post("/security-groups", json={"security_group": {"name": "web"}})
    made = place.nova.create(**place.body(security_groups=[{"name": "web"}]))
    assert made["security_groups"] == [{"name": "web"}]
    assert place.nova.settled(made["id"])["security_groups"] == [{"name": "web"}]


def test_delete_gives_everything_back(place):
    server = place.server()
    assert place.nova.call("DELETE", f"/servers/{server['id']}").status_code == 204
    place.nova.gone(server["id"])
    assert place.nova.call("DELETE", f"/servers/{server['id']}").status_code == 404
    assert place.cloud.world()["servers"] == {}
    ports = place.world.api("network").get("/ports", params={"device_id": server["id"]}).json()["ports"]
    assert ports == []
    usages = place.world.api("placement").at("1.39", "GET", f"/allocations/{server['id']}").json()
    assert usages["allocations"] == {}


def test_delete_in_flight_may_be_asked_for_twice(place):
    server = place.server()
    place.cloud.delay("compute.delete", 0.3)
    for _ in range(2):
        assert place.nova.call("DELETE", f"/servers/{server['id']}").status_code == 204
    shown = place.nova.server(server["id"])
    assert (shown["OS-EXT-STS:task_state"], shown["status"]) == ("deleting", "ACTIVE")
    assert place.nova.act(server["id"], "os-stop").status_code == 409
    place.nova.gone(server["id"])


def test_a_server_being_built_can_be_deleted(place):
    place.cloud.delay("compute.spawn", 0.3)
    made = place.nova.create(**place.body())
    assert place.nova.server(made["id"])["status"] == "BUILD"
    assert place.nova.call("DELETE", f"/servers/{made['id']}").status_code == 204
    place.nova.gone(made["id"])
    assert place.cloud.world()["servers"] == {}


def test_force_delete_is_delete(place):
    server = place.server()
    assert place.nova.act(server["id"], "forceDelete").status_code == 202
    place.nova.gone(server["id"])


def test_update_changes_what_is_said(place):
    server = place.server()
    body = {"server": {"name": "two", "description": "mine", "accessIPv6": "2001:db8::1", "hostname": "two"}}
    answer = place.nova.call("PUT", f"/servers/{server['id']}", "servers.update", json=body)
    shown = answer.json()["server"]
    assert (shown["name"], shown["description"], shown["accessIPv6"]) == ("two", "mine", "2001:db8::1")
    assert shown["OS-EXT-SRV-ATTR:hostname"] == "two"
    assert place.nova.server(server["id"])["name"] == "two"


def test_from_2_104_on_a_server_is_pinned_to_its_zone_or_unpinned(place):
    server_id = place.server()["id"]

    def pin(zone, at="2.104"):
        body = {"server": {"pinned_availability_zone": zone}}
        return place.nova.call("PUT", f"/servers/{server_id}", "servers.update", at=at, json=body)

    assert place.nova.server(server_id)["pinned_availability_zone"] is None
    assert pin("nova", at="2.103").status_code == 400
    assert pin("nova").json()["server"]["pinned_availability_zone"] == "nova"
    refused = pin("nowhere")
    assert (refused.status_code, refused.json()["badRequest"]["message"]) == (
        400,
        "The requested availability zone is not available",
    )
    assert pin(None).json()["server"]["pinned_availability_zone"] is None


def test_from_2_102_on_unknown_parameters_of_one_server_are_refused(place):
    path = f"/servers/{place.server()['id']}?what=this"
    assert place.nova.get(path, at="2.101").status_code == 200
    assert place.nova.get(path, at="2.102").status_code == 400


def test_before_2_19_the_name_is_the_description(place):
    answer = place.nova.post("/servers", {"server": place.body(name="old")}, at="2.1")
    server = place.nova.settled(answer.json()["server"]["id"])
    assert server["description"] == "old"


def test_lists_filter_in_every_way(place):
    one = place.server(name="web-1", metadata={"role": "web"}, tags=["blue", "new"])
    two = place.server(name="db-1", flavorRef="1", tags=["blue"])
    place.nova.act(two["id"], "os-stop")
    place.nova.settled(two["id"])

    def names(query, version="2.96"):
        answer = place.nova.get(f"/servers?{query}", "servers.index", at=version)
        assert answer.status_code == 200, answer.text
        return sorted(each["name"] for each in answer.json()["servers"])

    address = one["addresses"]["private"][0]["addr"]
    project = one["tenant_id"]
    both = ["db-1", "web-1"]
    for query, expected in (
        ("name=web", ["web-1"]),
        ("name=^w.*1$", ["web-1"]),
        ("name=(web|db)-1", both),
        ("name=%25", []),
        ("status=ACTIVE", ["web-1"]),
        ("status=shutoff", ["db-1"]),
        ("status=ACTIVE&status=SHUTOFF", both),
        ("status=nonsense", []),
        (f"ip={address}", ["web-1"]),
        ("ip=10.20", both),
        ("flavor=1", ["db-1"]),
        (f"image={place.image}", both),
        ("host=host", both),
        ("host=other", []),
        ("vm_state=stopped", ["db-1"]),
        ("power_state=4", ["db-1"]),
        ("tags=blue", both),
        ("tags=blue,new", ["web-1"]),
        ("tags-any=new,old", ["web-1"]),
        ("not-tags=new", ["db-1"]),
        ("not-tags-any=blue", []),
        ('metadata={"role":"web"}', ["web-1"]),
        (f"uuid={one['id']}", ["web-1"]),
        (f"reservation_id={one['OS-EXT-SRV-ATTR:reservation_id']}", ["web-1"]),
        ("all_tenants=1", both),
        (f"all_tenants=1&project_id={project}", both),
        ("all_tenants=1&project_id=nobody", []),
        ("locked=false", both),
        ("deleted=true", []),
        ("changes-since=2000-01-01T00:00:00Z", both),
        ("changes-since=2090-01-01T00:00:00Z", []),
        ("changes-before=2000-01-01T00:00:00Z", []),
    ):
        assert names(query) == expected, query


def test_a_regular_expression_that_could_take_for_ever_is_refused(place):
    answer = place.nova.get("/servers?name=(a*)*b")
    assert answer.status_code == 400
    assert "nested repetitions" in answer.json()["badRequest"]["message"]
    assert place.nova.get("/servers?name=(").status_code == 400


def test_deleted_servers_are_for_administrators(place):
    server = place.server()
    place.nova.call("DELETE", f"/servers/{server['id']}")
    place.nova.gone(server["id"])
    deleted = place.nova.get("/servers/detail?deleted=true", "servers.detail").json()["servers"]
    assert [(each["id"], each["status"]) for each in deleted] == [(server["id"], "DELETED")]
    since = place.nova.get("/servers/detail?changes-since=2000-01-01T00:00:00Z").json()["servers"]
    assert [each["status"] for each in since] == ["DELETED"]
    place.world.persona("member")
    answer = place.caller(user="member").get("/servers?status=DELETED")
    assert answer.status_code == 403


def test_pages_go_from_the_newest_to_the_oldest(place):
    ids = [place.server(name=f"s{number}", networks="none")["id"] for number in range(3)]
    first = place.nova.get("/servers?limit=2", "servers.index").json()
    assert [each["id"] for each in first["servers"]] == [ids[2], ids[1]]
    marker = first["servers_links"][0]["href"]
    assert marker.endswith(f"/compute/v2.1/servers?limit=2&marker={ids[1]}")
    second = place.nova.get(f"/servers?limit=2&marker={ids[1]}").json()
    assert [each["id"] for each in second["servers"]] == [ids[0]]
    assert "servers_links" not in second
    by_name = place.nova.get("/servers?sort_key=display_name&sort_dir=asc").json()["servers"]
    assert [each["id"] for each in by_name] == ids
    assert place.nova.get("/servers?marker=nope").status_code == 400
    assert place.nova.get("/servers?limit=0").json() == {"servers": []}


def test_addresses_are_shown_alone(place):
    server = place.server()
    entry = server["addresses"]["private"][0]
    plain = {"private": [{"version": 4, "addr": entry["addr"]}]}
    assert place.nova.get(f"/servers/{server['id']}/ips", "ips.index").json() == {"addresses": plain}
    assert place.nova.get(f"/servers/{server['id']}/ips/private", "ips.show").json() == plain
    assert place.nova.get(f"/servers/{server['id']}/ips/nope").status_code == 404


def test_the_default_project_filter_is_the_callers_own(place):
    place.server(networks="none")
    place.world.persona("lead", role="admin")
    lead = place.caller(user="lead")
    assert lead.get("/servers").json() == {"servers": []}
    assert len(lead.get("/servers?all_tenants=true").json()["servers"]) == 1
    assert lead.get("/servers?all_tenants=maybe").status_code == 400


def test_a_server_shows_what_changed_at_its_port_and_has_not_changed_itself(place):
    server = place.server()
    neutron = place.world.api("network")
    port = neutron.get("/ports", params={"device_id": server["id"]}).json()["ports"][0]
    addresses = [*port["fixed_ips"], {"subnet_id": place.subnet, "ip_address": "10.20.0.99"}]
    answer = neutron.put(f"/ports/{port['id']}", json={"port": {"fixed_ips": addresses}})
    assert answer.status_code == 200, answer.text
    after = place.nova.server(server["id"])
    assert "10.20.0.99" in [each["addr"] for each in after["addresses"]["private"]]
    assert after["updated"] == server["updated"]
    found = place.nova.get("/servers?ip=10.20.0.99").json()["servers"]
    assert [each["id"] for each in found] == [server["id"]]


def test_addresses_of_access_are_spelled_shortest(place):
    asked = {"accessIPv4": "192.0.2.1", "accessIPv6": "0000:0000:0000:0000:0000:babe:220.12.22.2"}
    server = place.server(networks="none", **asked)
    assert (server["accessIPv4"], server["accessIPv6"]) == ("192.0.2.1", "::babe:dc0c:1602")


def test_a_project_is_only_a_filter_where_all_projects_are_listed(place):
    server = place.server(networks="none")
    for query in ("tenant_id=nobody", f"tenant_id={server['tenant_id']}"):
        found = place.nova.get(f"/servers?{query}").json()["servers"]
        assert [each["id"] for each in found] == [server["id"]]
    assert place.nova.get("/servers?tenant_id=nobody&all_tenants=1").json()["servers"] == []
