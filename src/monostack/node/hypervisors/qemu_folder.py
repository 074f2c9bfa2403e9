"""A server's folder on its host: disks, sockets, console log, and the record of what was last done.

The record (facts.json) is written to a new file, flushed, and renamed, so it is always whole. It is
written before an act when it takes a promise back ("the disk is no longer of epoch 3") and after an act
when it gives one ("the guest was started for epoch 4"), so that a kill at any moment leaves it at worst
behind the world, never ahead of it. What it says of running guests counts only together with the
processes that are there.
"""

import contextlib
import json
import os
import shutil
import signal
from pathlib import Path

from monostack.node.errors import Broken
from monostack.node.hypervisors.qemu_machine import GUEST_NAME

CONSOLE_KEPT = 1024 * 1024
CONSOLE_LIMIT = 8 * CONSOLE_KEPT
CONSOLE_SHOWN = 100 * 1024


class Folder:
    """The files of one server below the state folder."""

    def __init__(self, servers: Path, id: str) -> None:
        self.id = id
        self.path = servers / id

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def read(self) -> dict | None:
        """The record, or None when the server was never completely made here."""
        try:
            return json.loads((self / "facts.json").read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as reason:
            raise Broken(f"The record of server {self.id} on this host cannot be read: {reason}.") from reason

    def write(self, facts: dict) -> None:
        write_durably(self / "facts.json", json.dumps(facts, separators=(",", ":")).encode())

    def remove(self) -> None:
        """Rename first: a half-removed folder must not look like a server."""
        gone = self.path.with_name(f".gone-{self.id}")
        shutil.rmtree(gone, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def console_log(self, length: int | None) -> str:
        """The last lines of what the guest wrote to its first serial line."""
        try:
            with (self / "console.log").open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - CONSOLE_SHOWN))
                text = file.read().decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        text = text.replace("\r", "").replace("\0", "")
        if length is None or length < 0:
            return text
        return "\n".join(text.removesuffix("\n").split("\n")[-length:]) if length else ""

    def trim_console_log(self) -> None:
        """A guest may write for ever; keep the end. QEMU appends, so it goes on behind what is kept."""
        with contextlib.suppress(FileNotFoundError), (self / "console.log").open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= CONSOLE_LIMIT:
                return
            file.seek(size - CONSOLE_KEPT)
            kept = file.read()
            file.truncate(0)
            file.seek(0)
            file.write(kept)


def all_folders(servers: Path) -> list[Folder]:
    """Folders of servers; leftovers of interrupted removals are swept away in passing."""
    found = []
    for path in sorted(servers.iterdir()) if servers.exists() else ():
        if path.name.startswith(".gone-"):
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_dir():
            found.append(Folder(servers, path.name))
    return found


def running_guests(cloud_id: str, servers: Path) -> dict[str, tuple[int, int]]:
    """The guests that run on this host out of this folder: server id -> (process, boot epoch), from /proc.

    The name alone is not enough. Anybody may give a process such a name, so it must be of our own user; and a
    copy of a cloud, restored beside the first one, has the same id, so the guest must have been started from
    our folder.
    """
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):
            process = Path("/proc", name)
            words = (process / "cmdline").read_bytes()
            if b"monostack:" not in words or process.stat().st_uid != os.geteuid():
                continue
            guest = guest_of(words)
            if guest and guest[0] == cloud_id and guest[3].parent.parent == servers:
                found[guest[1]] = (int(name), guest[2])
    return found


def guest_of(command_line: bytes) -> tuple[str, str, int, Path] | None:
    """(cloud id, server id, boot epoch, pid file) of a process that is a guest."""
    words = command_line.decode(errors="surrogateescape").split("\0")
    options = dict(zip(words, words[1:], strict=False))
    match = GUEST_NAME.match(options.get("-name", ""))
    if match is None or "-daemonize" not in words:
        return None
    return match["cloud"], match["id"], int(match["boot"]), Path(options.get("-pidfile", "/"))


def kill(process_file: int) -> None:
    """End a process by its open file, which cannot come to mean another process."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(process_file, signal.SIGKILL)


def write_durably(path: Path, content: bytes) -> None:
    """Either the old content or the new one is there, also after the power failed."""
    fresh = path.with_name(path.name + ".new")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(file, content)
        os.fsync(file)
    finally:
        os.close(file)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
