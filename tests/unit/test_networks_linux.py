"""What the linux networks say to nftables and dnsmasq, as text, and how metadata requests are read."""

import asyncio
import ipaddress
import itertools
import os

import pytest

from monostack.node.errors import Broken, Retry
from monostack.node.networks import open_networks
from monostack.node.networks.linux import announce, dhcp, firewall, metadata, names

MAC = "fa:16:3e:00:00:0b"
PORT = {
    "id": "b7a1f0f2-1111-4222-8333-444455556666",
    "mac": MAC,
    "hostname": "web_1",
    "fixed_ips": [{"subnet_id": "s1", "ip": "10.0.0.11", "prefix": 24}],
    "port_security": True,
    "security_groups": ["g1"],
    "allowed_address_pairs": [],
}
SUBNET = {
    "id": "s1",
    "cidr": "10.0.0.0/24",
    "ip_version": 4,
    "gateway_ip": "10.0.0.1",
    "enable_dhcp": True,
    "dhcp_ip": "10.0.0.2",
    "dhcp_mac": "fa:16:3e:dd:00:02",
    "dns_nameservers": [],
    "host_routes": [],
}
NETWORK = {"id": "n1", "mtu": 1450, "subnets": [SUBNET]}
RULE = {
    "direction": "ingress",
    "ethertype": "IPv4",
    "protocol": None,
    "port_min": None,
    "port_max": None,
    "remote_ip_prefix": None,
    "remote_group_id": None,
}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, "ether type ip"),
        ({"ethertype": "IPv6"}, "ether type ip6"),
        ({"protocol": "tcp", "port_min": 22, "port_max": 22}, "ether type ip meta l4proto 6 th dport 22"),
        ({"protocol": "udp", "port_min": 1, "port_max": 9}, "ether type ip meta l4proto 17 th dport 1-9"),
        ({"protocol": "17", "port_max": 9}, "ether type ip meta l4proto 17 th dport 0-9"),
        ({"protocol": "icmp"}, "ether type ip meta l4proto 1"),
        ({"protocol": "icmp", "port_min": -1, "port_max": -1}, "ether type ip meta l4proto 1"),
        (
            {"protocol": "icmp", "port_min": 8, "port_max": 0},
            "ether type ip meta l4proto 1 icmp type 8 icmp code 0",
        ),
        ({"protocol": "icmp", "port_min": 0}, "ether type ip meta l4proto 1 icmp type 0"),
        (
            {"protocol": "icmp", "ethertype": "IPv6", "port_min": 128},
            "ether type ip6 meta l4proto 58 icmpv6 type 128",
        ),
        ({"protocol": "vrrp", "port_min": 5}, "ether type ip meta l4proto 112"),
        ({"remote_ip_prefix": "10.1.2.3/8"}, "ether type ip ip saddr 10.0.0.0/8"),
        ({"remote_ip_prefix": "0.0.0.0/0"}, "ether type ip"),
        ({"remote_group_id": "g2"}, "ether type ip ip saddr @m4-g2"),
        ({"remote_group_id": "g2", "ethertype": "IPv6"}, "ether type ip6 ip6 saddr @m6-g2"),
    ],
)
def test_a_rule_becomes_these_words(rule, words):
    assert firewall.match(RULE | rule) == f"{words} meta mark set meta mark or 2 accept"


def test_an_egress_rule_looks_at_the_destination_and_sets_the_senders_bit():
    rule = RULE | {"direction": "egress", "remote_ip_prefix": "10.0.0.0/8"}
    assert firewall.match(rule) == "ether type ip ip daddr 10.0.0.0/8 meta mark set meta mark or 1 accept"


def test_an_unknown_protocol_is_refused_with_the_known_ones():
    with pytest.raises(Broken, match="'smtp' is no number.*tcp, udp"):
        firewall.match(RULE | {"protocol": "smtp"})


def test_the_sixteen_marks_are_judged_as_the_bits_mean():
    """Written out by the meaning of each bit, and not by the expression in the code."""
    for send, receive, replies_out, replies_in in itertools.product((False, True), repeat=4):
        mark = send * 1 + receive * 2 + replies_out * 4 + replies_in * 8
        assert (mark in firewall.NEW) == (send and receive)
        sender_agrees, receiver_agrees = send or replies_out, receive or replies_in
        assert (mark in firewall.REPLY) == (sender_agrees and receiver_agrees)


