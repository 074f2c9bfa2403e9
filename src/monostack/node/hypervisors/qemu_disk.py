"""Disks of servers, by qemu-img: an overlay on the image's file, blank disks, growth.

The format of the image is always said, never guessed: a guest could otherwise write the head of another
format into its raw disk and have the host open any file as its "backing file". For the same reason an
image that itself refers to other files is refused. A disk only ever grows; nothing here shortens one.
"""

import asyncio
import json
from pathlib import Path

from monostack.node.errors import Broken, Retry

GIBIBYTE = 1024**3
# Formats of images, as the image API names them, and the driver of QEMU that reads each.
DRIVERS = {
    "qcow2": "qcow2",
    "raw": "raw",
    "ami": "raw",
    "vmdk": "vmdk",
    "vdi": "vdi",
    "vhd": "vpc",
    "vhdx": "vhdx",
    "iso": "raw",
}
VMDK_KINDS = ("monolithicSparse", "streamOptimized")


async def overlay(base: Path, disk_format: str, disk_gb: int, target: Path) -> None:
    """A new disk whose content is the image's until it is written to."""
    driver = DRIVERS.get(disk_format)
    if driver is None:
        known = ", ".join(DRIVERS)
        raise Broken(f"An image of format '{disk_format}' cannot be started; possible are {known}.")
    size = await image_size(base, driver)
    if disk_gb and size > disk_gb * GIBIBYTE:
        raise Broken(
            f"The image needs a disk of {-(-size // GIBIBYTE)} GB ({size} bytes); the flavor has {disk_gb}."
        )
    wanted = disk_gb * GIBIBYTE or size
    await run("create", "-q", "-f", "qcow2", "-F", driver, "-b", str(base), str(target), str(wanted))


async def blank(size: int, target: Path, disk_format: str = "qcow2") -> None:
    await run("create", "-q", "-f", disk_format, str(target), str(size))


async def grow(disk: Path, disk_gb: int) -> None:
    """Make the disk of a guest that is off as great as its flavor says, if it is smaller."""
    if disk_gb and await image_size(disk, "qcow2", own=True) < disk_gb * GIBIBYTE:
        await run("resize", "-q", "-f", "qcow2", str(disk), str(disk_gb * GIBIBYTE))


async def copy(disk: Path, target: Path, disk_format: str) -> None:
    """Write the whole content of a disk, image and all, to a file that stands alone."""
    await run("convert", "-f", "qcow2", "-O", DRIVERS[disk_format], str(disk), str(target))


async def drop_snapshot(disk: Path, tag: str) -> None:
    """Remove a snapshot kept inside a disk, if it is there."""
    shown = json.loads(await run("info", "--output=json", "-f", "qcow2", str(disk)))
    for snapshot in shown.get("snapshots", ()):
        if snapshot["name"] == tag:
            await run("snapshot", "-q", "-d", tag, str(disk))


async def image_size(path: Path, driver: str, own: bool = False) -> int:
    """The size of the disk inside the file. Files that are not the host's `own` may not refer to others."""
    shared = ("-U",) if own else ()  # a running guest holds its disk
    shown = json.loads(await run("info", *shared, "--output=json", "-f", driver, str(path)))
    if not own:
        details = shown.get("format-specific", {}).get("data", {})
        if shown.get("backing-filename") or details.get("data-file"):
            raise Broken("The image refers to another file; convert it to one that stands alone.")
        if driver == "vmdk" and details.get("create-type") not in VMDK_KINDS:
            kind = details.get("create-type")
            raise Broken(f"A vmdk image must be {' or '.join(VMDK_KINDS)}; this one is {kind}.")
    return shown["virtual-size"]


async def run(*arguments: str) -> str:
    """Run qemu-img to its end; what it complains of becomes the error, lasting or not."""
    try:
        process = await asyncio.create_subprocess_exec(
            "qemu-img",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as reason:
        raise Broken("qemu-img is not installed. On Debian: apt-get install qemu-utils") from reason
    try:
        said, complained = await process.communicate()
    except asyncio.CancelledError:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    if process.returncode == 0:
        return said.decode()
    words = complained.decode(errors="replace").strip().replace("\n", " ")
    if any(passing in words for passing in ("No space left", "lock", "Cannot allocate", "Input/output")):
        raise Retry(f"A disk could not be prepared: {words}")
    raise Broken(f"A disk could not be prepared: {words}")
