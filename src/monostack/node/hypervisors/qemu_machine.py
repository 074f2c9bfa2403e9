"""What a server's machine is made of: the command line of its QEMU, as a pure function of its part.

Every guest carries in its name whose it is, which server it is and for which boot epoch it was started.
The name stands in /proc for everybody to read, so whoever comes after a killed program finds its guests
and knows what was last done with them, without trusting a file that may be one step behind.

The choices have their reasons. `pc` and not `q35`: it starts fastest under emulation. tb-size=32: the
default cache for translated code would cost each emulated guest hundreds of megabytes, a smaller one
doubles the time to boot. -no-shutdown: a guest that powered itself off stays to be asked, otherwise it
could not be told from one that was killed while nobody looked. Each disk has its bootindex and
`strict=on`, because firmware would otherwise try whatever it finds first. Sockets are named without their
folder, in which QEMU is started: their paths may be longer than an address can hold.

The sandbox cannot also forbid new processes and sessions, because QEMU needs both to put itself into the
background, and it must do that itself: a child would end with the program.
"""

import json
import re
from pathlib import Path
from typing import Any

from monostack.node.errors import Broken

GUEST_NAME = re.compile(r"guest=monostack:(?P<cloud>[0-9a-f-]+):(?P<id>[0-9a-f-]+):(?P<boot>\d+),")

EMULATED_PROCESSOR = "Nehalem"  # x86-64-v2, which distributions ask for; boots as fast as the plain one
TRANSLATION_CACHE_MIB = 32
DISK, EPHEMERAL, SWAP, CONFIG = "disk.qcow2", "ephemeral.qcow2", "swap.qcow2", "config.iso"
# What an image may ask for in its properties, and the device of QEMU that it gets.
INTERFACES = {  # hw_vif_model
    "virtio": "virtio-net-pci",
    "e1000": "e1000",
    "e1000e": "e1000e",
    "rtl8139": "rtl8139",
    "ne2k_pci": "ne2k_pci",
    "pcnet": "pcnet",
    "vmxnet3": "vmxnet3",
}
BUSES = {  # hw_disk_bus: the controller that the machine lacks, the disk, the bus of the disk of that number
    "virtio": (None, "virtio-blk-pci", None),
    "scsi": ("virtio-scsi-pci,id=scsi", "scsi-hd", "scsi.0"),
    "sata": ("ahci,id=sata", "ide-hd", "sata.{number}"),
    "ide": (None, "ide-hd", "ide.{number}"),
}
FIRMWARE = {"bios": None}  # hw_firmware_type; what wants another one would show a black screen with this
WRITABLE = {DISK: "disk0", EPHEMERAL: "ephemeral0", SWAP: "swap0"}


def command(
    qemu: str,
    acceleration: str,
    cloud_id: str,
    part: dict,
    folder: Path,
    plugs: list[dict],
    paused: bool = False,
) -> list[str]:
    """The whole command line. `plugs` are the answers of the networks for part["nics"], in the same order."""
    _asked(part, "hw_firmware_type", FIRMWARE, "bios")
    return [
        qemu,
        "-name",
        f"guest=monostack:{cloud_id}:{part['id']}:{part['boot']},process=guest-{part['id'][:8]}",
        "-uuid",
        part["id"],
        "-nodefaults",
        "-no-user-config",
        *_processor(acceleration, part["vcpus"]),
        "-m",
        str(part["ram"]),
        "-rtc",
        "base=utc",
        "-boot",
        "strict=on",
        "-no-shutdown",
        *(["-S"] if paused else []),
        "-daemonize",
        "-pidfile",
        str(folder / "pid"),
        "-chardev",
        "socket,id=monitor,path=qmp.sock,server=on,wait=off",
        "-mon",
        "chardev=monitor,mode=control",
        "-chardev",
        "socket,id=serial0,path=serial.sock,server=on,wait=off,logfile=console.log,logappend=on",
        "-device",
        "isa-serial,chardev=serial0",
        "-device",
        "VGA,vgamem_mb=8",
        "-vnc",
        "unix:vnc.sock",
        "-object",
        "rng-random,id=random0,filename=/dev/urandom",
        "-device",
        "virtio-rng-pci,rng=random0",
        *_disks(part, folder),
        *_interfaces(part, plugs),
        "-sandbox",
        "on,obsolete=deny,resourcecontrol=deny",
    ]


