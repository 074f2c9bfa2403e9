"""VDI, ISO 9660 and what else is known by its first bytes.

Source: VirtualBox's VDI header; ECMA-119 for ISO 9660 (the primary volume descriptor); UEFI for GPT.
"""

from struct import unpack_from

from monostack.image.formats.found import ALONE, Found, Refused

VDI_SIGNATURE = b"\x7f\x10\xda\xbe"
VDI_KINDS = (1, 2)
ISO_DESCRIPTOR = 32768
ISO_HEAD = ISO_DESCRIPTOR + 2048
PLOOP = (b"WithoutFreeSpace", b"WithouFreSpacExt")
QED = b"QED\0"
LUKS = b"LUKS\xba\xbe"


def vdi_matches(head: bytes) -> bool:
    return head[0x40:0x44] == VDI_SIGNATURE


def vdi_read(head: bytes) -> Found:
    if len(head) < 0x178:
        raise Refused("The VDI header is cut off: the file is not complete.")
    kind, size = unpack_from("<I", head, 0x4C)[0], unpack_from("<Q", head, 0x170)[0]
    if kind not in VDI_KINDS:
        raise Refused(f"The VDI is of kind {kind}: only dynamic and fixed disks need no other file. {ALONE}")
    if size >= 1 << 63:
        raise Refused("The VDI header is damaged: the disk is larger than any can be.")
    return Found("vdi", size)


def iso_matches(head: bytes) -> bool:
    return head[ISO_DESCRIPTOR + 1 : ISO_DESCRIPTOR + 6] == b"CD001"


def iso_read(head: bytes) -> Found:
    if len(head) < ISO_HEAD:
        raise Refused("The ISO image ends in its volume descriptor: the file is not complete.")
    blocks, size = (
        unpack_from("<I", head, ISO_DESCRIPTOR + 80)[0],
        unpack_from("<H", head, ISO_DESCRIPTOR + 128)[0],
    )
    return Found("iso", blocks * size)


def plain(head: bytes) -> str | None:
    """What raw data are, as far as the first bytes tell: "luks", "gpt", "mbr", or None."""
    if head.startswith(LUKS):
        return "luks"
    if head[512:520] == b"EFI PART":
        return "gpt"
    return "mbr" if head[510:512] == b"\x55\xaa" else None
