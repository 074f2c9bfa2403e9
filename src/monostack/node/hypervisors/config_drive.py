"""The config drive: a small CD image with the metadata of one server, labelled config-2.

Guests look for a file system with that label and read openstack/latest/meta_data.json from it (compute
user guide, "Config drive"). It is written here and not by genisoimage, because it is a few kilobytes that
must be made for every server, and one program should not need a second one for that.

An image holds its tree twice: once with names of the old kind, upper case and short, once (Joliet) with
the names as they are, which is what Linux, the BSDs and Windows read. Sources: ECMA-119, chapters 6 to 9,
for the structures; the Joliet specification for the second tree (escape sequence %/E, names in big-endian
UTF-16).
"""

import base64
import binascii
import re
import struct
import time

SECTOR = 2048
LABEL = "config-2"
FOLDER = 2
SMALLEST = 192  # sectors; programs that look for file systems read this far and give up where a disk ends


def from_part(config_drive: dict[str, str]) -> bytes:
    """The image for {path: base64 content}, as a part carries it; bad paths or content are a ValueError."""
    files: dict[str, bytes] = {}
    for path, content in config_drive.items():
        try:
            files[path] = base64.b64decode(content, validate=True)
        except binascii.Error as reason:
            raise ValueError(f"The config drive's file {path} is not base64: {reason}.") from reason
    return image(files)


def image(files: dict[str, bytes]) -> bytes:
    """An ISO 9660 image with these files and the folders that their paths name."""
    tree: dict = {}
    for path, content in sorted(files.items()):
        *folders, name = path.split("/")
        if not all(0 < len(word) <= 64 and word not in (".", "..") for word in (*folders, name)):
            raise ValueError(f"'{path}' is no path for a file on the config drive.")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
            if not isinstance(node, dict):
                raise ValueError(f"'{path}' needs a folder where there is a file.")
        if isinstance(node.get(name), dict):
            raise ValueError(f"'{path}' needs a file where there is a folder.")
        node[name] = content
    return _Image(tree).bytes