def netdev_id(port_id: str) -> str:
    return "n-" + port_id[:11]


def device_id(port_id: str) -> str:
    return "nic-" + port_id


def network_device(part: dict, nic: dict) -> dict:
    """The guest's side of a port. Without its own firmware the interface costs nothing at boot."""
    driver = _asked(part, "hw_vif_model", INTERFACES, "virtio")
    device = {
        "driver": driver,
        "id": device_id(nic["port_id"]),
        "netdev": netdev_id(nic["port_id"]),
        "mac": nic["mac"],
        "romfile": "",
    }
    if nic.get("mtu") and driver == INTERFACES["virtio"]:
        device["host_mtu"] = nic["mtu"]
    return device


def _processor(acceleration: str, vcpus: int) -> list[str]:
    if acceleration == "kvm":
        return ["-machine", "pc", "-accel", "kvm", "-cpu", "host", "-smp", str(vcpus)]
    accel = f"tcg,tb-size={TRANSLATION_CACHE_MIB}"
    return ["-machine", "pc", "-accel", accel, "-cpu", EMULATED_PROCESSOR, "-smp", str(vcpus)]


def writable_disks(part: dict) -> list[str]:
    """The files of the disks that a server may write to, in their order."""
    names = [DISK]
    if part.get("ephemeral_gb"):
        names.append(EPHEMERAL)
    if part.get("swap_mb"):
        names.append(SWAP)
    return names


def writable_nodes(part: dict) -> list[str]:
    """The same disks by their names inside QEMU."""
    return [WRITABLE[name] for name in writable_disks(part)]


def _disks(part: dict, folder: Path) -> list[str]:
    controller, driver, bus = _asked(part, "hw_disk_bus", BUSES, "virtio")
    arguments = ["-device", controller] if controller else []
    writable: dict[str, Any] = {"driver": "qcow2", "discard": "unmap"}
    layers = [(WRITABLE[name], writable, name) for name in writable_disks(part)]
    if part.get("config_drive") is not None:
        layers.append(("config0", {"driver": "raw", "read-only": True}, CONFIG))
    for number, (node, layer, name) in enumerate(layers):
        layer = {**layer, "node-name": node, "file": {"driver": "file", "filename": str(folder / name)}}
        device: dict[str, Any] = {"driver": driver, "drive": node, "id": f"device-{node}"}
        device["bootindex"] = number + 1
        if node == "config0" and driver != "virtio-blk-pci":
            device["driver"] = driver.replace("-hd", "-cd")
        if bus and driver == "ide-hd" and bus.startswith("ide"):
            device |= {"bus": bus.format(number=number // 2), "unit": number % 2}
        elif bus:
            device["bus"] = bus.format(number=number)
        arguments += ["-blockdev", json.dumps(layer), "-device", json.dumps(device)]
    return arguments


def _interfaces(part: dict, plugs: list[dict]) -> list[str]:
    arguments: list[str] = []
    for nic, plug in zip(part["nics"], plugs, strict=True):
        arguments += [*plug["args"], "-device", json.dumps(network_device(part, nic))]
    return arguments


def _asked(part: dict, name: str, known: dict, usual: str) -> Any:
    """What the image asks for in a property, out of what is known."""
    value = ((part.get("image") or {}).get("properties") or {}).get(name) or usual
    if value not in known:
        raise Broken(f"The image asks for {name}={value}; this host has {', '.join(known)}.")
    return known[value]
