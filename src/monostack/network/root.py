"""The version documents of networking.

Source: networking API reference, "API versions".
"""

from __future__ import annotations

from monostack.kit.resource import ANYONE, PUBLIC, Route

COLLECTIONS = ("network", "subnet", "subnetpool", "port")


def versions(request, db) -> dict:
    link = {"rel": "self", "href": f"{request.base}/v2.0/"}
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}


def resources(request, db) -> dict:
    return {
        "resources": [
            {
                "name": name,
                "collection": name + "s",
                "links": [{"rel": "self", "href": f"{request.base}/v2.0/{name}s"}],
            }
            for name in COLLECTIONS
        ]
    }


ROUTES = (
    Route("GET", "/", versions, PUBLIC),
    Route("GET", "/v2.0", resources, ANYONE),
)
