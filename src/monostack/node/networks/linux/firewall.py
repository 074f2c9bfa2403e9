"""Security groups as nftables text.

A rule of a security group says who may speak to whom; replies to what it allows follow by themselves.
Whether a packet is a reply is known to connection tracking, which on this side of the kernel works for IP
and not for bridges; which guest's interface a packet came from or goes to is known to the bridge and not to
IP. So the work is divided:

- The bridge decides, without any memory, whether the rules allow this packet. Four bits of the packet's mark
  carry the answer: 1 the sender's rules allow it, 2 the receiver's rules allow it, 4 the sender has a
  stateful group, 8 the receiver has one. An interface that nobody filters leaves its bits set, and two of
  them leave a fifth one.
- IP, reached through br_netfilter, looks at the connection and at those bits: with the fifth one nothing is
  asked at all, a reply needs (1 or 4) and (2 or 8), everything else needs 1 and 2.

So the side that began a conversation is judged by the rules of now with every packet, and a rule that was
taken away ends what it had allowed without anybody searching the table of connections for it.

Everything that depends on a port is found by interface name in two verdict maps, everything that depends on
a group stands once in two chains and two sets of its members' addresses. The length of the way of a packet
therefore does not grow with the number of ports, a change of membership is one element, a change of rules
is one small transaction, and no packet ever meets half of it. The marks are the same sixteen however many
ports there are.

Overlapping address ranges are kept apart by a connection tracking zone for each bridge. What a guest sends
is first held against its own addresses (and the allowed address pairs), so nobody can speak for a
neighbour.
"""

import hashlib
import ipaddress
from collections.abc import Iterable

from monostack.node.errors import Broken

Pair = tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]

METADATA = "169.254.169.254"
TABLE = "bridge monostack"

MAY_SEND, MAY_RECEIVE, REPLIES_OUT, REPLIES_IN = 1, 2, 4, 8
ALL = MAY_SEND | MAY_RECEIVE | REPLIES_OUT | REPLIES_IN
UNFILTERED = ALL | 16

NEW = [mark for mark in range(16) if mark & MAY_SEND and mark & MAY_RECEIVE]
REPLY = [mark for mark in range(16) if mark & (MAY_SEND | REPLIES_OUT) and mark & (MAY_RECEIVE | REPLIES_IN)]
STATELESS = [MAY_SEND | MAY_RECEIVE]

# Protocol names of the network API, which takes the number too (IANA protocol numbers).
PROTOCOLS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "icmp": 1,
    "icmpv6": 58,
    "igmp": 2,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
WITH_PORTS = {6, 17, 33, 132, 136}
ICMP, ICMPV6 = 1, 58

NEIGHBOUR_DISCOVERY = "{ 130, 131, 132, 133, 135, 136, 143 }"
ROUTER_ADVERTISEMENT = 134

# All that is known of ports. The first field is always the interface, so that a port's elements are found
# again.
SETS = {
    "guarded": ("set", "type ifname"),
    "cards": ("set", "type ifname . ether_addr"),
    "speak": ("set", "type ifname . ether_addr . ether_addr . ipv4_addr"),
    "own4": ("set", "type ifname . ether_addr . ipv4_addr"),
    "own6": ("set", "type ifname . ether_addr . ipv6_addr"),
    "speak-ranges": ("set", "type ifname . ether_addr . ether_addr . ipv4_addr; flags interval"),
    "own4-ranges": ("set", "type ifname . ether_addr . ipv4_addr; flags interval"),
    "own6-ranges": ("set", "type ifname . ether_addr . ipv6_addr; flags interval"),
    "from": ("map", "type ifname : verdict"),
    "to": ("map", "type ifname : verdict"),
}

SPEAKER = "iifname . ether saddr . arp saddr ether . arp saddr ip"

CHAINS = {
    "leaving": "",
    "spoofing": "",
    "arriving": "",
    "prerouting": "{ type filter hook prerouting priority -300; policy accept; }",
    "forward": "{ type filter hook forward priority -10; policy accept; }",
    "input": "{ type filter hook input priority 0; policy drop; }",
}


