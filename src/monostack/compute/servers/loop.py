"""What a server needs when nobody reports: the loop looks at every server whose task has not ended in time.

It places the servers of a large request, gives up on hosts that were told to make a server and are not
heard of, and keeps tombstones of dead hosts alive, saying why they wait. It decides from rows and touches
no world.
"""

from monostack.compute import hosts
from monostack.compute.servers import building, rows
from monostack.kit import clock
from monostack.kit.errors import Error
from monostack.kit.loops import Again, Done
from monostack.kit.resource import Loop

NAME = "compute.servers"
LONGEST_BUILD = 600.0
PORTS_PATIENCE = 300.0


def step(row, tx):
    if row["live"] is None or row["task_state"] is None:
        return Done()
    if row["task_state"] == "scheduling":
        return _schedule(row, tx)
    if hosts.is_up(tx, row["host"]):
        return _remind(row, tx)
    if row["verb"] == "create":
        building.failed_on_host(tx, row, "the host has not been heard of lately")
        return _next(row)
    doing = "be removed from it" if row["desired"] == "absent" else f"finish {row['task_state']}"
    return Again(
        rows.PATIENCE,
        f"Host {row['host']} has not been heard of lately; the server will {doing} when the host returns.",
    )


def _schedule(row, tx):
    try:
        building.try_to_start(tx, row, rows.spec_of(tx, row))
    except Error as refusal:
        building.fail(tx, row, refusal.message)
    return _next(row)


def _remind(row, tx):
    """The host lives: remind it; a new server that takes too long is tried elsewhere."""
    tx.wake_host(row["host"], ("server", row["id"]))
    if row["verb"] != "create":
        return Again(rows.PATIENCE, row["cause"])
    taken = clock.seconds(tx.now) - clock.seconds(row["updated_at"])
    if row["seen_version"] == row["version"] and taken > PORTS_PATIENCE:
        building.failed_on_host(tx, row, f"its ports did not come up within {PORTS_PATIENCE:.0f} seconds")
        return _next(row)
    if taken > LONGEST_BUILD:
        building.failed_on_host(
            tx, row, row["cause"] or f"it was not ready within {LONGEST_BUILD:.0f} seconds"
        )
        return _next(row)
    return Again(rows.PATIENCE, row["cause"])


def _next(row):
    return Done() if row["task_state"] is None else Again(rows.PATIENCE)


LOOP = Loop(NAME, step, rows.SERVERS, every=5.0, batch=20)
