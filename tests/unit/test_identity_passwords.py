"""Passwords: hashes, and the memory of verified logins."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monostack.identity.authentication import passwords, verified

RECIPE = passwords.Recipe("bcrypt", 4)


@pytest.mark.parametrize("password", ["", "secret", "ü" * 36, "x" * 72, "x" * 73, "y" * 4096, "a\0b", "☃"])
def test_a_hash_fits_its_password_and_no_other(password):
    stored = passwords.hashed(password, RECIPE)
    assert passwords.matches(password, stored)
    assert not passwords.matches(password + "x", stored)
    if password:
        assert not passwords.matches(password[:-1], stored)


def test_long_passwords_differ_in_their_last_character():
    stored = passwords.hashed("x" * 80 + "a", RECIPE)
    assert not passwords.matches("x" * 80 + "b", stored)


QUICK = [
    passwords.Recipe("bcrypt", 4),
    passwords.Recipe("bcrypt_sha256", 4),
    passwords.Recipe("scrypt", 1),
    passwords.Recipe("pbkdf2_sha512", 1),
]
FOREIGN = [
    ("secret", "$2b$04$.eb1sPr8B7A0TOQIS1ghSugY5EcgZo0vEsHZuMbiDoIk87hV.p3Oq"),
    ("secret", "$2a$04$.eb1sPr8B7A0TOQIS1ghSugY5EcgZo0vEsHZuMbiDoIk87hV.p3Oq"),
    ("secret", "$bcrypt-sha256$v=2,t=2b,r=4$kH14tqauCKreXVkwWMRYqe$0DgyHHSYfYRz2o/Pk.jOdz9QKuPewS2"),
    ("secret", "$bcrypt-sha256$2b,4$QJi8IUWdADqegGxFykCZoO$rtlV/xv1/0XRsV5PtTzy/T.3hMuwSni"),
    ("secret", "$scrypt$ln=4,r=8,p=1$zTlHiDEGoHSuVSqltDYGwA$n1rNceL8ST8ZgRzYXd5yK+5qVJdAjj2egDEldvoq+og"),
    (
        "secret",
        "$pbkdf2-sha512$1000$k1IqpdQ651zL2TunFALgfA$VsN332JCMFzbueVMT6yjlA3EUhYEy9.5uWBv9.9/gNO/lT07xMOvRBl"
        ".B3.ylVd04YRhkJlpPR60y5JtkbxGew",
    ),
    (
        "secret",
        "$pbkdf2-sha512$1000$LV1Zqy9xr3ND88YLzatKdQ$TY0ImjMWu7qge1ljsVcakiTPl4KSB0A2XBLtodaap7Jpw6R7IkMrcM9Q"
        "L21Cg27qhLp/qz9Jw9QXZLktEVLI9A",
    ),
    (
        "secret",
        "$argon2id$v=19$m=64,t=1,p=1$0jqnlBKCEELoXasVwtjbew$kzR6P9TvgVxNhFi46L7Zc11pzQzggbiSlAtyu0BJRRY",
    ),
    ("x" * 80, "$2b$04$Qf/2lf934BXAAU1TiF8kNuap/05RZpPYj40m4H3tWLwFhIqUnXiVa"),
    ("x" * 80, "$bcrypt-sha256$v=2,t=2b,r=4$YaEyw2tXGHpnQuKqZFOwW.$iODzIZTpOoOnu7o3TleQXtbv84TXMN6"),
]
"""Hashes that other programs made of known passwords. The last but one is of the first 72 characters."""


@pytest.mark.parametrize(("password", "stored"), FOREIGN)
def test_hashes_of_other_identity_services_are_read(password, stored):
    assert passwords.matches(password, stored)
    assert not passwords.matches("-" + password, stored)


@pytest.mark.parametrize("recipe", QUICK, ids=lambda recipe: recipe.algorithm)
@pytest.mark.parametrize("password", ["", "secret", "ü" * 36, "x" * 71, "x" * 72, "x" * 100, "a\0b"])
def test_every_algorithm_reads_every_character(recipe, password):
    stored = passwords.hashed(password, recipe)
    assert passwords.matches(password, stored)
    assert not passwords.matches(password + "x", stored)
    assert not passwords.stale(stored, recipe)
    others = [other for other in QUICK if other != recipe and {recipe, other} != set(QUICK[:2])]
    assert all(passwords.stale(stored, other) for other in others)
    assert passwords.stale(stored, passwords.Recipe(recipe.algorithm, recipe.rounds + 1))


def test_the_digest_of_a_long_password_is_no_reason_to_hash_it_anew():
    stored = passwords.hashed("x" * 100, passwords.Recipe("bcrypt", 4))
    assert stored.startswith("$bcrypt-sha256$")
    assert not passwords.stale(stored, passwords.Recipe("bcrypt", 4))


@pytest.mark.parametrize("recipe", QUICK, ids=lambda recipe: recipe.algorithm)
def test_no_password_fits_nobodys_hash(recipe):
    stored = passwords.unmatched(recipe)
    assert not passwords.stale(stored, recipe), "it costs as much as a real one"
    assert not passwords.matches("", stored)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(alphabet=string.ascii_letters + "$=,.+/", max_size=80),
        st.builds(
            "${}${}${}${}".format,
            st.sampled_from(["2b", "bcrypt-sha256", "scrypt", "pbkdf2-sha512", "argon2id"]),
            st.sampled_from(
                ["", "04", "1", "v=2,t=2b,r=4", "v=2", "2b,4", "ln=1,r=8,p=1", "ln=x", "m=8,t=1,p=1"]
            ),
            st.text(alphabet=string.ascii_letters + ".+/", max_size=22),
            st.text(alphabet=string.ascii_letters + ".+/", max_size=60),
        ),
    )
)
def test_a_hash_that_cannot_be_read_fits_nothing(stored):
    assert passwords.matches("secret", stored) is False


def test_nobodys_hash_costs_the_same_and_fits_nothing():
    stored = passwords.unmatched(RECIPE)
    assert stored.startswith("$2b$04$")
    assert len(stored) == len(passwords.hashed("secret", RECIPE))
    for password in ("", "secret"):
        assert not passwords.matches(password, stored)


def test_memory_knows_only_the_very_login(monkeypatch):
    memory = verified.Verified()
    memory.remember("user", "hash", "secret")
    assert memory.knows("user", "hash", "secret")
    assert not memory.knows("user", "hash", "Secret")
    assert not memory.knows("user", "another hash", "secret"), "a changed password is a changed hash"
    assert not memory.knows("other", "hash", "secret")
    assert not verified.Verified().knows("user", "hash", "secret"), "and it does not outlive the process"
    now = verified.time.monotonic()
    monkeypatch.setattr(verified.time, "monotonic", lambda: now + verified.SECONDS + 1)
    assert not memory.knows("user", "hash", "secret")


def test_memory_holds_no_password():
    memory = verified.Verified()
    memory.remember("user", "hash", "a secret that is looked for")
    assert b"secret" not in repr(memory.__dict__).encode()


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(verified, "KEPT", 10)
    memory = verified.Verified()
    for number in range(25):
        memory.remember("user", "hash", str(number))
    assert memory.knows("user", "hash", "24")
    assert len(memory._until) <= 10