def test_a_port_may_send_from_its_addresses_and_allowed_pairs_only():
    pairs = [
        {"ip_address": "10.9.0.0/24", "mac_address": None},
        {"ip_address": "10.9.0.7", "mac_address": None},
        {"ip_address": "10.8.0.1", "mac_address": "FA:16:3E:00:00:99"},
    ]
    said = firewall.said(PORT | {"allowed_address_pairs": pairs}, "tap1")
    assert said["own4"] == {f'"tap1" . {MAC} . 10.0.0.11', '"tap1" . fa:16:3e:00:00:99 . 10.8.0.1'}
    assert said["own4-ranges"] == {f'"tap1" . {MAC} . 10.9.0.0/24'}
    assert said["own6"] == {
        f'"tap1" . {MAC} . fe80::f816:3eff:fe00:b',
        '"tap1" . fa:16:3e:00:00:99 . fe80::f816:3eff:fe00:99',
    }
    assert said["cards"] == {f'"tap1" . {MAC}', '"tap1" . fa:16:3e:00:00:99'}


def test_a_port_without_security_says_nothing():
    assert firewall.said(PORT | {"port_security": False}, "tap1") == {}


def test_a_port_without_groups_is_guarded_and_allowed_nothing():
    said = firewall.said(PORT | {"security_groups": []}, "tap1")
    assert said["guarded"] == {'"tap1"'}
    assert "from" not in said and "to" not in said


def test_ports_with_the_same_groups_share_their_chains():
    one = firewall.said(PORT | {"security_groups": ["g1", "g2"]}, "tap1")
    other = firewall.said(PORT | {"security_groups": ["g2", "g1"]}, "tap2")
    assert one["to"] == {text.replace("tap2", "tap1") for text in other["to"]}
    text = firewall.port(PORT | {"security_groups": ["g2", "g1"]}, "tap1", {})
    chain = firewall.chain_of("in", ["g1", "g2"])
    assert f"add rule bridge monostack {chain} jump in-g1" in text
    assert f"add rule bridge monostack {chain} jump in-g2" in text


def test_a_change_of_a_port_says_only_what_changed():
    before = firewall.said(PORT, "tap1")
    moved = PORT | {"fixed_ips": [{"subnet_id": "s1", "ip": "10.0.0.12", "prefix": 24}]}
    lines = [line for line in firewall.port(moved, "tap1", before).splitlines() if " element " in line]
    assert sorted(line.split()[0] + " " + line.split()[4] for line in lines) == [
        "add own4",
        "add speak",
        "delete own4",
        "delete speak",
    ]
    unchanged = firewall.port(PORT, "tap1", before).splitlines()
    assert not [line for line in unchanged if " element " in line]


def test_members_are_single_addresses_of_either_family_and_small_ranges_are_written_out():
    lines = firewall.members("add", "g1", ["10.0.0.2", "fd00::2", "10.0.0.1", "10.1.0.0/31"])
    assert lines == [
        "add element bridge monostack m4-g1 { 10.0.0.1, 10.0.0.2, 10.1.0.0, 10.1.0.1 }",
        "add element bridge monostack m6-g1 { fd00::2 }",
    ]
    with pytest.raises(Broken, match="at most a /24"):
        firewall.members("add", "g1", ["10.0.0.0/8"])


def test_a_group_that_is_named_before_it_is_known_gets_empty_chains_and_sets():
    part = {"id": "g1", "stateful": True, "rules": [RULE | {"remote_group_id": "later"}], "members": []}
    lines = firewall.group(part).splitlines()
    frame = lines.index("add set bridge monostack m4-later { type ipv4_addr; }")
    use = next(number for number, line in enumerate(lines) if "@m4-later" in line)
    assert frame < use


def test_dnsmasq_is_told_static_ranges_and_where_its_files_are(tmp_path):
    text = dhcp.configuration(NETWORK, tmp_path, "example.org")
    assert "dhcp-range=set:subnet-s1,10.0.0.0,static,255.255.255.0,86400" in text.splitlines()
    assert f"dhcp-hostsdir={tmp_path}/hosts" in text.splitlines()
    assert "user=nobody" in text.splitlines()


@pytest.mark.parametrize(
    ("subnet", "lines"),
    [
        (
            {},
            [
                "option:router,10.0.0.1",
                "option:dns-server,10.0.0.2",
                "option:classless-static-route,169.254.169.254/32,10.0.0.2,0.0.0.0/0,10.0.0.1",
                "option:mtu,1450",
            ],
        ),
        (
            {"gateway_ip": None, "dns_nameservers": ["9.9.9.9", "2620:fe::fe", "1.1.1.1"]},
            [
                "option:router",
                "option:dns-server,9.9.9.9,1.1.1.1",
                "option:classless-static-route,169.254.169.254/32,10.0.0.2",
            ],
        ),
        (
            {
                "dns_nameservers": ["0.0.0.0"],
                "host_routes": [{"destination": "10.5.0.0/16", "nexthop": "10.0.0.5"}],
            },
            [
                "option:dns-server",
                "option:classless-static-route,169.254.169.254/32,10.0.0.2,"
                "10.5.0.0/16,10.0.0.5,0.0.0.0/0,10.0.0.1",
            ],
        ),
    ],
)
def test_guests_are_told_their_way_out_their_resolvers_and_the_way_to_metadata(subnet, lines):
    told = dhcp.options(NETWORK | {"subnets": [SUBNET | subnet]}).splitlines()
    for line in lines:
        assert f"tag:subnet-s1,{line}" in told


