"""What a guest reads at 169.254.169.254, on its config drive, and through somebody else's proxy."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest
from tests.conftest import PLAIN, World

from monostack import testing

SECRET = "a shared secret"
SCRIPT = b"#!/bin/sh\necho hello\n"


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with testing.cloud(compute__metadata_secret=SECRET) as cloud:
        yield World(cloud)


@pytest.fixture
def guest(world, demo):
    """A running server that asks from its own address, as its host's network passes it on."""
    key = demo.post("/os-keypairs", {"keypair": {"name": "mine"}}, 201, version="2.91")["keypair"]
    asked = {
        "key_name": "mine",
        "metadata": {"role": "front"},
        "user_data": base64.b64encode(SCRIPT).decode(),
    }
    return Guest(world, demo.server(name="web", **asked), key["public_key"])


class Guest:
    def __init__(self, world, server, public_key) -> None:
        self.world, self.server, self.public_key = world, server, public_key
        port = world.api("network", user="demo").get("/ports", params={"device_id": server["id"]}).json()
        self.port = port["ports"][0]
        self.address = self.port["fixed_ips"][0]["ip_address"]

    def ask(self, path, method="GET", body=b"", address=None):
        answer = self.world.cloud.cloud.metadata(
            self.port["network_id"], address or self.address, method, path, {}, body
        )
        return self.world.cloud.run(answer)

    def read(self, path):
        status, _, body = self.ask(path)
        assert status == 200, body
        return body.decode()


def test_a_guest_is_told_who_it_is(guest):
    told = json.loads(guest.read("/openstack/latest/meta_data.json"))
    assert told["uuid"] == guest.server["id"]
    assert told["hostname"] == "web.openstacklocal"
    assert told["meta"] == {"role": "front"}
    assert told["public_keys"] == {"mine": guest.public_key}
    assert told["keys"][0]["data"] == guest.public_key
    assert told["project_id"] == guest.server["tenant_id"]
    assert told["availability_zone"] == "nova"


def test_a_guest_is_told_its_networks(guest):
    told = json.loads(guest.read("/openstack/latest/network_data.json"))
    assert told["links"][0]["ethernet_mac_address"] == guest.port["mac_address"]
    assert told["networks"][0]["type"] == "ipv4_dhcp"


def test_user_data_is_the_same_in_both_trees(guest):
    assert guest.ask("/openstack/latest/user_data")[2] == SCRIPT
    assert guest.ask("/latest/user-data")[2] == SCRIPT


def test_ec2_tells_address_groups_and_key(guest):
    assert guest.read("/latest/meta-data/local-ipv4") == guest.address
    assert guest.read("/2009-04-04/meta-data/security-groups") == "default"
    assert guest.read("/latest/meta-data/public-keys/0/openssh-key") == guest.public_key
    assert guest.read("/latest/meta-data/placement/availability-zone") == "nova"


def test_versions_are_listed(guest):
    assert guest.read("/").split("\n")[-2:] == ["2009-04-04", "latest"]
    assert guest.read("/openstack/").split("\n")[-2:] == ["2025-04-04", "latest"]
    assert "meta-data/" in guest.read("/latest")
    assert "network_data.json" in guest.read("/openstack/latest/")


@pytest.mark.parametrize(
    "path",
    ["/latest/nothing", "/1999-01-01/meta-data", "/openstack/1999-01-01", "/openstack/latest/nothing",
     "/openstack/2013-04-04/network_data.json", "/openstack/content/0000", "/latest/api/token"],
)  # fmt: skip
def test_what_is_not_there_is_404(guest, path):
    assert guest.ask(path)[0] == 404


def test_an_address_without_a_server_is_404(guest):
    status, _, words = guest.ask("/latest/meta-data/", address="10.9.0.250")
    assert status == 404
    assert b"address" in words


def test_a_change_of_the_metadata_is_told_at_once(guest, demo):
    path = f"/servers/{guest.server['id']}/metadata"
    demo.post(path, {"metadata": {"role": "back"}})
    assert json.loads(guest.read("/openstack/latest/meta_data.json"))["meta"] == {"role": "back"}


