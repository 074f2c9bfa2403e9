"""Telling those who validate tokens by themselves whose are at their end.

A row for the list of revocations and no more: what ends the tokens are other rows. Apart from tokens.py,
because what goes with a deleted user, project or trust must be able to tell it."""

from __future__ import annotations

from monostack.identity.tables import REVOCATIONS
from monostack.kit.db import Tx, Values


def tell(tx: Tx, **whose: str) -> None:
    """Whose tokens have ended: `user_id`, `project_id`, `domain_id` or `trust_id`."""
    settings = tx.cloud.settings.identity
    longest = settings.token_seconds + settings.allow_expired_seconds
    columns: Values = whose
    tx.insert(REVOCATIONS, revoked_at=tx.now, forget_at=tx.cloud.clock.after(longest), **columns)
