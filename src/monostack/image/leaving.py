"""What a deleted project leaves of images, and how it goes when the operator wants it purged: protected ones,
too, since nobody is left who could lift the protection."""

from __future__ import annotations

from monostack.image import rows
from monostack.image.tables import IMAGES
from monostack.kit.db import Tx

AT_ONCE = 10


def owned(tx: Tx, project_id: str) -> dict[str, int]:
    return {"images": tx.count(IMAGES, owner=project_id)}


def purge(tx: Tx, project_id: str) -> None:
    for row in tx.all(IMAGES, order="id", owner=project_id, limit=AT_ONCE):
        rows.delete(tx, row)


HOOKS = (("identity.project.owned", owned), ("identity.project.purge", purge))
