"""The stock of metadata definitions: what a cloud knows from its first start on.

Dashboards and scripts offer these properties for images, flavors, aggregates and volumes, so every cloud has
the same names. One file is one namespace, in the form in which the API takes and shows it; operators keep
files of their own in the same form. Source: image administration guide, "Metadata definitions".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from monostack.image import definitions
from monostack.image.definitions import OBJECT, PROPERTY, RESOURCE_TYPE, TAG
from monostack.image.tables import DEFINITIONS, NAMESPACES
from monostack.kit.db import Db, Tx, Values

HERE = Path(__file__).parent
SETTABLE = ("display_name", "description", "visibility", "protected", "owner")
LISTS = {"objects": OBJECT, "tags": TAG, "resource_type_associations": RESOURCE_TYPE}


class Unreadable(ValueError):
    """A file is no namespace; the words name it and say what is wrong."""


def files(folder: Path = HERE) -> Iterator[dict[str, Any]]:
    """The namespaces of a folder, by the names of their files; raises Unreadable."""
    for path in sorted(folder.glob("*.json")):
        try:
            found = msgspec.json.decode(path.read_bytes())
            name = found["namespace"]
            if not isinstance(name, str) or not 0 < len(name) <= 80:
                raise ValueError("its namespace must be a text of 1 to 80 characters")
            yield found
        except (OSError, KeyError, TypeError, ValueError) as reason:
            raise Unreadable(f"{path} is no namespace of metadata definitions: {reason}") from None


def load(tx: Tx, namespaces: list[dict[str, Any]], owner: str | None, mode: str = "add") -> list[str]:
    """Put namespaces in; the names of those that were.

    mode   of a namespace that is there already: "add" leaves it alone, "merge" adds the definitions that it
    lacks, "replace" puts the new one in its place
    """
    done = []
    for each in namespaces:
        name = each["namespace"]
        row = tx.one(NAMESPACES, namespace=name)
        if row is not None and mode == "add":
            continue
        if row is not None and mode == "replace":
            unload(tx, [name])
            row = None
        if row is None:
            values: Values = {"visibility": "public", "protected": False, "owner": owner}
            values |= {key: each[key] for key in SETTABLE if each.get(key) is not None}
            tx.insert(NAMESPACES, namespace=name, **values)
        _add(tx, name, each)
        done.append(name)
    return done


def _add(tx: Tx, namespace: str, each: dict[str, Any]) -> None:
    """The definitions of a namespace, but for those that are there."""
    for key, kind in LISTS.items():
        have = {row["name"] for row in definitions.of(tx, namespace, kind)}
        for one in each.get(key) or ():
            if one["name"] not in have:
                value = {key: value for key, value in one.items() if key != "name"}
                definitions.add(tx, namespace, kind, one["name"], value)
    have = {row["name"] for row in definitions.of(tx, namespace, PROPERTY)}
    for name, value in (each.get("properties") or {}).items():
        if name not in have:
            definitions.add(tx, namespace, PROPERTY, name, value)


def unload(tx: Tx, names: list[str] | None = None) -> int:
    """Take namespaces out, all where none are named, protected or not; their number."""
    where = {} if names is None else {"namespace": names}
    tx.delete_all(DEFINITIONS, **where)
    return tx.delete_all(NAMESPACES, **where)


def export(db: Db) -> list[dict[str, Any]]:
    """All namespaces in the form of the files."""
    out = []
    for row in db.all(NAMESPACES, order="namespace"):
        shown = {"namespace": row["namespace"]}
        shown |= {key: row[key] for key in SETTABLE if row[key] is not None}
        for key, kind in LISTS.items():
            found = definitions.of(db, row["namespace"], kind)
            if found:
                shown[key] = [{"name": each["name"]} | (each["value"] or {}) for each in found]
        properties = definitions.of(db, row["namespace"], PROPERTY)
        if properties:
            shown["properties"] = {each["name"]: each["value"] for each in properties}
        out.append(shown)
    return out
