"""The keys of tokens: files that only their owner reads, rotation without a lost token."""

import os
import subprocess
import sys

import pytest

from monostack.identity.tokens import jws, keys
from monostack.identity.tokens.claims import Claims, spelled
from monostack.kit import crash

CLAIMS = Claims("u" * 32, ("password",), "unscoped", None, 1_000_000, 2_000_000, "a", "a")


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


def test_rotations_keep_at_least_the_staged_and_the_primary_key(folder):
    keys.Keys(folder)
    assert keys.rotate(folder, 0) == 2
    assert numbers(folder) == [0, 2]
    assert [key.role for key in keys.status(folder)] == ["primary", "staged"]


def test_rotation_without_keys_is_refused(folder):
    with pytest.raises(keys.Refused, match="keys setup"):
        keys.rotate(folder, 3)


def test_setup_again_changes_nothing(folder):
    assert keys.setup(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert not keys.setup(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


class Cut(BaseException):
    """The program ends here."""


@pytest.fixture
def cut_at():
    """`cut_at(n)`: end the program at the n-th crash point from now."""

    def arm(number):
        left = iter(range(number))

        def reached(name):
            if next(left, None) is None:
                raise Cut(name)

        crash.arm(reached)

    yield arm
    crash.disarm()


@pytest.mark.parametrize("cut", range(5))
def test_a_rotation_cut_anywhere_loses_no_token_and_is_ended_by_the_next(folder, cut_at, fast, cut):
    keys.Keys(folder)
    keys.rotate(folder, 3)
    token = keys.Keys(folder).seal(b"data", 1000)
    cut_at(cut)
    with pytest.raises(Cut):
        keys.rotate(folder, 3)
    crash.disarm()
    ours = keys.Keys(folder)
    assert ours.unseal(token) == b"data"
    during = ours.seal(b"during", 1000)
    keys.rotate(folder, 3)
    assert (ours.unseal(token), ours.unseal(during)) == (b"data", b"during")
    contents = [(folder / str(number)).read_bytes() for number in numbers(folder)]
    assert len(contents) == len(set(contents)) == 3


@pytest.mark.parametrize("cut", range(4))
def test_a_setup_cut_anywhere_is_ended_by_the_next(folder, cut_at, cut):
    cut_at(cut)
    with pytest.raises(Cut):
        keys.setup(folder)
    crash.disarm()
    keys.setup(folder)
    assert numbers(folder) == [0, 1]


def test_a_killed_rotation_leaves_a_folder_that_reads(folder):
    """SIGKILL, not an exception: nothing is cleaned up."""
    token = keys.Keys(folder).seal(b"data", 1000)
    for name in ("identity.keys.write.before", "identity.keys.write.after"):
        program = (
            "import os, sys; from pathlib import Path; from monostack.kit import crash\n"
            "from monostack.identity.tokens import keys\n"
            "crash.arm(lambda name: os.kill(os.getpid(), 9) if name == sys.argv[2] else None)\n"
            "keys.rotate(Path(sys.argv[1]), 9)"
        )
        ended = subprocess.run([sys.executable, "-c", program, str(folder), name], timeout=30)
        assert ended.returncode == -9
        assert keys.Keys(folder).unseal(token) == b"data"
    assert keys.rotate(folder, 9) == max(numbers(folder))


def test_a_pair_of_signing_keys_is_made_once_and_changed_only_by_force(folder, fast):
    first = jws.JwsTokens(folder)
    with pytest.raises(keys.Refused, match="--force"):
        jws.create(folder)
    token = first.seal(CLAIMS)
    jws.create(folder, force=True)
    assert first.unseal(first.seal(CLAIMS)) == CLAIMS
    assert first.unseal(token) == CLAIMS, "the old public key is still believed"
    (folder / "private/private.pem").chmod(0o600)
    for file in (folder / "public").iterdir():
        file.unlink()
    assert jws.setup(folder), "the public half is made from the private one"
    assert len(list((folder / "public").iterdir())) == 1


def test_nothing_but_es256_is_believed(folder):
    ours = jws.JwsTokens(folder)
    header, body, signature = ours.seal(CLAIMS).split(".")
    for other in ("none", "HS256", "RS256"):
        forged = spelled(f'{{"alg":"{other}"}}'.encode())
        assert ours.unseal(f"{forged}.{body}.{signature}") is None
        assert ours.unseal(f"{forged}.{body}.") is None
    changed = spelled(b'{"sub":"somebody else"}')
    assert ours.unseal(f"{header}.{changed}.{signature}") is None
    stranger = jws.JwsTokens(folder.with_name("stranger"))
    assert ours.unseal(stranger.seal(CLAIMS)) is None
