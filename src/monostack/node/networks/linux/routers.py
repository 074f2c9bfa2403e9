"""A router: a namespace with a leg on each of its networks, its routes, and its address translation.

Guests leave with the router's own outside address if the router says so (`enable_snat`), a guest with a
floating IP leaves with that one, and what is sent to a floating IP reaches its guest. A guest that calls a
floating IP behind its own router must be answered through the router too, otherwise the reply would come
from an address that it never called; therefore whatever was redirected on its way from inside is also given
an outside source.

The translation is one text, replaced whole in one transaction at each change; conversations that are
already running keep the translation with which they began, so those of a floating IP that has left are
ended by name.
"""

import ipaddress
import os

from pyroute2 import IPRoute

from monostack.kit.crash import point
from monostack.node.errors import Retry
from monostack.node.networks.linux import connections, links, names, namespaces, nft
from monostack.node.networks.linux.announce import announce
from monostack.node.networks.linux.firewall import METADATA, braces

TABLE = "ip monostack"

SETTINGS = {
    "ipv4/ip_forward": 1,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/default/send_redirects": 0,
    "ipv4/conf/all/arp_ignore": 1,
    "ipv4/conf/all/arp_announce": 2,
    "ipv6/conf/all/disable_ipv6": 1,
    "ipv6/conf/default/disable_ipv6": 1,
    "netfilter/nf_conntrack_tcp_be_liberal": 1,
}


def translation(router: dict) -> str:
    """The router's address translation as one replacement of the whole table."""
    lines = [f"add table {TABLE}", f"delete table {TABLE}"]
    external = router["external"]
    own = outside_address(external)
    if own is None:
        return "\n".join(lines) + "\n"
    floating = [
        (pair["floating_ip"], pair["fixed_ip"]) for pair in router["floating_ips"] if pair["fixed_ip"]
    ]
    outside, elsewhere = f'oifname "{names.GATEWAY_END}"', f'iifname != "{names.GATEWAY_END}"'
    lines += [
        f"add table {TABLE}",
        f"add map {TABLE} floating_in {{ type ipv4_addr : ipv4_addr; }}",
        f"add map {TABLE} floating_out {{ type ipv4_addr : ipv4_addr; }}",
        f"add chain {TABLE} prerouting {{ type nat hook prerouting priority dstnat; policy accept; }}",
        f"add chain {TABLE} postrouting {{ type nat hook postrouting priority srcnat; policy accept; }}",
        f"add rule {TABLE} prerouting dnat to ip daddr map @floating_in",
        f"add rule {TABLE} postrouting {elsewhere} {outside} snat to ip saddr map @floating_out",
        f"add rule {TABLE} postrouting {elsewhere} ct status dnat snat to ip saddr map @floating_out",
        f"add rule {TABLE} postrouting {elsewhere} ct status dnat snat to {own}",
    ]
    if external["enable_snat"]:
        lines.append(f"add rule {TABLE} postrouting {elsewhere} {outside} snat to {own}")
    if floating:
        inward = braces(f"{public} : {private}" for public, private in floating)
        outward = braces(f"{private} : {public}" for public, private in floating)
        lines.append(f"add element {TABLE} floating_in {inward}")
        lines.append(f"add element {TABLE} floating_out {outward}")
    return "\n".join(lines) + "\n"


def outside_address(external: dict | None) -> str | None:
    """The IPv4 address with which the router speaks for its guests outside."""
    for fixed in (external or {}).get("ips", ()):
        if ":" not in fixed["ip"]:
            return fixed["ip"]
    return None


def ipv4(ips: list[dict]) -> list[tuple[str, int]]:
    return [(fixed["ip"], fixed["prefix"]) for fixed in ips if ":" not in fixed["ip"]]


def legs(router: dict) -> dict[str, dict]:
    """The router's cables by the name of the end on the bridge."""
    wanted = {}
    for interface in router["interfaces"]:
        wanted[names.router_leg(interface["port_id"])] = {
            "end": names.router_end(interface["port_id"]),
            "network_id": interface["network_id"],
            "mac": interface["mac"],
            "addresses": ipv4(interface["ips"]),
        }
    external = router["external"]
    if external:
        floating = [(pair["floating_ip"], 32) for pair in router["floating_ips"] if pair["fixed_ip"]]
        wanted[names.gateway_leg(router["id"])] = {
            "end": names.GATEWAY_END,
            "network_id": external["network_id"],
            "mac": external["mac"],
            "addresses": ipv4(external["ips"]) + floating,
        }
    return wanted


