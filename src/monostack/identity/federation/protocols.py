"""Protocols: how an identity provider says who somebody is, and by which mapping that is understood.

The name of a protocol is the name of the method by which a token made with it is said to be got. Deleting one
takes the people with it who are known by nothing else. The mapping must exist when it is named; it may go
later, and then nobody logs in.

Source: identity API reference, "Protocols"; what a current identity service answers.
"""

from __future__ import annotations

from monostack.identity.attributes import bad, missing, taken
from monostack.identity.federation import people
from monostack.identity.federation.naming import chosen
from monostack.identity.federation.tables import IDENTITY_PROVIDERS, MAPPINGS, PROTOCOLS
from monostack.identity.wire import cut
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Route


def _links(row: Row, request: Request) -> dict[str, str]:
    provider = f"{request.base}/v3/OS-FEDERATION/identity_providers/{row['idp_id']}"
    return {"self": f"{provider}/protocols/{row['id']}", "identity_provider": provider}


SHOWN = (
    Field("id"),
    Field("mapping_id"),
    Field("links", _links),
)
LISTED = (*SHOWN, Field("idp_id"), Field("remote_id_attribute"))


def index(request: Request, db: Db) -> dict:
    found = cut(db.all(PROTOCOLS, idp_id=request.path["idp_id"], order="id"), request)
    return request.list("protocols", request.render_all(LISTED, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"protocol": request.render(SHOWN, of_request(request, db))}


def create(request: Request, tx: Tx) -> dict:
    idp_id, name, asked = request.path["idp_id"], chosen(request, "protocol_id"), request.body["protocol"]
    _check_mapping(tx, asked["mapping_id"])
    tx.one(IDENTITY_PROVIDERS, id=idp_id, missing=missing("Identity Provider", idp_id))
    words = f"Duplicate entry found with ID {name}"
    if tx.one(PROTOCOLS, idp_id=idp_id, id=name) is not None:
        raise taken("federation_protocol", words)
    row = tx.insert(
        PROTOCOLS,
        taken=taken("federation_protocol", words),
        idp_id=idp_id,
        id=name,
        mapping_id=asked["mapping_id"],
        remote_id_attribute=asked.get("remote_id_attribute"),
    )
    return {"protocol": request.render(SHOWN, row)}


def _check_mapping(tx: Tx, mapping_id: str) -> None:
    if tx.one(MAPPINGS, id=mapping_id) is None:
        raise bad(f"Invalid mapping id: {mapping_id}")


def update(request: Request, tx: Tx) -> dict:
    asked = request.body["protocol"]
    _check_mapping(tx, asked["mapping_id"])
    row = of_request(request, tx)
    tx.set(row, **asked)
    return {"protocol": request.render(SHOWN, row)}


def delete(request: Request, tx: Tx) -> None:
    remove(tx, of_request(request, tx))


def remove(tx: Tx, row: Row) -> None:
    """Delete a protocol, and whoever is known only by it."""
    people.forget(tx, row["idp_id"], row["id"])
    tx.delete(row)
    tx.ends_tokens()


def of_request(request: Request, db: Db) -> Row:
    return find(db, request.path["idp_id"], request.path["protocol_id"])


def find(db: Db, idp_id: str, name: str, lock: bool | None = None) -> Row:
    words = f"Could not find federated protocol {name} for Identity Provider: {idp_id}."
    return db.one(PROTOCOLS, idp_id=idp_id, id=name, lock=lock, missing=Error(404, "NotFound", words))


PATH = "/OS-FEDERATION/identity_providers/{idp_id}/protocols"
ROUTES = (
    Route("GET", PATH, index, "identity:list_protocols"),
    Route("GET", PATH + "/{protocol_id}", show_one, "identity:get_protocol"),
    Route(
        "PUT",
        PATH + "/{protocol_id}",
        create,
        "identity:create_protocol",
        body="identity_providers_protocols.put",
        ok=201,
        event="identity.federation_protocol.created",
    ),
    Route(
        "PATCH",
        PATH + "/{protocol_id}",
        update,
        "identity:update_protocol",
        body="identity_providers_protocols.update",
        event="identity.federation_protocol.updated",
    ),
    Route(
        "DELETE",
        PATH + "/{protocol_id}",
        delete,
        "identity:delete_protocol",
        event="identity.federation_protocol.deleted",
    ),
)
