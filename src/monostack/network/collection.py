"""Collections: list, show, create (one or many), update, delete and tags, the same for every resource of
networking.

A room (networks, ports, ...) says what its resource is made of and what creating, changing and deleting mean;
how a request becomes that is the same everywhere and stands here once. A row that the caller may not see does
not exist for him (404); one that he sees and may not change is refused (403).

The rule of a route that changes something is judged on the row itself, loaded in the same transaction; it
then waits on the request (`request.row`, `request.items`, `request.sent`) for the handler.

Source: networking API reference, "General API overview", "Bulk-create", "Tag extension", "Revision numbers".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa

from monostack.kit.errors import Error
from monostack.kit.resource import ANYONE, Response, Route
from monostack.network import attributes as attribute_words
from monostack.network.attributes import Attribute, bad
from monostack.network.wire import WIRE

LONGEST_TAG = 255
PARENTS = ("network", "security_group", "ext_parent")


def sees_all(caller) -> bool:
    """Whether the caller sees what belongs to other projects."""
    return caller.admin or caller.service


@dataclass(frozen=True, eq=False)
class Collection:
    """A resource of networking.

    name, plural, path   as bodies and URLs spell it
    missing              the error's name and words when an id names nothing ({id})
    among                which rows a caller sees: a Core condition with his project as bindparam "viewer"
    may_see              the same for one row: (db, row, viewer) -> bool
    create               (request, tx, values) -> row; values by the wire's names, defaults filled in
    update               (request, tx, row, values) -> row
    delete               (request, tx, row)
    parents              (db, row or values, viewer) -> what a rule asks of the parents ("network:project_id")
    complete             (db, rows, viewer): puts into rows what is not in their table, for all rows at once
    sieve                (request, db) -> a test of rows for filters that are no columns, or None
    sieves               the query parameters of `sieve`
    stored               JSON columns that a list shows as they are kept and does not look into
    """

    name: str
    plural: str
    path: str
    table: Any
    attributes: tuple[Attribute, ...]
    missing: tuple[str, str]
    among: Any = None
    may_see: Callable = lambda db, row, viewer: row["project_id"] == viewer  # noqa: E731
    create: Any = None
    update: Any = None
    delete: Any = None
    parents: Callable = lambda db, row, viewer: {}  # noqa: E731
    complete: Callable = lambda db, rows, viewer: None  # noqa: E731
    sieve: Callable = lambda request, db: None  # noqa: E731
    sieves: frozenset[str] = frozenset()
    stored: frozenset[str] = frozenset()
    tagged: bool = True
    shown: tuple[Attribute, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shown", tuple(each for each in self.attributes if each.shown))
        if self.among is None:
            object.__setattr__(self, "among", self.table.c.project_id == sa.bindparam("viewer"))

    def not_found(self, id: str) -> Error:  # noqa: A002
        return Error(404, self.missing[0], self.missing[1].format(id=id))

    def find(self, db, caller, id: str):  # noqa: A002
        """The row, if the caller may see it; raises the resource's 404."""
        row = db.one(self.table, id=id, missing=self.not_found(id))
        if not sees_all(caller) and not self.may_see(db, row, caller.project_id):
            raise self.not_found(id)
        return row

    def render(self, request, db, row) -> dict[str, Any]:
        self.complete(db, [row], request.caller.project_id)
        return request.render(self.shown, row)


def save(tx, row, **values: Any) -> None:
    """Change a row and count the change in its revision."""
    tx.set(row, revision_number=row["revision_number"] + 1, **values)


# reading


def index(collection: Collection, request, db) -> dict[str, Any]:
    WIRE.check_filters(request, collection.shown, collection.sieves)
    _only(request)
    page = _page(collection, request, db)
    collection.complete(db, page, request.caller.project_id)
    return request.list(collection.plural, request.render_all(collection.shown, page), page)


def _page(collection: Collection, request, db):
    tests = [test for test in (collection.sieve(request, db), _tag_test(request)) if test is not None]
    caller, where = request.caller, {}
    if not sees_all(caller):
        where = {"among": collection.among, "values": {"viewer": caller.project_id or ""}}
    if not tests:
        return db.page(collection.table, request, stored=collection.stored, **where)
    asked = request.paging
    limit, asked.limit = asked.limit, None
    page = db.page(collection.table, request, **where)
    asked.limit = limit
    page[:] = [row for row in page if all(test(row) for test in tests)]
    if limit is not None:
        page[:] = page[-limit:] if asked.backwards else page[:limit]
    return page


def _tag_test(request) -> Callable[[Mapping[str, Any]], bool] | None:
    asked = {}
    for name in ("tags", "tags-any", "not-tags", "not-tags-any"):
        if name in request.query:
            asked[name] = {tag for text in request.query_all(name) for tag in text.split(",") if tag}
    if not asked:
        return None

    def test(row: Mapping[str, Any]) -> bool:
        tags = set(row["tags"] or ())
        return (
            ("tags" not in asked or asked["tags"] <= tags)
            and ("tags-any" not in asked or bool(asked["tags-any"] & tags))
            and ("not-tags" not in asked or not asked["not-tags"] <= tags)
            and ("not-tags-any" not in asked or not asked["not-tags-any"] & tags)
        )

    return test


