"""What a new password must be like, how long it is good, and when it may be changed.

Nothing but the length is on unless a setting says so. A password that an administrator sets must be long and
strong enough, but may be an old one: the history and the least age are for those who change their own, so
that nobody goes round them.

Source: identity administration guide, "Security compliance and PCI-DSS"; what a current identity service
answers."""

from __future__ import annotations

import re
from functools import lru_cache

from monostack.identity.attributes import bad
from monostack.identity.authentication import passwords
from monostack.identity.tables import OLD_PASSWORDS
from monostack.identity.users.standing import DAY, exempt
from monostack.kit.clock import from_seconds, seconds
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.settings import BadSetting, Identity

pattern = lru_cache(re.compile)


def check_settings(settings: Identity) -> None:
    """Raises BadSetting for rules that no password can be held to."""
    if not 1 <= settings.max_password_length <= passwords.LONGEST:
        words = f"it must be 1 to {passwords.LONGEST}"
        raise BadSetting(f"identity.max_password_length is {settings.max_password_length}: {words}")
    try:
        pattern(settings.password_regex)
    except re.error as reason:
        raise BadSetting(f"identity.password_regex is no regular expression: {reason}") from None


def check(settings: Identity, password: str | None) -> None:
    """Raises Error if nobody may have such a password."""
    if settings.password_regex:
        if password is None:
            raise bad("Password validation error: Password must be a string type.")
        if not pattern(settings.password_regex).match(password):
            words = settings.password_regex_description or f"it must match {settings.password_regex}"
            raise bad(f"The password does not match the requirements: {words}.")
    if password is None:
        return
    longest = settings.max_password_length
    if settings.strict_password_check and settings.password_hash_algorithm == "bcrypt":
        longest = min(longest, passwords.BCRYPT_READS)
    if len(password.encode(errors="surrogatepass")) > longest:
        words = f"The password length must be less than or equal to {longest} bytes: choose a shorter one."
        raise Error(403, "Forbidden", words)


def columns(db: Db, stored: str | None, options: dict, *, by_himself: bool) -> dict:
    """What a user's row says of his new password."""
    settings = db.cloud.settings.identity
    now = db.cloud.clock.time()
    expires = None
    if stored is not None and settings.password_expires_days and not options.get("ignore_password_expiry"):
        expires = from_seconds(int(now) + settings.password_expires_days * DAY)
    if (
        stored is not None
        and settings.change_password_upon_first_use
        and not by_himself
        and not options.get("ignore_change_password_upon_first_use")
    ):
        expires = from_seconds(now)
    return {
        "password_hash": stored,
        "password_changed_at": from_seconds(now),
        "password_expires_at": expires,
        "password_self_service": by_himself,
    }


def check_change(db: Db, row: Row) -> None:
    """Raises Error if the user may not change his password himself, or not yet."""
    if exempt(row, "lock_password"):
        raise bad(
            "You cannot change your password at this time: an administrator has locked it (option "
            "lock_password). Ask an administrator for a new one."
        )
    days = db.cloud.settings.identity.minimum_password_age
    if not days or not row["password_self_service"]:
        return
    left = seconds(row["password_changed_at"]) + days * DAY - db.cloud.clock.time()
    if left > 0:
        raise bad(
            f"You cannot change your password at this time: a new one must be kept for {days} day(s). Try "
            f"again in {left / DAY:.1f} day(s), or ask an administrator for a new one."
        )


def lately(db: Db, row: Row) -> list[str]:
    """The hashes of the passwords that a new one must differ from, the present one first."""
    count = db.cloud.settings.identity.unique_last_password_count
    if not count or row["password_hash"] is None:
        return []
    older = db.all(OLD_PASSWORDS, order="-set_at", limit=count - 1, user_id=row["id"]) if count > 1 else []
    return [row["password_hash"], *(each["password_hash"] for each in older)]


def reused(password: str, hashes: list[str]) -> bool:
    """Whether the password is one of those. Each looked at costs as much as a login."""
    return any(passwords.matches(password, stored) for stored in hashes)


def already_used(count: int) -> Error:
    return bad(
        f"The new password must be another than the last {count}, the present one included: choose one that "
        "you did not have lately."
    )


def remember(tx: Tx, row: Row) -> None:
    """Keep the hash of the password that is about to be replaced, and no more of them than are asked for."""
    count = tx.cloud.settings.identity.unique_last_password_count
    if count > 1 and row["password_hash"] is not None:
        tx.insert(
            OLD_PASSWORDS,
            user_id=row["id"],
            password_hash=row["password_hash"],
            set_at=row["password_changed_at"] or row["created_at"],
        )
    for old in tx.all(OLD_PASSWORDS, order="-set_at", user_id=row["id"])[max(count - 1, 0) :]:
        tx.delete(old)
