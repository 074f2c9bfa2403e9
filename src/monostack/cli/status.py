"""`monostack status`: services, processes, users, images, networks, flavors, servers, hosts, loops, and
things no row names.

It reads the database of a state directory by itself, so it also tells about a cloud that is not running.
"""

from __future__ import annotations

import argparse
import json

from monostack.cli import common


def arguments(parser: argparse.ArgumentParser) -> None:
    common.cloud_arguments(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run(options: argparse.Namespace) -> int:
    cloud = open_cloud(options)
    try:
        facts = cloud.engine.now(collect)
    finally:
        cloud.engine.close()
    running = (cloud.state / "ready").exists() or any(each["alive"] for each in facts["processes"])
    if options.json:
        print(json.dumps({"running": running} | facts, indent=2, default=str))
        return 0
    show(facts, running, cloud)
    return 0


def open_cloud(options: argparse.Namespace):
    """The cloud of a state directory, opened to be read, with the services that have ever run in it."""
    from monostack.cloud import Cloud
    from monostack.kit.auth import COUNTED_UP, EPOCHS, SEEN
    from monostack.kit.db.engine import open_engine

    settings = common.settings(options)
    if not settings.database and not (settings.state / "monostack.db").exists():
        common.fail(
            f"there is no cloud in {settings.state}. Start one with `monostack up`, or name its --state."
        )
    running = common.running_options(settings.state)
    if running and options.port_offset is None:
        settings.port_offset = running["port_offset"]
        settings.listen = running["listen"]
    cloud = Cloud(settings)
    cloud.engine = open_engine(settings.database_url, cloud)
    there = cloud.engine.columns()
    if cloud.engine.shared and EPOCHS.name in there:
        cloud.engine.watch(SEEN, COUNTED_UP)
    cloud.services = [each for each in cloud.services if any(table.name in there for table in each.tables)]
    for service in cloud.services:
        for loop in service.loops:
            cloud.loops.add(loop)
    return cloud


def collect(db) -> dict:
    """Everything `status` shows."""
    from monostack.kit import agents, processes

    out: dict = {"sections": {}, "hosts": [], "loops": [], "refused": [], "unknown": [], "processes": []}
    if db.cloud.engine.shared:
        out["processes"] = processes.overview(db)
    for service in db.cloud.services:
        for title, table, columns in service.overview:
            rows = db.all(table, limit=200)
            out["sections"][title] = [{name: row.get(name) for name in columns} for row in rows]
    for host in agents.hosts(db):
        inventory = host["inventory"] or {}
        out["hosts"].append(
            {
                "name": host["name"],
                "hypervisor": inventory.get("hypervisor_type"),
                "seen": host["seen_at"],
                "alive": agents.alive(db, host),
            }
        )
        for fact in host["refused_facts"] or ():
            out["refused"].append({"host": host["name"]} | fact)
        for thing in host["unknown_things"] or ():
            out["unknown"].append({"host": host["name"]} | thing)
    for runner in db.cloud.loops.runners.values():
        out["loops"].append(runner.status(db))
    return out


def show(facts: dict, running: bool, cloud) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"monostack in {cloud.state}: " + ("running" if running else "not running"))
    services = Table("service", "endpoint", title="== services ==")
    for service in cloud.services:
        services.add_row(f"{service.title} ({service.type})", cloud.endpoint_url(service))
    console.print(services)
    if facts["processes"]:
        _table(console, "processes", facts["processes"])
    for title, rows in facts["sections"].items():
        _table(console, title, rows)
    _table(console, "hosts", facts["hosts"])
    loops = Table("loop", "due", "failing", title="== loops ==")
    for loop in facts["loops"]:
        failing = "; ".join(
            f"{row['id']}: {row['cause']} (tried {row['attempts']} times)" for row in loop["failing"]
        )
        loops.add_row(loop["loop"], str(loop["due"]), failing or "-")
    console.print(loops)
    if facts["refused"]:
        _table(console, "what hosts report and cannot be taken in (they say it again)", facts["refused"])
    if facts["unknown"]:
        _table(console, "things in the world that no row names (left alone)", facts["unknown"])
    else:
        console.print("Nothing is in the world that no row names.")


def _table(console, title: str, rows: list[dict]) -> None:
    from rich.table import Table

    if not rows:
        console.print(f"== {title} ==\n(none)")
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(title=f"== {title} ==")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*("" if row.get(name) is None else str(row.get(name)) for name in names))
    console.print(table)
