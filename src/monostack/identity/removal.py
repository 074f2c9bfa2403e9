"""What goes with what: everything that refers to a deleted user, project, group or role.

In one place, so that a new table that refers to one of them has one place to be remembered in. The services
above are told in the same transaction and may refuse."""

from monostack.identity.federation.tables import EXPIRING_MEMBERSHIPS, FEDERATED_USERS
from monostack.identity.tables import (
    APPLICATION_CREDENTIALS,
    ASSIGNMENTS,
    CREDENTIALS,
    DOMAIN_OPTIONS,
    IMPLIED_ROLES,
    LIMITS,
    MEMBERSHIPS,
    TRUSTS,
)
from monostack.kit.db import Row, Tx


def project(tx: Tx, row: Row) -> None:
    tx.hook("identity.project.delete", row)
    tx.delete_all(ASSIGNMENTS, target_id=row["id"])
    tx.delete_all(LIMITS, owner_id=row["id"])
    for table in (APPLICATION_CREDENTIALS, CREDENTIALS, TRUSTS):
        tx.delete_all(table, project_id=row["id"])
    _gone(tx, row)


def user(tx: Tx, row: Row) -> None:
    tx.hook("identity.user.delete", row)
    tx.delete_all(ASSIGNMENTS, actor_id=row["id"])
    for table in (MEMBERSHIPS, APPLICATION_CREDENTIALS, CREDENTIALS, FEDERATED_USERS, EXPIRING_MEMBERSHIPS):
        tx.delete_all(table, user_id=row["id"])
    tx.delete_all(TRUSTS, trustor_user_id=row["id"])
    tx.delete_all(TRUSTS, trustee_user_id=row["id"])
    _gone(tx, row)


def group(tx: Tx, row: Row) -> None:
    tx.delete_all(ASSIGNMENTS, actor_id=row["id"])
    for table in (MEMBERSHIPS, EXPIRING_MEMBERSHIPS):
        tx.delete_all(table, group_id=row["id"])
    _gone(tx, row)


def role(tx: Tx, row: Row) -> None:
    tx.delete_all(ASSIGNMENTS, role_id=row["id"])
    tx.delete_all(IMPLIED_ROLES, prior_role_id=row["id"])
    tx.delete_all(IMPLIED_ROLES, implied_role_id=row["id"])
    _gone(tx, row)


def domain(tx: Tx, row: Row) -> None:
    """The domain's own row; what is in it goes before."""
    tx.delete_all(ASSIGNMENTS, target_id=row["id"])
    tx.delete_all(LIMITS, owner_id=row["id"])
    tx.delete_all(DOMAIN_OPTIONS, domain_id=row["id"])
    _gone(tx, row)


def _gone(tx: Tx, row: Row) -> None:
    tx.delete(row)
    tx.after(tx.cloud.auth.bump)
