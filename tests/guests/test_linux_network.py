"""The linux networks with real packets: all of it happens in namespaces made for the test."""

import contextlib
import os
import signal
import socket
import threading
from pathlib import Path

import pytest
from tests.guests.linux_network_world import (
    ICMP,
    REASON,
    Cloud,
    Guest,
    Machine,
    begin,
    fetch,
    group,
    lease,
    network,
    new,
    outside,
    port,
    router,
    rule,
    subnet,
)

from monostack.node.errors import Broken, Retry
from monostack.node.networks.linux import LinuxNetworks, names, namespaces

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    machine = Machine(tmp_path_factory.mktemp("machine"))
    yield machine
    machine.end()


@pytest.fixture
def cloud(machine, tmp_path):
    cloud = Cloud(machine, tmp_path)
    yield cloud
    cloud.end()
    assert machine.run("ip", "netns", "list").stdout.count("ms") == 0, "something of the cloud is left"
    assert "mse-" not in machine.run("ip", "link").stdout


def test_security_groups_follow_their_rules_at_once(cloud):
    net = network(subnet("10.0.0.0/24"))
    closed = group(members=["10.0.0.11", "10.0.0.12"])
    cloud.make(closed, net)
    first = cloud.boot(port(net, "10.0.0.11", 11, [closed["id"]]), "10.0.0.11/24")
    second = cloud.boot(port(net, "10.0.0.12", 12, [closed["id"]]), "10.0.0.12/24")
    assert first.misses("10.0.0.12")
    cloud.make(closed | {"version": 2, "rules": [*closed["rules"], rule(**ICMP)]})
    assert first.reaches("10.0.0.12")
    assert second.reaches("10.0.0.11", "-s", "4000"), "fragments are judged by their first"
    running = begin(second, "ping", "-i", "0.2", "-w", "3", "10.0.0.11")
    threading.Event().wait(0.8)
    cloud.make(closed | {"version": 3})
    assert first.misses("10.0.0.12")
    words = running().split(" packets transmitted, ")
    sent, received = int(words[0].rpartition("\n")[2]), int(words[1].split()[0])
    assert 1 <= received <= 6 < sent, "a conversation that began before does not go on without its rule"


