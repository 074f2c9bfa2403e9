"""`monostack demo`: the whole story on this machine, then a cloud to play with."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from pathlib import Path

from monostack import settings as tree
from monostack.cli import common


def arguments(parser: argparse.ArgumentParser) -> None:
    common.cloud_arguments(parser)
    parser.add_argument(
        "--exit", action="store_true", help="end after the story; status 0 only if every step held"
    )
    parser.add_argument(
        "--no-install", action="store_true", help="install nothing of Debian's; say what is missing instead"
    )
    parser.add_argument(
        "--image", metavar="FILE", help="a bootable qcow2 instead of the small guest made here"
    )


def run(options: argparse.Namespace) -> int:
    from monostack.demo.commands import StepFailed
    from monostack.demo.display import Display
    from monostack.demo.process import CloudProcess
    from monostack.demo.story import Story
    from monostack.node import local, requirements

    settings = common.settings(options)
    display = Display()
    wanted = "qemu" if settings.hypervisor == "auto" else settings.hypervisor
    try:
        requirements.ensure(requirements.needs(wanted), install=not options.no_install)
    except requirements.Missing as reason:
        common.fail(str(reason))
    hypervisor, networks, why = local.choose(settings)
    display.say(
        f"monostack demo: {hypervisor} guests, {networks} networks ({why}), state in {settings.state}"
    )
    try:
        image = guest_image(settings, options, hypervisor, display)
    except StepFailed as reason:
        common.fail(str(reason))
    cloud = CloudProcess(settings.state, cloud_words(options, hypervisor, networks))
    story = Story(cloud, image, networks, display.shown)
    display.story = story
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted(ended))
    held = False
    try:
        with display:
            held = story.tell(display.changed)
        display.end(story, held)
        if not options.exit and held:
            from monostack.demo.commands import openstack_program

            display.next_commands(story, openstack_program())
            ended.wait()
    except Interrupted:
        display.say("\nStopped.")
    finally:
        leave(story, cloud, display, options.exit)
    return 0 if held else 1


class Interrupted(Exception):
    """Ctrl-C in the middle of the story."""


def interrupted(ended: threading.Event) -> None:
    if ended.is_set():
        return
    ended.set()
    raise Interrupted


def leave(story, cloud, display, everything: bool) -> None:
    """Stop the guests and the cloud, and say what stays."""
    from monostack.demo.commands import StepFailed

    if everything and story.demo is not None and cloud.process is not None:
        try:
            story.clear()
        except StepFailed as reason:
            display.say(f"Not everything could be cleared: {reason}")
    story.loaded.close()
    if cloud.process is not None:
        cloud.stop()
        cloud.stop_guests()
    display.say(
        f"The cloud is stopped, its guests too. It is kept in {cloud.state}: `monostack up --state "
        f"{cloud.state}` starts it again, deleting the folder forgets it."
    )


def cloud_words(options: argparse.Namespace, hypervisor: str, networks: str) -> list[str]:
    """The options that `monostack up` gets."""
    words = ["--hypervisor", hypervisor, "--networks", networks]
    for name in ("listen", "port_offset", "only", "database"):
        value = getattr(options, name)
        if value is not None:
            words += ["--" + name.replace("_", "-"), str(value)]
    for pair in options.set:
        words += ["--set", pair]
    return words


def guest_image(settings: tree.Settings, options: argparse.Namespace, hypervisor: str, display) -> Path:
    """The image to boot: the given one, the small guest made here, or, where nothing boots, a small file."""
    from monostack.demo.commands import StepFailed

    if options.image:
        return Path(options.image)
    if hypervisor == "simulated":
        path = settings.state / "demo-image.qcow2"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(empty_qcow2(1 << 30))
        return path
    from monostack.node import guest_image as maker

    missing = maker.missing_tools()
    if missing:
        names = ", ".join(sorted({package for _, package in missing}))
        raise StepFailed(
            f"making the guest image needs Debian's packages {names}. As root: apt-get install {names}"
        )
    cache = Path("/var/cache/monostack") if os.geteuid() == 0 else Path.home() / ".cache" / "monostack"
    try:
        return maker.build(cache / "guest.qcow2", cache, display.say)
    except maker.BuildError as reason:
        raise StepFailed(f"the guest image could not be made: {reason}") from None


def empty_qcow2(size: int) -> bytes:
    """An empty qcow2 (version 2) of a virtual size: header, one table of clusters, the reference counts."""
    import struct

    cluster = 1 << 16
    entries = max(1, -(-size // (cluster * (cluster // 8))))
    header = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, size, 0, entries, cluster, 2 * cluster, 1, 0, 0
    )
    table = struct.pack(">Q", 3 * cluster)
    counts = struct.pack(">4H", 1, 1, 1, 1)
    parts = (header, bytes(8 * entries), table, counts)
    return b"".join(part.ljust(cluster, b"\0") for part in parts)
