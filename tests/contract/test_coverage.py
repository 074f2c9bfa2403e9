"""docs/COVERAGE.md, docs/openapi and the lists of what is missing say what the routes say."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_the_generated_files_are_up_to_date():
    done = subprocess.run(
        [sys.executable, str(PROJECT / "tools" / "coverage.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
