"""Resource classes: the kinds of things that can be counted. The standard ones are fixed, CUSTOM_... are the
operator's."""

from monostack.kit.errors import Error
from monostack.kit.resource import Response, Route
from monostack.placement import vocabulary
from monostack.placement.tables import INVENTORIES, RESOURCE_CLASSES
from monostack.placement.wire import UNDEFINED, WIRE


def view(request, name: str) -> dict:
    return {"name": name, "links": [{"rel": "self", "href": f"{request.root}/resource_classes/{name}"}]}


def index(request, db):
    custom = [row["name"] for row in db.all(RESOURCE_CLASSES, order=("created_at", "name"))]
    WIRE.dated(request)
    return {"resource_classes": [view(request, name) for name in (*vocabulary.RESOURCE_CLASSES, *custom)]}


def show(request, db):
    name = request.path["name"]
    if not vocabulary.class_exists(db, name):
        raise _missing(name)
    WIRE.dated(request)
    return view(request, name)


def create(request, tx):
    name = request.body["name"]
    taken = Error(409, UNDEFINED, f"Conflicting resource class already exists: {name}")
    tx.insert(RESOURCE_CLASSES, name=name, taken=taken)
    request.subject = name
    request.response_headers = [("Location", f"{request.base}/resource_classes/{name}")]


def ensure(request, tx):
    """Make sure that a class exists (from 1.7 on): 201 if it is new, 204 if it was there."""
    name = request.path["name"]
    if not vocabulary.is_custom(name):
        raise Error(
            400,
            UNDEFINED,
            f"Invalid resource class name {name}: write CUSTOM_ followed by capital letters, "
            "digits and underscores, 255 characters at most.",
        )
    was_there = tx.one(RESOURCE_CLASSES, name=name) is not None
    if not was_there:
        tx.insert(RESOURCE_CLASSES, name=name)
    request.response_headers = [("Location", f"{request.base}/resource_classes/{name}")]
    return Response(204 if was_there else 201)


def rename(request, tx):
    """Give an operator's class another name (before 1.7)."""
    old, new = request.path["name"], request.body["name"]
    row = _own(tx, old, "update")
    if tx.count(INVENTORIES, resource_class=old):
        raise Error(409, UNDEFINED, f"The resource class {old} is in use by inventories: it keeps its name.")
    if old != new:
        tx.delete(row)
        tx.insert(
            RESOURCE_CLASSES, name=new, taken=Error(409, UNDEFINED, f"Resource class already exists: {new}")
        )
    WIRE.dated(request)
    return view(request, new)


def delete(request, tx):
    name = request.path["name"]
    row = _own(tx, name, "delete")
    if tx.count(INVENTORIES, resource_class=name):
        raise Error(
            409,
            UNDEFINED,
            f"Error in delete resource class: The resource class {name} is in use by inventories.",
        )
    tx.delete(row)


def _own(tx, name: str, verb: str) -> dict:
    if name in vocabulary.RESOURCE_CLASSES:
        raise Error(
            400, UNDEFINED, f"Cannot {verb} standard resource class {name}: only CUSTOM_... classes change."
        )
    return tx.one(RESOURCE_CLASSES, name=name, missing=_missing(name))


def _missing(name: str) -> Error:
    return Error(404, UNDEFINED, f"No such resource class {name}.")


RULE = "placement:resource_classes:"

ROUTES = (
    Route("GET", "/resource_classes", index, RULE + "list", since=(1, 2)),
    Route("GET", "/resource_classes/{name}", show, RULE + "show", since=(1, 2)),
    Route(
        "POST",
        "/resource_classes",
        create,
        RULE + "create",
        since=(1, 2),
        body="resource_classes.create",
        event="placement.resource_class.create",
    ),
    Route(
        "PUT",
        "/resource_classes/{name}",
        ensure,
        RULE + "update",
        since=(1, 7),
        event="placement.resource_class.create",
    ),
    Route(
        "PUT",
        "/resource_classes/{name}",
        rename,
        RULE + "update",
        since=(1, 2),
        until=(1, 6),
        body="resource_classes.update",
        event="placement.resource_class.update",
    ),
    Route(
        "DELETE",
        "/resource_classes/{name}",
        delete,
        RULE + "delete",
        since=(1, 2),
        event="placement.resource_class.delete",
    ),
)
