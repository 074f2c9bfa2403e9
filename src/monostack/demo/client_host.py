"""OpenStack's command line clients, loaded once and run many times: `python -m monostack.demo.client_host`.

Starting a client costs a second of CPU, most of it imports. This process imports it once and forks for each
command, so that what runs is the real client in a process of its own, a fifth of a second after it was asked
for.

One JSON object a line on standard input: {"words", "environment", "output"} and, if wanted, "program"
(openstack, nova or glance), "folder" (where it runs), "input" (a file), "typed" (what a person types when
asked for passwords: the command then has a terminal). One a line on standard output: {"status"}.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import os
import select
import sys

SHELLS = {"openstack": "openstackclient.shell", "nova": "novaclient.shell", "glance": "glanceclient.shell"}
NEEDED = {
    "openstack": (
        "openstack.connection",
        "openstackclient.common.clientmanager",
        "openstackclient.compute.client",
        "openstackclient.identity.client",
        "openstackclient.image.client",
        "openstackclient.network.client",
    ),
    "nova": ("novaclient.v2.client", "novaclient.v2.shell"),
    "glance": ("glanceclient.v2.client", "glanceclient.v2.shell"),
}
PATIENCE = 20.0


def main() -> None:
    shells = {"openstack": load("openstack")}
    for line in sys.stdin:
        asked = json.loads(line)
        program = asked.get("program", "openstack")
        if program not in shells:
            shells[program] = load(program)
        status = run(shells[program], program, asked)
        print(json.dumps({"status": status}), flush=True)


def load(program: str):
    """Import a client and what its commands import."""
    for name in NEEDED[program]:
        importlib.import_module(name)
    if program == "openstack":
        _load_commands()
    return importlib.import_module(SHELLS[program])


def _load_commands() -> None:
    """The client imports every command it has at every start, and asks which package brought it."""
    for group in importlib.metadata.entry_points().groups:
        if group.startswith("openstack."):
            for entry in importlib.metadata.entry_points(group=group):
                with contextlib.suppress(Exception):  # what cannot be imported is left to the client
                    entry.load()
    from cliff import command

    remembered = getattr(command, "_get_distributions_by_modules", None)
    if remembered is not None:
        remembered()


def run(shell, program: str, asked: dict) -> int:
    """Fork for one command; the status it ended with."""
    typed = asked.get("typed") or []
    child, terminal = os.forkpty() if typed else (os.fork(), None)
    if child == 0:
        _in_child(shell, program, asked)
    if terminal is not None:
        _type(terminal, typed)
    _, status = os.waitpid(child, 0)
    if terminal is not None:
        os.close(terminal)
    return os.waitstatus_to_exitcode(status)


def _in_child(shell, program: str, asked: dict) -> None:
    """Run one command with its own environment and files, then end the process."""
    os.environ.clear()
    os.environ.update(asked["environment"])
    if asked.get("folder"):
        os.chdir(asked["folder"])
    if not asked.get("typed"):
        os.dup2(os.open(asked.get("input") or os.devnull, os.O_RDONLY), 0)
    for target, name in ((1, asked["output"]), (2, asked["output"] + ".err")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), target)
    sys.stdin = os.fdopen(0)  # the host's own has read ahead
    sys.argv = [program, *asked["words"]]
    status = 1
    try:
        status = _told((shell.main() if program == "glance" else shell.main(asked["words"])) or 0)
    except SystemExit as ended:
        status = _told(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status & 255)


def _told(code: object) -> int:
    """The status; what is no number is said, and fails, as sys.exit has it."""
    if isinstance(code, int):
        return code
    print(code, file=sys.stderr)
    return 1


def _type(terminal: int, lines: list[str]) -> None:
    """Answer each question for a password with the next line."""
    for line in lines:
        seen = b""
        while b"assword:" not in seen:
            ready, _, _ = select.select([terminal], [], [], PATIENCE)
            try:
                part = os.read(terminal, 4096) if ready else b""
            except OSError:  # the command has ended
                return
            if not part:
                return
            seen += part
        os.write(terminal, line.encode() + b"\n")


if __name__ == "__main__":
    main()
