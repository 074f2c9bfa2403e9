"""qcow2: QEMU's own format.

Refused is whatever makes QEMU open another file (a backing file, an external data file), features that no
QEMU knows yet, and headers whose tables would take unreasonable memory.

Source: QEMU, docs/interop/qcow2.
"""

from struct import unpack_from

from monostack.image.formats.found import ALONE, Found, Refused

MAGIC = b"QFI\xfb"
EXTERNAL_DATA = 1 << 2
KNOWN_FEATURES = 0b11111
DATA_FILE_NAME = 0x44415441
LARGEST_TABLE = 32 << 20
MOST_EXTENSIONS = 64


def matches(head: bytes) -> bool:
    return head.startswith(MAGIC)


def read(head: bytes) -> Found:
    """The virtual size; raises Refused."""
    if len(head) < 72:
        raise Refused("The qcow2 header is cut off: the file is not complete.")
    version, backing_offset, _, cluster_bits, size = unpack_from(">IQIIQ", head, 4)
    level1_entries = unpack_from(">I", head, 36)[0]
    if version not in (2, 3):
        raise Refused(f"The qcow2 header has version {version}: versions 2 and 3 are understood.")
    if backing_offset:
        raise Refused(f"The qcow2 image needs a backing file: it would read a file of the host. {ALONE}")
    if not 9 <= cluster_bits <= 21:
        raise Refused(f"The qcow2 header is damaged: {cluster_bits} cluster bits (9 to 21 are possible).")
    if level1_entries * 8 > LARGEST_TABLE:
        raise Refused(f"The qcow2 header asks for a table of {level1_entries} entries: no disk needs that.")
    if size >= 1 << 63:
        raise Refused("The qcow2 header is damaged: the disk is larger than any can be.")
    start = 72
    if version == 3:
        start = _check_version_3(head, 1 << cluster_bits)
    _check_extensions(head, start)
    return Found("qcow2", size)


def _check_version_3(head: bytes, cluster: int) -> int:
    """Check the features; the length of the header."""
    if len(head) < 104:
        raise Refused("The qcow2 header is cut off: the file is not complete.")
    features, length = unpack_from(">Q", head, 72)[0], unpack_from(">I", head, 100)[0]
    if features & EXTERNAL_DATA:
        raise Refused(
            f"The qcow2 image keeps its data in another file: it would read a file of the host. {ALONE}"
        )
    if features & ~KNOWN_FEATURES:
        raise Refused(
            f"The qcow2 image uses features that are not known (bits {features & ~KNOWN_FEATURES:#x})."
        )
    if not 104 <= length <= cluster:
        raise Refused(f"The qcow2 header is damaged: it says that it is {length} bytes long.")
    return length


def _check_extensions(head: bytes, start: int) -> None:
    for _ in range(MOST_EXTENSIONS):
        if start + 8 > len(head):
            return
        kind, length = unpack_from(">II", head, start)
        if kind == 0:
            return
        if kind == DATA_FILE_NAME:
            raise Refused(f"The qcow2 image names another file for its data. {ALONE}")
        start += 8 + (length + 7) // 8 * 8
