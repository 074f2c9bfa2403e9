"""The version document: the one answer that needs no token."""

from monostack.kit.resource import PUBLIC, Route
from monostack.placement.wire import WIRE


def versions(request, db):
    WIRE.dated(request)
    return {
        "versions": [
            {
                "id": "v1.0",
                "max_version": "1.39",
                "min_version": "1.0",
                "status": "CURRENT",
                "links": [{"rel": "self", "href": request.root}],
            }
        ]
    }


ROUTES = (Route("GET", "/", versions, PUBLIC),)