def test_a_guest_gets_its_address_routes_and_metadata(cloud, tmp_path):
    net = network(subnet("10.0.0.0/24", host_routes=[{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]))
    nothing = group()
    nothing["rules"] = []
    cloud.make(nothing, net)
    first = port(net, "10.0.0.11", 11, [nothing["id"]])
    guest = cloud.boot(first)
    assert lease(guest, tmp_path) == (
        "10.0.0.11/24 router=10.0.0.1 dns=192.0.2.53 mtu=1450 domain=openstacklocal hostname=vm-11"
    )
    routes = guest.run("ip", "route").stdout
    for line in ("default via 10.0.0.1", "10.9.0.0/16 via 10.0.0.9", "169.254.169.254 via 10.0.0.2"):
        assert line in routes
    assert fetch(guest, "/openstack/latest") == [net["id"], "10.0.0.11", "/openstack/latest"]

    late = cloud.boot(port(net, "10.0.0.12", 12, [nothing["id"]]))
    assert lease(late, tmp_path).startswith("10.0.0.12/24"), "a port made while dnsmasq runs"
    moved = first | {"version": 2, "fixed_ips": [first["fixed_ips"][0] | {"ip": "10.0.0.77"}]}
    cloud.make(moved)
    guest.run("ip", "addr", "flush", "dev", "eth0")
    assert lease(guest, tmp_path).startswith("10.0.0.77/24"), "an address that changed while dnsmasq runs"
    cloud.make(net | {"version": 2, "subnets": [net["subnets"][0] | {"dns_nameservers": ["192.0.2.54"]}]})
    guest.run("ip", "addr", "flush", "dev", "eth0")
    assert "dns=192.0.2.54" in lease(guest, tmp_path)


def test_a_member_of_a_remote_group_is_let_in_while_it_is_one(cloud):
    net = network(subnet("10.0.0.0/24"))
    friends = group(members=["10.0.0.11"])
    open_to_friends = group(rule(protocol="tcp", port_min=8000, port_max=8010, remote_group_id=friends["id"]))
    cloud.make(open_to_friends, friends, net)
    friend = cloud.boot(port(net, "10.0.0.11", 11, [friends["id"]]), "10.0.0.11/24")
    stranger = cloud.boot(port(net, "10.0.0.12", 12, [friends["id"]]), "10.0.0.12/24")
    server = cloud.boot(port(net, "10.0.0.13", 13, [open_to_friends["id"]]), "10.0.0.13/24")
    listening = server.socket()
    listening.bind(("10.0.0.13", 8005))
    listening.listen()

    def connects(guest: Guest) -> bool:
        with guest.socket() as talking:
            talking.settimeout(0.6)
            with contextlib.suppress(TimeoutError):
                talking.connect(("10.0.0.13", 8005))
                return True
        return False

    assert connects(friend)
    assert not connects(stranger)
    cloud.make(friends | {"version": 2, "members": ["10.0.0.12"]})
    assert connects(stranger)
    assert not connects(friend)
    listening.close()


def test_nobody_speaks_for_a_neighbour_unless_allowed(cloud):
    net = network(subnet("10.0.0.0/24"))
    open_group = group(rule())
    cloud.make(open_group, net)
    honest = port(net, "10.0.0.11", 11, [open_group["id"]])
    liar = cloud.boot(honest, "10.0.0.11/24", "10.0.0.99/32")
    target = cloud.boot(port(net, "10.0.0.12", 12, [open_group["id"]]), "10.0.0.12/24")
    assert liar.reaches("10.0.0.12")
    assert liar.misses("10.0.0.12", "-I", "10.0.0.99")
    target.forget_neighbours()
    assert target.misses("10.0.0.99"), "it may not answer ARP for it either"
    cloud.make(
        honest
        | {"version": 2, "allowed_address_pairs": [{"ip_address": "10.0.0.96/29", "mac_address": None}]}
    )
    target.forget_neighbours()
    assert liar.reaches("10.0.0.12", "-I", "10.0.0.99")
    cloud.make(honest | {"version": 3})
    assert liar.misses("10.0.0.12", "-I", "10.0.0.99")
    liar.run("ip", "link", "set", "eth0", "address", "fa:16:3e:00:00:98")
    assert liar.misses("10.0.0.12")
    cloud.make(honest | {"version": 4, "port_security": False, "security_groups": []})
    assert liar.reaches("10.0.0.12"), "a port without security is not filtered"
    target.forget_neighbours()
    assert liar.reaches("10.0.0.12", "-I", "10.0.0.99")


def test_a_packet_that_fits_no_conversation_passes_only_where_nobody_filters(cloud):
    """An echo reply that nobody asked for: no rule means it, yet a port without security gets everything."""
    net = network(subnet("10.0.0.0/24"))
    open_group = group(rule())
    cloud.make(open_group, net)
    parts = [port(net, f"10.0.0.{number}", number, [open_group["id"]]) for number in (11, 12)]
    speaker, hearer = [cloud.boot(part, f"{part['fixed_ips'][0]['ip']}/24") for part in parts]
    assert speaker.reaches("10.0.0.12")

    def heard() -> bool:
        with raw_icmp(speaker) as speaking, raw_icmp(hearer) as listening:
            listening.settimeout(0.5)
            speaking.sendto(b"\0\0" + b"\xdb\x97\x12\x34\x12\x34" + bytes(2), ("10.0.0.12", 0))
            with contextlib.suppress(TimeoutError):
                return b"\x12\x34\x12\x34" in listening.recv(100)
        return False

    assert not heard()
    free = {"version": 2, "port_security": False, "security_groups": []}
    cloud.make(*(part | free for part in parts))
    assert heard()


def raw_icmp(guest: Guest) -> socket.socket:
    def inside() -> socket.socket:
        with namespaces.within(guest.name):
            return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)

    return guest.machine.call(inside)


