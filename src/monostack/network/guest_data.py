"""network_data.json: what a guest without DHCP is told of its networks.

Source: metadata service reference, the published schema of network_data.json (links, networks, services).
"""

from __future__ import annotations

from typing import Any

from monostack.network.checks import parsed_network
from monostack.network.tables import SUBNETS


def network_data(db, ports: list[dict[str, Any]]) -> dict[str, Any]:
    ids = {each["subnet_id"] for port in ports for each in port["fixed_ips"]}
    subnets = {row["id"]: row for row in db.all(SUBNETS, id=ids)} if ids else {}
    links: list[dict[str, Any]] = []
    networks: list[dict[str, Any]] = []
    servers: dict[str, None] = {}
    for port in ports:
        link = "tap" + port["id"][:11]
        links.append(
            {
                "id": link,
                "vif_id": port["id"],
                "type": "phy",
                "mtu": port["mtu"],
                "ethernet_mac_address": port["mac_address"],
            }
        )
        for each in port["fixed_ips"]:
            subnet = subnets.get(each["subnet_id"])
            if subnet is None:
                continue
            networks.append(_network(f"network{len(networks)}", link, port, each["ip_address"], subnet))
            servers.update(dict.fromkeys(subnet["dns_nameservers"]))
    return {
        "links": links,
        "networks": networks,
        "services": [{"type": "dns", "address": address} for address in servers],
    }


def _network(name: str, link: str, port: dict[str, Any], address: str, subnet) -> dict[str, Any]:
    version, cidr = subnet["ip_version"], parsed_network(subnet["cidr"])
    out = {"id": name, "link": link, "network_id": port["network_id"]}
    if version == 4 and subnet["enable_dhcp"]:
        return out | {"type": "ipv4_dhcp"}
    if version == 6 and subnet["ipv6_address_mode"]:
        return out | {"type": "ipv6_" + subnet["ipv6_address_mode"].replace("-", "_")}
    routes = [_route(route["destination"], route["nexthop"]) for route in subnet["host_routes"]]
    if subnet["gateway_ip"]:
        routes.insert(0, _route("0.0.0.0/0" if version == 4 else "::/0", subnet["gateway_ip"]))
    return out | {
        "type": f"ipv{version}",
        "ip_address": address,
        "netmask": str(cidr.netmask),
        "routes": routes,
        "services": [{"type": "dns", "address": server} for server in subnet["dns_nameservers"]],
    }


def _route(destination: str, gateway: str) -> dict[str, str]:
    network = parsed_network(destination)
    return {"network": str(network.network_address), "netmask": str(network.netmask), "gateway": gateway}
