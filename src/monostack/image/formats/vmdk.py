"""VMDK: VMware's family of formats, of which one file that holds everything is accepted.

A descriptor is a text with a list of extents, and each extent may be a file of any name: on a host that opens
it, any file of the host. Accepted are `monolithicSparse` and `streamOptimized` images with exactly one
extent, themselves.

Source: VMware, Virtual Disk Format 5.0.
"""

import re
from struct import unpack_from

from monostack.image.formats.found import ALONE, Found, Refused

MAGIC = b"KDMV"
OLD_MAGIC = b"COWD"
SECTOR = 512
LARGEST_DESCRIPTOR = 64 << 10
AT_END = 2**64 - 1
KINDS = ("monolithicSparse", "streamOptimized")
EXTENT = re.compile(r'^(?:RW|RDONLY|NOACCESS)\s+(\d+)\s+(\w+)(?:\s+"([^"]*)")?', re.MULTILINE)


def matches(head: bytes) -> bool:
    return head[:4] in (MAGIC, OLD_MAGIC) or _is_descriptor(head)


def _is_descriptor(head: bytes) -> bool:
    """Whether this is a descriptor alone: comments, then a version."""
    for line in head[:LARGEST_DESCRIPTOR].split(b"\n")[:200]:
        text = line.strip()
        if text.startswith(b"#") or not text:
            if b"disk descriptorfile" in text.lower():
                return True
            continue
        return re.fullmatch(rb"version\s*=\s*[1-3]", text) is not None
    return False


def read(head: bytes, tail: bytes) -> Found:
    """The virtual size; raises Refused. `tail` are the last three sectors."""
    if head[:4] == OLD_MAGIC:
        raise Refused(f"The image is a VMDK of an old kind. {ALONE}")
    if head[:4] != MAGIC:
        raise Refused(f"The image is a VMDK descriptor without data: it names other files. {ALONE}")
    if len(head) < SECTOR:
        raise Refused("The VMDK header is cut off: the file is not complete.")
    version, capacity, offset, size, directory = _header(head)
    if version not in (1, 2, 3):
        raise Refused(f"The VMDK header has version {version}: versions 1 to 3 are understood.")
    if not capacity or capacity * SECTOR >= 1 << 63:
        raise Refused("The VMDK header is damaged: it tells no possible capacity.")
    if not offset or not 0 < size * SECTOR <= LARGEST_DESCRIPTOR or (offset + size) * SECTOR > len(head):
        raise Refused(f"The VMDK has no descriptor where one is expected. {ALONE}")
    _check_descriptor(head[offset * SECTOR : (offset + size) * SECTOR])
    if directory == AT_END:
        _check_footer(head, tail)
    return Found("vmdk", capacity * SECTOR)


def _header(sector: bytes) -> tuple[int, int, int, int, int]:
    """version, capacity, the descriptor's offset and size (in sectors), the grain directory's offset."""
    version, _, capacity, _, offset, size = unpack_from("<IIQQQQ", sector, 4)
    return version, capacity, offset, size, unpack_from("<Q", sector, 56)[0]


def _check_descriptor(data: bytes) -> None:
    text = data.split(b"\0", 1)[0].decode("latin-1")
    kind = re.search(r'^\s*createType\s*=\s*"([^"]*)"', text, re.MULTILINE)
    if kind is None or kind[1] not in KINDS:
        told = kind[1][:40] if kind else "unknown"
        raise Refused(
            f"The VMDK is of the kind {told}: only {' and '.join(KINDS)} hold their data themselves. {ALONE}"
        )
    parent = re.search(r"^\s*parentCID\s*=\s*(\w+)", text, re.MULTILINE)
    if (parent and parent[1].lower() != "ffffffff") or "parentFileNameHint" in text:
        raise Refused(f"The VMDK needs a parent: it would read a file of the host. {ALONE}")
    extents = EXTENT.findall(text)
    if len(extents) != 1 or extents[0][1] != "SPARSE" or re.search(r"[/\\]", extents[0][2]):
        raise Refused(
            f"The VMDK's extents are not the one file itself: it would read files of the host. {ALONE}"
        )


def _check_footer(head: bytes, tail: bytes) -> None:
    """A stream's last header must say what the first says, because that is the one that is used."""
    footer = tail[SECTOR : 2 * SECTOR]
    if len(tail) < 3 * SECTOR or footer[:4] != MAGIC or _header(footer)[:4] != _header(head)[:4]:
        raise Refused("The VMDK's footer does not fit its header: the file is damaged or not complete.")
