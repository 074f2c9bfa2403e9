"""User networking: one forwarded port per port for good, arguments QEMU accepts, limits in words."""

import asyncio
import shutil
import socket
import subprocess

import pytest

from monostack.node.errors import Broken, Retry
from monostack.node.networks.user import UserNetworks, netdev

CLOUD = "8d1e5a52-3c50-4b8e-9d3a-0f8b8b2f3a11"
RANGE = {"forward_first": 20300, "forward_last": 20309}
SUBNET = {
    "id": "s4",
    "cidr": "10.1.0.0/24",
    "ip_version": 4,
    "gateway_ip": "10.1.0.1",
    "enable_dhcp": True,
    "dhcp_ip": "10.1.0.2",
    "dhcp_mac": "fa:16:3e:00:00:02",
    "dns_nameservers": [],
    "host_routes": [],
}
NETWORK = {
    "kind": "network",
    "id": "1e8b2e0e-1111-4222-8333-444455556666",
    "version": 1,
    "desired": "present",
    "name": "private",
    "mtu": 1450,
    "external": False,
    "physical_network": None,
    "segment": 7,
    "subnets": [SUBNET],
}
PORT = {
    "kind": "port",
    "id": "b7a1f0f2-1111-4222-8333-444455556666",
    "version": 1,
    "desired": "present",
    "network_id": NETWORK["id"],
    "mac": "fa:16:3e:00:00:77",
    "mtu": 1450,
    "hostname": "vm-1",
    "fixed_ips": [{"subnet_id": "s4", "ip": "10.1.0.77", "prefix": 24}],
    "device_owner": "compute:nova",
    "device_id": "d",
    "port_security": True,
    "security_groups": [],
    "allowed_address_pairs": [],
    "admin_up": True,
}
ROUTER = {
    "kind": "router",
    "id": "2f8b2e0e-1111-4222-8333-444455556666",
    "version": 1,
    "desired": "present",
    "name": "r",
    "admin_up": True,
    "external": None,
    "routes": [],
    "interfaces": [{"port_id": "p", "network_id": NETWORK["id"], "mac": "fa:16:3e:00:00:01", "ips": []}],
    "floating_ips": [
        {"id": "f", "floating_ip": "172.24.4.9", "fixed_ip": "10.1.0.77"},
        {"id": "g", "floating_ip": "172.24.4.8", "fixed_ip": "10.1.0.99"},
    ],
}


def run(coroutine):
    return asyncio.run(coroutine)


def driver(tmp_path, *parts, **options):
    networks = UserNetworks(tmp_path, CLOUD, RANGE | options)
    answer = run(networks.start())
    assert answer["config_drive"] is True
    for part in parts:
        run(networks.make(part))
    return networks


def forwarded(networks, id=PORT["id"]):
    return run(networks.look())["port", id]["forwarded"]["ssh"]


def test_the_forwarded_port_is_the_same_after_a_restart(tmp_path):
    first = driver(tmp_path, NETWORK, PORT)
    told = forwarded(first)
    assert told.startswith("127.0.0.1:203")
    assert forwarded(driver(tmp_path)) == told
    assert run(first.make(PORT | {"version": 2}))["forwarded"] == {"ssh": told}


def test_two_ports_never_share_a_forwarded_port_and_running_out_is_said(tmp_path):
    networks = driver(tmp_path, NETWORK)
    for number in range(10):
        run(networks.make(PORT | {"id": f"{number:08d}-1111"}))
    assert len(set(networks.forwards.values())) == 10
    with pytest.raises(Retry, match="between 20300 and 20309"):
        run(networks.make(PORT | {"id": "one-too-many"}))
    run(networks.unmake("port", "00000003-1111"))
    run(networks.make(PORT | {"id": "one-too-many"}))


def test_plug_gives_the_guest_its_address_and_takes_another_forward_if_somebody_took_it(tmp_path):
    networks = driver(tmp_path, NETWORK, PORT)
    number = networks.forwards[PORT["id"]]
    assert run(networks.plug(PORT["id"])) == {
        "args": [
            "-netdev",
            "user,id=n-b7a1f0f2-11,net=10.1.0.0/24,host=10.1.0.1,dns=10.1.0.2,"
            f"dhcpstart=10.1.0.77,ipv6=off,hostname=vm-1,hostfwd=tcp:127.0.0.1:{number}-:22",
        ],
        "fds": [],
    }
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", number))
        thief.listen()
        answer = run(networks.plug(PORT["id"]))
    assert networks.forwards[PORT["id"]] != number
    assert f"127.0.0.1:{networks.forwards[PORT['id']]}-:22" in answer["args"][1]


def test_a_floating_ip_tells_where_its_guest_is_reached(tmp_path):
    networks = driver(tmp_path, NETWORK, PORT)
    facts = run(networks.make(ROUTER))
    assert facts["forwarded"] == {"172.24.4.9": {"ssh": forwarded(networks)}}


def test_removing_forgets_part_and_forward(tmp_path):
    networks = driver(tmp_path, NETWORK, PORT)
    assert run(networks.unmake("port", PORT["id"])) is True
    again = driver(tmp_path)
    assert set(run(again.look())) == {("network", NETWORK["id"])}
    assert again.forwards == {}
    with pytest.raises(Retry, match="has not been made"):
        run(again.plug(PORT["id"]))


def test_the_limits_are_said_in_words(tmp_path):
    why = run(UserNetworks(tmp_path, CLOUD, RANGE).start())["why"]
    for word in ("security groups", "ping", "config drive", "127.0.0.1"):
        assert word in why


def test_a_port_without_ipv4_gets_a_cable_that_leads_nowhere():
    assert netdev(PORT | {"fixed_ips": []}, NETWORK, 20300) == "user,id=n-b7a1f0f2-11,restrict=on"


def test_a_subnet_too_small_is_refused_in_words():
    subnet = SUBNET | {"cidr": "10.1.0.76/30", "gateway_ip": "10.1.0.78", "dhcp_ip": None}
    tiny = NETWORK | {"subnets": [subnet]}
    with pytest.raises(Broken, match="too small"):
        netdev(PORT, tiny, 20300)


@pytest.mark.parametrize(
    "subnet",
    [
        {},
        {"gateway_ip": None},
        {"gateway_ip": None, "dhcp_ip": None},
        {"dhcp_ip": None, "cidr": "10.1.0.64/28", "gateway_ip": "10.1.0.65"},
        {"gateway_ip": "192.0.2.1"},
    ],
)
def test_qemu_accepts_the_argument(subnet):
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    argument = netdev(PORT, NETWORK | {"subnets": [SUBNET | subnet]}, 20310)
    command = [
        qemu,
        "-nodefaults",
        "-display",
        "none",
        "-S",
        "-machine",
        "none",
        "-qmp",
        "stdio",
        "-netdev",
        argument,
    ]
    talk = '{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n'
    done = subprocess.run(command, input=talk, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
