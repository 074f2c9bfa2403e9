"""Passwords: hashes, and the memory of verified logins."""

import pytest

from monostack.identity.authentication import passwords

ROUNDS = 4


@pytest.mark.parametrize("password", ["", "secret", "ü" * 36, "x" * 72, "x" * 73, "y" * 4096, "a\0b", "☃"])
def test_a_hash_fits_its_password_and_no_other(password):
    stored = passwords.hashed(password, ROUNDS)
    assert passwords.matches(password, stored)
    assert not passwords.matches(password + "x", stored)
    if password:
        assert not passwords.matches(password[:-1], stored)


def test_long_passwords_differ_in_their_last_character():
    stored = passwords.hashed("x" * 80 + "a", ROUNDS)
    assert not passwords.matches("x" * 80 + "b", stored)


def test_nobodys_hash_costs_the_same_and_fits_nothing():
    stored = passwords.unmatched(ROUNDS)
    assert stored.startswith("$2b$04$")
    assert len(stored) == len(passwords.hashed("secret", ROUNDS))
    for password in ("", "secret"):
        assert not passwords.matches(password, stored)


def test_memory_knows_only_the_very_login(monkeypatch):
    memory = passwords.Verified()
    memory.remember("user", "hash", "secret")
    assert memory.knows("user", "hash", "secret")
    assert not memory.knows("user", "hash", "Secret")
    assert not memory.knows("user", "another hash", "secret"), "a changed password is a changed hash"
    assert not memory.knows("other", "hash", "secret")
    assert not passwords.Verified().knows("user", "hash", "secret"), "and it does not outlive the process"
    now = passwords.time.monotonic()
    monkeypatch.setattr(passwords.time, "monotonic", lambda: now + passwords.SECONDS + 1)
    assert not memory.knows("user", "hash", "secret")


def test_memory_holds_no_password():
    memory = passwords.Verified()
    memory.remember("user", "hash", "a secret that is looked for")
    assert b"secret" not in repr(memory.__dict__).encode()


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(passwords, "KEPT", 10)
    memory = passwords.Verified()
    for number in range(25):
        memory.remember("user", "hash", str(number))
    assert memory.knows("user", "hash", "24")
    assert len(memory._until) <= 10
