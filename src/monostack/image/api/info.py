"""What this image service can do: its one store, and the ways to import data."""

from monostack.image.imports import METHODS, STORE
from monostack.kit.resource import ANYONE, Route

DETAIL = "stores_info_detail"


def imports(request, db):
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": METHODS}}


def stores(request, db):
    return {"stores": [{"id": STORE, "default": "true"}]}


def stores_detail(request, db):
    properties = {
        "data_dir": str(request.cloud.state / "images"),
        "chunk_size": 1 << 20,
        "thin_provisioning": False,
    }
    return {
        "stores": [
            {"id": STORE, "default": "true", "type": "file", "properties": properties, "weight": 0},
        ]
    }


def usage(request, db):
    return {"usage": {}}


ROUTES = (
    Route("GET", "/v2/info/import", imports, ANYONE),
    Route("GET", "/v2/info/stores", stores, ANYONE),
    Route("GET", "/v2/info/stores/detail", stores_detail, DETAIL),
    Route("GET", "/v2/info/usage", usage, ANYONE),
)
