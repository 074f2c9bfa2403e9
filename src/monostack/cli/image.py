"""`monostack image metadefs load|unload|export`: the metadata definitions of a cloud, from and to files.

They work on the database, so the cloud may run meanwhile or not.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from monostack.cli import common


def arguments(parser: argparse.ArgumentParser) -> None:
    words = parser.add_subparsers(dest="what", required=True, metavar="metadefs")
    metadefs = words.add_parser("metadefs", help="metadata definitions, from and to files")
    words = metadefs.add_subparsers(dest="action", required=True, metavar="load|unload|export")
    load = words.add_parser("load", help="put namespaces into the cloud")
    load.add_argument("folder", nargs="?", help="a folder of .json files (default: the stock)")
    how = load.add_mutually_exclusive_group()
    how.add_argument(
        "--merge", dest="mode", action="store_const", const="merge", help="add what is lacking to those there"
    )
    how.add_argument(
        "--replace",
        dest="mode",
        action="store_const",
        const="replace",
        help="put the new ones in the place of those there (default: leave those there alone)",
    )
    load.set_defaults(mode="add")
    unload = words.add_parser("unload", help="take namespaces out, protected or not")
    unload.add_argument("namespace", nargs="*", help="which (default: all)")
    export = words.add_parser("export", help="write all namespaces into a folder")
    export.add_argument("folder", help="where to; made if it is not there")
    for each in (load, unload, export):
        common.cloud_arguments(each, hosts=False)


def run(options: argparse.Namespace) -> int:
    from monostack.cli import status

    cloud = status.open_cloud(options)
    try:
        return {"load": _load, "unload": _unload, "export": _export}[options.action](options, cloud)
    finally:
        cloud.engine.close()


def _load(options: argparse.Namespace, cloud) -> int:
    from monostack import identity
    from monostack.image import stock

    folder = Path(options.folder) if options.folder else stock.HERE
    try:
        namespaces = list(stock.files(folder))
    except stock.Unreadable as reason:
        common.fail(str(reason))
    if not namespaces:
        common.fail(f"there is no .json file in {folder}")

    def load(tx) -> list[str]:
        admin = identity.project_named(tx, "admin")
        return stock.load(tx, namespaces, admin["id"] if admin is not None else None, options.mode)

    done = cloud.engine.write_now(load)
    left = len(namespaces) - len(done)
    print(f"{len(done)} namespaces loaded" + (f", {left} were there and left alone" if left else ""))
    return 0


def _unload(options: argparse.Namespace, cloud) -> int:
    from monostack.image import stock

    count = cloud.engine.write_now(stock.unload, options.namespace or None)
    print(f"{count} namespaces taken out")
    return 0


def _export(options: argparse.Namespace, cloud) -> int:
    from monostack.image import stock

    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    found = cloud.engine.now(stock.export)
    for each in found:
        path = folder / (each["namespace"].replace("::", "-").replace("/", "-").lower() + ".json")
        path.write_text(json.dumps(each, indent=2, ensure_ascii=False) + "\n")
    print(f"{len(found)} namespaces written to {folder}")
    return 0
