"""The password that a guest gave itself and told once, encrypted with the user's key.

Windows guests do this, so that nobody but the holder of the private key learns the administrator's
password. The cloud keeps the text as it is; it cannot read it. It may be told once; the user clears it
through the API, and then it may be told again.

Source: compute API reference, "Servers password"; metadata service, "password".
"""

from __future__ import annotations

from monostack.compute.servers import rows
from monostack.kit.db import Column, String, Table, Text, stamps
from monostack.kit.resource import Response, Route

PASSWORDS = Table(
    "compute_server_passwords",
    Column("server_id", String(64), primary_key=True, nullable=False),
    Column("password", Text),
    *stamps(),
)
LONGEST = 1020
RULE = "os_compute_api:os-server-password:"


def of(db, server_id: str) -> str:
    """What the guest told, or an empty text."""
    row = db.one(PASSWORDS, server_id=server_id, lock=False)
    return row["password"] if row else ""


def keep(tx, server_id: str, password: str) -> bool:
    """Keep what a guest tells; False when something is kept already."""
    if tx.one(PASSWORDS, server_id=server_id) is not None:
        return False
    tx.insert(PASSWORDS, server_id=server_id, password=password)
    return True


def on_gone(tx, server) -> None:
    """The server has ended, and what it told with it."""
    tx.delete_all(PASSWORDS, server_id=server["id"])


def show(request, db) -> dict[str, str]:
    return {"password": of(db, rows.find(db, request)["id"])}


def clear(request, tx) -> Response:
    server = rows.find(tx, request)
    tx.delete_all(PASSWORDS, server_id=server["id"])
    return Response(204)


ROUTES = (
    Route(
        "GET",
        "/servers/{id}/os-server-password",
        show,
        RULE + "show",
        query="server_password.index",
        target=rows.target,
    ),
    Route("DELETE", "/servers/{id}/os-server-password", clear, RULE + "clear", target=rows.target),
)
