"""Passwords: bcrypt, and a short memory of what was verified.

A verification costs a quarter of a second of processor time on purpose, so it runs in the bounded pool.
Scripts log in again and again with one password; a verified login is remembered for five minutes under an
HMAC with a key that lives only in this process, over the user, the stored hash and the password: a changed
hash makes the memory miss, and the memory itself gives nothing away. An unknown user costs the same as a
wrong password.

bcrypt reads 72 bytes and no NUL; a longer password is digested first (SHA-256, base64), so no character is
ignored."""

import base64
import hashlib
import hmac
import os
import time

import bcrypt

TO_BCRYPT = bytes.maketrans(b"+", b".")
LONGEST = 4096
SECONDS = 300.0
KEPT = 10_000


def hashed(password: str, rounds: int) -> str:
    """The hash to store."""
    return bcrypt.hashpw(_material(password), bcrypt.gensalt(rounds)).decode()


def unmatched(rounds: int) -> str:
    """A hash that no known password fits, made without the cost of one."""
    return (bcrypt.gensalt(rounds) + base64.b64encode(os.urandom(24))[:31].translate(TO_BCRYPT)).decode()


def matches(password: str, stored: str) -> bool:
    """Whether the password belongs to the stored hash."""
    return bcrypt.checkpw(_material(password), stored.encode())


def _material(password: str) -> bytes:
    data = password.encode()
    if len(data) > 72 or b"\0" in data:
        return base64.b64encode(hashlib.sha256(data).digest())
    return data


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
        return hmac.digest(self._key, text, "sha256")
