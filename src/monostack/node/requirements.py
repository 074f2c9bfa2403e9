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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from monostack.node import guest_image


class Need(NamedTuple):
    command: str
    package: str
    why: str


GUESTS = (
    Need("qemu-system-x86_64", "qemu-system-x86", "runs the guests"),
    Need("qemu-img", "qemu-utils", "makes and measures their disks"),
)

NETWORKS = (
    Need("nft", "nftables", "security groups, routers, floating addresses"),
    Need("dnsmasq", "dnsmasq-base", "gives guests their addresses"),
)

GUEST_IMAGE = tuple(Need(tool, package, "makes the small guest image") for tool, package in guest_image.TOOLS)

VISITOR = (
    Need("ssh", "openssh-client", "enters the guest"),
    Need("ping", "iputils-ping", "asks whether the guest answers"),
)

TESTS = (
    Need("/usr/lib/postgresql/*/bin/postgres", "postgresql", "the second database: the tests run on both"),
    Need("slapd", "slapd", "a directory for users to live in, as they do in a company's"),
    Need("ceph-mon", "ceph-mon", "a Ceph of one node, for images: who is in it"),
    Need("ceph-osd", "ceph-osd", "that Ceph's disk"),
    Need("rbd", "ceph-common", "that Ceph's own tools"),
    Need("/usr/lib/python3/dist-packages/rbd.*.so", "python3-rbd", "how the cloud speaks with a Ceph"),
    Need("ip", "iproute2", "the tests look at networks with it"),
    Need("sysctl", "procps", "the tests look at the kernel's settings with it"),
)

PACKAGES: tuple[Need, ...] = GUESTS + NETWORKS + GUEST_IMAGE + VISITOR + TESTS

NOT_STARTED = Path("/usr/sbin/policy-rc.d")
"""What Debian's packages ask before they start anything; 101 is no."""

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
    return GUESTS + networks + GUEST_IMAGE + VISITOR


def missing(hypervisor: str) -> list[Need]:
    return absent(needs(hypervisor))


def absent(wanted: Iterable[Need]) -> list[Need]:
    return [need for need in wanted if not present(need)]


def ensure(wanted: Iterable[Need], install: bool = True, out: TextIO = sys.stderr) -> None:
    """Install what is absent of these, saying so first, or raise Missing with the words to show."""
    lacking = absent(wanted)
    if not lacking:
        return
    reasons = {need.package: need.why for need in reversed(lacking)}
    packages = sorted(reasons)
    command = f"apt-get install {' '.join(packages)}"
    listed = "\n".join(f"  {package:<20} {reasons[package]}" for package in packages)
    advice = f"{listed}\nAs root: {command}"
    if not install:
        raise Missing(f"These packages are missing, and I was told not to install:\n{advice}")
    if os.geteuid() != 0:
        raise Missing(f"These packages are missing, and only root may install them:\n{advice}")
    if shutil.which("apt-get") is None:
        raise Missing(f"These are missing, and this system has no apt-get to install them by:\n{listed}")
    print(f"Installing from Debian:\n{listed}", file=out, flush=True)
    with _nobody_starts_them():
        _apt("update", "-qq")
        _apt("install", "-y", "-qq", "--no-install-recommends", *packages)
    still = absent(lacking)
    if still:
        raise Missing(f"Installed, and yet not there: {', '.join(need.command for need in still)}.")


@contextmanager
def _nobody_starts_them() -> Iterator[None]:
    """Some packages start a daemon of the whole system when they are installed; we want the programs alone.
    Where the administrator has said what may be started, his word stands."""
    if NOT_STARTED.exists():
        yield
        return
    NOT_STARTED.write_text("#!/bin/sh\nexit 101\n")
    NOT_STARTED.chmod(0o755)
    try:
        yield
    finally:
        NOT_STARTED.unlink(missing_ok=True)


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
        last_words = "\n".join(done.stdout.splitlines()[-15:])
        raise Missing(f"apt-get {' '.join(arguments)} failed:\n{last_words}")


def main(arguments: list[str]) -> int:
    """What the launcher asks before the demo and before the tests; the options are the demo's own."""
    parser = argparse.ArgumentParser(prog="python -m monostack.node.requirements", add_help=False)
    parser.add_argument("purpose", choices=("demo", "test"))
    parser.add_argument("--hypervisor", default=os.environ.get("MONOSTACK_HYPERVISOR", "auto"))
    parser.add_argument("--no-install", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    options, _ = parser.parse_known_args(arguments)
    if options.help:
        return 0
    if options.purpose == "test":
        return _before_tests(install=not options.no_install)
    hypervisor = "qemu" if options.hypervisor == "auto" else options.hypervisor
    try:
        ensure(needs(hypervisor), install=not options.no_install)
    except (Missing, ValueError) as reason:
        print(f"{reason}\nOr, with guests that are only simulated: --hypervisor simulated", file=sys.stderr)
        return 1
    return 0


def _before_tests(install: bool) -> int:
    try:
        ensure(PACKAGES, install)
    except Missing as reason:
        print(f"{reason}\nTests that want them are skipped, each with its reason.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
