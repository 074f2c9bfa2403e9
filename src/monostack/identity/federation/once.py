"""Assertions are good once: what was used is kept until it is void by itself.

Source: SAML 2.0 Profiles, section 4.1.4.5."""

from __future__ import annotations

from monostack.identity.federation.sources import NotProved
from monostack.identity.federation.tables import USED_ASSERTIONS
from monostack.kit import clock
from monostack.kit.db import Tx, lt
from monostack.kit.loops import Done
from monostack.kit.resource import Loop


def use(tx: Tx, key: str, until: float) -> None:
    """Use the assertion of that key; raises NotProved the second time."""
    used = NotProved("it was used before")
    if tx.one(USED_ASSERTIONS, id=key) is not None:
        raise used
    tx.insert(USED_ASSERTIONS, taken=used, id=key, forget_at=clock.from_seconds(until))


def forget(row: None, tx: Tx) -> Done:
    """Drop what nobody can bring any more."""
    tx.delete_all(USED_ASSERTIONS, forget_at=lt(tx.now))
    return Done()


FORGETTING = Loop("identity.used_assertions", forget, every=600.0)
