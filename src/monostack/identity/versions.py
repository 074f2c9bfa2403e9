"""Which versions there are: one. The root is 300 with a Location.

(What answers where clients of the second version knock: authentication/version_2.)

Source: identity API reference, "API versions".
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


ROUTES = (
    Route("GET", "^/", index, PUBLIC),
    Route("GET", "^/v3", show, PUBLIC),
)