def route_table(router: dict) -> dict[str, str]:
    """Destination to next hop: the way out, and the routes that a user has added."""
    wanted = {}
    external = router["external"]
    if external and external["gateway_ip"] and ":" not in external["gateway_ip"]:
        wanted["0.0.0.0/0"] = external["gateway_ip"]
    for route in router["routes"]:
        if ":" not in route["destination"]:
            wanted[route["destination"]] = route["nexthop"]
    return wanted


def converge(
    link: IPRoute, router: dict, networks: dict[str, dict], cloud_id: str, before: dict | None
) -> None:
    """Let the router be as its part says. `networks` are the parts of the networks that were made here."""
    namespace = names.router_namespace(router["id"])
    alias = names.label(cloud_id, "router", router["id"])
    wanted = legs(router)
    for leg in wanted.values():
        if leg["network_id"] not in networks:
            raise Retry(f"A network of router {router['id']} has not been made on this host yet.")
    point("linux.router.namespace.before")
    namespaces.create(namespace)
    point("linux.router.namespace.after")
    with namespaces.within(namespace), links.connect() as inner:
        links.loopback(inner, alias)
        links.addresses(inner, "lo", [("127.0.0.1", 8), (METADATA, 32)])
        for setting, value in SETTINGS.items():
            namespaces.write_setting(setting, value)
        for extra in stale(inner, wanted):
            links.remove(inner, extra)
    for near, leg in wanted.items():
        network = networks[leg["network_id"]]
        into(link, namespace, near, leg["end"], network, leg["mac"], alias, up=router["admin_up"])
    with namespaces.within(namespace), links.connect() as inner:
        for leg in wanted.values():
            mtu = networks[leg["network_id"]]["mtu"]
            links.settle(inner, links.get(inner, leg["end"]), mtu=mtu, mac=leg["mac"], up=True)
        point("linux.router.translation.before")
        nft.run(translation(router))
        point("linux.router.translation.after")
        for leg in wanted.values():
            new = links.addresses(inner, leg["end"], leg["addresses"])
            announce(leg["end"], new)
        links.routes(inner, route_table(router))
        gone = floating(before) - floating(router)
        connections.end(address for pair in gone for address in pair if address)


def floating(router: dict | None) -> set[tuple[str, str]]:
    return {(pair["floating_ip"], pair["fixed_ip"]) for pair in (router or {}).get("floating_ips", ())}


def into(
    link: IPRoute,
    namespace: str,
    near: str,
    far: str,
    network: dict,
    mac: str | None,
    alias: str,
    up: bool = True,
) -> None:
    """A cable from a network's bridge into a namespace; laid anew if its far end is elsewhere."""

    def lay() -> None:
        target = os.open(namespaces.RUN / namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            links.cable(link, near, far, target, network["mtu"], alias, names.bridge(network["id"]), mac, up)
        finally:
            os.close(target)

    lay()
    with namespaces.within(namespace), links.connect() as inner:
        arrived = links.find(inner, far) is not None
    if not arrived:
        links.remove(link, near)
        lay()


def stale(inner: IPRoute, wanted: dict[str, dict]) -> list[str]:
    """Ends of cables in the router that it should no longer have."""
    ends = {leg["end"] for leg in wanted.values()}
    return [
        item.get("ifname")
        for item in inner.get_links()
        if item.get("ifname") not in ends and item.get(("linkinfo", "kind")) == "veth"
    ]


def remove(link: IPRoute, router_id: str, cloud_id: str) -> bool:
    """Take the router away with its cables; True when nothing of it is left."""
    alias = names.label(cloud_id, "router", router_id)
    namespace = names.router_namespace(router_id)
    for name, item in links.present().items():
        if item["alias"] == alias or name == names.gateway_leg(router_id):
            links.remove(link, name)
    if namespaces.exists(namespace):
        with namespaces.within(namespace), links.connect() as inner:
            for end in stale(inner, {}):
                links.remove(inner, end)
    namespaces.remove(namespace)
    left = any(item["alias"] == alias for item in links.present().values())
    return not left and namespace not in namespaces.names(namespace)


def source_networks(router: dict) -> list[tuple[ipaddress.IPv4Network, str]]:
    """Which network a guest that calls the router's metadata address is on, by its source."""
    return [
        (ipaddress.IPv4Network(f"{address}/{prefix}", strict=False), interface["network_id"])
        for interface in router["interfaces"]
        for address, prefix in ipv4(interface["ips"])
    ]
