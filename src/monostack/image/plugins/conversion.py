"""Imports that are turned into the cloud's own disk format, by qemu-img.

The source was looked into before by our own inspection, so qemu-img meets neither backing files nor other
names of the host; it is told the format and never guesses. It runs with bounded memory, time, file size and
processor, without a shell, its answer is judged by the file it made. An iso stays an iso.

Source: qemu-img(1).
"""

import asyncio
import contextlib
import os
import resource
import shutil
from pathlib import Path

from monostack.image import sink
from monostack.image.formats import Inspector, Refused

FORMATS = {"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vhd": "vpc", "vhdx": "vhdx", "vdi": "vdi"}
"""How qemu-img calls the formats."""
TARGETS = ("raw", "qcow2", "vmdk")
MEMORY = 1 << 30
SECONDS = 3600
WORDS = 300


async def convert(cloud, image: dict, source: Path, target: Path, wanted: str) -> bool:
    """Write the image's disk into another file in the wanted format; False if there is nothing to do. Raises
    Refused in words."""
    have = image["disk_format"]
    if have == wanted or have == "iso":
        return False
    if have not in FORMATS or image["container_format"] != "bare":
        raise Refused(f"A disk of the format {have} in {image['container_format']} cannot be converted.")
    inspector = Inspector(have, "bare")
    found = await asyncio.to_thread(sink.look, source, inspector)
    most = cloud.settings.image.max_bytes
    if found["virtual_size"] is None or found["virtual_size"] > most:
        raise Refused(f"The disk has {found['virtual_size']} bytes: at most {most} are converted.")
    program = shutil.which("qemu-img")
    if program is None:
        raise Refused("This cloud cannot convert images: qemu-img is not installed (Debian: qemu-utils).")
    words = [program, "convert", "-f", FORMATS[have], "-O", FORMATS[wanted], str(source), str(target)]
    await _run(words, most + (64 << 20))
    await asyncio.to_thread(_keep, target)
    return True


async def _run(words: list[str], largest: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
    )
    try:
        _bound(process.pid, largest)
        async with asyncio.timeout(SECONDS):
            _, said = await process.communicate()
    except TimeoutError:
        raise Refused(f"The conversion took more than {SECONDS} seconds.") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        told = said.decode(errors="replace").replace(words[-1], "").replace(words[-2], "")
        raise Refused(f"The conversion failed: {' '.join(told.split())[-WORDS:]}")


def _bound(pid: int, largest: int) -> None:
    """From outside and at once: a child of a program with threads must run no code of ours."""
    limits = {
        resource.RLIMIT_AS: MEMORY,
        resource.RLIMIT_FSIZE: largest,
        resource.RLIMIT_CPU: SECONDS,
        resource.RLIMIT_CORE: 0,
    }
    with contextlib.suppress(ProcessLookupError):
        for limit, most in limits.items():
            resource.prlimit(pid, limit, (most, most))
        os.setpriority(os.PRIO_PROCESS, pid, 10)


def _keep(target: Path) -> None:
    with open(target, "rb") as file:
        os.fsync(file.fileno())
