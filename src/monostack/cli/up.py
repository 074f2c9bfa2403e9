"""`monostack up`: the cloud in the foreground, until a signal.

SIGTERM and SIGINT end it within two seconds; guests go on and are adopted at the next start.
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
from pathlib import Path

from monostack.cli import common


def arguments(parser: argparse.ArgumentParser) -> None:
    common.cloud_arguments(parser)
    parser.add_argument(
        "--stop-guests", action="store_true", help="stop the guests too when the cloud is stopped"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="only tell what the database would need to be upgraded, change nothing",
    )
    parser.add_argument(
        "--log",
        metavar="LEVEL",
        default="warning",
        choices=("debug", "info", "warning", "error"),
        help="how much to write to standard error (default: warning)",
    )
    parser.add_argument("--access-log", metavar="FILE", help="one line a request (default: DIR/access.log)")


def run(options: argparse.Namespace) -> int:
    settings = common.settings(options)
    settings.stop_guests = settings.stop_guests or options.stop_guests
    if options.check:
        return check(settings)
    os.umask(0o077)
    _logging(settings, options)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(settings, options.access_log))


def _logging(settings, options) -> None:
    logging.basicConfig(level=options.log.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)


async def serve(settings, access_log: str | None = None) -> int:
    """Run the cloud until a signal; the exit status."""
    from monostack.cloud import Cloud, Held
    from monostack.kit.access import AccessLog
    from monostack.server import PortTaken, listen, make_server

    started = time.perf_counter()
    marker = settings.state / "ready"
    try:
        cloud = Cloud(settings)
        cloud.take_state()
        sockets = listen(cloud)
        cloud.prepare()
        cloud.app.access = AccessLog(Path(access_log or settings.state / "access.log"), cloud.clock.time)
    except (Held, PortTaken, ValueError) as reason:
        print(f"monostack: {reason}", file=sys.stderr)
        return 1
    server = make_server(cloud)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGUSR1, say_what_waits)
    marker.unlink(missing_ok=True)
    try:
        from monostack.cli import credentials

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
        cloud.app.access.flush()
    return 0


def say_what_waits() -> None:
    """SIGUSR1: every task and where it waits, on standard error; for finding out why something does not
    move."""
    for task in asyncio.all_tasks():
        print(f"task {task.get_name()}", file=sys.stderr)
        task.print_stack(file=sys.stderr)


def check(settings) -> int:
    """Tell what an upgrade of the database would do."""
    from monostack.cloud import KIT_TABLES, Cloud
    from monostack.kit.db import upgrade
    from monostack.kit.db.engine import open_engine

    cloud = Cloud(settings)
    engine = open_engine(settings.database_url, cloud)
    tables = [*KIT_TABLES, *(table for service in cloud.services for table in service.tables)]
    missing = upgrade.missing(engine, tables)
    engine.close()
    if not missing:
        print("The database is as this program wants it.")
        return 0
    print(f"The next start would run {len(missing)} statements:")
    for statement in missing:
        print(statement.strip())
    return 0


def screen(cloud, seconds: float) -> None:
    """One screen: where, who, what next."""
    from monostack.node import local

    settings = cloud.settings
    hypervisor, networks, why = local.choose(settings)
    print(f"monostack is up after {seconds:.2f} s.\n")
    for service in cloud.services:
        print(f"  {service.type:<12} {cloud.endpoint_url(service)}")
    for agent in cloud.agents:
        how = agent.inventory.get("why") or agent.inventory.get("acceleration") or ""
        print(f"  host {agent.host}: {hypervisor} ({how}); networks {networks} ({why})")
    print(
        f"\n  users admin and demo; passwords in {settings.state}/admin-openrc, demo-openrc and clouds.yaml"
    )
    print("\n  try:")
    print(f"    . {settings.state}/admin-openrc && openstack server list")
    clouds = f"OS_CLIENT_CONFIG_FILE={settings.state}/clouds.yaml"
    print(f"    {clouds} openstack --os-cloud monostack-demo network list")
    print(f"    monostack status --state {settings.state}")
    print("\n  Ctrl-C stops the cloud; guests go on and are found again at the next start.", flush=True)
