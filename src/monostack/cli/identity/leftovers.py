"""`monostack identity token_flush|trust_flush`: what is kept of tokens and trusts that have ended."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from monostack.cli import common
from monostack.cli.identity.opened import with_cloud
from monostack.cli.identity.word import Word

DATE = "%d-%m-%Y"
AT_ONCE = 100
"""Trusts that go in one transaction: a longer one would hold a cloud that runs."""


def _tokens(options: argparse.Namespace) -> int:
    from monostack.identity.tables import REVOCATIONS
    from monostack.identity.tokens import tokens

    def flush(cloud) -> int:
        before = cloud.engine.now(lambda db: db.count(REVOCATIONS))
        cloud.engine.write_now(lambda tx: tokens.forget_revocations(None, tx))
        left = cloud.engine.now(lambda db: db.count(REVOCATIONS))
        print(f"{before - left} rows about ended tokens dropped")
        return 0

    return with_cloud(options, flush)


def _trust_arguments(parser: argparse.ArgumentParser) -> None:
    for name, whose in (
        ("project", "of this project"),
        ("trustor-user", "that this user gave"),
        ("trustee-user", "that this user was given"),
    ):
        parser.add_argument(f"--{name}-id", metavar="ID", help=f"only trusts {whose}")
    parser.add_argument(
        "--date", metavar="DD-MM-YYYY", help="only those that ended before this day (UTC; default: until now)"
    )


def _trusts(options: argparse.Namespace) -> int:
    named = ("project_id", "trustor_user_id", "trustee_user_id")
    where = {name: getattr(options, name) for name in named if getattr(options, name) is not None}
    return with_cloud(options, _flush_trusts, where, options.date)


def _flush_trusts(cloud, where: dict[str, str], date: str | None) -> int:
    from monostack.identity.delegation import trusts

    before = cloud.clock.now() if date is None else _moment(date, cloud.clock.now())
    flushed = 0
    while gone := cloud.engine.write_now(trusts.flush, before, where, AT_ONCE):
        flushed += gone
    print(f"{flushed} trusts that had expired or were used up were deleted")
    return 0


def _moment(date: str, now: str) -> str:
    from monostack.kit import clock

    try:
        moment = clock.from_seconds(datetime.strptime(date, DATE).replace(tzinfo=UTC).timestamp())
    except ValueError:
        common.fail(f"--date {date}: write a day as DD-MM-YYYY, such as 31-12-2025")
    if moment > now:
        common.fail(f"--date {date}: it is a day to come, and trusts that are still good are not flushed")
    return moment


WORDS = (
    Word("token_flush", "drop what is kept about tokens that have ended by themselves", _tokens),
    Word("trust_flush", "delete trusts that have expired or are used up", _trusts, _trust_arguments),
)
