"""Schema documents: what an image, a member and their lists look like. Clients validate against them."""

import json
from functools import cache
from pathlib import Path

from monostack.kit.errors import Error
from monostack.kit.resource import ANYONE, Route

SERVED = ("image", "images", "member", "members", "task", "tasks")
METADEFS = {
    "namespace": "metadef_namespace",
    "namespaces": "metadef_namespaces",
    "object": "metadef_object",
    "objects": "metadef_objects",
    "property": "metadef_property",
    "properties": "metadef_properties",
    "resource_type": "metadef_resource_type_association",
    "resource_types": "metadef_resource_type_associations",
    "tag": "metadef_tag",
    "tags": "metadef_tags",
}


@cache
def _documents() -> dict:
    return json.loads((Path(__file__).parent.parent / "schemas" / "documents.json").read_text())


def show(request, db):
    name = request.path["name"]
    if name not in SERVED:
        raise Error(404, "NotFound", f"There is no schema {name[:255]}. There are: {', '.join(SERVED)}.")
    return _documents()[name]


def show_metadef(request, db):
    name = METADEFS.get(request.path["name"])
    if name is None:
        raise Error(404, "NotFound", f"There are schemas of metadefs for: {', '.join(METADEFS)}.")
    return _documents()[name]


ROUTES = (
    Route("GET", "/v2/schemas/{name}", show, ANYONE),
    Route("GET", "/v2/schemas/metadefs/{name}", show_metadef, ANYONE),
)
