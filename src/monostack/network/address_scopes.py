"""Address scopes: sets of subnet pools whose addresses are unique among themselves, so that routers need no
NAT between them.

Source: networking API reference, "Address scopes".
"""

from __future__ import annotations

import sqlalchemy as sa

from monostack.kit.db import Boolean, Column, Integer, String, Table
from monostack.kit.errors import Error
from monostack.network import checks, sharing
from monostack.network.attributes import ID, NAME, OWNER, Attribute, boolean
from monostack.network.collection import Collection, routes
from monostack.network.subnetpool_tables import SUBNETPOOLS

ADDRESS_SCOPES = Table(
    "network_address_scopes",
    Column("project_id", String(64), index=True),
    Column("name", String(255)),
    Column("ip_version", Integer),
    Column("shared", Boolean),
    Column("revision_number", Integer, default=lambda: 0),
)

ATTRIBUTES = (
    ID,
    *OWNER,
    NAME,
    Attribute(
        "ip_version",
        filter=True,
        sort=True,
        post=True,
        required=True,
        convert=checks.integer,
        check=lambda value: checks.one_of(4, 6)(checks.integer(value)),
    ),
    boolean("shared", post=True, put=True, default=False, guarded=True),
)

SEEN = sa.or_(
    ADDRESS_SCOPES.c.project_id == sa.bindparam("viewer"),
    ADDRESS_SCOPES.c.id.in_(sharing.granted("address_scope")),
)


def may_see(db, row, viewer: str | None) -> bool:
    return row["project_id"] == viewer or sharing.is_granted(db, row["id"], viewer)


def create(request, tx, values: dict):
    row = tx.insert(
        ADDRESS_SCOPES,
        project_id=values["project_id"],
        name=values["name"],
        ip_version=values["ip_version"],
        shared=values["shared"],
    )
    sharing.mirror(tx, "address_scope", row, sharing.SHARED, row["shared"])
    return row


def update(request, tx, row, sent: dict):
    if row["shared"] and sent.get("shared") is False:
        raise Error(
            400,
            "AddressScopeUpdateError",
            f"Unable to update address scope {row['id']} : Shared address scope can't be unshared.",
        )
    tx.set(row, **sent)
    sharing.mirror(tx, "address_scope", row, sharing.SHARED, row["shared"])
    return row


def delete(request, tx, row) -> None:
    if tx.one(SUBNETPOOLS, address_scope_id=row["id"]) is not None:
        raise Error(
            409,
            "AddressScopeInUse",
            f"Unable to complete operation on address scope {row['id']}. There are "
            "one or more subnet pools in use on the address scope.",
        )
    sharing.forget(tx, row["id"])
    tx.delete(row)


COLLECTION = Collection(
    "address_scope",
    "address_scopes",
    "address-scopes",
    ADDRESS_SCOPES,
    ATTRIBUTES,
    ("AddressScopeNotFound", "Address scope {id} could not be found."),
    among=SEEN,
    may_see=may_see,
    create=create,
    update=update,
    delete=delete,
    tagged=False,
    parents=lambda db, row, viewer: {"shared": "id" in row and sharing.is_open(db, row, viewer)},
)

ROUTES = routes(COLLECTION)