def test_floating_ips_from_the_machine_from_guests_and_between_routers(cloud, machine):
    public = network(subnet("172.24.4.0/24", enable_dhcp=False, dhcp_ip=None), external=True, mtu=1500)
    one, two = network(subnet("10.0.0.0/24")), network(subnet("10.0.0.0/24"))
    open_group = group(rule())
    cloud.make(open_group, public, one, two)
    first = cloud.boot(port(one, "10.0.0.11", 11, [open_group["id"]]), "10.0.0.11/24", gateway="10.0.0.1")
    second = cloud.boot(port(one, "10.0.0.12", 12, [open_group["id"]]), "10.0.0.12/24", gateway="10.0.0.1")
    foreign = cloud.boot(port(two, "10.0.0.11", 13, [open_group["id"]]), "10.0.0.11/24", gateway="10.0.0.1")
    near = router([one], outside(public, "172.24.4.10", 1), [("172.24.4.100", "10.0.0.11")])
    far = router([two], outside(public, "172.24.4.20", 2), [("172.24.4.200", "10.0.0.11")])
    cloud.make(near, far)

    def reached(address: str) -> bool:
        return machine.run("ping", "-c", "1", "-W", "1", address, check=False).returncode == 0

    assert reached("172.24.4.100") and reached("172.24.4.200"), "from the machine"
    assert first.reaches("172.24.4.100"), "a guest calls itself"
    assert second.reaches("172.24.4.100"), "a guest calls its neighbour"
    assert foreign.reaches("172.24.4.100") and second.reaches("172.24.4.200"), "from another project"

    def seen_as(guest: Guest) -> str:
        with machine.call(socket.socket) as listening:
            listening.bind(("192.0.2.10", 0))
            listening.listen()
            listening.settimeout(3)
            with guest.socket() as talking:
                talking.settimeout(3)
                talking.connect(listening.getsockname())
                return listening.accept()[1][0]

    assert seen_as(first) == "172.24.4.100", "out by its floating IP"
    assert seen_as(second) == "172.24.4.10", "out by the router's address"
    cloud.make(
        near | {"version": 2, "floating_ips": []}, far | {"version": 2, "floating_ips": near["floating_ips"]}
    )
    assert reached("172.24.4.100") and not reached("172.24.4.200")
    assert seen_as(foreign) == "172.24.4.100" and seen_as(first) == "172.24.4.10"
    cloud.make(
        near | {"version": 3, "floating_ips": [], "external": near["external"] | {"enable_snat": False}}
    )
    with pytest.raises(TimeoutError):
        seen_as(second)


def test_metadata_behind_a_router_and_a_route_that_a_user_added(cloud):
    one = network(subnet("10.0.0.0/24", dhcp_ip=None))
    two = network(subnet("10.0.1.0/24", dhcp_ip=None))
    open_group = group(rule())
    middle = router([one, two])
    cloud.make(open_group, one, two, middle)
    guest = cloud.boot(port(one, "10.0.0.11", 11, [open_group["id"]]), "10.0.0.11/24", gateway="10.0.0.1")
    other = cloud.boot(
        port(two, "10.0.1.12", 12, [open_group["id"]]), "10.0.1.12/24", "10.7.0.1/32", gateway="10.0.1.1"
    )
    assert guest.reaches("10.0.1.12"), "one router joins two networks"
    for asking, net, ip in ((guest, one, "10.0.0.11"), (other, two, "10.0.1.12")):
        assert fetch(asking, "/x?y=1") == [net["id"], ip, "/x?y=1"]
    assert guest.misses("10.7.0.1")
    cloud.make(middle | {"version": 2, "routes": [{"destination": "10.7.0.0/16", "nexthop": "10.0.1.12"}]})
    cloud.make(
        cloud_part(cloud, "10.0.1.12") | {"version": 2, "allowed_address_pairs": [{"ip_address": "10.7.0.1"}]}
    )
    assert guest.reaches("10.7.0.1")
    cloud.make(middle | {"version": 3})
    assert guest.misses("10.7.0.1")


def cloud_part(cloud: Cloud, ip: str) -> dict:
    return next(part for part in cloud.made if part["kind"] == "port" and part["fixed_ips"][0]["ip"] == ip)


