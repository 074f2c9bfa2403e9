"""The namespace in which a network's DHCP and metadata answer its guests.

It hangs on the network's bridge with the address that the database reserved for DHCP, and has
169.254.169.254 (the address at which every cloud's guests ask for their metadata) on its own `lo`, so that
the same address can be answered on every network at once although networks overlap.
"""

from pathlib import Path

from pyroute2 import IPRoute

from monostack.kit.crash import point
from monostack.node.networks.linux import dhcp, links, names, namespaces
from monostack.node.networks.linux.firewall import METADATA
from monostack.node.networks.linux.routers import into

SETTINGS = {
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv6/conf/all/disable_ipv6": 1,
    "ipv6/conf/default/disable_ipv6": 1,
}


def own_addresses(network: dict) -> list[tuple[str, int]]:
    return [
        (subnet["dhcp_ip"], int(subnet["cidr"].partition("/")[2]))
        for subnet in network["subnets"]
        if subnet["ip_version"] == 4 and subnet["dhcp_ip"]
    ]


def converge(link: IPRoute, network: dict, ports: list[dict], run: Path, cloud_id: str, domain: str) -> bool:
    """Let the network's services be as its part says; False when it needs none."""
    namespace = names.service_namespace(network["id"])
    alias = names.label(cloud_id, "network", network["id"])
    wanted = own_addresses(network)
    if not wanted:
        remove(link, network["id"], run)
        return False
    point("linux.service.namespace.before")
    namespaces.create(namespace)
    point("linux.service.namespace.after")
    with namespaces.within(namespace), links.connect() as inner:
        links.loopback(inner, alias)
        links.addresses(inner, "lo", [("127.0.0.1", 8), (METADATA, 32)])
        for setting, value in SETTINGS.items():
            namespaces.write_setting(setting, value)
    mac = next((subnet["dhcp_mac"] for subnet in network["subnets"] if subnet["dhcp_mac"]), None)
    into(link, namespace, names.service_leg(network["id"]), names.SERVICE_END, network, mac, alias)
    with namespaces.within(namespace), links.connect() as inner:
        links.settle(inner, links.get(inner, names.SERVICE_END), mtu=network["mtu"], mac=mac, up=True)
        links.addresses(inner, names.SERVICE_END, wanted)
    server = dhcp_server(network["id"], run)
    if dhcp.served(network):
        server.converge(network, ports, domain)
    else:
        server.remove()
    return True


def remove(link: IPRoute, network_id: str, run: Path) -> bool:
    """Take the services away; True when neither process nor namespace is left."""
    stopped = dhcp_server(network_id, run).remove()
    links.remove(link, names.service_leg(network_id))
    namespace = names.service_namespace(network_id)
    namespaces.remove(namespace)
    return stopped and namespace not in namespaces.names(namespace)


def dhcp_server(network_id: str, run: Path) -> dhcp.Server:
    return dhcp.Server(run / network_id, names.service_namespace(network_id))


def whole(network: dict, run: Path) -> bool:
    """Whether the network's services are there, as far as a look from outside tells."""
    if not own_addresses(network):
        return True
    if not namespaces.exists(names.service_namespace(network["id"])):
        return False
    return not dhcp.served(network) or dhcp_server(network["id"], run).pid() is not None
