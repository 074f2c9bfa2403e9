"""`monostack up`: the cloud in the foreground, until a signal.

SIGTERM and SIGINT end it within two seconds; guests go on and are adopted at the next start.
"""

from __future__ import annotations

import argparse

from monostack.cli import common, foreground


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
    foreground.arguments(parser, "DIR/access.log")


def run(options: argparse.Namespace) -> int:
    settings = common.settings(options)
    settings.stop_guests = settings.stop_guests or options.stop_guests
    if options.check:
        return check(settings)
    return foreground.run(settings, options, True, screen)


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
    foreground.endpoints(cloud)
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