def test_overlapping_networks_do_not_know_each_others_conversations(cloud):
    """The same addresses and ports on two networks: a conversation on one must not open the other."""
    one, two = network(subnet("10.0.0.0/24")), network(subnet("10.0.0.0/24"))
    closed = group()
    greeting = group(rule(protocol="udp", port_min=7000, port_max=7000))
    cloud.make(closed, greeting, one, two)
    pairs = []
    for net, number in ((one, 20), (two, 30)):
        groups = [greeting["id"]] if net is one else [closed["id"]]
        caller = cloud.boot(port(net, "10.0.0.11", number, [closed["id"]]), "10.0.0.11/24")
        called = cloud.boot(port(net, "10.0.0.12", number + 1, groups), "10.0.0.12/24")
        pairs.append((caller, called))

    def heard(caller: Guest, called: Guest) -> bool:
        with caller.socket(socket.SOCK_DGRAM) as speaking, called.socket(socket.SOCK_DGRAM) as listening:
            listening.bind(("10.0.0.12", 7000))
            listening.settimeout(0.6)
            speaking.bind(("10.0.0.11", 7001))
            speaking.sendto(b"hello", ("10.0.0.12", 7000))
            try:
                listening.recv(100)
            except TimeoutError:
                return False
            listening.sendto(b"hello yourself", ("10.0.0.11", 7001))
            speaking.settimeout(0.6)
            return speaking.recv(100) == b"hello yourself"

    assert heard(*pairs[0])
    assert not heard(*pairs[1])
    assert heard(*pairs[0])


def test_ipv6_is_filtered_by_its_own_rules(cloud):
    net = network(subnet("10.0.0.0/24"))
    cloud.make(net)
    closed = group()
    cloud.make(closed)

    def with_ipv6(ip: str, number: int) -> dict:
        part = port(net, ip, number, [closed["id"]])
        part["fixed_ips"].append({"subnet_id": new(), "ip": f"fd00::{number}", "prefix": 64})
        return part

    first = cloud.boot(with_ipv6("10.0.0.11", 11), "fd00::11/64")
    cloud.boot(with_ipv6("10.0.0.12", 12), "fd00::12/64")
    assert first.misses("fd00::12")
    cloud.make(
        closed | {"version": 2, "rules": [*closed["rules"], rule(ethertype="IPv6", protocol="icmpv6")]}
    )
    assert first.reaches("fd00::12")
    first.address("fd00::66/64")
    assert first.misses("fd00::12", "-I", "fd00::66")
    cloud.make(closed | {"version": 3})
    assert first.misses("fd00::12")


def test_a_stateless_group_lets_no_reply_through_by_itself(cloud):
    net = network(subnet("10.0.0.0/24"))
    silent = group(stateful=False)
    silent["rules"] = [rule(direction="egress", protocol="udp")]
    usual = group(rule())
    cloud.make(silent, usual, net)
    first = cloud.boot(port(net, "10.0.0.11", 11, [silent["id"]]), "10.0.0.11/24")
    second = cloud.boot(port(net, "10.0.0.12", 12, [usual["id"]]), "10.0.0.12/24")

    def answered() -> bool:
        with first.socket(socket.SOCK_DGRAM) as asking, second.socket(socket.SOCK_DGRAM) as answering:
            answering.bind(("10.0.0.12", 7000))
            answering.settimeout(2)
            asking.settimeout(0.6)
            asking.sendto(b"?", ("10.0.0.12", 7000))
            question, caller = answering.recvfrom(10)
            answering.sendto(question, caller)
            with contextlib.suppress(TimeoutError):
                return asking.recv(10) == b"?"
        return False

    assert not answered()
    cloud.make(silent | {"version": 2, "stateful": True})
    assert answered()
    cloud.make(silent | {"version": 3, "rules": [*silent["rules"], rule(protocol="udp")]})
    assert answered()


