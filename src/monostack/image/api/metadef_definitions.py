"""What namespaces of metadata definitions hold: objects, properties, tags, and the resource types they are
for."""

from monostack.image import definitions
from monostack.image.api.metadefs import association
from monostack.image.definitions import OBJECT, PROPERTY, RESOURCE_TYPE, TAG, find, target
from monostack.image.tables import DEFINITIONS
from monostack.image.wire import bad
from monostack.kit import clock
from monostack.kit.resource import Route

MOST = 1000


def _stamps(row: dict) -> dict:
    return {"created_at": clock.z(row["created_at"]), "updated_at": clock.z(row["updated_at"])}


def _value(body: dict) -> dict:
    return {
        key: value
        for key, value in body.items()
        if key not in ("name", "created_at", "updated_at", "self", "schema")
    }


def _name(text: object) -> str:
    if not isinstance(text, str) or not 0 < len(text) <= 80:
        raise bad("A name has 1 to 80 characters.")
    return text


# objects


def _object(row: dict) -> dict:
    path = f"/v2/metadefs/namespaces/{row['namespace']}/objects/{row['name']}"
    links = {"self": path, "schema": "/v2/schemas/metadefs/object"}
    return {"name": row["name"], "required": [], "properties": {}} | row["value"] | _stamps(row) | links


def objects(request, db):
    namespace = find(request, db)["namespace"]
    found = [_object(row) for row in definitions.of(db, namespace, OBJECT)]
    path = f"/v2/metadefs/namespaces/{namespace}/objects"
    return {"objects": found, "first": path, "schema": "/v2/schemas/metadefs/objects"}


def show_object(request, db):
    return _object(definitions.one(db, find(request, db)["namespace"], OBJECT, request.path["name"]))


def create_object(request, tx):
    namespace, body = find(request, tx)["namespace"], request.body
    return _object(definitions.add(tx, namespace, OBJECT, _name(body["name"]), _value(body)))


def update_object(request, tx):
    row = definitions.one(tx, find(request, tx)["namespace"], OBJECT, request.path["name"])
    body = request.body
    return _object(definitions.change(tx, row, _name(body.get("name", row["name"])), _value(body)))


# properties


def properties(request, db):
    rows = definitions.of(db, find(request, db)["namespace"], PROPERTY)
    return {"properties": {row["name"]: row["value"] for row in rows}}


def show_property(request, db):
    row = definitions.one(db, find(request, db)["namespace"], PROPERTY, request.path["name"])
    return {"name": row["name"]} | row["value"]


def create_property(request, tx):
    namespace, body = find(request, tx)["namespace"], request.body
    row = definitions.add(tx, namespace, PROPERTY, _name(body["name"]), _value(body))
    return {"name": row["name"]} | row["value"]


def update_property(request, tx):
    row = definitions.one(tx, find(request, tx)["namespace"], PROPERTY, request.path["name"])
    body = request.body
    row = definitions.change(tx, row, _name(body.get("name", row["name"])), _value(body))
    return {"name": row["name"]} | row["value"]


# tags


def _tag(row: dict) -> dict:
    return {"name": row["name"]} | _stamps(row)


def tags(request, db):
    namespace = find(request, db)["namespace"]
    found = [{"name": row["name"]} for row in definitions.of(db, namespace, TAG)]
    path = f"/v2/metadefs/namespaces/{namespace}/tags"
    return {"tags": found, "first": path, "schema": "/v2/schemas/metadefs/tags"}


def create_tags(request, tx):
    """All tags at once: instead of those that are there, or, with X-Openstack-Append, beside them."""
    namespace, asked = find(request, tx)["namespace"], request.body.get("tags") or []
    if len(asked) > MOST:
        raise bad(f"At most {MOST} tags at a time.")
    if not all(isinstance(each, dict) and "name" in each for each in asked):
        raise bad('Each of the tags is an object with a "name".')
    if (request.header("x-openstack-append") or "").lower() != "true":
        tx.delete_all(DEFINITIONS, namespace=namespace, kind=TAG)
    for name in dict.fromkeys(_name(each["name"]) for each in asked):
        definitions.add(tx, namespace, TAG, name, None)
    return {"tags": [{"name": each["name"]} for each in asked]}


