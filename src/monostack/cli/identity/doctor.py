"""`monostack identity doctor`: what is wrong, in words."""

from __future__ import annotations

import argparse

from monostack.cli.identity.opened import with_cloud
from monostack.cli.identity.word import Word


def _look(options: argparse.Namespace) -> int:
    from monostack.identity import doctor

    def look(cloud) -> int:
        tables = cloud.service("identity").tables
        found = cloud.engine.now(doctor.findings, tables, cloud.settings)
        for words in found:
            print(f"- {words}")
        print(f"{len(found)} findings" if found else "Nothing wrong was found.")
        return 1 if found else 0

    return with_cloud(options, look)


WORDS = (Word("doctor", "look for what is wrong, and say what to do; exit status 1 if anything is", _look),)
