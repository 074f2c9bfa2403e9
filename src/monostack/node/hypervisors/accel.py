"""Whether this host can accelerate guests, found out by trying.

/dev/kvm may exist, may be opened, and yet no guest runs: nested virtualisation that is only half there
ends with an internal error, or takes seconds for what emulation does at once. So a throw-away guest
decides. It is a boot sector of seven bytes that writes to QEMU's exit port; QEMU then ends with a number
that nothing else produces. Acceleration is used only if that happened, and quickly: a real one needs
about a tenth of a second.

The answer holds until the host is started again and is kept in the state folder under the host's boot id.
"""

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SECONDS = 2.0
EXIT_CODE = 0x2A * 2 + 1  # what isa-debug-exit makes of the byte written
SECTOR = bytes.fromhex("b02ae6f4f4ebfd")  # al = 0x2a, out 0xf4, halt, for ever


async def probe(qemu: str, state: Path, wanted: str = "auto") -> tuple[str, str]:
    """("kvm" or "tcg", why in words)."""
    if wanted == "tcg":
        return "tcg", "Emulation (TCG) was asked for in the settings."
    kept = state / "acceleration.json"
    boot_id = host_boot_id()
    known = await asyncio.to_thread(_read, kept)
    if known.get("boot_id") == boot_id and known.get("qemu") == qemu:
        return known["acceleration"], known["why"]
    acceleration, why = await _try(qemu)
    answer = {"boot_id": boot_id, "qemu": qemu, "acceleration": acceleration, "why": why}
    await asyncio.to_thread(_write, kept, answer)
    return acceleration, why


def host_boot_id() -> str:
    """What changes with every start of the host's kernel."""
    return BOOT_ID.read_text().strip()


async def _try(qemu: str) -> tuple[str, str]:
    if not os.path.exists("/dev/kvm"):
        return "tcg", "Guests are emulated (TCG): this host has no /dev/kvm."
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg", "Guests are emulated (TCG): only members of the group kvm may open /dev/kvm."
    began = time.monotonic()
    code, said = await trial(qemu, "kvm")
    took = time.monotonic() - began
    if code == EXIT_CODE:
        return "kvm", f"Guests are accelerated (KVM): a trial guest ran in {took:.2f} seconds."
    if code is None:
        outcome = f"a trial guest did not run within {SECONDS:g} seconds"
    else:
        outcome = "a trial guest did not run"
    return "tcg", f"Guests are emulated (TCG): /dev/kvm exists, but {outcome}{': ' + said if said else ''}."


async def trial(qemu: str, acceleration: str) -> tuple[int | None, str]:
    """Start the throw-away guest; its exit code (None when it had to be ended) and QEMU's first complaint."""
    with tempfile.NamedTemporaryFile(prefix="trial-guest-") as disk:
        disk.write(SECTOR.ljust(510, b"\0") + b"\x55\xaa" + bytes(1474560 - 512))
        disk.flush()
        process = await asyncio.create_subprocess_exec(
            qemu,
            "-nodefaults",
            "-no-user-config",
            "-machine",
            "pc",
            "-accel",
            acceleration,
            "-m",
            "32",
            "-display",
            "none",
            "-boot",
            "a",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=1",
            "-drive",
            f"if=floppy,format=raw,readonly=on,file={disk.name}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, said = await asyncio.wait_for(process.communicate(), SECONDS)
        except TimeoutError:
            return None, ""
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        complaints = [line for line in said.decode(errors="replace").splitlines() if "warning:" not in line]
        return process.returncode, complaints[0].rpartition(": ")[2].rstrip(".") if complaints else ""


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _write(path: Path, answer: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(answer))
    fresh.replace(path)
