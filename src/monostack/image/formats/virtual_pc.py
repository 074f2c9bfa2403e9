"""VHD and VHDX: Microsoft's formats. A differencing disk, which needs its parent's file, is refused.

Source: Microsoft, Virtual Hard Disk Image Format Specification; [MS-VHDX].
"""

from struct import unpack_from
from uuid import UUID

from monostack.image.formats.found import ALONE, Found, Refused

COOKIE = b"conectix"
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4

VHDX_MAGIC = b"vhdxfile"
REGION_TABLES = (192 << 10, 256 << 10)
VHDX_HEAD = 320 << 10
METADATA_REGION = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
PARENT_LOCATOR = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le
MOST_METADATA = 256 << 10
MOST_ENTRIES = 2047
HAS_PARENT = 1 << 1
NEEDS_PARENT = f"needs its parent's file. {ALONE}"


def vhd_matches(head: bytes, tail: bytes) -> bool:
    """A dynamic disk says so at the beginning, a fixed one only in its last sector."""
    return head.startswith(COOKIE) or tail[-512:].startswith(COOKIE)


def vhd_read(head: bytes, tail: bytes) -> Found:
    footer = head[:512] if head.startswith(COOKIE) else tail[-512:]
    if len(footer) < 512:
        raise Refused("The VHD footer is cut off: the file is not complete.")
    size, kind = unpack_from(">Q", footer, 48)[0], unpack_from(">I", footer, 60)[0]
    if kind == DIFFERENCING:
        raise Refused(f"The VHD is a differencing disk: it {NEEDS_PARENT}")
    if kind not in (FIXED, DYNAMIC):
        raise Refused(f"The VHD is of the unknown kind {kind}: fixed and dynamic disks are understood.")
    if size >= 1 << 63:
        raise Refused("The VHD footer is damaged: the disk is larger than any can be.")
    return Found("vhd", size)


def vhdx_matches(head: bytes) -> bool:
    return head.startswith(VHDX_MAGIC)


def vhdx_metadata(head: bytes) -> tuple[int, int]:
    """Where the metadata stand: offset and length; raises Refused."""
    for table in REGION_TABLES:
        if head[table : table + 4] != b"regi" or len(head) < table + (64 << 10):
            continue
        count = unpack_from("<I", head, table + 8)[0]
        for entry in range(min(count, MOST_ENTRIES)):
            at = table + 16 + entry * 32
            if head[at : at + 16] == METADATA_REGION:
                offset, length = unpack_from("<QI", head, at + 16)
                if offset < 1 << 20 or not length:
                    raise Refused("The VHDX's region table is damaged.")
                return offset, min(length, MOST_METADATA)
    raise Refused("The VHDX has no region table with metadata: the file is damaged or not complete.")


def vhdx_read(metadata: bytes) -> Found:
    """The virtual size from the metadata region; raises Refused."""
    if metadata[:8] != b"metadata" or len(metadata) < 64 << 10:
        raise Refused("The VHDX's metadata are damaged or not complete.")
    items = {}
    for entry in range(min(unpack_from("<H", metadata, 10)[0], MOST_ENTRIES)):
        at = 32 + entry * 32
        items[metadata[at : at + 16]] = unpack_from("<I", metadata, at + 16)[0]
    if PARENT_LOCATOR in items:
        raise Refused(f"The VHDX is a differencing disk: it {NEEDS_PARENT}")
    if FILE_PARAMETERS not in items or DISK_SIZE not in items:
        raise Refused("The VHDX's metadata do not tell the size of the disk.")
    if max(items[FILE_PARAMETERS], items[DISK_SIZE]) + 8 > len(metadata):
        raise Refused("The VHDX's metadata are damaged: they point outside of themselves.")
    flags = unpack_from("<I", metadata, items[FILE_PARAMETERS] + 4)[0]
    if flags & HAS_PARENT:
        raise Refused(f"The VHDX is a differencing disk: it {NEEDS_PARENT}")
    size = unpack_from("<Q", metadata, items[DISK_SIZE])[0]
    if size >= 1 << 63:
        raise Refused("The VHDX is damaged: the disk is larger than any can be.")
    return Found("vhdx", size)
