"""Identity providers: those whose word this cloud takes for who somebody is.

Each has a domain in which the people it vouches for live; one is made where none is named, and stays when the
provider goes. The people go with it, and their tokens. Disabling a provider makes its tokens worthless for as
long as it lasts.

Source: identity API reference, "Identity provider API"; what a current identity service answers.
"""

from __future__ import annotations

from collections.abc import Iterable

from monostack.identity.attributes import bad, missing, taken, truth
from monostack.identity.domains import domains
from monostack.identity.federation import protocols
from monostack.identity.federation.naming import chosen
from monostack.identity.federation.tables import IDENTITY_PROVIDERS, PROTOCOLS, REMOTE_IDS
from monostack.identity.wire import boolean_filter, page
from monostack.kit import ids
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Route

MOST_MINUTES = 60 * 24 * 366 * 10
COLLECTION = "OS-FEDERATION/identity_providers"


def _links(row: Row, request: Request) -> dict[str, str]:
    here = f"{request.base}/v3/{COLLECTION}/{row['id']}"
    return {"self": here, "protocols": f"{here}/protocols"}


SHOWN = (
    Field("id", filter=True),
    Field("domain_id"),
    Field("enabled", filter=True, convert=boolean_filter),
    Field("description"),
    Field("authorization_ttl"),
    Field("links", _links),
)


def index(request: Request, db: Db) -> dict:
    found = page(db, IDENTITY_PROVIDERS, request)
    called: dict[str, list[str]] = {}
    for row in db.all(REMOTE_IDS, idp_id=[row["id"] for row in found], order="id"):
        called.setdefault(row["idp_id"], []).append(row["id"])
    shown = request.render_all(SHOWN, found)
    for each in shown:
        each["remote_ids"] = called.get(each["id"], [])
    return request.list("identity_providers", shown, found)


def show_one(request: Request, db: Db) -> dict:
    return _shown(request, db, find(db, request.path["idp_id"]))


def create(request: Request, tx: Tx) -> dict:
    name = chosen(request, "idp_id")
    asked = request.body.get("identity_provider") or {}
    exists = taken("identity_provider", f"Duplicate entry found with ID {name}")
    if tx.one(IDENTITY_PROVIDERS, id=name) is not None:
        raise exists
    domain_id = asked.get("domain_id")
    if domain_id is None:
        domain_id = _new_domain(tx, name)
    domains.find(tx, domain_id)
    row = tx.insert(
        IDENTITY_PROVIDERS,
        taken=exists,
        id=name,
        domain_id=domain_id,
        enabled=truth(asked.get("enabled"), default=False),
        description=asked.get("description"),
        authorization_ttl=_minutes(asked),
    )
    _call(tx, row, asked.get("remote_ids") or ())
    return _shown(request, tx, row)


def _minutes(asked: dict) -> int | None:
    minutes = asked.get("authorization_ttl")
    if minutes is not None and minutes > MOST_MINUTES:
        raise bad(f"authorization_ttl is {minutes}: it must be at most {MOST_MINUTES} minutes.")
    return minutes


def _new_domain(tx: Tx, name: str) -> str:
    domain_id = ids.new_hex()
    words = f"Auto generated federated domain for Identity Provider: {name}"
    domains.insert(tx, {"name": domain_id, "description": words}, domain_id, domains.KNOWN)
    return domain_id


def _call(tx: Tx, row: Row, remote_ids: Iterable[str]) -> None:
    """Give the provider its remote ids in place of those it has; raises Error 409 for another's."""
    tx.delete_all(REMOTE_IDS, idp_id=row["id"])
    for remote_id in remote_ids:
        words = f"Duplicate remote ID: {remote_id}"
        if tx.one(REMOTE_IDS, id=remote_id) is not None:
            raise taken("identity_provider", words)
        tx.insert(REMOTE_IDS, taken=taken("identity_provider", words), id=remote_id, idp_id=row["id"])


def update(request: Request, tx: Tx) -> dict:
    row, asked = find(tx, request.path["idp_id"]), request.body["identity_provider"]
    values = {"description": asked["description"]} if "description" in asked else {}
    if "authorization_ttl" in asked:
        values["authorization_ttl"] = _minutes(asked)
    if "enabled" in asked:
        values["enabled"] = truth(asked["enabled"], default=False)
    if "remote_ids" in asked:
        _call(tx, row, asked["remote_ids"] or ())
    tx.set(row, **values)
    tx.ends_tokens()
    return _shown(request, tx, row)


def delete(request: Request, tx: Tx) -> None:
    remove(tx, find(tx, request.path["idp_id"]))


def remove(tx: Tx, row: Row) -> None:
    """Delete a provider with its protocols, and whoever is known only by it."""
    for protocol in tx.all(PROTOCOLS, idp_id=row["id"]):
        protocols.remove(tx, protocol)
    tx.delete_all(REMOTE_IDS, idp_id=row["id"])
    tx.delete(row)
    tx.ends_tokens()


def domain_gone(tx: Tx, domain: Row) -> None:
    """A provider goes with the domain of its people."""
    for row in tx.all(IDENTITY_PROVIDERS, domain_id=domain["id"]):
        remove(tx, row)


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    return db.one(IDENTITY_PROVIDERS, id=id, missing=missing("Identity Provider", id))


def enabled(db: Db, id: str) -> Row:  # noqa: A002
    """The provider, as one to log in by; raises Error 404 or 403."""
    row = db.one(IDENTITY_PROVIDERS, id=id, lock=False, missing=missing("Identity Provider", id))
    if not row["enabled"]:
        raise Error(403, "Forbidden", f"Identity Provider {id} is disabled")
    return row


def remote_ids(db: Db, id: str) -> list[str]:  # noqa: A002
    """What the provider calls itself."""
    return [row["id"] for row in db.all(REMOTE_IDS, idp_id=id, order="id")]


def _shown(request: Request, db: Db, row: Row) -> dict:
    shown = request.render(SHOWN, row)
    return {"identity_provider": shown | {"remote_ids": remote_ids(db, row["id"])}}


PATH = "/OS-FEDERATION/identity_providers"
ROUTES = (
    Route(
        "GET",
        PATH,
        index,
        "identity:list_identity_providers",
        query="identity_providers.index",
        fields=SHOWN,
    ),
    Route(
        "GET",
        PATH + "/{idp_id}",
        show_one,
        "identity:get_identity_provider",
        query="identity_providers.show",
    ),
    Route(
        "PUT",
        PATH + "/{idp_id}",
        create,
        "identity:create_identity_provider",
        body="identity_providers.put",
        ok=201,
        event="identity.identity_provider.created",
    ),
    Route(
        "PATCH",
        PATH + "/{idp_id}",
        update,
        "identity:update_identity_provider",
        body="identity_providers.update",
        event="identity.identity_provider.updated",
    ),
    Route(
        "DELETE",
        PATH + "/{idp_id}",
        delete,
        "identity:delete_identity_provider",
        event="identity.identity_provider.deleted",
    ),
)
