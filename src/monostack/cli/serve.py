"""`monostack serve`: one of several processes that serve a cloud from one PostgreSQL.

It answers requests and runs loops as `monostack up` does, and has no hosts: those are the world of `up`. Any
number may run, behind any load balancer; docs/operating.md says what they share.
"""

from __future__ import annotations

import argparse

from monostack.cli import common, foreground

EPILOG = """\
Any number may run at once, on one machine (each with its own --port-offset) or on several. All name the same
--database, and the same state directory, or copies of it: its keys, its policy.yaml and its images must be
the same for all. `monostack up` cannot share a directory; it may run beside them on a directory of its own.

Clients are sent to --set public_url=URL, where the load balancer listens. Without it the catalogue keeps the
addresses that the first process gave it.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    common.cloud_arguments(parser, hosts=False)
    foreground.arguments(parser, "DIR/access-HOST-PORT.log")


def run(options: argparse.Namespace) -> int:
    settings = common.settings(options)
    if not settings.database.startswith(("postgresql:", "postgres:")):
        common.fail(
            "serve is one of several processes on one database, and SQLite is held by a single one. "
            "Give --database postgresql://USER:PASSWORD@HOST:PORT/NAME, or run `monostack up`."
        )
    return foreground.run(settings, options, False, screen)


def screen(cloud, seconds: float) -> None:
    """Where it answers, and beside whom."""
    others = len(cloud.processes.others)
    beside = "alone on its database so far" if not others else f"beside {others} other{'s' * (others > 1)}"
    print(f"monostack serves after {seconds:.2f} s, {beside}.\n")
    foreground.endpoints(cloud)
    print("\n  Ctrl-C ends this process; what it was doing passes on to the others.", flush=True)
