"""`monostack identity WORD`: what an operator does below the API.

The words are those of keystone-manage, options and environment too. All of them work on the database, so on
a cloud that is stopped and on one that runs: what they change is seen by its processes within a second. Each
theme is a module that offers WORDS; whatever is heavy is imported when a word is run."""

from __future__ import annotations

import argparse

from monostack.cli import common
from monostack.cli.identity import accounts, directories, doctor, domain_options, federation, leftovers

WORDS = (
    *accounts.WORDS,
    *doctor.WORDS,
    *directories.WORDS,
    *domain_options.WORDS,
    *leftovers.WORDS,
    *federation.WORDS,
)
ELSEWHERE = """\
The other words of keystone-manage:
  db_sync, db_version    `monostack up` brings tables up to date; `monostack up --check` only tells
  *_setup, *_rotate      monostack keys setup, monostack keys rotate (fernet, receipt, credential)
  credential_migrate     monostack keys migrate credential
  create_jws_keypair     monostack keys create_jws_keypair
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    common.cloud_arguments(parser)
    parser.epilog = ELSEWHERE
    words = parser.add_subparsers(dest="what", required=True, metavar="WORD", title="words")
    for word in WORDS:
        each = words.add_parser(word.name, help=word.help, description=word.help[0].upper() + word.help[1:])
        word.arguments(each)
        each.set_defaults(work=word.run)


def run(options: argparse.Namespace) -> int:
    return options.work(options)
