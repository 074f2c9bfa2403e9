"""What goes with what: everything that refers to a deleted user, project, group, role, or part of the
catalogue.

In one place, so that a new table that refers to one of them has one place to be remembered in. The services
above are told in the same transaction and may refuse. Many go as cheaply as one: a domain takes thousands of
users along, in as many statements as there are tables, not as there are users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from monostack.identity.catalog.tables import (
    POLICY_ASSOCIATIONS,
    PROJECT_ENDPOINT_GROUPS,
    PROJECT_ENDPOINTS,
)
from monostack.identity.federation.tables import EXPIRING_MEMBERSHIPS, FEDERATED_USERS
from monostack.identity.oauth1.tables import ACCESS_TOKENS, REQUEST_TOKENS
from monostack.identity.projects import leaving
from monostack.identity.tables import (
    ACCESS_RULES,
    APPLICATION_CREDENTIALS,
    ASSIGNMENTS,
    CREDENTIALS,
    DOMAIN_OPTIONS,
    ENDPOINTS,
    GROUPS,
    IMPLIED_ROLES,
    LIMITS,
    MEMBERSHIPS,
    OLD_PASSWORDS,
    PASSCODES,
    REGISTERED_LIMITS,
    ROLES,
    TRUSTS,
    USERS,
)
from monostack.identity.tokens.told import tell
from monostack.kit import quota
from monostack.kit.db import Row, Tx

AT_ONCE = 64
"""How many ids stand in one statement at most."""


def project(tx: Tx, row: Row) -> None:
    leaving.leave(tx, row)
    tx.hook("identity.project.delete", row)
    tx.delete_all(ASSIGNMENTS, target_id=row["id"])
    tx.delete_all(LIMITS, owner_id=row["id"])
    for table in (
        APPLICATION_CREDENTIALS,
        CREDENTIALS,
        REQUEST_TOKENS,
        ACCESS_TOKENS,
        PROJECT_ENDPOINTS,
        PROJECT_ENDPOINT_GROUPS,
    ):
        tx.delete_all(table, project_id=row["id"])
    for table in (quota.LIMITS, quota.LOCKS):
        tx.delete_all(table, project_id=row["id"])
    _trusts(tx, project_id=row["id"])
    tell(tx, project_id=row["id"])
    _gone(tx, row)


def users(tx: Tx, rows: Sequence[Row]) -> None:
    for some in _parts(rows):
        ids = [row["id"] for row in some]
        tx.hook("identity.users.delete", ids)
        tx.delete_all(ASSIGNMENTS, actor_id=ids)
        for table in (
            MEMBERSHIPS,
            APPLICATION_CREDENTIALS,
            ACCESS_RULES,
            CREDENTIALS,
            FEDERATED_USERS,
            EXPIRING_MEMBERSHIPS,
            OLD_PASSWORDS,
            PASSCODES,
            REQUEST_TOKENS,
            ACCESS_TOKENS,
        ):
            tx.delete_all(table, user_id=ids)
        _trusts(tx, trustor_user_id=ids)
        _trusts(tx, trustee_user_id=ids)
        for each in ids:
            tell(tx, user_id=each)
        _all_gone(tx, USERS, ids)


def groups(tx: Tx, rows: Sequence[Row]) -> None:
    for some in _parts(rows):
        ids = [row["id"] for row in some]
        tx.delete_all(ASSIGNMENTS, actor_id=ids)
        for table in (MEMBERSHIPS, EXPIRING_MEMBERSHIPS):
            tx.delete_all(table, group_id=ids)
        _all_gone(tx, GROUPS, ids)


def roles(tx: Tx, rows: Sequence[Row]) -> None:
    for some in _parts(rows):
        ids = [row["id"] for row in some]
        tx.delete_all(ASSIGNMENTS, role_id=ids)
        tx.delete_all(IMPLIED_ROLES, prior_role_id=ids)
        tx.delete_all(IMPLIED_ROLES, implied_role_id=ids)
        _all_gone(tx, ROLES, ids)


def domain(tx: Tx, row: Row) -> None:
    """The domain's own row; what is in it goes before."""
    tx.delete_all(ASSIGNMENTS, target_id=row["id"])
    tx.delete_all(LIMITS, owner_id=row["id"])
    tx.delete_all(DOMAIN_OPTIONS, domain_id=row["id"])
    tell(tx, domain_id=row["id"])
    _gone(tx, row)


def trust(tx: Tx, row: Row) -> None:
    """A trust goes with all to whom it was passed on."""
    _trusts(tx, redelegated_trust_id=row["id"])
    tell(tx, trust_id=row["id"])
    _gone(tx, row)


def _trusts(tx: Tx, **where) -> None:
    for row in tx.all(TRUSTS, **where):
        trust(tx, row)


def consumer(tx: Tx, row: Row) -> None:
    for table in (REQUEST_TOKENS, ACCESS_TOKENS):
        tx.delete_all(table, consumer_id=row["id"])
    _gone(tx, row)


def access_token(tx: Tx, row: Row) -> None:
    _gone(tx, row)


def service(tx: Tx, row: Row) -> None:
    for each in tx.all(ENDPOINTS, service_id=row["id"], lock=True):
        endpoint(tx, each)
    for table in (LIMITS, REGISTERED_LIMITS, POLICY_ASSOCIATIONS):
        tx.delete_all(table, service_id=row["id"])
    _gone(tx, row)


def endpoint(tx: Tx, row: Row) -> None:
    for table in (PROJECT_ENDPOINTS, POLICY_ASSOCIATIONS):
        tx.delete_all(table, endpoint_id=row["id"])
    _gone(tx, row)


def region(tx: Tx, row: Row) -> None:
    tx.delete_all(POLICY_ASSOCIATIONS, region_id=row["id"])
    _gone(tx, row)


def policy(tx: Tx, row: Row) -> None:
    tx.delete_all(POLICY_ASSOCIATIONS, policy_id=row["id"])
    tx.delete(row)


def endpoint_group(tx: Tx, row: Row) -> None:
    tx.delete_all(PROJECT_ENDPOINT_GROUPS, endpoint_group_id=row["id"])
    _gone(tx, row)


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[first : first + AT_ONCE] for first in range(0, len(rows), AT_ONCE))


def _all_gone(tx: Tx, table: sa.Table, ids: list[str]) -> None:
    tx.delete_all(table, id=ids)
    tx.ends_tokens()


def _gone(tx: Tx, row: Row) -> None:
    tx.delete(row)
    tx.ends_tokens()