def show_tag(request, db):
    return _tag(definitions.one(db, find(request, db)["namespace"], TAG, request.path["name"]))


def create_tag(request, tx):
    return _tag(definitions.add(tx, find(request, tx)["namespace"], TAG, _name(request.path["name"]), None))


def update_tag(request, tx):
    row = definitions.one(tx, find(request, tx)["namespace"], TAG, request.path["name"])
    return _tag(definitions.change(tx, row, _name(request.body["name"]), None))


# resource types


def associations(request, db):
    rows = definitions.of(db, find(request, db)["namespace"], RESOURCE_TYPE)
    return {"resource_type_associations": [association(row) for row in rows]}


def associate(request, tx):
    namespace, body = find(request, tx)["namespace"], request.body
    return association(definitions.add(tx, namespace, RESOURCE_TYPE, _name(body["name"]), _value(body)))


# ending


def _delete(kind: str):
    def delete(request, tx):
        namespace = find(request, tx)
        row = definitions.one(tx, namespace["namespace"], kind, request.path["name"])
        definitions.unprotected(namespace, f"{definitions.WORDS[kind]} {row['name']}")
        tx.delete(row)

    return delete


def _delete_all(kind: str):
    def delete_all(request, tx):
        namespace = find(request, tx)
        definitions.unprotected(namespace, f"namespace {namespace['namespace']}")
        tx.delete_all(DEFINITIONS, namespace=namespace["namespace"], kind=kind)

    return delete_all


NAMESPACE = "/v2/metadefs/namespaces/{namespace}"
EVENT = "image.metadef_namespace.update"


def _route(method: str, path: str, handler, rule: str, body: str | None = None, ok: int = 0) -> Route:
    event = None if method == "GET" else EVENT
    return Route(method, NAMESPACE + path, handler, rule, body=body, target=target, event=event, ok=ok)


ROUTES = (
    _route("GET", "/objects", objects, "get_metadef_objects"),
    _route("POST", "/objects", create_object, "add_metadef_object", "metadef_objects.create"),
    _route("DELETE", "/objects", _delete_all(OBJECT), "delete_metadef_object"),
    _route("GET", "/objects/{name}", show_object, "get_metadef_object"),
    _route("PUT", "/objects/{name}", update_object, "modify_metadef_object", "metadef_objects.update"),
    _route("DELETE", "/objects/{name}", _delete(OBJECT), "delete_metadef_object"),
    _route("GET", "/properties", properties, "get_metadef_properties"),
    _route("POST", "/properties", create_property, "add_metadef_property", "metadef_properties.create"),
    _route("DELETE", "/properties", _delete_all(PROPERTY), "remove_metadef_property"),
    _route("GET", "/properties/{name}", show_property, "get_metadef_property"),
    _route(
        "PUT", "/properties/{name}", update_property, "modify_metadef_property", "metadef_properties.update"
    ),
    _route("DELETE", "/properties/{name}", _delete(PROPERTY), "remove_metadef_property"),
    _route("GET", "/tags", tags, "get_metadef_tags"),
    _route("POST", "/tags", create_tags, "add_metadef_tags", "metadef_tags.create_all"),
    _route("DELETE", "/tags", _delete_all(TAG), "delete_metadef_tags"),
    _route("GET", "/tags/{name}", show_tag, "get_metadef_tag"),
    _route("POST", "/tags/{name}", create_tag, "add_metadef_tag", ok=201),
    _route("PUT", "/tags/{name}", update_tag, "modify_metadef_tag", "metadef_tags.update"),
    _route("DELETE", "/tags/{name}", _delete(TAG), "delete_metadef_tag"),
    _route("GET", "/resource_types", associations, "get_metadef_resource_type"),
    _route(
        "POST",
        "/resource_types",
        associate,
        "add_metadef_resource_type_association",
        "metadef_resource_types.create",
    ),
    _route(
        "DELETE", "/resource_types/{name}", _delete(RESOURCE_TYPE), "remove_metadef_resource_type_association"
    ),
)
