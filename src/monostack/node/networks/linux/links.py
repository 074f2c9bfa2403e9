"""Interfaces and addresses, through the kernel's own protocol (rtnetlink) instead of the `ip` program.

Every function here says how a thing should be and may be called again at any time: what exists is set
right, what is missing is made. An interface and the far end of its cable are made in one message, so a kill
leaves either none or both.

`link` is always a connection that was opened in the namespace meant; see `connect`.
"""

import errno
import fcntl
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from monostack.kit.crash import point
from monostack.node.errors import Retry

TUNSETIFF, TUNSETPERSIST = 0x400454CA, 0x400454CB
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
STATIC = 4

NLMSG_DONE, RTM_NEWLINK, RTM_GETLINK = 3, 16, 18
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
IFLA_IFNAME, IFLA_MASTER, IFLA_IFALIAS = 3, 10, 20


def connect() -> IPRoute:
    """A connection to the kernel for the namespace in which this thread stands."""
    return IPRoute()


def find(link: IPRoute, name: str) -> dict | None:
    try:
        found = link.link("get", ifname=name)
    except NetlinkError as error:
        if error.code == errno.ENODEV:
            return None
        raise
    return found[0] if found else None


def present() -> dict[str, dict]:
    """All interfaces of this thread's namespace by name, with index, master and alias.

    Read from the kernel's messages directly, because the library takes half a millisecond for each interface
    and this is asked for all of them every minute.
    """
    found: dict[str, dict] = {}
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
    ) as kernel:
        kernel.bind((0, 0))
        request = (32, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0, 0, 0, 0, 0, 0)
        kernel.send(struct.pack("=IHHIIBxHiII", *request))
        while True:
            for kind, message in messages(kernel.recv(1 << 18)):
                if kind == NLMSG_DONE:
                    return found
                if kind == RTM_NEWLINK:
                    known = attributes(message[16:])
                    name = known[IFLA_IFNAME].rstrip(b"\0").decode()
                    found[name] = {
                        "index": struct.unpack_from("=i", message, 4)[0],
                        "master": int.from_bytes(known.get(IFLA_MASTER, b""), sys.byteorder) or None,
                        "alias": known.get(IFLA_IFALIAS, b"").rstrip(b"\0").decode(errors="replace") or None,
                    }


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The netlink messages of one datagram, as kind and body."""
    offset = 0
    while offset + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, offset)
        yield kind, data[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        found[kind & 0x3FFF] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def get(link: IPRoute, name: str) -> dict:
    """An interface that must be there."""
    found = find(link, name)
    if found is None:
        raise Retry(f"The interface {name} has disappeared.")
    return found


def index(link: IPRoute, name: str) -> int:
    return get(link, name)["index"]


def remove(link: IPRoute, name: str) -> None:
    found = find(link, name)
    if found is None:
        return
    point("linux.link.remove.before")
    try:
        link.link("del", index=found["index"])
    except NetlinkError as error:
        if error.code != errno.ENODEV:
            raise
    point("linux.link.remove.after")


def bridge(link: IPRoute, name: str, mtu: int, alias: str) -> int:
    """A bridge whose packets are shown to the IP packet filter, and which forwards from its first moment."""
    found = find(link, name)
    if found is None:
        point("linux.bridge.before")
        link.link(
            "add",
            ifname=name,
            kind="bridge",
            br_stp_state=0,
            br_forward_delay=0,
            br_mcast_snooping=0,
            br_nf_call_iptables=1,
            br_nf_call_ip6tables=1,
        )
        point("linux.bridge.after")
        found = get(link, name)
    settle(link, found, mtu=mtu, alias=alias)
    return found["index"]


def tap(link: IPRoute, name: str, mtu: int, master: str, alias: str, up: bool) -> None:
    """A tap that stays when nobody holds it, so that a guest's port outlives its QEMU and this program."""
    found = find(link, name)
    if found is None:
        point("linux.tap.before")
        descriptor = open_tap(name)
        try:
            fcntl.ioctl(descriptor, TUNSETPERSIST, 1)
        finally:
            os.close(descriptor)
        point("linux.tap.after")
        found = get(link, name)
    settle(link, found, mtu=mtu, alias=alias, master=index(link, master), up=up)


