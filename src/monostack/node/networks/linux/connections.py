"""Ending conversations that connection tracking still remembers.

Address translation is decided once for a conversation, with its first packet. A floating IP that has left
its guest would therefore go on reaching it until the conversation ends by itself; forgetting the
conversation ends it now.
"""

import errno
from collections.abc import Iterable
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

from monostack.kit.crash import point

FAMILY_IPV4 = 2


def end(addresses: Iterable[str]) -> int:
    """Forget the IPv4 conversations of this thread's namespace begun by, or with, these addresses."""
    wanted = sorted({address for address in addresses if ":" not in address})
    if not wanted:
        return 0
    ended = 0
    with NFCTSocket() as table:
        for address in wanted:
            for filtered in (NFCTAttrTuple(saddr=address), NFCTAttrTuple(daddr=address)):
                for entry in list(table.dump(tuple_orig=filtered)):
                    ended += forget(table, entry)
    return ended


def forget(table: NFCTSocket, entry: Any) -> int:
    begun = NFCTAttrTuple.from_netlink(FAMILY_IPV4, entry.get_attr("CTA_TUPLE_ORIG"))
    point("linux.connection.end.before")
    try:
        table.entry("del", tuple_orig=begun)
    except NetlinkError as error:
        if error.code != errno.ENOENT:
            raise
        return 0
    point("linux.connection.end.after")
    return 1
