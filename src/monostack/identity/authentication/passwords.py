"""Hashes of passwords, in the modular crypt formats that identity services have stored for years.

A stored hash says by itself how it was made, so a user table of another identity service is read as it is,
and a changed setting applies to new passwords, and to old ones at their next login. bcrypt reads 72 bytes and
no NUL. Where a password is as long or has one, it is digested first (the format bcrypt_sha256), so that no
character of a new password is ignored; a plain bcrypt hash of a longer password was made elsewhere from its
first 72 bytes, and is compared so.

Source: passlib's documentation of bcrypt, bcrypt_sha256, scrypt, pbkdf2_sha512; the PHC string format for
Argon2; RFC 7914; RFC 8018; RFC 9106."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass

import bcrypt

ROUNDS = {"bcrypt": 12, "bcrypt_sha256": 12, "scrypt": 16, "pbkdf2_sha512": 60_000, "argon2": 3}
"""The algorithms, with the cost that each has by default: for scrypt the exponent of two, for argon2 the
passes."""
LIMITS = {
    "bcrypt": (4, 31),
    "bcrypt_sha256": (4, 31),
    "scrypt": (1, 31),
    "pbkdf2_sha512": (1, (1 << 32) - 1),
    "argon2": (1, 1 << 16),
}
LONGEST = 4096
BCRYPT_READS = 72
SCRYPT_BLOCK, SCRYPT_PARALLEL = 8, 1
ARGON2_MEMORY, ARGON2_LANES = 65_536, 4
SALT = 16
TO_BCRYPT = bytes.maketrans(b"+", b".")


@dataclass(frozen=True)
class Recipe:
    """How passwords are hashed: the algorithm and its cost."""

    algorithm: str = "bcrypt"
    rounds: int = 12


def hashed(password: str, recipe: Recipe) -> str:
    """The hash to store."""
    data = password.encode()
    algorithm, rounds = recipe.algorithm, recipe.rounds
    if algorithm == "bcrypt" and (len(data) >= BCRYPT_READS or b"\0" in data):
        algorithm = "bcrypt_sha256"
    if algorithm == "bcrypt":
        return bcrypt.hashpw(data, bcrypt.gensalt(rounds)).decode()
    if algorithm == "bcrypt_sha256":
        salt = bcrypt.gensalt(rounds).decode()[-22:]
        made = bcrypt.hashpw(_keyed(data, salt), f"$2b${rounds:02}${salt}".encode()).decode()
        return f"$bcrypt-sha256$v=2,t=2b,r={rounds}${salt}${made[-31:]}"
    grains = os.urandom(SALT)
    if algorithm == "scrypt":
        key = _scrypt(data, grains, rounds, SCRYPT_BLOCK, SCRYPT_PARALLEL, 32)
        return f"$scrypt$ln={rounds},r={SCRYPT_BLOCK},p={SCRYPT_PARALLEL}${_spelled(grains)}${_spelled(key)}"
    if algorithm == "pbkdf2_sha512":
        key = hashlib.pbkdf2_hmac("sha512", data, grains, rounds)
        return f"$pbkdf2-sha512${rounds}${_spelled(grains)}${_spelled(key)}".replace("+", ".")
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    return Argon2id(
        salt=grains, length=32, iterations=rounds, lanes=ARGON2_LANES, memory_cost=ARGON2_MEMORY
    ).derive_phc_encoded(data)


def unmatched(recipe: Recipe) -> str:
    """A hash as costly as a real one that no known password fits."""
    if recipe.algorithm == "bcrypt":  # made without the cost of one, as every start needs it
        noise = base64.b64encode(os.urandom(24))[:31].translate(TO_BCRYPT)
        return (bcrypt.gensalt(recipe.rounds) + noise).decode()
    return hashed(base64.b64encode(os.urandom(32)).decode(), recipe)


def matches(password: str, stored: str) -> bool:
    """Whether the password belongs to the stored hash; one that we cannot read fits no password."""
    data = password.encode()
    check = _CHECKS.get(stored[1:].partition("$")[0])
    try:
        return check is not None and check(data, stored)
    except (ValueError, LookupError, OverflowError, MemoryError):
        return False


def stale(stored: str, recipe: Recipe) -> bool:
    """Whether a hash was made by another recipe than this. A long password's digest is no other one."""
    _, kind, settings, *rest = stored.split("$")
    if recipe.algorithm in ("bcrypt", "bcrypt_sha256"):
        if kind == "bcrypt-sha256":
            return f",r={recipe.rounds}$" not in f",{settings}$"
        return recipe.algorithm != "bcrypt" or kind != "2b" or settings != f"{recipe.rounds:02}"
    if recipe.algorithm == "scrypt":
        return kind != "scrypt" or settings != f"ln={recipe.rounds},r={SCRYPT_BLOCK},p={SCRYPT_PARALLEL}"
    if recipe.algorithm == "pbkdf2_sha512":
        return kind != "pbkdf2-sha512" or settings != str(recipe.rounds)
    return kind != "argon2id" or rest[0] != f"m={ARGON2_MEMORY},t={recipe.rounds},p={ARGON2_LANES}"