def base() -> str:
    """What stands as long as the cloud's namespace. Loading it again changes nothing for ports and groups."""
    lines = [f"add table {TABLE}"]
    lines += [f"add {kind} {TABLE} {name} {{ {definition}; }}" for name, (kind, definition) in SETS.items()]
    for chain, hook in CHAINS.items():
        lines += [f"add chain {TABLE} {chain} {hook}", f"flush chain {TABLE} {chain}"]
    for chain, words in (
        ("prerouting", f"meta mark set {UNFILTERED}"),
        ("prerouting", "iifname @guarded jump spoofing"),
        ("prerouting", "iifname vmap @from"),
        ("spoofing", f"meta mark set {ALL & ~(MAY_SEND | REPLIES_OUT)}"),
        ("spoofing", "ether type != { arp, ip, ip6 } drop"),
        ("spoofing", f"ether type arp {SPEAKER} @speak accept"),
        ("spoofing", f"ether type arp {SPEAKER} @speak-ranges accept"),
        ("spoofing", "ether type arp drop"),
        ("spoofing", "iifname . ether saddr != @cards drop"),
        ("spoofing", f"ip saddr 0.0.0.0 udp sport 68 udp dport 67 {allow(MAY_SEND)}"),
        ("spoofing", f"ip6 saddr :: icmpv6 type {NEIGHBOUR_DISCOVERY} {allow(MAY_SEND)}"),
        ("spoofing", "ether type ip iifname . ether saddr . ip saddr @own4 goto leaving"),
        ("spoofing", "ether type ip iifname . ether saddr . ip saddr @own4-ranges goto leaving"),
        ("spoofing", "ether type ip6 iifname . ether saddr . ip6 saddr @own6 goto leaving"),
        ("spoofing", "ether type ip6 iifname . ether saddr . ip6 saddr @own6-ranges goto leaving"),
        ("spoofing", "drop"),
        ("leaving", "ether type ip udp sport 67 udp dport 68 drop"),
        ("leaving", "ether type ip6 udp sport 547 udp dport 546 drop"),
        ("leaving", f"icmpv6 type {ROUTER_ADVERTISEMENT} drop"),
        ("leaving", f"ether type ip udp sport 68 udp dport 67 {allow(MAY_SEND)}"),
        ("leaving", f"icmpv6 type {NEIGHBOUR_DISCOVERY} {allow(MAY_SEND)}"),
        ("leaving", f"ip daddr {METADATA} tcp dport 80 {allow(MAY_SEND)}"),
        ("forward", 'iifname "msh-*" udp sport 67 udp dport 68 accept'),
        ("forward", f'iifname {{ "msh-*", "msi-*" }} ip saddr {METADATA} tcp sport 80 accept'),
        ("forward", "oifname @guarded jump arriving"),
        ("forward", "oifname vmap @to"),
        ("arriving", f"meta mark set meta mark and {ALL & ~(MAY_RECEIVE | REPLIES_IN)}"),
        ("arriving", f"icmpv6 type {NEIGHBOUR_DISCOVERY} {allow(MAY_RECEIVE)}"),
        ("arriving", f"icmpv6 type {ROUTER_ADVERTISEMENT} {allow(MAY_RECEIVE)}"),
    ):
        lines.append(f"add rule {TABLE} {chain} {words}")
    for family in ("ip", "ip6"):
        table = f"{family} monostack"
        lines += [
            f"add table {table}",
            f"add map {table} zones {{ typeof iifname : ct zone; }}",
            f"add chain {table} prerouting {{ type filter hook prerouting priority -300; policy accept; }}",
            f"add chain {table} forward {{ type filter hook forward priority 0; policy drop; }}",
            f"flush chain {table} prerouting",
            f"flush chain {table} forward",
            f"add rule {table} prerouting ct zone set iifname map @zones",
            f"add rule {table} forward meta mark {UNFILTERED} accept",
            f"add rule {table} forward ct state related {marked(REPLY)} accept",
            f"add rule {table} forward ct direction reply ct state established {marked(REPLY)} accept",
            f"add rule {table} forward ct state new,established,untracked {marked(NEW)} accept",
            f"add rule {table} forward {marked(STATELESS)} accept",
        ]
    return "\n".join(lines) + "\n"