def _only(request) -> None:
    names = [name for name in request.query_all("fields") if name]
    if names:
        request.only = frozenset(names)


def list_target(request, db) -> dict[str, Any]:
    """What a list is judged on: things of the caller's own, in his own. Which of them he sees, `seen`
    says."""
    own_ids = dict(request.caller.own)
    for parent in PARENTS:
        own_ids[f"{parent}:project_id"] = own_ids[f"{parent}:tenant_id"] = own_ids["project_id"]
    return own_ids


def show(collection: Collection, request, db) -> dict[str, Any]:
    _only(request)
    return {collection.name: collection.render(request, db, request.row)}


# creating


def owner_of(request, sent: dict[str, Any]) -> str:
    """The project a new thing is for: the caller's, or the one an administrator names."""
    asked = {sent[name] for name in ("project_id", "tenant_id") if sent.get(name) is not None}
    if len(asked) > 1:
        raise bad("'project_id' and 'tenant_id' do not match")
    own_project = request.caller.project_id
    if not asked:
        return own_project or ""
    project_id = asked.pop()
    if project_id != own_project and not request.caller.admin and not request.caller.service:
        raise bad(
            "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires "
            "admin privileges"
        )
    return project_id


def read_items(collection: Collection, request) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(what was sent, with defaults and owner) of every item in a body for creating one or many."""
    body = request.body
    if not isinstance(body, dict) or not body:
        raise bad("Resource body required")
    if collection.plural in body:
        many = body[collection.plural]
        if not isinstance(many, list) or not many:
            raise bad("Resources required")
    elif collection.name in body:
        many = [body[collection.name]]
    else:
        raise bad(f"Unable to find '{collection.name}' in request body")
    out = []
    for each in many:
        if isinstance(each, dict) and list(each) == [collection.name]:
            each = each[collection.name]
        sent = attribute_words.read(collection.attributes, each if each is not None else {}, True)
        values = attribute_words.defaults(collection.attributes, sent)
        values["project_id"] = values["tenant_id"] = owner_of(request, sent)
        out.append((sent, values))
    return out


def creation_target(collection: Collection, request, db) -> dict[str, Any]:
    """What `create_...` is judged on: the first new thing, as it would be."""
    request.items = read_items(collection, request)
    return _target(collection, request, db, request.items[0][1])


def _target(collection: Collection, request, db, row: Mapping[str, Any]) -> dict[str, Any]:
    target = dict(row)
    target["tenant_id"] = target["project_id"]
    target.update(collection.parents(db, row, request.caller.project_id))
    return target


def create(collection: Collection, request, tx) -> dict[str, Any]:
    many = collection.plural in request.body
    for number, (sent, values) in enumerate(request.items):
        names = attribute_words.guards(collection.attributes, sent, True)
        if not names and not number:
            continue
        target = _target(collection, request, tx, values)
        if number:
            request.demand(f"create_{collection.name}", target)
        for name in names:
            request.demand(f"create_{collection.name}:{name}", target)
    rows = [collection.create(request, tx, values) for _, values in request.items]
    request.subject = rows[0]["id"]
    collection.complete(tx, rows, request.caller.project_id)
    shown = request.render_all(collection.shown, rows)
    return {collection.plural: shown} if many else {collection.name: shown[0]}


# changing


def row_target(collection: Collection, request, db) -> dict[str, Any]:
    """What a change is judged on: the row."""
    request.row = collection.find(db, request.caller, request.path["id"])
    return _target(collection, request, db, request.row)


def update_target(collection: Collection, request, db) -> dict[str, Any]:
    """What a change of attributes is judged on; a body that cannot be is told before the row is looked
    for."""
    body = request.body
    if not isinstance(body, dict) or collection.name not in body:
        raise bad(f"Unable to find '{collection.name}' in request body")
    request.sent = attribute_words.read(collection.attributes, body[collection.name], False)
    return row_target(collection, request, db)


def check_revision(collection: Collection, request, row) -> None:
    """If-Match: revision_number=N makes a change conditional."""
    condition = request.header("if-match")
    if condition is None:
        return
    word, _, value = condition.strip().partition("=")
    if word != "revision_number" or not value.isdigit():
        raise bad("If-Match takes revision_number=NUMBER")
    if int(value) != row["revision_number"]:
        raise Error(
            412,
            "RevisionNumberConstraintFailed",
            f"Constrained to {value}, but current revision is {row['revision_number']}",
        )


def update(collection: Collection, request, tx) -> dict[str, Any]:
    row, sent = request.row, request.sent
    check_revision(collection, request, row)
    names = attribute_words.guards(collection.attributes, sent, False)
    if names:
        target = _target(collection, request, tx, dict(row) | sent)
        for name in names:
            request.demand(f"update_{collection.name}:{name}", target)
    row = collection.update(request, tx, row, sent)
    return {collection.name: collection.render(request, tx, row)}


def remove(collection: Collection, request, tx) -> None:
    check_revision(collection, request, request.row)
    collection.delete(request, tx, request.row)


# tags


def show_tags(collection: Collection, request, db) -> dict[str, Any]:
    return {"tags": collection.find(db, request.caller, request.path["id"])["tags"]}


def show_tag(collection: Collection, request, db) -> Response:
    row = collection.find(db, request.caller, request.path["id"])
    _known_tag(row, request.path["tag"])
    return Response(204)


def _known_tag(row, tag: str) -> None:
    if tag not in row["tags"]:
        raise Error(404, "TagNotFound", f"Tag {tag} could not be found.")


def _asked_tags(request) -> list[str]:
    body = request.body
    if not isinstance(body, dict) or not isinstance(body.get("tags"), list):
        raise bad('Invalid tags body: it looks like {"tags": ["a", "b"]}')
    for tag in body["tags"]:
        _check_tag(tag)
    return list(dict.fromkeys(body["tags"]))


def _check_tag(tag: Any) -> None:
    if not isinstance(tag, str) or not tag or len(tag) > LONGEST_TAG:
        raise bad(f"Invalid input for tags. Reason: '{tag}' is not a text of 1 to {LONGEST_TAG} characters.")


def replace_tags(collection: Collection, request, tx) -> dict[str, Any]:
    tags = _asked_tags(request)
    if sorted(tags) != sorted(request.row["tags"]):
        save(tx, request.row, tags=tags)
    return {"tags": tags}


def add_tags(collection: Collection, request, tx) -> dict[str, Any]:
    tags = list(dict.fromkeys([*request.row["tags"], *_asked_tags(request)]))
    save(tx, request.row, tags=tags)
    return {"tags": tags}


def remove_tags(collection: Collection, request, tx) -> None:
    if request.row["tags"]:
        save(tx, request.row, tags=[])


def add_tag(collection: Collection, request, tx) -> Response:
    tag = request.path["tag"]
    _check_tag(tag)
    if tag not in request.row["tags"]:
        save(tx, request.row, tags=[*request.row["tags"], tag])
    return Response(201)


def remove_tag(collection: Collection, request, tx) -> Response:
    tag = request.path["tag"]
    _known_tag(request.row, tag)
    save(tx, request.row, tags=[each for each in request.row["tags"] if each != tag])
    return Response(204)


# doors


def routes(collection: Collection, *, listing: Callable | None = None) -> tuple[Route, ...]:
    """All doors of a collection; `listing` instead of the common list."""
    name, path = collection.name, f"/v2.0/{collection.path}"
    one = path + "/{id}"
    event = f"network.{name}."
    target = partial(row_target, collection)
    out = [
        Route(
            "GET",
            path,
            listing or partial(index, collection),
            f"get_{name}",
            fields=collection.shown,
            target=list_target,
        ),
        Route("GET", one, partial(show, collection), f"get_{name}", target=target),
    ]
    if collection.create is not None:
        out.append(
            Route(
                "POST",
                path,
                partial(create, collection),
                f"create_{name}",
                event=event + "create",
                target=partial(creation_target, collection),
            )
        )
    if collection.update is not None:
        out.append(
            Route(
                "PUT",
                one,
                partial(update, collection),
                f"update_{name}",
                target=partial(update_target, collection),
                event=event + "update",
            )
        )
    if collection.delete is not None:
        out.append(
            Route(
                "DELETE",
                one,
                partial(remove, collection),
                f"delete_{name}",
                target=target,
                event=event + "delete",
            )
        )
    if collection.tagged:
        out += _tag_routes(collection, one + "/tags", target)
    return tuple(out)


def _tag_routes(collection: Collection, path: str, target: Callable) -> list[Route]:
    name, one = collection.name, path + "/{tag}"
    changed = f"network.{name}.update"
    get, put, delete = f"get_{name}:tags", f"update_{name}:tags", f"delete_{name}:tags"
    return [
        Route("GET", path, partial(show_tags, collection), get, target=target),
        Route("PUT", path, partial(replace_tags, collection), put, target=target, event=changed),
        Route(
            "POST",
            path,
            partial(add_tags, collection),
            f"create_{name}:tags",
            target=target,
            event=changed,
            ok=200,
        ),
        Route("DELETE", path, partial(remove_tags, collection), delete, target=target, event=changed),
        Route("GET", one, partial(show_tag, collection), get, target=target),
        Route("PUT", one, partial(add_tag, collection), put, target=target, event=changed),
        Route("DELETE", one, partial(remove_tag, collection), delete, target=target, event=changed),
    ]


__all__ = [
    "ANYONE",
    "Collection",
    "check_revision",
    "index",
    "owner_of",
    "routes",
    "row_target",
    "save",
    "show",
]