def _bcrypt(data: bytes, stored: str) -> bool:
    return b"\0" not in data and bcrypt.checkpw(data[:BCRYPT_READS], stored.encode())


def _bcrypt_sha256(data: bytes, stored: str) -> bool:
    _, _, settings, salt, digest = stored.split("$")
    if settings.startswith("v="):
        named = _named(settings)
        material, kind, rounds = _keyed(data, salt), named["t"], int(named["r"])
    else:  # the first version: the type and the cost bare, a digest without a key
        kind, _, cost = settings.partition(",")
        material, rounds = base64.b64encode(hashlib.sha256(data).digest()), int(cost)
    return bcrypt.checkpw(material, f"${kind}${rounds:02}${salt}{digest}".encode())


def _scrypt_fits(data: bytes, stored: str) -> bool:
    _, _, settings, salt, digest = stored.split("$")
    named, wanted = _named(settings), _unspelled(digest)
    made = _scrypt(data, _unspelled(salt), int(named["ln"]), int(named["r"]), int(named["p"]), len(wanted))
    return hmac.compare_digest(made, wanted)


def _pbkdf2(data: bytes, stored: str) -> bool:
    _, _, rounds, salt, digest = stored.split("$")
    wanted = _unspelled(digest)
    made = hashlib.pbkdf2_hmac("sha512", data, _unspelled(salt), int(rounds), len(wanted))
    return hmac.compare_digest(made, wanted)


def _argon2(data: bytes, stored: str) -> bool:
    from cryptography.exceptions import InvalidKey
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        Argon2id.verify_phc_encoded(data, stored)
    except InvalidKey:
        return False
    return True


_CHECKS = {
    "2a": _bcrypt,
    "2b": _bcrypt,
    "2y": _bcrypt,
    "bcrypt-sha256": _bcrypt_sha256,
    "scrypt": _scrypt_fits,
    "pbkdf2-sha512": _pbkdf2,
    "argon2id": _argon2,
}


def _keyed(data: bytes, salt: str) -> bytes:
    return base64.b64encode(hmac.digest(salt.encode(), data, "sha256"))


def _scrypt(data: bytes, salt: bytes, exponent: int, block: int, parallel: int, length: int) -> bytes:
    memory = 128 * block * ((1 << exponent) + parallel + 2)
    return hashlib.scrypt(data, salt=salt, n=1 << exponent, r=block, p=parallel, maxmem=memory, dklen=length)


def _named(settings: str) -> dict[str, str]:
    """The settings in `ln=16,r=8,p=1`; raises ValueError."""
    return dict(each.split("=") for each in settings.split(","))


def _spelled(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode()


def _unspelled(text: str) -> bytes:
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True)
