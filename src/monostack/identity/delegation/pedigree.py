"""Where a trust comes from: the trusts that it was passed on by, up to the first trustor.

What a trust lends is the first trustor's: his roles, as far as every trust of the chain has them and he still
has them now. Each in the chain must be good for the last to be.

Source: identity API reference, "OS-TRUST", redelegation; what a current identity service answers.
"""

from __future__ import annotations

from monostack.identity.roles import grants
from monostack.identity.tables import TRUSTS
from monostack.kit.db import Db, Row


def of(db: Db, trust_id: str) -> list[Row] | None:
    """The trust and those it was passed on by, nearest first; None if one of them is gone or has expired."""
    chain: list[Row] = []
    following: str | None = trust_id
    while following is not None:
        row = db.one(TRUSTS, id=following, lock=False)
        if row is None or (row["expires_at"] is not None and row["expires_at"] <= db.now):
            return None
        chain.append(row)
        following = row["redelegated_trust_id"]
    return chain


def roles(db: Db, chain: list[Row], project: Row) -> list[dict[str, str]] | None:
    """The roles that the chain's trust lends on its project; None when the first trustor lost one of them,
    because a trust is good as a whole or not at all."""
    implied = grants.implications(db)
    assigned = grants.on_project(db, chain[-1]["trustor_user_id"], project)
    lent = set(grants.expanded(set(chain[0]["roles"]), implied))
    if not lent.issubset(grants.expanded(assigned, implied)):
        return None
    return grants.shown(db, set(chain[0]["roles"]))
