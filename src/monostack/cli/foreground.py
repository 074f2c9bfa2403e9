"""A process of a cloud in the foreground, until a signal: what `monostack up` and `monostack serve` share.

SIGTERM and SIGINT end it within two seconds. SIGUSR1 tells what waits.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monostack.cloud import Cloud
    from monostack.settings import Settings


def arguments(parser: argparse.ArgumentParser, access_log: str) -> None:
    """Options of every process in the foreground; `access_log` says where that goes unless told."""
    parser.add_argument(
        "--log",
        metavar="LEVEL",
        default="warning",
        choices=("debug", "info", "warning", "error"),
        help="how much to write to standard error (default: warning)",
    )
    parser.add_argument("--access-log", metavar="FILE", help=f"one line a request (default: {access_log})")


def run(settings: Settings, options: argparse.Namespace, alone: bool, screen: Callable) -> int:
    """Run the process until a signal; the exit status. `screen(cloud, seconds)` is shown when it is up."""
    os.umask(0o077)
    logging.basicConfig(level=options.log.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, options.access_log, alone, screen))


async def _run(settings: Settings, access_log: str | None, alone: bool, screen: Callable) -> int:
    from monostack.cli import credentials
    from monostack.cloud import Cloud, Held
    from monostack.kit.access import AccessLog
    from monostack.server import PortTaken, listen, make_server

    started = time.perf_counter()
    try:
        cloud = Cloud(settings, alone=alone)
        cloud.take_state()
        sockets = listen(cloud)
        name = "" if alone else f"-{settings.host}-{sockets[0].getsockname()[1]}"
        cloud.prepare()
        log = Path(access_log or settings.state / f"access{name}.log")
        access = cloud.app.access = AccessLog(log, cloud.clock.time)
    except (Held, PortTaken, ValueError) as reason:
        print(f"monostack: {reason}", file=sys.stderr)
        return 1
    marker = settings.state / f"ready{name}"
    server = make_server(cloud)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGUSR1, say_what_waits)
    marker.unlink(missing_ok=True)
    try:
        if alone or cloud.first_passwords:
            credentials.write(cloud)
        serving = asyncio.create_task(server.serve(sockets=sockets))
        while not server.started and not serving.done():
            await asyncio.sleep(0.002)
        await cloud.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        marker.write_text(f"{time.time():.3f}\n")
        screen(cloud, time.perf_counter() - started)
        waiting = asyncio.create_task(ended.wait())
        await asyncio.wait({waiting, serving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        marker.unlink(missing_ok=True)
        server.should_exit = True
        server.force_exit = True
        await asyncio.wait({serving}, timeout=1.0)
        await cloud.stop()
        access.flush()
    return 0


def endpoints(cloud: Cloud) -> None:
    """Where each service answers."""
    for service in cloud.services:
        print(f"  {service.type:<12} {cloud.endpoint_url(service)}")


def say_what_waits() -> None:
    """SIGUSR1: every task and where it waits, on standard error; for finding out why something does not
    move."""
    for task in asyncio.all_tasks():
        print(f"task {task.get_name()}", file=sys.stderr)
        task.print_stack(file=sys.stderr)
