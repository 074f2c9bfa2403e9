"""`monostack why ID|NAME|REQUEST-ID`: the story of a resource or a request: its events in order, with every
cause."""

from __future__ import annotations

import argparse

from monostack.cli import common
from monostack.cli.status import open_cloud


def arguments(parser: argparse.ArgumentParser) -> None:
    common.cloud_arguments(parser)
    parser.add_argument(
        "thing", metavar="ID|NAME|REQUEST-ID", help="a resource's id or name, or a request's id"
    )


def run(options: argparse.Namespace) -> int:
    cloud = open_cloud(options)
    try:
        stories = cloud.engine.now(tell, options.thing)
    finally:
        cloud.engine.close()
    if not stories:
        common.fail(f"nothing is known of {options.thing}: no event names it, and no resource is called so.")
    for title, lines in stories:
        print(title)
        for line in lines:
            print("  " + line)
    return 0


def tell(db, word: str) -> list[tuple[str, list[str]]]:
    """(title, lines) for each resource that the word names."""
    from monostack.kit import events

    if word.startswith("req-"):
        rows = events.story(db, word)
        return [(f"request {word}", [_line(row, with_subject=True) for row in rows])] if rows else []
    ids = [word] if events.story(db, word) else _named(db, word)
    out = []
    for id in ids:  # noqa: A001 - the field's word
        rows = events.story(db, id)
        state = _state(db, id)
        lines = [_line(row) for row in rows]
        if state:
            lines.append(state)
        if lines:
            out.append((id, lines))
    return out


def _named(db, name: str) -> list[str]:
    found = []
    for service in db.cloud.services:
        for table in service.tables:
            if "name" in table.c and "id" in table.c:
                found += [str(row["id"]) for row in db.all(table, name=name, limit=20, deleted=True)]
    return found


def _state(db, id: str) -> str | None:  # noqa: A002
    for service in db.cloud.services:
        for table in service.tables:
            if "id" in table.c and table.c["id"].type.python_type is str:
                row = db.one(table, id=id, deleted=True)
                if row is not None:
                    shown = (
                        "name",
                        "status",
                        "vm_state",
                        "task",
                        "task_state",
                        "host",
                        "attempts",
                        "cause",
                        "due_at",
                    )
                    facts = ", ".join(f"{key} {row[key]}" for key in shown if row.get(key) not in (None, ""))
                    return f"now: {table.name.replace('_', ' ')}: {facts}"
    return None


def _line(row, with_subject: bool = False) -> str:
    parts = [row["at"], row["kind"]]
    if with_subject and row["resource_id"]:
        parts.append(row["resource_id"])
    if row["host"]:
        parts.append(f"on {row['host']}")
    if row["request_id"] and not with_subject:
        parts.append(f"({row['request_id']})")
    text = " ".join(parts)
    if row["details"]:
        text += " " + ", ".join(f"{key}={value}" for key, value in row["details"].items())
    return text + (f"\n      because: {row['cause']}" if row["cause"] else "")
