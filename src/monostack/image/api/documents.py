"""Schema documents: what an image, a member and their lists look like. Clients validate against them."""

import json
from functools import cache
from pathlib import Path

from monostack.kit.errors import Error
from monostack.kit.resource import ANYONE, Route

SERVED = ("image", "images", "member", "members", "task", "tasks")


@cache
def _documents() -> dict:
    return json.loads((Path(__file__).parent.parent / "schemas" / "documents.json").read_text())


def show(request, db):
    name = request.path["name"]
    if name not in SERVED:
        raise Error(404, "NotFound", f"There is no schema {name[:255]}. There are: {', '.join(SERVED)}.")
    return _documents()[name]


ROUTES = (Route("GET", "/v2/schemas/{name}", show, ANYONE),)
