"""The keys of tokens: files that only their owner reads, rotation without a lost token."""

import os

import pytest

from monostack.identity.tokens import keys


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "fernet-keys"


@pytest.fixture
def fast(monkeypatch):
    """A clock in which every look at the folder is a second after the last."""
    ticks = iter(range(1, 10_000))
    monkeypatch.setattr(keys.time, "monotonic", lambda: float(next(ticks)) * 2)


def numbers(folder):
    return sorted(int(path.name) for path in folder.iterdir())


def test_first_start_makes_a_primary_and_a_staged_key(folder):
    keys.Keys(folder)
    assert numbers(folder) == [0, 1]
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert {os.stat(path).st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_token_is_read_after_a_restart(folder):
    token = keys.Keys(folder).seal(b"data", 1000)
    assert token.startswith("gAAAAA")
    assert "=" not in token
    assert keys.Keys(folder).unseal(token) == b"data"


@pytest.mark.parametrize("token", ["", "strange", "gAAAAAB", "ü", "=" * 8, "x" * 5000])
def test_what_our_keys_did_not_make_says_nothing(folder, token):
    assert keys.Keys(folder).unseal(token) is None


def test_a_changed_token_says_nothing(folder):
    ours = keys.Keys(folder)
    token = ours.seal(b"data", 1000)
    place = len(token) // 2
    other = "A" if token[place] != "A" else "B"
    assert ours.unseal(token[:place] + other + token[place + 1 :]) is None


def test_rotation_promotes_the_staged_key_and_drops_the_oldest(folder, fast):
    ours = keys.Keys(folder)
    first = ours.seal(b"first", 1000)
    staged = (folder / "0").read_bytes()
    assert keys.rotate(folder, 3) == 2
    assert (folder / "2").read_bytes() == staged
    assert numbers(folder) == [0, 1, 2]
    second = ours.seal(b"second", 1000)
    assert (ours.unseal(first), ours.unseal(second)) == (b"first", b"second")
    assert keys.rotate(folder, 3) == 3
    assert numbers(folder) == [0, 2, 3]
    assert (ours.unseal(first), ours.unseal(second)) == (None, b"second")


def test_another_machine_reads_tokens_of_a_key_that_it_had_only_staged(folder, tmp_path, fast):
    here = keys.Keys(folder)
    there = tmp_path / "copy"
    there.mkdir()
    for path in folder.iterdir():
        (there / path.name).write_bytes(path.read_bytes())
    keys.rotate(folder, 3)
    assert keys.Keys(there).unseal(here.seal(b"data", 1000)) == b"data"
