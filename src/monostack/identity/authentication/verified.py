"""A short memory of the logins that were verified lately.

A verification costs a quarter of a second of processor time on purpose. Scripts log in again and again with
one password; a verified login is remembered for five minutes under a keyed hash, with a key that lives only
in this process, over the user, the stored hash and the password: a changed hash makes the memory miss, and
the memory itself gives nothing away."""

import hashlib
import os
import time

SECONDS = 300.0
KEPT = 10_000


class Verified:
    """The logins that were verified lately."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._until: dict[bytes, float] = {}

    def knows(self, user_id: str, stored: str, password: str) -> bool:
        until = self._until.get(self._name(user_id, stored, password))
        return until is not None and until > time.monotonic()

    def remember(self, user_id: str, stored: str, password: str) -> None:
        if len(self._until) >= KEPT:
            self._until.clear()
        self._until[self._name(user_id, stored, password)] = time.monotonic() + SECONDS

    def _name(self, user_id: str, stored: str, password: str) -> bytes:
        text = f"{user_id}|{stored}|".encode() + password.encode()
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()
