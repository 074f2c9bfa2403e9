"""The cloud's namespace and everything in it, as the driver's one thread sees it.

Each `make` lets one part be true and may be repeated at any moment; each `unmake` removes one thing by the
names that derive from its id, and then looks whether it is gone. Nothing in here is asynchronous.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from monostack.kit.crash import point
from monostack.node.errors import Broken, Retry
from monostack.node.networks import facts_of
from monostack.node.networks.journal import Journal
from monostack.node.networks.linux import (
    dhcp,
    firewall,
    links,
    names,
    namespaces,
    nft,
    routers,
    service,
    uplink,
)
from monostack.node.networks.linux import metadata as web

SETTINGS = {
    "ipv4/ip_forward": 0,
    "ipv6/conf/all/disable_ipv6": 1,
    "ipv6/conf/default/disable_ipv6": 1,
    "netfilter/nf_conntrack_tcp_be_liberal": 1,
}


class World:
    """Everything of this cloud on this machine's network."""

    def __init__(self, journal: Journal, cloud_id: str, run: Path, domain: str, with_uplink: bool) -> None:
        self.journal = journal
        self.cloud_id = cloud_id
        self.namespace = names.cloud_namespace(cloud_id)
        self.run = run
        self.domain = domain
        self.with_uplink = with_uplink
        self.parts: dict[tuple[str, str], dict] = {}
        self.filtered: dict[str, dict[str, set[str]]] = {}
        self.zones: dict[str, int] = {}
        self.groups: set[str] = set()

    # Beginning and end

    def open(self) -> None:
        """Enter the cloud's namespace, making it if need be, and read what stands in it."""
        self.parts = self.journal.replay()
        self.journal.compact(self.parts)
        dhcp.open_folder(self.run)
        self.machine = namespaces.own()
        point("linux.cloud.namespace.before")
        namespaces.create(self.namespace)
        point("linux.cloud.namespace.after")
        entrance = os.open(namespaces.RUN / self.namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            namespaces.enter(entrance)
        finally:
            os.close(entrance)
        self.link = links.connect()
        own = names.label(self.cloud_id, "cloud", self.cloud_id)
        present = links.get(self.link, "lo").get("ifalias")
        if present not in (None, own):
            raise Broken(f"The namespace {self.namespace} belongs to another cloud ({present}).")
        links.loopback(self.link, own)
        point("linux.firewall.base.before")
        nft.run(firewall.base())
        point("linux.firewall.base.after")
        for setting, value in SETTINGS.items():
            namespaces.write_setting(setting, value)
        self.read_firewall()

    def close(self) -> None:
        """Leave. A namespace in which nothing was made, or is left, goes too."""
        empty = not self.look()
        self.link.close()
        namespaces.enter(self.machine)
        os.close(self.machine)
        if empty:
            namespaces.remove(self.namespace)
            with contextlib.suppress(OSError):
                self.run.rmdir()

    def read_firewall(self) -> None:
        """What the packet filter says of ports, groups and zones, from the kernel."""
        self.filtered = firewall.read_elements(nft.listing("table bridge monostack"))
        self.groups = set(firewall.read_groups(nft.listing("chains bridge")))
        self.zones = firewall.read_zones(nft.listing("map ip monostack zones"))

    def remember(self, kind: str, id: str, part: dict | None) -> None:
        if self.parts.get((kind, id)) == part:
            return
        self.journal.append(kind, id, part)
        if part is None:
            del self.parts[kind, id]
        else:
            self.parts[kind, id] = part

    def of(self, kind: str) -> dict[str, dict]:
        return {id: part for (found, id), part in self.parts.items() if found == kind}

    # Making

    def make(self, part: dict) -> None:
        before = self.parts.get((part["kind"], part["id"]))
        getattr(self, f"make_{part['kind']}")(part, before)
        self.remember(part["kind"], part["id"], part)

    def make_network(self, part: dict, before: dict | None) -> None:
        bridge = names.bridge(part["id"])
        self.assign_zone(bridge)
        links.bridge(self.link, bridge, part["mtu"], names.label(self.cloud_id, "network", part["id"]))
        ports = [port for port in self.of("port").values() if port["network_id"] == part["id"]]
        service.converge(self.link, part, ports, self.run, self.cloud_id, self.domain)
        self.remember("network", part["id"], part)
        if part["external"] and self.with_uplink:
            uplink.converge(self.link, part, self.machine, self.cloud_id)
        else:
            uplink.remove(self.link, part["id"])

    def assign_zone(self, bridge: str) -> None:
        if bridge in self.zones:
            return
        number = next(number for number in range(1, 65536) if number not in set(self.zones.values()))
        self.change_firewall(lambda: firewall.zone(bridge, number))
        self.zones[bridge] = number

    def make_port(self, part: dict, before: dict | None) -> None:
        network = self.parts.get(("network", part["network_id"]))
        if network is None:
            raise Retry(f"The network of port {part['id']} has not been made on this host yet.")
        interface, bridge = names.tap(part["id"]), names.bridge(part["network_id"])
        present = self.filtered.get(interface, {})
        if present != firewall.said(part, interface):
            self.change_firewall(lambda: firewall.port(part, interface, self.filtered.get(interface, {})))
            self.filtered[interface] = firewall.said(part, interface)
        label = names.label(self.cloud_id, "port", part["id"])
        links.tap(self.link, interface, part["mtu"], bridge, label, part["admin_up"])
        service.dhcp_server(network["id"], self.run).place(part, network)

    def make_security_group(self, part: dict, before: dict | None) -> None:
        id = part["id"]
        if id in self.groups and before is not None and rules_of(before) == rules_of(part):
            old, new = set(before["members"]), set(part["members"])
            lines = firewall.members("delete", id, old - new) + firewall.members("add", id, new - old)
            if lines:
                try:
                    self.change_firewall(lambda: "\n".join(lines))
                except nft.Refused:
                    self.change_firewall(lambda: firewall.group(part))
        else:
            self.change_firewall(lambda: firewall.group(part))
            self.groups.add(id)

    def make_router(self, part: dict, before: dict | None) -> None:
        routers.converge(self.link, part, self.of("network"), self.cloud_id, before)

    def change_firewall(self, text: Callable[[], str]) -> None:
        """One transaction; if the kernel disagrees with what we remember of it, read it and try once more."""
        point("linux.firewall.before")
        try:
            nft.run(text())
        except nft.Refused:
            self.read_firewall()
            nft.run(text())
        point("linux.firewall.after")

    # Removing

    def unmake(self, kind: str, id: str) -> bool:
        gone = getattr(self, f"unmake_{kind}")(id)
        if gone:
            self.remember(kind, id, None) if (kind, id) in self.parts else None
        return gone

    def unmake_network(self, id: str) -> bool:
        bridge = names.bridge(id)
        served = service.remove(self.link, id, self.run)
        uplink.remove(self.link, id)
        links.remove(self.link, bridge)
        if bridge in self.zones:
            number = self.zones[bridge]
            self.change_firewall(lambda: firewall.remove_zone(bridge, number))
            del self.zones[bridge]
        return served and links.find(self.link, bridge) is None

    def unmake_port(self, id: str) -> bool:
        interface = names.tap(id)
        links.remove(self.link, interface)
        if self.filtered.get(interface):
            chains = self.chains_of(interface)
            self.change_firewall(lambda: firewall.remove_port(self.filtered.get(interface, {})))
            self.remove_unused(chains)
        self.filtered.pop(interface, None)
        part = self.parts.get(("port", id))
        if part is not None:
            service.dhcp_server(part["network_id"], self.run).drop(id)
        return links.find(self.link, interface) is None

    def chains_of(self, interface: str) -> set[str]:
        sets = self.filtered.get(interface, {})
        return {text.rpartition(" ")[2] for name in ("from", "to") for text in sets.get(name, ())}

    def remove_unused(self, chains: Iterable[str]) -> None:
        """Of these chains, remove those that stand for a combination of groups which no port has any more."""
        combinations = {chain for chain in chains if firewall.is_combination(chain)}
        if not combinations:
            return
        for chain in combinations - set().union(*(self.chains_of(interface) for interface in self.filtered)):
            with contextlib.suppress(nft.Refused):
                nft.run(firewall.remove_chain(chain))

    def unmake_security_group(self, id: str) -> bool:
        if id not in self.groups:
            return True
        self.remove_unused(firewall.chain_names(nft.listing("chains bridge")))
        point("linux.firewall.group.remove.before")
        try:
            nft.run(firewall.remove_group(id))
        except nft.Refused:
            self.read_firewall()
            if id in self.groups:
                nft.run(firewall.close_group(id))
                return False
        point("linux.firewall.group.remove.after")
        self.groups.discard(id)
        return True

    def unmake_router(self, id: str) -> bool:
        return routers.remove(self.link, id, self.cloud_id)

    # Looking

    def look(self) -> dict[tuple[str, str], dict]:
        """Everything of this cloud that is there, also what no part names any more.

        A part that is there but not whole (its dnsmasq has died, its bridge is gone) is left out: what
        the agent does not find it makes again, and making is what mends.
        """
        present = links.present()
        found: set[tuple[str, str]] = set()
        for item in present.values():
            owner = names.read_label(item["alias"], self.cloud_id)
            if owner is not None and owner[0] != "cloud":
                found.add(owner)
        found |= self.labelled_namespaces()
        self.groups = set(firewall.read_groups(nft.listing("chains bridge")))
        found |= {("security_group", id) for id in self.groups}
        return {key: self.facts(key) for key in sorted(found) if self.whole(key, present)}

    def labelled_namespaces(self) -> set[tuple[str, str]]:
        """Routers and networks of which nothing but a namespace is left in the world."""
        known = {names.router_namespace(id) for id in self.of("router")}
        known |= {names.service_namespace(id) for id in self.of("network")}
        found = {("router", id) for id in self.of("router") if namespaces.exists(names.router_namespace(id))}
        for name in namespaces.names("msr-") + namespaces.names("msd-"):
            if name in known or not namespaces.exists(name):
                continue
            with namespaces.within(name), links.connect() as inner:
                owner = names.read_label(links.get(inner, "lo").get("ifalias"), self.cloud_id)
            if owner is not None:
                found.add(owner)
        return found

    def facts(self, key: tuple[str, str]) -> dict:
        return facts_of(self.parts.get(key) or {"kind": key[0], "id": key[1]})

    def whole(self, key: tuple[str, str], present: dict[str, dict]) -> bool:
        """Whether nothing is missing of a part; of a thing that is no part nothing can be."""
        part, (kind, id) = self.parts.get(key), key
        if part is None:
            return True
        if kind == "port":
            bridge = present.get(names.bridge(part["network_id"]))
            tap = present.get(names.tap(id))
            return bool(tap and bridge and tap["master"] == bridge["index"])
        if kind == "router":
            return namespaces.exists(names.router_namespace(id)) and all(
                near in present for near in routers.legs(part)
            )
        if kind == "network":
            cabled = not (part["external"] and self.with_uplink) or names.uplink_leg(id) in present
            return cabled and names.bridge(id) in present and service.whole(part, self.run)
        return True

    # What guests and their hypervisor need

    def plug(self, port_id: str) -> int:
        if ("port", port_id) not in self.parts or links.find(self.link, names.tap(port_id)) is None:
            raise Retry(f"Port {port_id} has not been made on this host yet.")
        return links.open_tap(names.tap(port_id))

    def listening(self) -> list[tuple[str, str]]:
        """The networks and routers whose metadata was answered when the program ended."""
        return [key for key in self.parts if key[0] in ("network", "router")]

    def listen(self, key: tuple[str, str], heard: int | None) -> tuple[socket.socket | None, int | None]:
        """A listening socket in the namespace of a network or router, and which namespace that is."""
        kind, id = key
        name = names.service_namespace(id) if kind == "network" else names.router_namespace(id)
        if key not in self.parts or not namespaces.exists(name):
            return None, None
        number = os.stat(namespaces.RUN / name).st_ino
        if number == heard:
            return None, number
        with namespaces.within(name):
            return web.listen(), number

    def network_of(self, key: tuple[str, str], source: str) -> str | None:
        kind, id = key
        if kind == "network":
            return id
        part = self.parts.get(key)
        return web.network_of(source, routers.source_networks(part)) if part else None


def rules_of(group: dict) -> tuple:
    return group["stateful"], group["rules"]