def open_tap(name: str) -> int:
    """Open a tap of this thread's namespace for one reader and writer."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    request = struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
    try:
        fcntl.ioctl(descriptor, TUNSETIFF, request)
    except OSError as error:
        os.close(descriptor)
        if error.errno == errno.EBUSY:
            raise Retry(f"The tap {name} is still held by the guest that had it before.") from error
        raise
    return descriptor


def cable(
    link: IPRoute,
    near: str,
    far: str,
    target: int,
    mtu: int,
    alias: str,
    master: str | None,
    far_mac: str | None = None,
    up: bool = True,
) -> None:
    """A cable from here into the namespace of a descriptor; its far end is set right over there."""
    found = find(link, near)
    if found is None:
        peer: dict = {"ifname": far, "net_ns_fd": target}
        if far_mac:
            peer["address"] = far_mac
        point("linux.cable.before")
        link.link("add", ifname=near, kind="veth", peer=peer)
        point("linux.cable.after")
        found = get(link, near)
    settle(link, found, mtu=mtu, alias=alias, master=index(link, master) if master else None, up=up)


def settle(
    link: IPRoute,
    found: dict,
    mtu: int | None = None,
    alias: str | None = None,
    master: int | None = None,
    mac: str | None = None,
    up: bool = True,
) -> None:
    """Change of an interface only what is not as it should be."""
    changes: dict = {}
    if mtu is not None and found.get("mtu") != mtu:
        changes["mtu"] = mtu
    if alias is not None and found.get("ifalias") != alias:
        changes["ifalias"] = alias
    if master is not None and found.get("master") != master:
        changes["master"] = master
    if mac is not None and found.get("address") != mac.lower():
        changes["address"] = mac.lower()
    if bool(found["flags"] & 1) != up:
        changes["state"] = "up" if up else "down"
    if changes:
        point("linux.link.set.before")
        link.link("set", index=found["index"], **changes)
        point("linux.link.set.after")


def addresses(link: IPRoute, name: str, wanted: Iterable[tuple[str, int]]) -> list[str]:
    """Let an interface have exactly these IPv4 addresses; answers those that are new."""
    number = index(link, name)
    wanted = set(wanted)
    present = {(item.get("address"), item["prefixlen"]) for item in link.get_addr(family=2, index=number)}
    for address, prefix in present - wanted:
        point("linux.address.remove.before")
        try:
            link.addr("del", index=number, address=address, prefixlen=prefix)
        except NetlinkError as error:
            if error.code != errno.EADDRNOTAVAIL:
                raise
        point("linux.address.remove.after")
    new = sorted(wanted - present)
    for address, prefix in new:
        point("linux.address.add.before")
        try:
            link.addr("add", index=number, address=address, prefixlen=prefix)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise
        point("linux.address.add.after")
    return [address for address, _ in new]


def routes(link: IPRoute, wanted: dict[str, str]) -> None:
    """Let this namespace have exactly these static routes (destination to next hop), beside those of its
    interfaces.
    """
    present = {}
    for route in link.get_routes(family=2, table=254):
        if route["proto"] == STATIC:
            present[f"{route.get('dst', '0.0.0.0')}/{route['dst_len']}"] = route.get("gateway")
    canonical = {str(ipaddress.ip_network(dst, strict=False)): hop for dst, hop in wanted.items()}
    for destination in present.keys() - canonical.keys():
        point("linux.route.remove.before")
        try:
            link.route("del", dst=destination, gateway=present[destination], proto=STATIC)
        except NetlinkError as error:
            if error.code != errno.ESRCH:
                raise
        point("linux.route.remove.after")
    for destination, hop in canonical.items():
        if present.get(destination) == hop:
            continue
        point("linux.route.add.before")
        try:
            link.route("replace", dst=destination, gateway=hop, proto=STATIC)
        except NetlinkError as error:
            if error.code != errno.ENETUNREACH:
                raise
            raise Retry(f"The next hop {hop} to {destination} is on no network of the router.") from error
        point("linux.route.add.after")


def loopback(link: IPRoute, alias: str) -> None:
    """Every namespace of ours carries its label on its own `lo`."""
    settle(link, get(link, "lo"), alias=alias)