def zone(bridge: str, number: int) -> str:
    return "".join(
        f'add element {family} monostack zones {{ "{bridge}" : {number} }}\n' for family in ("ip", "ip6")
    )


def remove_zone(bridge: str, number: int) -> str:
    return "".join(
        f'delete element {family} monostack zones {{ "{bridge}" : {number} }}\n' for family in ("ip", "ip6")
    )


def group_frame(group_id: str) -> list[str]:
    """Chains and sets of a group, empty when new: an unknown group allows nothing and has no members."""
    return [
        f"add chain {TABLE} out-{group_id}",
        f"add chain {TABLE} in-{group_id}",
        f"add set {TABLE} m4-{group_id} {{ type ipv4_addr; }}",
        f"add set {TABLE} m6-{group_id} {{ type ipv6_addr; }}",
    ]


def group(part: dict) -> str:
    """A group's rules and members, replacing what was there."""
    id = part["id"]
    lines = group_frame(id)
    for rule in part["rules"]:
        if rule["remote_group_id"]:
            lines += group_frame(rule["remote_group_id"])
    lines += [f"flush {kind} {TABLE} {name}" for kind, name in group_parts(id)]
    if part["stateful"]:
        lines.append(f"add rule {TABLE} out-{id} meta mark set meta mark or {REPLIES_OUT}")
        lines.append(f"add rule {TABLE} in-{id} meta mark set meta mark or {REPLIES_IN}")
    for rule in part["rules"]:
        chain = "out" if rule["direction"] == "egress" else "in"
        lines.append(f"add rule {TABLE} {chain}-{id} {match(rule)}")
    lines += members("add", id, part["members"])
    return "\n".join(lines) + "\n"


def group_parts(id: str) -> list[tuple[str, str]]:
    return [("chain", f"out-{id}"), ("chain", f"in-{id}"), ("set", f"m4-{id}"), ("set", f"m6-{id}")]


def remove_group(id: str) -> str:
    return "".join(
        f"flush {kind} {TABLE} {name}\ndelete {kind} {TABLE} {name}\n" for kind, name in group_parts(id)
    )


def close_group(id: str) -> str:
    """A group that something still refers to: it stays as a name, allows nothing, and has no members."""
    return "".join(f"flush {kind} {TABLE} {name}\n" for kind, name in group_parts(id))


def read_groups(listing: list[dict]) -> list[str]:
    """The groups that have chains, from the kernel's listing of all chains of bridges."""
    return [
        name.removeprefix("in-")
        for name in chain_names(listing)
        if name.startswith("in-") and not name.startswith("in-all-")
    ]


def is_combination(chain: str) -> bool:
    """Whether a chain stands for several groups at once."""
    return chain.startswith(("in-all-", "out-all-"))


def chain_names(listing: list[dict]) -> list[str]:
    chains = [item["chain"] for item in listing if "chain" in item]
    return [chain["name"] for chain in chains if chain["table"] == "monostack"]


def read_zones(listing: list[dict]) -> dict[str, int]:
    """The conversation tracking zone of each bridge, from the kernel's listing of the map."""
    return {
        bridge: number for item in listing if "map" in item for bridge, number in item["map"].get("elem", ())
    }


def members(verb: str, group_id: str, addresses: Iterable[str]) -> list[str]:
    """The commands that add members to a group, or delete them."""
    found: dict[int, list[str]] = {4: [], 6: []}
    for address in single_addresses(addresses):
        found[address.version].append(str(address))
    return [
        f"{verb} element {TABLE} m{version}-{group_id} {braces(listed)}"
        for version, listed in found.items()
        if listed
    ]


