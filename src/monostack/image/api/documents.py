"""Schema documents: what an image, a member and their lists look like. Clients validate against them."""

import json
from functools import cache
from pathlib import Path

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
    """The document that the last words of the path name."""
    name = request.full_path.rstrip("/").rpartition("/")[2]
    return _documents()[METADEFS[name] if "/metadefs/" in request.full_path else name]


ROUTES = (
    *(Route("GET", f"/v2/schemas/{name}", show, ANYONE) for name in SERVED),
    *(Route("GET", f"/v2/schemas/metadefs/{name}", show, ANYONE) for name in METADEFS),
)
