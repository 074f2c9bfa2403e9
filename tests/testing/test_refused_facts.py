"""A fact that the cloud cannot take in is shown to the operator, with the reason, until it was taken in."""

from __future__ import annotations

import dataclasses
import time

from monostack import testing
from monostack.cli import status


def soon(look):
    deadline = time.monotonic() + 5
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_status_tells_what_is_refused_and_why(monkeypatch):
    with testing.cloud(only=("network",)) as cloud:
        kinds, kind = cloud.cloud.hub.kinds, cloud.cloud.hub.kinds["network"]

        def broken(tx, host, fact):
            raise KeyError("segment")

        kinds["network"] = dataclasses.replace(kind, settle=broken)
        agent = cloud.cloud.agents[0]
        part = {"kind": "network", "id": "n", "version": 1, "desired": "absent"}
        cloud.loop.call_soon_threadsafe(agent._put, part)
        told = soon(lambda: cloud.read(status.collect)["refused"])
        assert told[0]["host"] == "host"
        assert (told[0]["kind"], told[0]["id"]) == ("network", "n")
        assert told[0]["reason"] == "KeyError: 'segment'"
        kinds["network"] = kind
        soon(lambda: not cloud.read(status.collect)["refused"])
