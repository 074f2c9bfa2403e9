"""`monostack test-cloud`: a disposable cloud for tests in any language.

It prints one line of JSON once it answers (auth_url, user, password, controls) and ends on a signal or when
standard input is closed with --with-parent.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
from pathlib import Path

from monostack.cli import common


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=0, help="the one port for all services (default: a free one)"
    )
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDR")
    parser.add_argument(
        "--only", default="", metavar="SERVICE,...", help="run only these services and what they need"
    )
    parser.add_argument("--hosts", type=int, default=1, help="how many simulated hosts")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")


def _wait_for_parent(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def run(options: argparse.Namespace) -> int:
    from monostack import testing
    from monostack.testing.disposable import settings_for_tests

    parent = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="monostack-test-", dir=parent))
    settings = settings_for_tests(
        folder,
        shared_port=options.port,
        listen=options.listen,
        only=options.only,
        node__simulated_hosts=options.hosts,
    )
    disposable = testing.DisposableCloud(settings, folder)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        disposable.start()
    except Exception as reason:
        common.fail(str(reason))
    print(
        json.dumps(
            {
                "auth_url": disposable.auth_url,
                "url": disposable.url,
                "username": "admin",
                "project_name": "admin",
                "password": testing.PASSWORD,
                "user_domain_id": "default",
                "project_domain_id": "default",
                "region_name": settings.region,
                "controls": disposable.url + "/_cloud/",
            }
        ),
        flush=True,
    )
    if options.with_parent:
        threading.Thread(target=_wait_for_parent, args=(ended,), daemon=True).start()
    ended.wait()
    disposable.stop()
    return 0
