"""What a look into an image's data brings: its format and virtual size, or a refusal."""

from dataclasses import dataclass


class Refused(Exception):
    """The data must not become an image; the words say what is wrong and what would be right."""


@dataclass(frozen=True)
class Found:
    """A format and the size of the disk that a guest sees."""

    format: str
    virtual_size: int | None


ALONE = "Convert it with qemu-img convert into an image that stands alone."