def test_a_port_is_one_line_for_each_subnet_with_dhcp():
    silent = SUBNET | {"id": "s2", "cidr": "10.0.1.0/24", "enable_dhcp": False}
    network = NETWORK | {"subnets": [SUBNET, silent]}
    port = PORT | {"fixed_ips": [*PORT["fixed_ips"], {"subnet_id": "s2", "ip": "10.0.1.5", "prefix": 24}]}
    assert dhcp.host(port, network) == f"{MAC},10.0.0.11,web-1\n"
    assert dhcp.host(PORT | {"hostname": None}, network) == f"{MAC},10.0.0.11,host-10-0-0-11\n"
    assert dhcp.host(PORT | {"hostname": "a,b\n;c"}, network) == f"{MAC},10.0.0.11,a-b--c\n"


def test_interface_names_fit_the_kernel_and_labels_name_their_cloud():
    id = "b7a1f0f2-1111-4222-8333-444455556666"
    makers = (names.bridge, names.tap, names.service_leg, names.router_leg, names.router_end)
    for maker in (*makers, names.gateway_leg, names.uplink_leg, names.uplink_end):
        assert len(maker(id)) <= 15
    cloud, other = "8d1e5a52-3c50-4b8e-9d3a-0f8b8b2f3a11", "8d1e5a52-3c50-4b8e-9d3a-0f8b8b2f3a12"
    label = names.label(cloud, "port", id)
    assert names.read_label(label, cloud) == ("port", id)
    assert names.read_label(label, other) is None
    assert names.read_label("eth0 of somebody", cloud) is None
    assert names.read_label(None, cloud) is None


def test_a_gratuitous_arp_names_its_own_address_twice():
    frame = announce.frame(b"\xfa\x16\x3e\x00\x00\x01", "172.24.4.100")
    assert frame[:6] == b"\xff" * 6
    assert frame[12:22] == bytes.fromhex("08060001080006040001")
    assert frame[28:32] == frame[38:42] == bytes([172, 24, 4, 100])


def test_the_network_of_a_caller_is_the_one_whose_range_has_its_address():
    ranges = [(ipaddress.ip_network("10.0.0.0/24"), "n1"), (ipaddress.ip_network("10.0.1.0/24"), "n2")]
    assert metadata.network_of("10.0.1.9", ranges) == "n2"
    assert metadata.network_of("10.0.2.9", ranges) is None


async def test_without_root_the_driver_says_what_to_use_instead(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    networks = open_networks("linux", tmp_path, "8d1e5a52-3c50-4b8e-9d3a-0f8b8b2f3a11")
    with pytest.raises(Broken, match="need root. Without it, use the networks 'user'"):
        await networks.start()
    with pytest.raises(Retry, match="have not been started"):
        await networks.look()
    await networks.stop()


async def talk(data: bytes, answer) -> bytes:
    """Send bytes to a listener on a socket of the test's own and read what comes until it closes."""
    listener = metadata.Listener(answer, namespace=0)
    listener.server = await asyncio.start_server(listener._talk, "127.0.0.1", 0)
    try:
        address = listener.server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address)
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
        listener.close()


async def echo(source, method, path, headers, body):
    return 200, {"x-seen": headers.get("host", "")}, f"{method} {path} {body.decode()}".encode()


async def test_two_requests_on_one_connection_are_answered_in_turn():
    answer = await talk(
        b"GET /latest HTTP/1.1\r\nHost: a\r\n\r\nPOST /p HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\nxyz",
        echo,
    )
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"GET /latest " in answer and b"POST /p xyz" in answer
    assert b"x-seen: a" in answer and b"x-seen: b" in answer


async def test_an_old_client_gets_its_connection_closed_and_head_gets_no_body():
    answer = await talk(b"GET /old HTTP/1.0\r\n\r\n", echo)
    assert b"connection: close" in answer
    head, _, body = (await talk(b"HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n", echo)).partition(b"\r\n\r\n")
    assert b"content-length: 8" in head and body == b""


async def test_what_is_no_http_or_too_large_is_refused_in_words():
    assert b"400 Bad Request" in await talk(b"\x16\x03\x01 not http\r\n\r\n", echo)
    large = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000
    assert b" 413 " in await talk(large, echo)


async def test_an_answer_that_fails_is_503_and_the_connection_lives():
    async def broken(*request):
        raise RuntimeError("the database is away")

    answer = await talk(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", broken)
    assert answer.count(b"HTTP/1.1 503 Service Unavailable") == 2
    assert b"database" not in answer
