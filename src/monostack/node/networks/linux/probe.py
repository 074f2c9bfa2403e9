"""Whether this machine lets this program build networks: found out by trying, and said in words.

Being root is not enough. In a container root often has no right to make namespaces, a small kernel may lack
what the packet filter stands on, and br_netfilter (without which packets between two guests of one network
would pass no security group at all) is not loaded by itself. It is not loaded from here either, because it
also changes what happens to the machine's own bridges; that is for the machine's owner to decide.
"""

import os
import shutil
import threading
from pathlib import Path

from monostack.node.networks.linux import namespaces, nft


def obstacle() -> str | None:
    """What keeps this program from building networks here, with what would help; nothing if nothing does."""
    if os.geteuid() != 0:
        return "Networks in namespaces of the cloud's own need root."
    if not nft.available():
        return "Security groups and routers need nftables: install the package 'nftables'."
    if shutil.which("dnsmasq", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
        return "DHCP needs dnsmasq: install the package 'dnsmasq-base'."
    if not Path("/proc/sys/net/bridge").exists():
        return "Security groups need the kernel module br_netfilter: run 'modprobe br_netfilter'."
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "Guests' ports need /dev/net/tun: run 'modprobe tun', or pass the device into this container."
    return _namespace_obstacle()


def _namespace_obstacle() -> str | None:
    found: list[str] = []

    def leave() -> None:
        try:
            namespaces.leave()
        except OSError as error:
            found.append(f"This program may not make network namespaces here: {error}.")

    thread = threading.Thread(target=leave, name="probe")
    thread.start()
    thread.join()
    return found[0] if found else None
