"""Whether an account may be used now: locked after wrong passwords, its password expired, long not used.

Nothing here is on unless a setting says so. The count of failures is a column and each is committed by
itself, so it neither starts anew with the process nor goes with the request that failed. Options of a user
exempt him: that is what they are for.

Source: identity administration guide, "Security compliance and PCI-DSS"; the names of the settings are those
of its section security_compliance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monostack.identity.tables import USERS
from monostack.kit.clock import seconds
from monostack.kit.db import Row, Tx, Values

if TYPE_CHECKING:
    from monostack.cloud import Cloud

DAY = 86_400


def exempt(row: Row, option: str) -> bool:
    """Whether the user's options say so."""
    return bool((row["options"] or {}).get(option))


def enabled(cloud: Cloud, row: Row) -> bool:
    """Whether the user is enabled, and was not away for too long. Days are counted by the calendar."""
    days = cloud.settings.identity.disable_user_account_days_inactive
    if not row["enabled"] or not days or exempt(row, "ignore_user_inactivity"):
        return row["enabled"]
    last = (row["last_active_at"] or row["created_at"])[:10] + "T00:00:00.000000"
    return int((cloud.clock.time() - seconds(last)) / DAY) < days


def locked(cloud: Cloud, row: Row) -> bool:
    """Whether there were too many wrong passwords lately."""
    settings = cloud.settings.identity
    most = settings.lockout_failure_attempts
    if not most or (row["failed_logins"] or 0) < most or exempt(row, "ignore_lockout_failure_attempts"):
        return False
    if not settings.lockout_duration:
        return True
    return seconds(row["failed_login_at"]) + settings.lockout_duration > cloud.clock.time()


def expired(cloud: Cloud, row: Row) -> bool:
    """Whether the password must be changed before it opens anything."""
    until = row["password_expires_at"]
    return until is not None and until <= cloud.clock.now() and not exempt(row, "ignore_password_expiry")


def count_failure(tx: Tx, user_id: str, address: str) -> None:
    """One more wrong password or code. What was counted before a lock that has ended is forgotten. The last
    one before a lock is an event, so that `monostack why` can tell why the user is refused."""
    row = tx.one(USERS, id=user_id)
    if row is None or locked(tx.cloud, row):
        return
    before = row["failed_logins"] or 0
    if before >= tx.cloud.settings.identity.lockout_failure_attempts:
        before = 0
    tx.set(row, failed_logins=before + 1, failed_login_at=tx.now)
    if locked(tx.cloud, row):
        duration = tx.cloud.settings.identity.lockout_duration
        cause = f"{before + 1} failed logins one after the other, the last from {address}"
        until = tx.cloud.clock.after(duration) if duration else None
        tx.event("identity.user.locked", user_id, user_id=user_id, cause=cause, until=until)


def anything_to_note(cloud: Cloud, row: Row) -> bool:
    """Whether a successful login changes anything of the user's row."""
    if row["failed_logins"]:
        return True
    counts_days = cloud.settings.identity.disable_user_account_days_inactive > 0
    return counts_days and (row["last_active_at"] or "")[:10] != cloud.clock.now()[:10]


def note_success(tx: Tx, user_id: str) -> None:
    """The user logged in: no failures, active today."""
    row = tx.one(USERS, id=user_id)
    if row is not None and anything_to_note(tx.cloud, row) and not locked(tx.cloud, row):
        tx.set(row, failed_logins=0, failed_login_at=None, last_active_at=tx.now)


def enabling(tx: Tx) -> Values:
    """What goes with enabling a user by hand: no failures, active today."""
    return {"failed_logins": 0, "failed_login_at": None, "last_active_at": tx.now}


def never_seen_are_active_today(tx: Tx) -> int:
    """Users who never logged in count as active now, not since they were made; how many they are. So a limit
    on inactive days can be set in a cloud that counted none, and nobody is shut out by it at once."""
    found = tx.update(USERS, {"last_active_at": None}, last_active_at=tx.now)
    if found:
        tx.ends_tokens()
    return found
