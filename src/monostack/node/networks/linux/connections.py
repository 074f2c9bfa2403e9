"""Ending conversations that connection tracking still remembers.

A rule that was taken away stops new conversations at once, but a running one is let through by its memory.
What was allowed once is not allowed for ever, so after a rule, an address or a floating IP has gone the
conversations concerned are forgotten; if they are still allowed, their next packet begins them anew.
"""

import errno
from collections.abc import Iterable

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

from monostack.kit.crash import point

FAMILY_IPV4 = 2


def end(addresses: Iterable[str], zone: int | None = None) -> int:
    """Forget the IPv4 conversations of this thread's namespace that were begun by, or with, these
    addresses.
    """
    addresses = sorted({address for address in addresses if ":" not in address})
    if not addresses:
        return 0
    ended = 0
    with NFCTSocket() as table:
        for address in addresses:
            for filtered in (NFCTAttrTuple(saddr=address), NFCTAttrTuple(daddr=address)):
                for entry in list(table.dump(tuple_orig=filtered)):
                    ended += forget(table, entry, zone)
    return ended


def forget(table: NFCTSocket, entry: object, zone: int | None) -> int:
    found = entry.get_attr("CTA_ZONE") or 0
    if zone is not None and found != zone:
        return 0
    which = {"tuple_orig": NFCTAttrTuple.from_netlink(FAMILY_IPV4, entry.get_attr("CTA_TUPLE_ORIG"))}
    if found:
        which["zone"] = found
    point("linux.connection.end.before")
    try:
        table.entry("del", **which)
    except NetlinkError as error:
        if error.code != errno.ENOENT:
            raise
        return 0
    point("linux.connection.end.after")
    return 1