def single_addresses(addresses: Iterable[str]) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Members are single addresses, which are found at once among any number; a small range is spelt out."""
    single: set[ipaddress.IPv4Address | ipaddress.IPv6Address] = set()
    for text in addresses:
        network = ipaddress.ip_network(text, strict=False)
        if network.num_addresses > 256:
            raise Broken(f"{text} is too large for a member of a security group; at most a /24 is.")
        single.update(network)
    return sorted(single, key=lambda address: (address.version, int(address)))


def match(rule: dict) -> str:
    """One rule of a group as the words between chain and verdict, with the verdict."""
    version = 4 if rule["ethertype"] == "IPv4" else 6
    family = "ip" if version == 4 else "ip6"
    egress = rule["direction"] == "egress"
    side = "daddr" if egress else "saddr"
    words = [f"ether type {family}"]
    if rule["remote_ip_prefix"]:
        prefix = ipaddress.ip_network(rule["remote_ip_prefix"], strict=False)
        if prefix.prefixlen:
            words.append(f"{family} {side} {prefix}")
    if rule["remote_group_id"]:
        words.append(f"{family} {side} @m{version}-{rule['remote_group_id']}")
    number = protocol_number(rule["protocol"], version)
    if number is not None:
        words.append(f"meta l4proto {number}")
        words += port_words(rule, number)
    words.append(allow(MAY_SEND if egress else MAY_RECEIVE))
    return " ".join(words)


def protocol_number(protocol: str | None, version: int) -> int | None:
    if protocol in (None, "", "any", "0", 0):
        return None
    name = str(protocol).lower()
    if name.isdigit() and int(name) <= 255:
        number = int(name)
    elif name in PROTOCOLS:
        number = PROTOCOLS[name]
    else:
        raise Broken(f"Protocol '{protocol}' is no number from 0 to 255 and none of {', '.join(PROTOCOLS)}.")
    if number == ICMP and version == 6:
        return ICMPV6
    return number


def port_words(rule: dict, number: int) -> list[str]:
    """Ports of a rule; for ICMP the API keeps the type in the first and the code in the second."""
    first, last = (
        None if rule[side] is None or int(rule[side]) < 0 else int(rule[side])
        for side in ("port_min", "port_max")
    )
    if number in (ICMP, ICMPV6):
        name = "icmp" if number == ICMP else "icmpv6"
        words = [] if first is None else [f"{name} type {first}"]
        return words if last is None else [*words, f"{name} code {last}"]
    if number not in WITH_PORTS or (first is None and last is None):
        return []
    first = 0 if first is None else first
    last = 65535 if last is None else last
    return [f"th dport {first}" if first == last else f"th dport {first}-{last}"]


def elements(part: dict, interface: str) -> dict[str, set[str]]:
    """What the sets and maps have to say about a port; of a port that is not filtered they say nothing."""
    wanted: dict[str, set[str]] = {name: set() for name in SETS}
    if not part["port_security"]:
        return wanted
    name = f'"{interface}"'
    wanted["guarded"].add(name)
    pairs = own_addresses(part)
    cards = {mac for mac, _ in pairs} | {part["mac"].lower()}
    for mac in cards:
        wanted["cards"].add(f"{name} . {mac}")
        wanted["speak"].add(f"{name} . {mac} . {mac} . 0.0.0.0")
        wanted["own6"].add(f"{name} . {mac} . {link_local(mac)}")
    for mac, network in pairs:
        single = network.num_addresses == 1
        address = network.network_address if single else network
        kind = "" if single else "-ranges"
        wanted[f"own{network.version}{kind}"].add(f"{name} . {mac} . {address}")
        if network.version == 4:
            wanted[f"speak{kind}"].add(f"{name} . {mac} . {mac} . {address}")
    groups = sorted(part["security_groups"])
    if groups:
        wanted["from"].add(f"{name} : jump {chain_of('out', groups)}")
        wanted["to"].add(f"{name} : jump {chain_of('in', groups)}")
    return wanted


def said(part: dict, interface: str) -> dict[str, set[str]]:
    """The same without the sets that have nothing to say, as `read_elements` finds it."""
    return {name: texts for name, texts in elements(part, interface).items() if texts}


def chain_of(direction: str, groups: list[str]) -> str:
    """The chain for ports with exactly these groups: the group's own, or one that visits each of several."""
    if len(groups) == 1:
        return f"{direction}-{groups[0]}"
    digest = hashlib.sha256(" ".join(groups).encode()).hexdigest()
    return f"{direction}-all-{digest[:24]}"


