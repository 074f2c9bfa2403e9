"""What several words of the command line share: the options that say which cloud is meant."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import NoReturn

from monostack import settings as tree


def cloud_arguments(parser: argparse.ArgumentParser, hosts: bool = True) -> None:
    """Options that choose and shape a cloud; without `hosts`, one that has none on this machine."""
    parser.add_argument(
        "--state",
        metavar="DIR",
        help="where everything is kept (default: /var/lib/monostack as root, "
        "~/.local/state/monostack otherwise)",
    )
    parser.add_argument("--listen", metavar="ADDR", help="the address to answer on (default: 127.0.0.1)")
    parser.add_argument(
        "--port-offset", type=int, metavar="N", help="added to every customary port (default: 0)"
    )
    if hosts:
        _host_arguments(parser)
    parser.add_argument("--only", metavar="SERVICE,...", help="run only these services and what they need")
    database = "postgresql://... instead of SQLite in DIR" if hosts else "postgresql://..., the same for all"
    parser.add_argument("--database", metavar="URL", help=database)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.NAME=VALUE",
        help="any other setting (docs/operating.md lists them)",
    )


def _host_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--hypervisor", choices=("auto", "qemu", "simulated"), help="what runs the guests (default: auto)"
    )
    parser.add_argument(
        "--networks",
        choices=("auto", "linux", "user", "simulated"),
        help="what carries their packets (default: auto: linux as root, user otherwise)",
    )


def settings(options: argparse.Namespace) -> tree.Settings:
    """Settings from the options; ends the program with words when one is wrong."""
    overrides = {
        name: getattr(options, name, None)
        for name in ("state", "listen", "port_offset", "hypervisor", "networks", "only", "database")
    }
    for pair in getattr(options, "set", ()):
        name, equals, value = pair.partition("=")
        if not equals:
            fail(f"--set {pair}: write SECTION.NAME=VALUE")
        overrides[name] = value
    try:
        return tree.load(overrides)
    except tree.BadSetting as reason:
        fail(str(reason))


def state(options: argparse.Namespace) -> Path:
    return Path(options.state) if options.state else tree.default_state()


def running_options(state: Path) -> dict:
    """How the cloud of a state directory was last started: pid, listen, port_offset."""
    try:
        return json.loads((state / "lock").read_text())
    except (OSError, ValueError):
        return {}


def fail(words: str, status: int = 1) -> NoReturn:
    """End the program with a sentence on standard error."""
    print(f"monostack: {words}", file=sys.stderr)
    raise SystemExit(status)