class _Image:
    """Lays the image out: descriptors, then for each tree its path tables and folders, then the files."""

    def __init__(self, tree: dict) -> None:
        self.now = time.gmtime()
        self.extents: dict[int, tuple[int, int]] = {}
        self.body: list[bytes] = []
        self.next = 19  # sectors 0-15 are the system's; 16, 17, 18 the descriptors
        plans = [(joliet, self._plan(tree, joliet)) for joliet in (False, True)]
        self._place_files(tree)
        self.next = max(self.next, SMALLEST)
        descriptors = [self._descriptor(joliet, plan) for joliet, plan in plans]
        for joliet, plan in plans:
            self._fill(joliet, plan)
        end = b"\xffCD001\x01".ljust(SECTOR, b"\0")
        head = bytes(16 * SECTOR) + b"".join(descriptors) + end
        self.bytes = (head + b"".join(self.body)).ljust(self.next * SECTOR, b"\0")

    def _plan(self, tree: dict, joliet: bool) -> dict:
        """Reserve the sectors of one tree: its two path tables, then its folders, parents before children."""
        folders: list[tuple[dict, int, bytes]] = [(tree, 0, b"\0")]
        for number, (folder, _, _) in enumerate(folders):
            for name, node in self._sorted(folder, joliet):
                if isinstance(node, dict):
                    folders.append((node, number, name))
        size = sum(8 + len(name) + len(name) % 2 for _, _, name in folders)
        tables = (self._take(size), self._take(size))
        places = {}
        for folder, _, _ in folders:
            length = self._folder_size(folder, joliet)
            places[id(folder)] = (self._take(length), length)
        return {"folders": folders, "size": size, "tables": tables, "places": places}

    def _place_files(self, folder: dict) -> None:
        for node in folder.values():
            if isinstance(node, dict):
                self._place_files(node)
            else:
                self.extents[id(node)] = (self._take(len(node)), len(node))
                self._put(self.extents[id(node)][0], node)

    def _fill(self, joliet: bool, plan: dict) -> None:
        """Write the path tables and folders of one tree, now that every sector is known."""
        for table, order in zip(plan["tables"], "<>", strict=True):
            content = b""
            for folder, parent, name in plan["folders"]:
                start = plan["places"][id(folder)][0]
                content += struct.pack(f"{order}BBIH", len(name), 0, start, parent + 1)
                content += name + b"\0" * (len(name) % 2)
            self._put(table, content)
        for folder, parent, _ in plan["folders"]:
            own, above = plan["places"][id(folder)], plan["places"][id(plan["folders"][parent][0])]
            records = [self._record(b"\0", own, FOLDER), self._record(b"\1", above, FOLDER)]
            for name, node in self._sorted(folder, joliet):
                if isinstance(node, dict):
                    records.append(self._record(name, plan["places"][id(node)], FOLDER))
                else:
                    records.append(self._record(name, self.extents[id(node)], 0))
            self._put(own[0], _in_sectors(records))

    def _descriptor(self, joliet: bool, plan: dict) -> bytes:
        root = plan["folders"][0][0]
        label = LABEL.encode("utf-16-be") if joliet else LABEL.encode()
        blank = "".ljust(64).encode("utf-16-be") if joliet else b" " * 128
        stamp = time.strftime("%Y%m%d%H%M%S00", self.now).encode() + b"\0"
        never = b"0" * 16 + b"\0"
        head = struct.pack("B5sBB", 2 if joliet else 1, b"CD001", 1, 0)
        content = head + blank[:32] + (label + blank)[:32] + bytes(8) + _both4(self.next)
        content += (b"%/E" if joliet else b"").ljust(32, b"\0") + _both2(1) + _both2(1) + _both2(SECTOR)
        content += _both4(plan["size"]) + struct.pack("<II", plan["tables"][0], 0)
        content += struct.pack(">II", plan["tables"][1], 0)
        content += self._record(b"\0", plan["places"][id(root)], FOLDER)
        content += blank * 4 + blank[:37] * 3
        content += stamp + stamp + never + never + b"\x01"
        return content.ljust(SECTOR, b"\0")

    def _record(self, name: bytes, extent: tuple[int, int], flags: int) -> bytes:
        now = self.now
        stamp = bytes((now.tm_year - 1900, now.tm_mon, now.tm_mday, now.tm_hour, now.tm_min, now.tm_sec, 0))
        content = _both4(extent[0]) + _both4(extent[1]) + stamp + bytes((flags, 0, 0)) + _both2(1)
        content += bytes((len(name),)) + name + b"\0" * (1 - len(name) % 2)
        return bytes((len(content) + 2, 0)) + content

    def _sorted(self, folder: dict, joliet: bool) -> list[tuple[bytes, bytes | dict]]:
        named = [(_name(name, isinstance(node, dict), joliet), node) for name, node in folder.items()]
        return sorted(named, key=lambda pair: pair[0])

    def _folder_size(self, folder: dict, joliet: bool) -> int:
        names = [b"\0", b"\1", *(name for name, _ in self._sorted(folder, joliet))]
        return len(_in_sectors([self._record(name, (0, 0), 0) for name in names]))

    def _take(self, size: int) -> int:
        start = self.next
        self.next += max(1, -(-size // SECTOR))
        return start

    def _put(self, start: int, content: bytes) -> None:
        missing = start - 19 + max(1, -(-len(content) // SECTOR)) - len(self.body)
        self.body.extend([bytes(SECTOR)] * missing)
        for number in range(max(1, -(-len(content) // SECTOR))):
            piece = content[number * SECTOR : (number + 1) * SECTOR]
            self.body[start - 19 + number] = piece.ljust(SECTOR, b"\0")


def _name(name: str, folder: bool, joliet: bool) -> bytes:
    if joliet:
        return name.encode("utf-16-be")
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name).upper()[: 30 if folder else 28]
    return plain.encode() if folder else plain.encode() + b";1"


def _in_sectors(records: list[bytes]) -> bytes:
    """Records one after the other; none lies across the border of a sector."""
    content = b""
    for record in records:
        room = SECTOR - len(content) % SECTOR
        if len(record) > room:
            content += bytes(room)
        content += record
    return content.ljust(-(-len(content) // SECTOR) * SECTOR, b"\0")


def _both2(number: int) -> bytes:
    return struct.pack("<H", number) + struct.pack(">H", number)


def _both4(number: int) -> bytes:
    return struct.pack("<I", number) + struct.pack(">I", number)
