"""Telling the neighbours of an interface who has an address now.

When a floating IP moves to another router, everybody who spoke with it still sends to the old card until
the entry in their neighbour cache ages. A gratuitous ARP request (RFC 5227, section 3) corrects them at
once.
"""

import socket
import struct
from collections.abc import Iterable

ETHERTYPE_ARP = 0x0806
EVERYBODY = b"\xff" * 6


def announce(interface: str, addresses: Iterable[str]) -> None:
    """Say it on an interface of the namespace in which this thread stands."""
    addresses = list(addresses)
    if not addresses:
        return
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ARP)) as wire:
        wire.bind((interface, ETHERTYPE_ARP))
        card = wire.getsockname()[4]
        for address in addresses:
            wire.send(frame(card, address))


def frame(card: bytes, address: str) -> bytes:
    own = socket.inet_aton(address)
    request = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + card + own + bytes(6) + own
    return EVERYBODY + card + struct.pack("!H", ETHERTYPE_ARP) + request
