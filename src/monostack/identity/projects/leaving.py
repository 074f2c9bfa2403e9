"""What becomes of a deleted project's things: servers, networks, images, whatever the services above keep.

The project itself is gone at once, with its tokens and roles. What it owned is the operator's choice, a
setting. `keep`, the default, destroys nothing: clients and test suites delete projects with leftovers all the
time, and what was deleted by mistake could not be brought back. But nothing is orphaned silently: a row here
says what is left, for as long as something is, and `monostack status` shows it. `refuse` does not delete a
project that owns something. `purge` has the services delete it, a few things at a time, by a loop: a crash at
any point is a delay, and what cannot go yet (a server whose host is away) is tried again.

A service above takes part by two hooks: `identity.project.owned` tells what a project has, as a count for
each word, and `identity.project.purge` takes some of it away.
"""

from __future__ import annotations

from collections import Counter

from monostack.kit import ids
from monostack.kit.db import Column, Row, String, Table, Text, Tx, due, stamps
from monostack.kit.errors import Error
from monostack.kit.loops import Again, Done
from monostack.kit.resource import Loop

KEEP, REFUSE, PURGE = "keep", "refuse", "purge"
LEFT = Table(
    "identity_left_by_projects",
    Column("project_id", String(64), nullable=False, index=True),
    Column("name", String(64)),
    Column("domain_id", String(64)),
    Column("wish", String(8), nullable=False),
    Column("left", Text),
    *due(),
    *stamps(),
    id=ids.new_hex,
)
SOON, WAITING, LOOKING = 0.0, 2.0, 600.0
"""Seconds until a purge goes on, until it goes on when nothing could go now, and until what is kept is
counted again."""


def leave(tx: Tx, project: Row) -> None:
    """The project is being deleted: what it owns stays, goes, or forbids it, as the setting says."""
    wish = tx.cloud.settings.identity.project_delete
    left = owned(tx, project["id"])
    if not left:
        return
    if wish == REFUSE:
        words = f"Project {project['id']} still has {said(left)}. Delete them first."
        raise Error(409, "Conflict", words)
    tx.insert(
        LEFT,
        project_id=project["id"],
        name=project["name"],
        domain_id=project["domain_id"],
        wish=PURGE if wish == PURGE else KEEP,
        left=said(left),
        due_at=tx.now if wish == PURGE else tx.cloud.clock.after(LOOKING),
    )
    tx.event("identity.project.left", project["id"], wish=wish, left=said(left))
    tx.wake(LOOP.name)


def owned(tx: Tx, project_id: str) -> Counter[str]:
    """How many of what the services keep for the project."""
    total: Counter[str] = Counter()
    for counts in tx.hook("identity.project.owned", project_id):
        total.update(counts)
    return +total


def said(left: Counter[str]) -> str:
    """1 network, 2 servers: words in the plural come from the services."""
    return ", ".join(f"{count} {word[:-1] if count == 1 else word}" for word, count in sorted(left.items()))


def step(row: Row, tx: Tx) -> Again | Done:
    """Take away some of what is left, or only look whether anything is."""
    before = owned(tx, row["project_id"])
    left = before
    if row["wish"] == PURGE and before:
        tx.hook("identity.project.purge", row["project_id"])
        left = owned(tx, row["project_id"])
    if not left:
        tx.hook("identity.project.purge", row["project_id"])  # for what is not counted, as it is no loss
        tx.delete(row)
        tx.event("identity.project.left_nothing", row["project_id"])
        return Done()
    if row["left"] != said(left):
        tx.set(row, left=said(left))
    if row["wish"] != PURGE:
        return Again(LOOKING)
    return Again(SOON if left != before else WAITING)


LOOP = Loop("identity.left_by_projects", step, table=LEFT, batch=4)
