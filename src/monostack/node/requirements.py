"""What a host must have of Debian before guests run on it, in one list.

Python's share of an installation comes from the lock file. QEMU, nftables and their like are the operating
system's to update, so they come from its packages, and this is the only place that names them: the demo, the
tests and the documentation ask here. Nothing is installed silently: the packages and the reason for each are
printed first, and whoever is not root, or said no, gets the one command to type.

A command is looked for by name, in the folders of the superuser too (a plain user's PATH lacks /usr/sbin);
a file is looked for by its whole path, in which a star stands for any version.
"""

import argparse
import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from typing import NamedTuple, TextIO


class Need(NamedTuple):
    command: str
    package: str
    why: str


GUESTS = (
    Need("qemu-system-x86_64", "qemu-system-x86", "runs the guests"),
    Need("qemu-img", "qemu-utils", "makes and measures disks"),
    Need("qemu-storage-daemon", "qemu-system-common", "serves volumes to guests"),
)

NETWORKS = (
    Need("ip", "iproute2", "enters the namespaces of the cloud"),
    Need("nft", "nftables", "security groups, floating addresses"),
    Need("dnsmasq", "dnsmasq-base", "gives guests their addresses"),
)

GUEST_IMAGE = (
    Need("busybox", "busybox-static", "the small guest image: its programs"),
    Need("dropbear", "dropbear-bin", "the small guest image: its ssh server"),
    Need("syslinux", "syslinux", "the small guest image: its boot loader"),
    Need("/usr/lib/syslinux/mbr/mbr.bin", "syslinux-common", "the small guest image: its boot record"),
    Need("mcopy", "mtools", "the small guest image: its boot partition"),
    Need("mkfs.vfat", "dosfstools", "the small guest image: its boot partition"),
    Need("mkfs.ext4", "e2fsprogs", "the small guest image: its root partition"),
    Need("sfdisk", "fdisk", "the small guest image: its partition table"),
    Need("cpio", "cpio", "the small guest image: its first file system"),
    Need("depmod", "kmod", "the small guest image: its kernel modules"),
)

DATABASE = (
    Need("/usr/lib/postgresql/*/bin/postgres", "postgresql", "the second database: the tests run on both"),
)

PACKAGES: tuple[Need, ...] = GUESTS + NETWORKS + GUEST_IMAGE + DATABASE

HYPERVISORS = ("qemu", "simulated")
FOLDERS_OF_ROOT = ("/usr/local/sbin", "/usr/sbin", "/sbin")


class Missing(Exception):
    """Packages are missing and were not installed; the words say what to do."""


def present(need: Need) -> bool:
    if need.command.startswith("/"):
        return bool(glob.glob(need.command))
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which(need.command, path=os.pathsep.join([*folders, *FOLDERS_OF_ROOT])) is not None


def needs(hypervisor: str) -> tuple[Need, ...]:
    """What a host with this hypervisor wants. Simulated guests want nothing of the system at all."""
    if hypervisor not in HYPERVISORS:
        raise ValueError(f"No hypervisor is called {hypervisor!r}; there are {' and '.join(HYPERVISORS)}.")
    if hypervisor == "simulated":
        return ()
    # Without root there is neither a bridge nor a filter: guests then speak through QEMU's own network.
    networks = NETWORKS if os.geteuid() == 0 else ()
    return GUESTS + networks + GUEST_IMAGE


def missing(hypervisor: str) -> list[Need]:
    return absent(needs(hypervisor))


def absent(wanted: Iterable[Need]) -> list[Need]:
    return [need for need in wanted if not present(need)]


def ensure(wanted: Iterable[Need], install: bool = True, out: TextIO = sys.stderr) -> None:
    """Install what is absent of these, saying so first, or raise Missing with the words to show."""
    lacking = absent(wanted)
    if not lacking:
        return
    packages = sorted({need.package for need in lacking})
    command = f"apt-get install {' '.join(packages)}"
    listed = "\n".join(f"  {need.package:<20} {need.why}" for need in lacking)
    advice = f"{listed}\nAs root: {command}"
    if not install:
        raise Missing(f"These packages are missing, and I was told not to install:\n{advice}")
    if os.geteuid() != 0:
        raise Missing(f"These packages are missing, and only root may install them:\n{advice}")
    if shutil.which("apt-get") is None:
        raise Missing(f"These are missing, and this system has no apt-get to install them by:\n{listed}")
    print(f"Installing from Debian:\n{listed}", file=out, flush=True)
    _apt("update", "-qq")
    _apt("install", "-y", "-qq", "--no-install-recommends", *packages)
    still = absent(lacking)
    if still:
        raise Missing(f"Installed, and yet not there: {', '.join(need.command for need in still)}.")


def _apt(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", *arguments],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "DEBCONF_NOWARNINGS": "yes"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last_words = "\n".join(done.stdout.splitlines()[-5:])
        raise Missing(f"apt-get {' '.join(arguments)} failed:\n{last_words}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m monostack.node.requirements")
    parser.add_argument("purpose", choices=("demo", "test"))
    parser.add_argument("--hypervisor", choices=HYPERVISORS, default="qemu")
    parser.add_argument("--no-install", action="store_true")
    options, _ = parser.parse_known_args(arguments)
    testing = options.purpose == "test"
    try:
        ensure(PACKAGES if testing else needs(options.hypervisor), install=not options.no_install)
    except Missing as reason:
        print(reason, file=sys.stderr)
        if not testing:
            return 1
        print("Tests that want them are skipped, each with its reason.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
