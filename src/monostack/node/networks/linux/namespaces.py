"""Network namespaces: made, entered by one thread, removed.

A namespace belongs to a thread, not to a program (clone(2), setns(2)), so the thread that does the driver's
work can stand in the cloud's namespace while the program's own loop stays in the machine's. Names are bound
below /run/netns in the way of ip-netns(8): an operator can use `ip netns exec` on everything that is made
here, and the namespace lives on when the program ends.

To make a namespace a thread of its own is started, which leaves its namespace, is bound to the name, and
ends. That is cheaper and safer than a fork of a program with many threads.
"""

import contextlib
import ctypes
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from monostack.kit.crash import point

RUN = Path("/run/netns")

CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_SHARED = 0x1000, 0x4000, 0x100000
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def create(name: str) -> None:
    """Make the namespace unless it is there; a name left by a kill without its namespace is used again."""
    if exists(name):
        return
    _share_run()
    path = RUN / name
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o444))
    failure: list[BaseException] = []

    def leave_and_bind() -> None:
        try:
            leave()
            point("linux.namespace.bind.before")
            _mount(f"/proc/self/task/{threading.get_native_id()}/ns/net", path, MS_BIND)
            point("linux.namespace.bind.after")
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=leave_and_bind, name="new-namespace")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def leave() -> None:
    """Move this thread into a new namespace, which ends with the thread unless it is given a name."""
    _call("unshare", CLONE_NEWNET)


def remove(name: str) -> None:
    """Remove the name; the kernel removes the namespace when nothing runs or listens in it any more."""
    path = RUN / name
    point("linux.namespace.remove.before")
    if exists(name):
        _call("umount2", os.fsencode(path), MNT_DETACH)
    path.unlink(missing_ok=True)
    point("linux.namespace.remove.after")


def exists(name: str) -> bool:
    """Whether the name stands for a namespace, and not only for the empty file that it is to be bound to."""
    try:
        return os.stat(RUN / name).st_dev == os.stat("/proc/self/ns/net").st_dev
    except FileNotFoundError:
        return False


def names(prefix: str) -> list[str]:
    """The names below /run/netns that begin so, with those that a kill left half done."""
    if not RUN.is_dir():
        return []
    return sorted(entry.name for entry in os.scandir(RUN) if entry.name.startswith(prefix))


def own() -> int:
    """A descriptor of the namespace in which this thread stands."""
    return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def enter(descriptor: int) -> None:
    """Move this thread, and nothing else, into a namespace."""
    _call("setns", descriptor, CLONE_NEWNET)


@contextlib.contextmanager
def within(name: str) -> Iterator[None]:
    """Stand in the namespace of that name for a while."""
    target = os.open(RUN / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with within_descriptor(target):
            yield
    finally:
        os.close(target)


@contextlib.contextmanager
def within_descriptor(target: int) -> Iterator[None]:
    back = own()
    try:
        enter(target)
        try:
            yield
        finally:
            enter(back)
    finally:
        os.close(back)


def processes(name: str) -> list[int]:
    """The ids of the processes that stand in the namespace of that name."""
    wanted = os.stat(RUN / name).st_ino
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{entry.name}/ns/net").st_ino == wanted:
                found.append(int(entry.name))
    return found


def write_setting(setting: str, value: int) -> None:
    """Write a setting of the kernel's network for the namespace in which this thread stands.

    A kernel without IPv6 has no settings of it, and needs none.
    """
    path = Path("/proc/sys/net", setting)
    if setting.startswith("ipv6/") and not path.exists():
        return
    path.write_text(f"{value}\n")


def _share_run() -> None:
    """Let /run/netns be a mount that other mount namespaces see too, as ip-netns does."""
    RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        _mount("none", RUN, MS_SHARED | MS_REC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _mount(RUN, RUN, MS_BIND | MS_REC)
        _mount("none", RUN, MS_SHARED | MS_REC)


def _mount(source: str | Path, target: Path, flags: int) -> None:
    _call("mount", os.fsencode(source), os.fsencode(target), b"none", ctypes.c_ulong(flags), None)


def _call(function: str, *arguments: object) -> None:
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
