"""What this image service can do: its stores, the ways to import data, and what a project may use."""

from monostack.image import quotas
from monostack.image import stores as places
from monostack.kit.resource import ANYONE, Route

DETAIL = "stores_info_detail"


def imports(request, db):
    methods = list(request.cloud.settings.image.enabled_import_methods)
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": methods}}


def stores(request, db):
    home = places.of(request.cloud)
    return {"stores": [_about(home, name) for name in home.names]}


def stores_detail(request, db):
    home = places.of(request.cloud)
    detailed = []
    for name, store in home.named.items():
        more = {"type": store.type, "properties": store.details(), "weight": store.weight}
        detailed.append(_about(home, name) | more)
    return {"stores": detailed}


def _about(home: places.Stores, name: str) -> dict:
    store, out = home.named[name], {"id": name}
    if store.description:
        out["description"] = store.description
    if name == home.default_name:
        out["default"] = "true"
    if store.read_only:
        out["read-only"] = "true"
    return out


def usage(request, db):
    return {"usage": quotas.usage(db, request.caller.project_id)}


ROUTES = (
    Route("GET", "/v2/info/import", imports, ANYONE),
    Route("GET", "/v2/info/stores", stores, ANYONE),
    Route("GET", "/v2/info/stores/detail", stores_detail, DETAIL),
    Route("GET", "/v2/info/usage", usage, ANYONE),
)
