"""From a row to a guest that its host is told to make, and what happens when that does not work.

`start` is the same for a new server, for one of many that a loop places, and for the next attempt after a
failure: choose a host, claim room, connect ports, tell the host. All of it is one part of a transaction: a
server that cannot get a host or an address takes nothing and says why.
"""

from monostack import placement
from monostack.compute import instance_actions
from monostack.compute.servers import placing, ports, rows
from monostack.kit import clock
from monostack.kit.errors import Error

RETRIES_OVER = (
    "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for "
    "instance"
)


FAILURES = (placing.NoHost, ports.NoAddress)
"""What a cloud may lack; the words are the server's fault."""


def settle_on_a_host(tx, row, spec, exclude: frozenset[str] = frozenset()) -> tuple[dict, dict]:
    """Claim a place and connect the ports: what then stands in the server's row and in its spec.

    `row` and `spec` may not be stored yet. Raises one of FAILURES, and Error for a wrong request.
    """
    with tx.nested():
        place = placing.place(tx, row, spec, exclude)
        nics = ports.connect(tx, row, spec, place.host, place.zone)
    server = {
        "host": place.host,
        "zone": place.zone,
        "place": row["place"] + 1,
        "version": row["version"] + 1,
        "seen_version": None,
        "build_attempts": row["build_attempts"] + 1,
    }
    tx.wake_host(place.host, ("server", row["id"]))
    return server, {"networks": None, "nics": nics}


def start(tx, row, spec, exclude: frozenset[str] = frozenset()) -> None:
    """Give the server a place and let its host make it; raises as `settle_on_a_host`."""
    server, kept = settle_on_a_host(tx, row, spec, exclude)
    tx.set(spec, **kept)
    rows.move(tx, row, "building", "spawning", attempts=0, cause=None, **server)


def try_to_start(tx, row, spec, exclude: frozenset[str] = frozenset(), before: str = "") -> bool:
    """Start the server, or bring it into ERROR with the cause; whether it is on its way."""
    try:
        start(tx, row, spec, exclude)
    except FAILURES as reason:
        fail(tx, row, f"{before} {reason}".strip())
        return False
    return True


def failed_on_host(tx, row, words: str) -> None:
    """The host could not make the server: another one shall, up to the number of attempts the settings
    allow."""
    host = row["host"]
    spec = rows.spec_of(tx, row)
    tried = [*(spec["tried"] or ()), {"host": host, "cause": words}]
    tx.set(spec, tried=tried)
    instance_actions.attempt_failed(tx, row, words)
    tx.event(
        "compute.instance.create.retry",
        row["id"],
        request_id=row["request_id"],
        project_id=row["project_id"],
        host=host,
        cause=words,
    )
    rows.leave_behind(tx, row, words)
    placement.release(tx, row["id"])
    tx.set(row, host=None)
    before = f"Building on host {host} failed: {words}."
    if row["build_attempts"] >= tx.cloud.settings.compute.build_attempts:
        fail(tx, row, f"{RETRIES_OVER} {row['id']}. {before}")
        return
    try:
        try_to_start(tx, row, spec, frozenset(each["host"] for each in tried), before)
    except Error as refusal:
        fail(tx, row, f"{before} {refusal.message}")


def fail(tx, row, words: str) -> None:
    """A server that was never there cannot be made: it keeps nothing but the words."""
    spec = rows.spec_of(tx, row)
    placement.release(tx, row["id"])
    if row["host"] is not None:
        rows.leave_behind(tx, row, words)
    if spec["nics"]:
        ports.release(tx, row, spec)
        tx.set(spec, nics=[])
    fault = fault_of(tx, words)
    instance_actions.finish(tx, row, words)
    rows.move(
        tx,
        row,
        "error",
        None,
        host=None,
        fault=fault,
        addresses={},
        ips="",
        security_groups=[],
        power_state=0,
    )
    tx.event(
        "compute.instance.create.error",
        row["id"],
        request_id=row["request_id"],
        project_id=row["project_id"],
        user_id=row["user_id"],
        cause=words,
    )


def fault_of(tx, words: str) -> dict:
    """A fault as servers show it. The words are for the user; there is no stack to hide from him."""
    return {"code": 500, "created": clock.z(tx.now), "message": words, "details": words}
