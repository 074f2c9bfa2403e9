"""`monostack identity mapping_purge|mapping_populate`: users and groups who live in a directory.

keystone keeps a table of ids for them; here their ids are digests and need none, and what is kept is a mirror
of what the directory said (identity/ldap/mirror). To purge is to forget the mirrored ones, to populate is to
ask for all of them now. Neither is ever needed: whoever logs in or is listed is mirrored then."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

from monostack.cli import common
from monostack.cli.identity.opened import domain, with_cloud, with_secrets
from monostack.cli.identity.word import Word

AT_ONCE = 100
"""Rows that go in one transaction: a longer one would hold a cloud that runs."""
KINDS = ("user", "group")


def _purge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="all of them; goes with no other option")
    parser.add_argument("--domain-name", metavar="NAME", help="those of this domain")
    parser.add_argument("--public-id", metavar="ID", help="the one that has this id here")
    parser.add_argument("--local-id", metavar="ID", help="those that have this id in their directory")
    parser.add_argument("--type", choices=KINDS, help="only users, or only groups")


def _purge(options: argparse.Namespace) -> int:
    narrower = (options.domain_name, options.public_id, options.local_id, options.type)
    some = any(option is not None for option in narrower)
    if not options.all and not some:
        common.fail("say which: --all, or one or more of --domain-name, --public-id, --local-id, --type")
    if options.all and some:
        common.fail("--all takes no other option beside it: leave it out, or the others")
    return with_cloud(options, _forget, options)


def _forget(cloud, options: argparse.Namespace) -> int:
    from monostack.identity.ldap import mirror

    where = {}
    if options.domain_name is not None:
        where["domain_id"] = cloud.engine.now(domain, options.domain_name)["id"]
    if options.public_id is not None:
        where["id"] = options.public_id
    if options.local_id is not None:
        where["directory_id"] = options.local_id
    forgotten = dict.fromkeys(KINDS, 0)
    for kind in (options.type,) if options.type else KINDS:
        while gone := cloud.engine.write_now(mirror.forget_some, kind, where, AT_ONCE):
            forgotten[kind] += gone
    print(f"{forgotten['user']} users and {forgotten['group']} groups of directories were forgotten")
    return 0


def _populate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--domain-name", required=True, metavar="NAME", help="the domain whose users live in a directory"
    )


def _populate(options: argparse.Namespace) -> int:
    return with_secrets(options, _mirror, options.domain_name)


def _mirror(cloud, name: str) -> int:
    from monostack.identity.domains import configuration

    row = cloud.engine.now(domain, name)
    if cloud.engine.now(configuration.driver, row["id"]) != "ldap":
        common.fail(
            f"--domain-name {name}: the domain has no directory, its users are all here already. Its option "
            "driver in the group identity would be ldap (`monostack identity domain_config_upload`)"
        )
    return asyncio.run(_ask(cloud, row["id"], name))


async def _ask(cloud, domain_id: str, name: str) -> int:
    # what it warns of ends the command, in the same words
    logging.getLogger("monostack.identity.ldap.asking").setLevel(logging.ERROR)
    source = await cloud.identity.directories.source(domain_id)
    users = await source.take_all("user", lambda count: _progress(f"{count} users"))
    groups = await source.take_all("group", lambda count: _progress(f"{count} groups"))
    print(f"{users.taken} users and {groups.taken} groups of the domain {name} are mirrored now")
    for kind, found in (("users", users), ("groups", groups)):
        if found.left:
            print(f"{found.left} {kind} were left out: the domain has {kind} of its own with their names")
        if not found.whole:
            words = f"the directory has more {kind} than it gives at once: let it give pages (page_size)"
            print(f"monostack: {words}", file=sys.stderr)
    return 0 if users.whole and groups.whole else 1


def _progress(words: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{words}", end="\r", file=sys.stderr, flush=True)


WORDS = (
    Word(
        "mapping_purge",
        "forget mirrored users and groups of directories, until they are seen again; their tokens end",
        _purge,
        _purge_arguments,
    ),
    Word(
        "mapping_populate",
        "mirror all users and groups of a domain's directory now, not when they are asked for",
        _populate,
        _populate_arguments,
    ),
)
