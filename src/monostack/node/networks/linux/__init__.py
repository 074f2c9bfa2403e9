"""Networks of a host out of what the Linux kernel has: namespaces, bridges, nftables, and one dnsmasq per
network.

Everything lives in one namespace of the cloud's own (`ms-` and eight characters of its uuid): a bridge for
each network, a tap for each guest's port, and the packet filter. Each router and each network's DHCP has a
small namespace beside it. The machine's own namespace gets exactly one thing, and only if the option
`uplink` is not false: for each external network the end of a cable (`mse-`...), which carries that
network's gateway address, so that the machine reaches floating IPs.

The machine's sysctls, routes, packet filter and other interfaces are never changed. What that means: guests
reach the machine through its end of the cable; whether they get further is the machine's owner's decision,
who has to switch on forwarding and masquerade the external range, for example with `sysctl
net.ipv4.ip_forward=1` and an nftables rule `ip saddr 172.24.4.0/24 masquerade` of the owner's own. Without
that the cloud is whole, and closed.
"""

from monostack.node.networks.linux.driver import LinuxNetworks
from monostack.node.networks.linux.probe import obstacle

__all__ = ["LinuxNetworks", "obstacle"]