def test_a_second_program_adopts_everything_and_an_unknown_thing_is_reported(cloud, machine, tmp_path):
    net = network(subnet("10.0.0.0/24"))
    open_group = group(rule())
    cloud.make(open_group, net)
    guest = cloud.boot(port(net, "10.0.0.11", 11, [open_group["id"]]))
    before = cloud.look()
    pid = dnsmasq_pid(cloud, net)
    machine.do(cloud.networks.stop())
    assert lease(guest, tmp_path).startswith("10.0.0.11/24"), "DHCP needs no program of ours"

    again = Cloud(machine, cloud.folder, cloud.cloud_id)
    assert again.look() == before
    assert {key[0] for key in before} == {"network", "port", "security_group"}
    assert all(facts["version"] == 1 for facts in before.values())
    assert fetch(guest, "/again") == [net["id"], "10.0.0.11", "/again"]
    again.make(*cloud.made)
    assert dnsmasq_pid(again, net) == pid, "what runs is left running"
    machine.do(again.networks.stop())

    forgetful = Cloud(machine, tmp_path / "new state", cloud.cloud_id)
    assert set(forgetful.look()) == set(before), "what stands in the world is found without any memory"
    assert all(facts["version"] is None for facts in forgetful.look().values())
    forgetful.guests, forgetful.made = cloud.guests, cloud.made
    forgetful.end()
    cloud.guests, cloud.made = [], []
    cloud.networks = LinuxNetworks(cloud.folder, cloud.cloud_id, {})
    machine.do(cloud.networks.start())


def dnsmasq_pid(cloud: Cloud, net: dict) -> int:
    return int(
        Path(
            f"/proc/{cloud.machine.thread.native_id}/root/run/monostack",
            cloud.cloud_id,
            net["id"],
            "dnsmasq.pid",
        ).read_text()
    )


def test_what_is_not_whole_is_not_reported_and_is_mended_by_making_it_again(cloud, machine):
    net = network(subnet("10.0.0.0/24"))
    cloud.make(net)
    os.kill(dnsmasq_pid(cloud, net), signal.SIGKILL)
    threading.Event().wait(0.1)
    assert ("network", net["id"]) not in cloud.look()
    cloud.make(net)
    assert cloud.look()["network", net["id"]]["version"] == 1
    machine.run(
        "ip",
        "netns",
        "exec",
        names.cloud_namespace(cloud.cloud_id),
        "ip",
        "link",
        "del",
        names.bridge(net["id"]),
    )
    assert ("network", net["id"]) not in cloud.look()
    cloud.make(net)
    assert cloud.look()["network", net["id"]]["version"] == 1


def test_a_range_of_the_machine_is_refused_in_words(cloud, machine):
    taken = network(subnet("192.0.2.0/25", enable_dhcp=False, dhcp_ip=None), external=True)
    with pytest.raises(Broken, match="overlaps with the machine's 192.0.2.0/24 on lan0"):
        machine.do(cloud.networks.make(taken))
    assert "192.0.2.1/" not in machine.run("ip", "addr").stdout
    cloud.made.append(taken)
    without = Cloud(machine, cloud.folder / "other", uplink=False)
    without.make(network(subnet("192.0.2.0/25"), external=True))
    assert names.uplink_end(without.made[0]["id"]) not in machine.run("ip", "link").stdout
    without.end()


def test_a_port_needs_its_network_and_a_tap_has_one_holder(cloud, machine):
    net = network(subnet("10.0.0.0/24"))
    part = port(net, "10.0.0.11", 11)
    with pytest.raises(Retry, match="network of port"):
        machine.do(cloud.networks.make(part))
    with pytest.raises(Retry, match="has not been made"):
        machine.do(cloud.networks.plug(part["id"]))
    cloud.make(net)
    guest = cloud.boot(part)
    with pytest.raises(Retry, match="still held"):
        machine.do(cloud.networks.plug(part["id"]))
    guest.unplug()
    os.close(machine.do(cloud.networks.plug(part["id"]))["fds"][0])


def test_the_machine_itself_is_left_as_it_was(machine, tmp_path):
    def settings() -> str:
        return machine.run(
            "sh",
            "-c",
            "ip route; ip -br link; nft list ruleset; "
            "sysctl -a 2>/dev/null | grep -v -e random -e conntrack_count | grep ^net.",
        ).stdout

    before = settings()
    cloud = Cloud(machine, tmp_path)
    public = network(subnet("172.24.4.0/24"), external=True)
    inside = network(subnet("10.0.0.0/24"))
    cloud.make(public, inside, router([inside], outside(public, "172.24.4.10", 1)))
    new_links = {line.split("@")[0] for line in machine.run("ip", "-br", "link").stdout.splitlines()}
    assert {name for name in new_links if name.startswith("ms")} == {names.uplink_end(public["id"])}
    cloud.end()
    assert settings() == before