def port_groups(groups: Iterable[str]) -> list[str]:
    """The chains that a port with these groups refers to."""
    groups = sorted(groups)
    lines = [line for group_id in groups for line in group_frame(group_id)]
    if len(groups) > 1:
        for direction in ("out", "in"):
            chain = chain_of(direction, groups)
            lines += [f"add chain {TABLE} {chain}", f"flush chain {TABLE} {chain}"]
            lines += [f"add rule {TABLE} {chain} jump {direction}-{group_id}" for group_id in groups]
    return lines


def port(part: dict, interface: str, present: dict[str, set[str]]) -> str:
    """The commands that turn what the sets say about a port into what they should say."""
    wanted = elements(part, interface)
    lines = port_groups(part["security_groups"]) if part["port_security"] else []
    for name in SETS:
        lines += change(name, present.get(name, set()), wanted[name])
    return "\n".join(lines) + "\n"


def remove_port(present: dict[str, set[str]]) -> str:
    lines = [line for name in SETS for line in change(name, present.get(name, set()), set())]
    return "\n".join(lines) + "\n"


def change(name: str, present: set[str], wanted: set[str]) -> list[str]:
    lines = []
    if present - wanted:
        lines.append(f"delete element {TABLE} {name} {braces(sorted(present - wanted))}")
    if wanted - present:
        lines.append(f"add element {TABLE} {name} {braces(sorted(wanted - present))}")
    return lines


def remove_chain(name: str) -> str:
    return f"flush chain {TABLE} {name}\ndelete chain {TABLE} {name}\n"


def read_elements(listing: list[dict]) -> dict[str, dict[str, set[str]]]:
    """What the sets say, by interface and set, from the kernel's own listing of the table."""
    found: dict[str, dict[str, set[str]]] = {}
    for item in listing:
        described = item.get("set") or item.get("map")
        if described is None or described["name"] not in SETS:
            continue
        for element in described.get("elem", ()):
            key, verdict = element if isinstance(element, list) else (element, None)
            fields = key["concat"] if isinstance(key, dict) and "concat" in key else [key]
            text = " . ".join([f'"{fields[0]}"', *(read_field(field) for field in fields[1:])])
            if verdict is not None:
                text += f" : jump {verdict['jump']['target']}"
            found.setdefault(fields[0], {}).setdefault(described["name"], set()).add(text)
    return found


def read_field(field: str | dict) -> str:
    if isinstance(field, str):
        return field
    return f"{field['prefix']['addr']}/{field['prefix']['len']}"


def own_addresses(part: dict) -> list[Pair]:
    """Pairs of link address and IP range that the port may send from."""
    pairs = {(part["mac"].lower(), ipaddress.ip_network(fixed["ip"])) for fixed in part["fixed_ips"]}
    for allowed in part["allowed_address_pairs"]:
        mac = (allowed.get("mac_address") or part["mac"]).lower()
        pairs.add((mac, ipaddress.ip_network(allowed["ip_address"], strict=False)))
    kept = [pair for pair in pairs if not any(covers(other, pair) for other in pairs)]
    return sorted(kept, key=lambda pair: (pair[0], pair[1].version, int(pair[1].network_address)))


def covers(wide: Pair, narrow: Pair) -> bool:
    """Whether what one pair allows is part of what another, wider one allows."""
    if wide == narrow or wide[0] != narrow[0] or wide[1].version != narrow[1].version:
        return False
    lowest, highest = int(wide[1].network_address), int(wide[1].broadcast_address)
    return lowest <= int(narrow[1].network_address) and int(narrow[1].broadcast_address) <= highest


def link_local(mac: str) -> str:
    """The address that a card gives itself (RFC 4291, appendix A)."""
    octets = [int(octet, 16) for octet in mac.split(":")]
    octets[0] ^= 2
    interface = bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]])
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + interface))


def allow(bit: int) -> str:
    return f"meta mark set meta mark or {bit} accept"


def marked(marks: Iterable[int]) -> str:
    return f"meta mark {braces(marks)}"


def braces(items: Iterable[object]) -> str:
    return "{ " + ", ".join(str(item) for item in items) + " }"
