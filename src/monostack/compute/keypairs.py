"""Key pairs: the public keys that a user's servers accept for login.

A key pair belongs to a user, not to a project; policy is therefore judged on the user, and his key pairs are
counted together, whatever the project whose quota says how many he may have. The private
half is never stored: it exists only in the answer to the one request that asked for it. Deleting a key pair
touches no server, because a server keeps its own copy of the key it was born with.

Source: compute API reference, "Keypairs"; policies `os_compute_api:os-keypairs:*`.
"""

from __future__ import annotations

from typing import Any

from monostack.compute import quotas, sshkeys
from monostack.kit import quota
from monostack.kit.db import Column, Integer, Row, String, Table, Text, Unique, stamps
from monostack.kit.resource import Error, Field, Response, Route

KEYPAIRS = Table(
    "compute_keypairs",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("user_id", String(64), index=True),
    Column("name", String(255)),
    Column("type", String(16)),
    Column("public_key", Text),
    Column("fingerprint", String(255)),
    *stamps(),
    Unique("user_id", "name"),
)

LISTED = (
    Field("name"),
    Field("public_key"),
    Field("fingerprint"),
    Field("type", since=(2, 2)),
)
SHOWN = (
    *LISTED,
    Field("user_id"),
    Field("id"),
    Field("deleted", lambda row: False),
    Field("created_at", lambda row: row["created_at"]),
    Field("updated_at", lambda row: row["updated_at"]),
    Field("deleted_at", lambda row: None),
)
CREATED = (*LISTED, Field("user_id"))


def owner(request, db) -> dict[str, Any]:
    """The user whose key pairs are meant: the caller, or, from 2.10 on, the one an administrator names."""
    named = request.query.get("user_id") if request.version >= (2, 10) else None
    return {"user_id": named or request.caller.user_id}


def receiver(request, db) -> dict[str, Any]:
    """The user who is to have the new key pair."""
    return {"user_id": request.body["keypair"].get("user_id", request.caller.user_id)}


def index(request, db) -> dict[str, Any]:
    user, paging = owner(request, db), request.paging
    paging.order = ("name",)
    if paging.marker is not None:
        missing = request.service.wire.marker_missing(request, paging.marker)
        paging.marker = db.one(KEYPAIRS, name=paging.marker, **user, missing=missing)["id"]
    page = db.page(KEYPAIRS, request, **user)
    items = [{"keypair": item} for item in request.render_all(LISTED, page)]
    return {"keypairs": items} | _links(request, page)


def _links(request, page) -> dict[str, Any]:
    """Pages come with 2.35; their marker is the name."""
    if request.version < (2, 35) or not page.more:
        return {}
    return {"keypairs_links": [{"rel": "next", "href": request.next_url(page[-1]["name"], page.limit)}]}


def show(request, db) -> dict[str, Any]:
    return {"keypair": request.render(SHOWN, _find(request, db))}


async def create(request, ctx) -> dict[str, Any]:
    """Import the caller's key, or make a pair and hand the private half out once."""
    asked = request.body["keypair"]
    private = None
    public = asked.get("public_key")
    if public is None:
        if asked.get("type", "ssh") == "x509":
            user_id = asked.get("user_id", request.caller.user_id)
            try:
                public, private = await ctx.cpu(sshkeys.generate_certificate, user_id)
            except ValueError as reason:
                raise Error(400, "InvalidKeypair", f"No certificate can be made: {reason}") from None
        else:
            public, private = await ctx.cpu(sshkeys.generate)
    row = await ctx.write(_store, request, asked, public)
    answer = request.render(CREATED, row)
    return {"keypair": answer | {"private_key": private} if private else answer}


def delete(request, tx) -> Response:
    row = _find(request, tx)
    request.subject = row["name"]
    tx.delete(row)
    return Response()


def _store(tx, request, asked: dict[str, Any], public: str) -> Row:
    user_id = asked.get("user_id", request.caller.user_id)
    kind = asked.get("type", "ssh")
    name = asked["name"].strip()
    quota.lock(tx, quotas.SERVICE, user_id)
    limit = quotas.limit(tx, request.caller.project_id, "key_pairs")
    if quota.UNLIMITED != limit <= tx.count(KEYPAIRS, user_id=user_id):
        raise Error(403, "KeypairLimitExceeded", f"Quota exceeded, too many key pairs: {limit} are allowed.")
    try:
        print_ = sshkeys.x509_fingerprint(public) if kind == "x509" else sshkeys.fingerprint(public)
    except ValueError as reason:
        raise Error(400, "InvalidKeypair", f"Keypair data is invalid: {reason}") from None
    request.subject = name
    return tx.insert(
        KEYPAIRS,
        user_id=user_id,
        name=name,
        type=kind,
        public_key=public,
        fingerprint=print_,
        taken=Error(409, "KeyPairExists", f"Key pair '{name}' already exists."),
    )


def _find(request, db) -> Row:
    name = request.path["name"]
    user = owner(request, db)
    missing = Error(404, "KeypairNotFound", f"Keypair {name} not found for user {user['user_id']}")
    return db.one(KEYPAIRS, name=name, **user, missing=missing)


def of_user(db, user_id: str, name: str) -> Row | None:
    """The key pair a server is to be born with."""
    return db.one(KEYPAIRS, user_id=user_id, name=name, lock=False)


RULE = "os_compute_api:os-keypairs:"

ROUTES = (
    Route("GET", "/os-keypairs", index, RULE + "index", query="keypairs.index", target=owner),
    Route("GET", "/os-keypairs/{name}", show, RULE + "show", query="keypairs.show", target=owner),
    Route(
        "POST",
        "/os-keypairs",
        create,
        RULE + "create",
        body="keypairs.create",
        target=receiver,
        ok={(2, 2): 201, (2, 0): 200},
        event="compute.keypair.create",
    ),
    Route(
        "DELETE",
        "/os-keypairs/{name}",
        delete,
        RULE + "delete",
        query="keypairs.delete",
        target=owner,
        ok={(2, 2): 204, (2, 0): 202},
        event="compute.keypair.delete",
    ),
)
