"""A cloud in a process of its own, to be killed: `python runner.py STATE PORT DATABASE [POINT NTH
[SETTING=VALUE ...]]`.

With a point the process ends itself there, at the NTH time it comes by, as abruptly as SIGKILL would: no
handler, no buffer, no lock is let go in order.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from monostack.kit import crash
from monostack.testing.disposable import DisposableCloud, settings_for_tests


def main(state: str, port: str, database: str, point: str = "", nth: str = "1", *more: str) -> None:
    left = int(nth)

    def cut(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    if point:
        crash.arm(cut)
    settings = settings_for_tests(
        Path(state),
        shared_port=int(port),
        database=database,
        persist_simulated="true",
        **dict(each.split("=", 1) for each in more),
    )
    DisposableCloud(settings).start()
    (Path(state) / "ready").write_text("ready")
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
