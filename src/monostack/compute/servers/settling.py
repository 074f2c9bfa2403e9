"""What hosts report about servers: the only place where a task ends.

A report counts when it comes from the server's current host and is about the current place; a late word of
an earlier host only says whether what the server left there is gone. A task ends when the epochs that it
asked for are done and the guest is in the wanted power state. A guest that changes by itself (it powered
off, it crashed) is shown as it is.

A new server becomes active when it runs and its ports are up, whichever is reported last.
"""

from typing import Any

from monostack import placement
from monostack.compute import instance_actions
from monostack.compute.servers import building, ports, rows
from monostack.compute.servers.status import POWER_STATES, POWERS
from monostack.compute.servers.verbs import COPYING, VERBS

PATIENT_ATTEMPTS = 5
"""So often may a host say "not yet" to a new server before another host is tried."""

VM_STATES = {
    "running": "active",
    "paused": "paused",
    "suspended": "suspended",
    "off": "stopped",
    "crashed": "stopped",
}


def settle(tx, host: str, fact: dict[str, Any]) -> None:
    """Record what a host says of one server."""
    row = tx.one(rows.SERVERS, id=fact["id"])
    if row is None or row["host"] != host:
        _left_behind(tx, host, fact)
        return
    if row["desired"] == "absent":
        _leaving(tx, row, fact)
    elif fact.get("place") != row["place"]:
        return
    elif fact.get("error"):
        _troubled(tx, row, fact)
    elif fact["state"] == "present":
        _present(tx, row, fact)


def _left_behind(tx, host: str, fact: dict[str, Any]) -> None:
    row = tx.one(rows.LEFTOVERS, host=host, server_id=fact["id"])
    if row is None:
        return
    if fact["state"] == "absent" and not fact.get("error"):
        tx.delete(row)
    elif fact.get("error"):
        tx.set(row, cause=fact["error"])


def _leaving(tx, row, fact: dict[str, Any]) -> None:
    if fact.get("error"):
        tx.set(row, cause=fact["error"], updated_at=row["updated_at"])
    elif fact["state"] == "absent":
        gone(tx, row)


def gone(tx, row) -> None:
    """The server is nowhere any more: its row ends, and what it held is free."""
    ports.release(tx, row, rows.spec_of(tx, row))
    placement.release(tx, row["id"])
    instance_actions.finish(tx, row)
    rows.move(tx, row, "deleted", None, live=None, terminated_at=tx.now, deleted_at=tx.now, power_state=0)
    tx.hook("compute.server.gone", row)
    tx.event(
        "compute.instance.delete.end",
        row["id"],
        request_id=row["request_id"],
        project_id=row["project_id"],
        user_id=row["user_id"],
        host=row["host"],
    )


def _troubled(tx, row, fact: dict[str, Any]) -> None:
    """The host could not do what it was told."""
    words = fact["error"]
    if _left_alone(row):
        tx.set(row, cause=words, updated_at=row["updated_at"])
    elif fact.get("retry") and not (row["verb"] == "create" and fact.get("attempts", 0) >= PATIENT_ATTEMPTS):
        tx.set(row, cause=words, attempts=fact.get("attempts", 0), updated_at=row["updated_at"])
    elif row["verb"] == "create":
        building.failed_on_host(tx, row, words)
    else:
        _verb_failed(tx, row, words)


def _verb_failed(tx, row, words: str) -> None:
    """The task ends in ERROR; the wanted power becomes what the guest's power is, so that nothing is tried
    again."""
    verb = VERBS[row["verb"]]
    message = f"Cannot {verb.name} the server: {words}"
    instance_actions.finish(tx, row, words)
    tx.event(
        f"compute.instance.{verb.name}.error",
        row["id"],
        request_id=row["request_id"],
        project_id=row["project_id"],
        host=row["host"],
        cause=words,
    )
    power = POWERS.get(row["power_state"], "off")
    rows.move(
        tx,
        row,
        "error",
        None,
        fault=building.fault_of(tx, message),
        power="off" if power == "crashed" else power,
    )


def _left_alone(row) -> bool:
    """Whether nothing is asked of the guest: no task is in flight, or one that only copies its disk."""
    return row["task_state"] is None or row["verb"] in COPYING


def _present(tx, row, fact: dict[str, Any]) -> None:
    if fact["boot"] < row["boot"] or fact["disk"] < row["disk"]:
        return
    power = fact["power"]
    if _left_alone(row):
        _by_itself(tx, row, power)
        return
    if fact["version"] < row["version"]:
        return
    if power != row["power"] and power not in ("off", "crashed"):
        return
    if row["verb"] == "create":
        _running(tx, row, power)
    else:
        _done(tx, row, power)


def _running(tx, row, power: str) -> None:
    """A new guest runs: it is ready if its ports are up, and shows them from now on in any case."""
    shown, _, up = ports.look(tx, row, rows.spec_of(tx, row)["nics"])
    if up:
        _done(tx, row, power, **shown)
        return
    tx.set(
        row,
        seen_version=row["version"],
        power_state=POWER_STATES[power],
        updated_at=row["updated_at"],
        **shown,
    )


def ports_came_up(tx, row) -> None:
    """A port of a server that is being made came up; if the guest runs already and this was the last, it is
    ready."""
    if row["seen_version"] == row["version"]:
        _running(tx, row, POWERS[row["power_state"]])


def _done(tx, row, power: str, **values: Any) -> None:
    """The task is over."""
    verb = VERBS[row["verb"]]
    vm_state = verb.then if verb.then and power == row["power"] else VM_STATES[power]
    values |= {"power_state": POWER_STATES[power], "fault": None}
    if power != row["power"]:
        values["power"] = "off"
    if row["launched_at"] is None:
        values["launched_at"] = tx.now
    instance_actions.finish(tx, row)
    tx.event(
        f"compute.instance.{verb.name}.end",
        row["id"],
        request_id=row["request_id"],
        project_id=row["project_id"],
        user_id=row["user_id"],
        host=row["host"],
    )
    rows.move(tx, row, vm_state, None, **values)


def _by_itself(tx, row, power: str) -> None:
    """Nothing was asked of the guest: what it does, it does by itself."""
    if POWER_STATES[power] == row["power_state"]:
        return
    vm_state = row["vm_state"] if row["vm_state"] == "error" else VM_STATES[power]
    wanted = "off" if power == "crashed" else power
    tx.event(
        "compute.instance.power",
        row["id"],
        project_id=row["project_id"],
        host=row["host"],
        cause=f"The guest is {power} by itself.",
    )
    rows.move(tx, row, vm_state, row["task_state"], power_state=POWER_STATES[power], power=wanted)