def test_a_floating_address_is_told(guest, world):
    network = world.api("network", user="admin")
    external = network.get("/networks", params={"router:external": True}).json()["networks"]
    if not external:
        network.post("/networks", json={"network": {"name": "outside", "router:external": True}})
        external = network.get("/networks", params={"router:external": True}).json()["networks"]
        subnet = {"network_id": external[0]["id"], "cidr": "172.31.0.0/24", "ip_version": 4}
        network.post("/subnets", json={"subnet": subnet})
    own = world.api("network", user="demo")
    router = {"name": "r", "external_gateway_info": {"network_id": external[0]["id"]}}
    router_id = own.post("/routers", json={"router": router}).json()["router"]["id"]
    subnet_id = guest.port["fixed_ips"][0]["subnet_id"]
    answer = own.put(f"/routers/{router_id}/add_router_interface", json={"subnet_id": subnet_id})
    assert answer.status_code == 200, answer.text
    floating = {"floating_network_id": external[0]["id"], "port_id": guest.port["id"]}
    answer = own.post("/floatingips", json={"floatingip": floating})
    address = answer.json()["floatingip"]["floating_ip_address"]
    assert guest.read("/latest/meta-data/public-ipv4") == address


def test_a_password_is_told_once_and_cleared_by_the_user(guest, demo, stranger):
    path = f"/servers/{guest.server['id']}/os-server-password"
    assert demo.get(path, promise="server_password.index") == {"password": ""}
    assert guest.ask("/openstack/latest/password", "POST", b"x" * 1021)[0] == 400
    assert guest.ask("/openstack/latest/password", "POST", b"c2VjcmV0")[0] == 200
    assert guest.ask("/openstack/latest/password", "POST", b"b3RoZXI=")[0] == 409
    assert guest.read("/openstack/latest/password") == "c2VjcmV0"
    assert demo.get(path) == {"password": "c2VjcmV0"}
    stranger.get(path, 404)
    demo.delete(path)
    assert demo.get(path) == {"password": ""}
    assert guest.ask("/openstack/latest/password", "POST", b"b3RoZXI=")[0] == 200


def test_a_password_goes_with_its_server(guest, demo, world):
    from monostack.compute.metadata.passwords import PASSWORDS

    guest.ask("/openstack/latest/password", "POST", b"c2VjcmV0")
    demo.delete(f"/servers/{guest.server['id']}")
    demo.until_gone(guest.server["id"])
    assert world.cloud.read(lambda db: db.all(PASSWORDS)) == []


def test_a_password_goes_nowhere_else(guest):
    assert guest.ask("/openstack/2012-08-10/password", "POST", b"x")[0] == 404
    assert guest.ask("/latest/meta-data/password", "POST", b"x")[0] == 404
    assert guest.ask("/latest", "DELETE")[0] == 405


# Port 8775


def signed(server, secret=SECRET, project=None):
    signature = hmac.new(secret.encode(), server["id"].encode(), hashlib.sha256).hexdigest()
    return {
        "X-Instance-ID": server["id"],
        "X-Tenant-ID": project or server["tenant_id"],
        "X-Instance-ID-Signature": signature,
    }


def proxied(world, path, headers):
    return PLAIN.get(f"{world.cloud.url}/metadata{path}", headers=headers)


def test_a_proxy_that_knows_the_secret_is_answered(world, guest):
    answer = proxied(world, "/latest/meta-data/local-ipv4", signed(guest.server))
    assert (answer.status_code, answer.text) == (200, guest.address)
    answer = proxied(world, "/openstack/latest/meta_data.json", signed(guest.server))
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["uuid"] == guest.server["id"]


def test_a_proxy_with_another_secret_is_403(world, guest):
    assert proxied(world, "/latest/meta-data/", signed(guest.server, "guessed")).status_code == 403


def test_a_proxy_that_names_another_project_is_404(world, guest):
    assert proxied(world, "/latest/meta-data/", signed(guest.server, project="f" * 32)).status_code == 404


def test_a_request_for_nobody_is_400_and_the_versions_are_anyones(world, guest):
    assert proxied(world, "/latest/meta-data/", {}).status_code == 400
    assert proxied(world, "/", {}).text.endswith("latest")


# The config drive


def drive(world, server):
    part = world.cloud.world()["servers"][server["id"]]["part"]["config_drive"]
    return part and {path: base64.b64decode(content) for path, content in part.items()}


def test_a_config_drive_holds_the_same(world, demo):
    plain = demo.server(name="plain")
    assert drive(world, plain) is None
    network = plain["addresses"] and demo.network("10.8.0.0/24")
    with_drive = demo.server(name="with", config_drive=True, networks=[{"uuid": network["id"]}])
    files = drive(world, with_drive)
    assert json.loads(files["openstack/latest/meta_data.json"])["uuid"] == with_drive["id"]
    assert json.loads(files["openstack/latest/network_data.json"])["links"]
    assert with_drive["config_drive"] == "True"
