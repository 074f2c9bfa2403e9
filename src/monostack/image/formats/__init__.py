"""A look into an image's data while they come: is this what the caller says it is, and is it safe to open?

The format that is declared decides how hypervisors open the file. Data that are something else, or that name
files of the host (a backing file, an extent, a parent), have let guests read other people's disks more than
once; so such data never become an image. The look needs at most the first MiB, the last sectors and one
region in between, however large the data are.

Containers (ova, docker, compressed ...) are archives: they are not looked into and never opened as disks.
"""

from monostack.image.formats import others, qcow2, virtual_pc, vmdk
from monostack.image.formats.found import Found, Refused

__all__ = ["Found", "Inspector", "Patient", "Refused"]

HEAD = 1 << 20
TAIL = 3 * 512
DISKS = ("bare", "ami", "ari", "aki")
RAW = ("raw", "ami", "ari", "aki")


class Inspector:
    """Looks at data as they pass. `feed` and `finish` raise Refused."""

    refused: str | None = None
    """What is wrong with the data, where that is only noted."""

    def __init__(self, disk_format: str, container_format: str) -> None:
        self.disk_format = disk_format
        self.looks = container_format in DISKS
        self.size = 0
        self.head = bytearray()
        self.tail = b""
        self.judged = False
        self.region: tuple[int, int] | None = None
        self.captured = bytearray()

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        if not self.looks:
            self.size += len(chunk)
            return
        at = self.size
        self.size += len(chunk)
        if len(self.head) < HEAD:
            self.head += chunk[: HEAD - len(self.head)]
        self.tail = chunk[-TAIL:] if len(chunk) >= TAIL else (self.tail + chunk)[-TAIL:]
        self._capture(at, chunk)
        if not self.judged and len(self.head) == HEAD:
            self._judge_head()
            self._capture(at, chunk)

    def finish(self) -> int | None:
        """All has come: the size of the disk that a guest will see, None if that cannot be known."""
        if not self.looks:
            return None
        if not self.judged:
            self._judge_head()
        head, tail = bytes(self.head), self.tail
        found = self._found(head, tail)
        if self.disk_format in RAW:
            if found is not None and found != "iso":
                raise self._lie(found)
            return self.size
        if found != self.disk_format:
            raise self._lie(found)
        return self._read(found, head, tail).virtual_size

    def _judge_head(self) -> None:
        """As soon as the beginning is here: refuse early, and find out what else must be looked at."""
        self.judged = True
        head = bytes(self.head)
        found = self._found(head, b"")
        if (
            found is not None
            and found != self.disk_format
            and not (found == "iso" and self.disk_format in RAW)
        ):
            raise self._lie(found)
        if found == "qcow2":
            qcow2.read(head)
        if found == "vhdx":
            self.region = virtual_pc.vhdx_metadata(head)
            self._capture(0, head)

    def _capture(self, at: int, chunk: bytes) -> None:
        """Keep what of the chunk (which starts at `at`) lies in the region, in order and without gaps."""
        if self.region is None:
            return
        offset, length = self.region
        wanted = offset + len(self.captured)
        if at <= wanted < at + len(chunk) and len(self.captured) < length:
            start = wanted - at
            self.captured += chunk[start : start + length - len(self.captured)]

    def _found(self, head: bytes, tail: bytes) -> str | None:
        """The format that the data show themselves to be; the dangerous ones first."""
        if qcow2.matches(head):
            return "qcow2"
        if virtual_pc.vhdx_matches(head):
            return "vhdx"
        if vmdk.matches(head):
            return "vmdk"
        if others.vdi_matches(head):
            return "vdi"
        if head.startswith(others.QED):
            return "qed"
        if head.startswith(others.PLOOP):
            return "ploop"
        if virtual_pc.vhd_matches(head, tail):
            return "vhd"
        return "iso" if others.iso_matches(head) else None

    def _read(self, found: str, head: bytes, tail: bytes) -> Found:
        if found == "qcow2":
            return qcow2.read(head)
        if found == "vmdk":
            return vmdk.read(head, tail)
        if found == "vhd":
            return virtual_pc.vhd_read(head, tail)
        if found == "vhdx":
            return virtual_pc.vhdx_read(bytes(self.captured))
        if found == "vdi":
            return others.vdi_read(head)
        if found == "iso":
            return others.iso_read(head)
        return Found(found, None)

    def _lie(self, found: str | None) -> Refused:
        told = found or f"raw ({others.plain(bytes(self.head)) or 'no partition table'})"
        return Refused(
            f"The image is declared as {self.disk_format}, but its data are {told}. Declare the format that "
            "the data have."
        )


class Patient(Inspector):
    """Refuses nothing: what is wrong with the data stands in `refused` at the end."""

    def feed(self, chunk: bytes) -> None:
        try:
            super().feed(chunk)
        except Refused as reason:
            self._refuse(reason)

    def finish(self) -> int | None:
        try:
            return super().finish()
        except Refused as reason:
            self._refuse(reason)
            return None

    def _refuse(self, reason: Refused) -> None:
        self.refused, self.looks = str(reason), False
