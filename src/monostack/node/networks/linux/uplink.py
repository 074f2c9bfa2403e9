"""The cable from an external network to the machine: the only thing of the cloud in the machine's own
namespace.

The machine's end carries the gateway address of each subnet, so the machine is the external network's
router: it reaches every floating IP, and guests reach it. Whether it forwards further is not ours to
decide; see the package's docstring. A range that the machine already uses is refused in words rather than
taken over.
"""

import ipaddress

from pyroute2 import IPRoute

from monostack.node.errors import Broken
from monostack.node.networks.linux import links, names, namespaces


def converge(link: IPRoute, network: dict, machine: int, cloud_id: str) -> None:
    """Lay the cable and give its far end the gateway addresses."""
    alias = names.label(cloud_id, "network", network["id"])
    near, far = names.uplink_leg(network["id"]), names.uplink_end(network["id"])
    links.cable(link, near, far, machine, network["mtu"], alias, names.bridge(network["id"]))
    with namespaces.within_descriptor(machine), links.connect() as outer:
        end = links.find(outer, far)
        if end is None:
            links.remove(link, near)
            raise Broken(f"The interface {near} does not lead to this machine's namespace; it was removed.")
        links.settle(outer, end, mtu=network["mtu"], alias=alias, up=True)
        wanted, refused = [], []
        for address, prefix in gateways(network):
            range_ = ipaddress.IPv4Network(f"{address}/{prefix}", strict=False)
            user = used_by(outer, range_, end["index"])
            if user is None:
                wanted.append((address, prefix))
            else:
                refused.append(f"{range_} overlaps with {user}")
        links.addresses(outer, far, wanted)
    if refused:
        raise Broken(
            f"This machine cannot be the gateway of network {network['id']}: {'; '.join(refused)}. Give the "
            "subnet another range, or switch the machine's side off with the option 'uplink'."
        )


def gateways(network: dict) -> list[tuple[str, int]]:
    return [
        (subnet["gateway_ip"], int(subnet["cidr"].partition("/")[2]))
        for subnet in network["subnets"]
        if subnet["ip_version"] == 4 and subnet["gateway_ip"]
    ]


def used_by(outer: IPRoute, range_: ipaddress.IPv4Network, own: int) -> str | None:
    """The machine's route, not through our own end, that overlaps with the range; its default route does
    not count.
    """
    for route in outer.get_routes(family=2, table=254):
        if not route["dst_len"] or route.get("oif") == own:
            continue
        destination = ipaddress.IPv4Network(f"{route.get('dst')}/{route['dst_len']}")
        if destination.overlaps(range_):
            user = route.get("oif")
            through = outer.get_links(user)[0].get("ifname") if user else "no interface"
            return f"the machine's {destination} on {through}"
    return None


def remove(link: IPRoute, network_id: str) -> None:
    links.remove(link, names.uplink_leg(network_id))
