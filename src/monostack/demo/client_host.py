"""The `openstack` client, loaded once and run many times: `python -m monostack.demo.client_host`.

Starting the client costs a second of CPU, most of it imports. This process imports it once and forks for each
command, so that what runs is the real client in a process of its own, a fifth of a second after it was asked
for. One JSON object a line on standard input: {"words", "environment", "output"}; one a line on standard
output: {"status"}.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    from openstackclient import shell

    _warm(shell)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(shell, asked)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


def _warm(shell) -> None:
    """Import what commands import: the plugins of the client and the SDK."""
    import openstack.connection  # noqa: F401 - imported for the children
    from openstackclient.common import clientmanager  # noqa: F401

    for name in ("compute", "identity", "image", "network"):
        __import__(f"openstackclient.{name}.client")


def _run(shell, asked: dict) -> None:
    """In the child: run one command with its own environment and output, then end the process."""
    os.environ.clear()
    os.environ.update(asked["environment"])
    output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    errors = os.open(asked["output"] + ".err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, output), (2, errors)):
        os.dup2(source, target)
    status = 1
    try:
        status = shell.main(asked["words"]) or 0
        sys.stdout.flush()
        sys.stderr.flush()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    finally:
        os._exit(status & 255)


if __name__ == "__main__":
    main()
