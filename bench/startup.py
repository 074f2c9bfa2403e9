"""Starting, idling and `--help`: `python bench/startup.py [ROUNDS]`.

A first start makes the database, keys and passwords in an empty folder. A start on an existing state is
counted until a client that tries again and again has its first token. The memory is looked at some seconds
after the last request, as PSS: shared pages count by their share.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error

from measured import ENVIRONMENT, Measured

IDLE_SECONDS = 5


def first_token(cloud: Measured) -> float:
    """Seconds from the start of the process to the first token."""
    started = time.perf_counter()
    cloud.launch()
    while True:
        try:
            cloud.login()
        except (urllib.error.URLError, ConnectionError):
            assert cloud.process.poll() is None, "the cloud did not start"
            time.sleep(0.005)
        else:
            return time.perf_counter() - started


def helped() -> float:
    started = time.perf_counter()
    words = [sys.executable, "-m", "monostack", "--help"]
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True, env=ENVIRONMENT)
    return time.perf_counter() - started


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    helped()
    for _ in range(rounds):
        with Measured(14000) as cloud:
            cloud.stop()
            again = first_token(cloud)
            time.sleep(IDLE_SECONDS)
            print(
                f"first start {cloud.ready_seconds:.2f} s; existing state to first token {again:.2f} s; "
                f"idle {cloud.pss():.0f} MiB PSS; --help {helped() * 1000:.0f} ms "
                f"(load average {os.getloadavg()[0]:.1f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
