"""`monostack test`: the test suite of this checkout. `./monostack test` installs what it needs first.

The whole suite runs in as many processes as there are processors (at most four), a module in one of them."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from monostack.cli import common


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "monostack test [what pytest takes ...]"


def run(options: argparse.Namespace) -> int:
    root = Path(__file__).parents[3]
    if not (root / "tests").is_dir():
        common.fail("the tests are in the source checkout: run ./monostack test there")
    side_by_side = ["-n", "logical", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder"]
    words = options.passed_on or side_by_side
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *words], cwd=root).returncode
