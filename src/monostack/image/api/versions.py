"""Version documents: `/` answers 300 and `/versions` 200 with the same list, which clients of v2 need
both."""

from monostack.kit.resource import PUBLIC, Response, Route

WITH_CACHE, WITHOUT = 18, 17


def _document(request) -> dict:
    newest = WITH_CACHE if request.cloud.settings.image.cache else WITHOUT
    links = [{"rel": "self", "href": request.base + "/v2/"}]
    return {
        "versions": [
            {"id": f"v2.{minor}", "status": "CURRENT" if minor == newest else "SUPPORTED", "links": links}
            for minor in range(newest, -1, -1)
        ]
    }


def choices(request, db):
    return Response(300, _document(request))


def versions(request, db):
    return _document(request)


ROUTES = (
    Route("GET", "/", choices, PUBLIC, ok=300),
    Route("GET", "/v2", choices, PUBLIC, ok=300),
    Route("GET", "/versions", versions, PUBLIC),
)
