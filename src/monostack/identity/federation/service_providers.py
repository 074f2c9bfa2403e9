"""Service providers: other clouds, to which this one vouches for its users.

Those that are enabled stand in every token, so that a client knows where it could go.

Source: identity API reference, "Service providers"; what a current identity service answers.
"""

from __future__ import annotations

from monostack.identity.attributes import missing, taken, truth
from monostack.identity.federation.naming import chosen
from monostack.identity.federation.tables import SERVICE_PROVIDERS
from monostack.identity.wire import boolean_filter, page, self_link
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Route

RELAY_STATE_PREFIX = "ss:mem:"
SHOWN = (
    Field("auth_url"),
    Field("id", filter=True),
    Field("enabled", filter=True, convert=boolean_filter),
    Field("description"),
    Field("relay_state_prefix"),
    Field("sp_url"),
    Field("links", self_link("OS-FEDERATION/service_providers")),
)


def index(request: Request, db: Db) -> dict:
    found = page(db, SERVICE_PROVIDERS, request)
    return request.list("service_providers", request.render_all(SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"service_provider": request.render(SHOWN, _of_request(request, db))}


def create(request: Request, tx: Tx) -> dict:
    name, asked = chosen(request, "sp_id"), request.body["service_provider"]
    words = f"Duplicate entry found with ID {name}"
    if tx.one(SERVICE_PROVIDERS, id=name) is not None:
        raise taken("service_provider", words)
    row = tx.insert(
        SERVICE_PROVIDERS,
        taken=taken("service_provider", words),
        id=name,
        auth_url=asked["auth_url"],
        sp_url=asked["sp_url"],
        enabled=truth(asked.get("enabled"), default=False),
        description=asked.get("description"),
        relay_state_prefix=_prefix(asked),
    )
    tx.ends_tokens()
    return {"service_provider": request.render(SHOWN, row)}


def _prefix(asked: dict) -> str:
    prefix = asked.get("relay_state_prefix")
    return RELAY_STATE_PREFIX if prefix is None else prefix


def update(request: Request, tx: Tx) -> dict:
    row, asked = _of_request(request, tx), request.body["service_provider"]
    values = {name: asked[name] for name in ("auth_url", "sp_url", "description") if name in asked}
    if "enabled" in asked:
        values["enabled"] = truth(asked["enabled"], default=False)
    if "relay_state_prefix" in asked:
        values["relay_state_prefix"] = _prefix(asked)
    tx.set(row, **values)
    tx.ends_tokens()
    return {"service_provider": request.render(SHOWN, row)}


def delete(request: Request, tx: Tx) -> None:
    tx.delete(_of_request(request, tx))
    tx.ends_tokens()


def _of_request(request: Request, db: Db) -> Row:
    return find(db, request.path["sp_id"])


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    return db.one(SERVICE_PROVIDERS, id=id, missing=missing("Service Provider", id))


def enabled(db: Db, id: str) -> Row:  # noqa: A002
    """The provider, as one to vouch to; raises Error 404 or 403."""
    row = find(db, id)
    if not row["enabled"]:
        raise Error(403, "Forbidden", f"Service Provider {id} is disabled")
    return row


def in_tokens(db: Db) -> list[dict[str, str]]:
    """What every token says of those that are enabled."""
    return [
        {"id": row["id"], "auth_url": row["auth_url"], "sp_url": row["sp_url"]}
        for row in db.all(SERVICE_PROVIDERS, enabled=True, order="id")
    ]


PATH = "/OS-FEDERATION/service_providers"
ROUTES = (
    Route(
        "GET", PATH, index, "identity:list_service_providers", query="service_providers.index", fields=SHOWN
    ),
    Route("GET", PATH + "/{sp_id}", show_one, "identity:get_service_provider"),
    Route(
        "PUT",
        PATH + "/{sp_id}",
        create,
        "identity:create_service_provider",
        body="service_providers.put",
        ok=201,
        event="identity.service_provider.created",
    ),
    Route(
        "PATCH",
        PATH + "/{sp_id}",
        update,
        "identity:update_service_provider",
        body="service_providers.update",
        event="identity.service_provider.updated",
    ),
    Route(
        "DELETE",
        PATH + "/{sp_id}",
        delete,
        "identity:delete_service_provider",
        event="identity.service_provider.deleted",
    ),
)
