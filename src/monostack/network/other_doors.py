"""The same things through another service's door.

Compute's API offered security groups and floating addresses before networking had an API of its own, and
old guides still ask it for them. What such a request may do is judged by compute's policy; what it means is
decided here, by the same functions that serve networking's own API, so that there is one truth about a
security group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monostack.kit.db import Row
from monostack.network import attributes
from monostack.network.collection import Collection
from monostack.network.floating_ips import COLLECTION as FLOATING_IPS
from monostack.network.ports.api import COLLECTION as PORTS
from monostack.network.security_group_rules import COLLECTION as RULES
from monostack.network.security_groups import COLLECTION as GROUPS

COLLECTIONS: dict[str, Collection] = {each.name: each for each in (GROUPS, RULES, FLOATING_IPS, PORTS)}


@dataclass
class Visitor:
    """As much of a request as the rooms here ask for: who it is from."""

    caller: Any


def make(tx, caller, kind: str, sent: dict[str, Any]) -> Row:
    collection = COLLECTIONS[kind]
    given = attributes.read(collection.attributes, sent, True)
    values = attributes.defaults(collection.attributes, given)
    values["project_id"] = values["tenant_id"] = caller.project_id
    assert collection.create is not None
    return collection.create(Visitor(caller), tx, values)


def change(tx, caller, kind: str, id: str, sent: dict[str, Any]) -> Row:  # noqa: A002
    collection = COLLECTIONS[kind]
    assert collection.update is not None
    row = collection.find(tx, caller, id)
    return collection.update(Visitor(caller), tx, row, attributes.read(collection.attributes, sent, False))


def drop(tx, caller, kind: str, id: str) -> None:  # noqa: A002
    collection = COLLECTIONS[kind]
    assert collection.delete is not None
    collection.delete(Visitor(caller), tx, collection.find(tx, caller, id))


def find(db, caller, kind: str, id: str) -> Row:  # noqa: A002
    return COLLECTIONS[kind].find(db, caller, id)


def of_project(db, kind: str, project_id: str | None) -> list[Row]:
    where = {} if project_id is None else {"project_id": project_id}
    return db.all(COLLECTIONS[kind].table, order=("created_at", "id"), **where)
