"""Project tags: short texts that projects are found by.

Source: identity API reference, "Project tags".
"""

from __future__ import annotations

from urllib.parse import quote

from monostack.identity.attributes import bad, missing, mutable
from monostack.identity.projects.projects import find, target
from monostack.kit.db import Db, Row, Tx
from monostack.kit.request import Request
from monostack.kit.resource import Response, Route

MOST = 80
LONGEST = 255


def index(request: Request, db: Db) -> dict:
    return _answer(request, find(db, request.path["project_id"])["tags"])


def replace(request: Request, tx: Tx) -> dict:
    row = _changeable(request, tx)
    asked = request.body.get("tags") if isinstance(request.body, dict) else None
    if not isinstance(asked, list):
        raise bad("'tags' is a required property: a list of texts.")
    tx.set(row, tags=_checked(asked))
    return _answer(request, row["tags"])


def clear(request: Request, tx: Tx) -> None:
    row = _changeable(request, tx)
    tx.set(row, tags=[])


def check(request: Request, db: Db) -> Response:
    _existing(request, db)
    return Response(204)


def add(request: Request, tx: Tx) -> Response:
    row = _changeable(request, tx)
    tx.set(row, tags=_checked([*(row["tags"] or ()), request.path["tag"]]))
    return Response(201, b"", [("Location", request.base + quote(request.full_path))])


def remove(request: Request, tx: Tx) -> None:
    _existing(request, tx)
    row = _changeable(request, tx)
    tx.set(row, tags=[tag for tag in row["tags"] if tag != request.path["tag"]])


def _changeable(request: Request, tx: Tx) -> Row:
    row = find(tx, request.path["project_id"])
    mutable("project", row, {})
    request.subject = row["id"]
    return row


def _existing(request: Request, db: Db) -> Row:
    row = find(db, request.path["project_id"])
    if request.path["tag"] not in (row["tags"] or ()):
        raise missing("project tag", request.path["tag"])
    return row


def _checked(tags: list[str]) -> list[str]:
    if len(tags) > MOST:
        raise bad(f"A project has at most {MOST} tags; these are {len(tags)}.")
    if len(set(tags)) < len(tags):
        raise bad(f"{tags} has non-unique elements")
    for tag in tags:
        if not 1 <= len(tag) <= LONGEST or "," in tag or "/" in tag:
            raise bad(f"{tag!r} is not a tag: 1 to {LONGEST} characters without comma and slash.")
    return tags


def _answer(request: Request, tags: list[str] | None) -> dict:
    return {"links": {"self": f"{request.base}/v3"}, "tags": tags or []}


ROUTES = (
    Route("GET", "/projects/{project_id}/tags", index, "identity:list_project_tags", target=target),
    Route(
        "PUT",
        "/projects/{project_id}/tags",
        replace,
        "identity:update_project_tags",
        target=target,
        body="projects_tags.put",
        event="identity.project.updated",
    ),
    Route(
        "DELETE",
        "/projects/{project_id}/tags",
        clear,
        "identity:delete_project_tags",
        target=target,
        event="identity.project.updated",
    ),
    Route("GET", "/projects/{project_id}/tags/{tag}", check, "identity:get_project_tag", target=target),
    Route(
        "PUT",
        "/projects/{project_id}/tags/{tag}",
        add,
        "identity:create_project_tag",
        target=target,
        event="identity.project.updated",
    ),
    Route(
        "DELETE",
        "/projects/{project_id}/tags/{tag}",
        remove,
        "identity:delete_project_tag",
        target=target,
        event="identity.project.updated",
    ),
)
