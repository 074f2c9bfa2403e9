"""Which versions there are: one, and it also answers where clients of the second version knock.

The root is 300 with a Location. `/v2.0/` shows the third version's document (a setting): a client with an old
rc file then goes on with v3 instead of giving up.

Source: identity API reference, "API versions"; what current clients do with OS_AUTH_URL=.../v2.0.
"""

from monostack.kit.db import Db
from monostack.kit.request import Request
from monostack.kit.resource import PUBLIC, Response, Route


def _document(request: Request) -> dict:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{request.base}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def index(request: Request, db: Db) -> Response:
    body = {"versions": {"values": [_document(request)]}}
    return Response(300, body, [("Location", f"{request.base}/v3/")])


def show(request: Request, db: Db) -> dict:
    return {"version": _document(request)}


def show_for_old_clients(request: Request, db: Db) -> dict | Response:
    if not request.cloud.settings.identity.v2_discovery:
        return request.service.wire.no_route(request)
    return show(request, db)


ROUTES = (
    Route("GET", "^/", index, PUBLIC),
    Route("GET", "^/v3", show, PUBLIC),
    Route("GET", "^/v2.0", show_for_old_clients, PUBLIC),
)
