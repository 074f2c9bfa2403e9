"""How identity speaks: its errors, its links, its filters.

Every list carries the links next, self and previous, nulls included; every resource its own. A filter may
compare with `name__contains` and its kin; those are judged on the rows read, because databases disagree on
case.

Source: identity API reference, v3; real answers of a current identity service.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from monostack.kit import wire
from monostack.kit.db import Db, Page, Row
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Paging, Response

NO_METHOD = {"message": "The method is not allowed for the requested URL."}
NOT_FOUND = (
    b"<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    b"<p>The requested URL was not found on the server. If you entered the URL manually please check your "
    b"spelling and try again.</p>\n"
)
MALFORMED = (
    "{} The server could not comply with the request since it is either malformed or otherwise "
    "incorrect. The client is assumed to be in error."
)
OLD_TOKENS = "/v2.0/tokens/"
UNAUTHORIZED = "The request you have made requires authentication."


class IdentityWire(wire.Wire):
    auth_first = False
    finds_first = True

    def finish(self, request: Request, response: Response) -> None:
        response.headers += [("Vary", "X-Auth-Token"), ("x-openstack-request-id", request.id)]

    def logged(self, path: str) -> str:
        """The second version has tokens in its paths."""
        before, found, token = path.partition(OLD_TOKENS)
        return f"{before}{found}***" if token else path

    def error(self, request: Request, error: Error) -> Response:
        headers = list(error.extra.get("headers", ()))
        code, message = error.code, error.message
        if code == 401:
            headers.append(("WWW-Authenticate", f'Keystone uri="{request.base}/v3"'))
        if code == 415:
            code = 400
            message = MALFORMED.format("Expecting to find application/json in Content-Type header.")
        further = error.extra.get("body", {})
        body = {"error": {"code": code, "message": message, "title": _title(code)} | further}
        return Response(code, body, headers)

    def beyond_access_rules(self, request: Request) -> bool:
        """To look at a token is always possible."""
        return request.method == "GET" and request.full_path == "/v3/auth/tokens"

    def unauthorized(self, request: Request) -> Response:
        return self.error(request, Error(401, "Unauthorized", UNAUTHORIZED))

    def admit(self, request: Request) -> None:
        """A token that was made of a signature on a request to another service is good for that one only."""
        if "ec2credential" in request.caller.token.get("methods", ()):
            raise Error(403, "Forbidden", "You are not authorized to perform the requested action.")

    def denied(self, request: Request, rule: str) -> Error:
        return Error(403, "Forbidden", f"You are not authorized to perform the requested action: {rule}.")

    def no_route(self, request: Request) -> Response:
        return Response(404, NOT_FOUND, [("Content-Type", "text/html; charset=utf-8")])

    def no_method(self, request: Request, allowed: list[str]) -> Response:
        methods = [*allowed, *(["HEAD"] if "GET" in allowed and "HEAD" not in allowed else []), "OPTIONS"]
        return Response(
            405,
            NO_METHOD,
            [("Allow", ", ".join(methods))],
        )

    def malformed(self, request: Request) -> Error:
        message = MALFORMED.format("Expecting to find valid JSON in request body.")
        return Error(400, "ValidationError", message)

    def paging(self, request: Request, fields: tuple[Field, ...]) -> Paging:
        """limit and marker; lists are in the order of ids, whatever sort keys are sent."""
        return Paging((), self.limit(request), request.query.get("marker"))

    def limit(self, request: Request) -> int | None:
        """At most so many; less than nothing means no limit of one's own."""
        text = request.query.get("limit")
        if text is None:
            return self.max_limit
        try:
            asked = int(text)
        except ValueError:
            raise self.invalid(request, f"limit is '{text}': it must be an integer.") from None
        if asked < 0:
            return self.max_limit
        return asked if self.max_limit is None else min(asked, self.max_limit)

    def marker_missing(self, request: Request, marker: str) -> Error:
        return Error(404, "NotFound", f"Marker {marker} could not be found.")

    def links(self, request: Request, key: str, page: Any) -> dict[str, Any]:
        following = None
        more = bool(getattr(page, "more", False) and page)
        if more:
            pairs = [pair for pair in request.pairs if pair[0] != "marker"]
            if "limit" not in request.query:
                pairs.append(("limit", str(page.limit)))
            following = f"{_here(request)}?{urlencode([*pairs, ('marker', page[-1]['id'])])}"
        query = f"?{request.query_string}" if request.query_string else ""
        links = {"next": following, "self": _here(request) + query, "previous": None}
        return {"links": links, "truncated": True} if getattr(page, "more", False) else {"links": links}


def only_post(request: Request, db: Db) -> Response:
    """A path that clients may know of, and that takes POST alone."""
    return Response(405, NO_METHOD, [("Allow", "POST")])


def _here(request: Request) -> str:
    return request.base + request.full_path


def _title(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Error"


def self_link(collection: str) -> Callable[[dict, Request], dict]:
    """The source of a `links` field: where the resource itself stands."""

    def links(row: dict, request: Request) -> dict:
        return {"self": f"{request.base}/v3/{collection}/{row['id']}"}

    return links


def boolean_filter(text: str) -> bool:
    """`?enabled=`: everything but the words for no means yes, as clients are used to."""
    return text.strip().lower() not in ("0", "false", "f", "no", "n", "off")


COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda value, asked: asked in value,
    "icontains": lambda value, asked: asked.lower() in value.lower(),
    "startswith": lambda value, asked: value.startswith(asked),
    "istartswith": lambda value, asked: value.lower().startswith(asked.lower()),
    "endswith": lambda value, asked: value.endswith(asked),
    "iendswith": lambda value, asked: value.lower().endswith(asked.lower()),
}


def page(db: Db, table, request: Request, keep: Callable[[Row], bool] | None = None, **where) -> Page:
    """One page of a list: in SQL where the filters allow, else over all rows that the SQL filters leave.

    `keep` is a further condition on a row.
    """
    conditions = _comparisons(request)
    if not conditions and keep is None:
        return db.page(table, request, **where)
    for column, value in request.filters().items():
        if where.setdefault(column, value) != value:
            return _cut([], request)
    rows = [
        row
        for row in db.all(table, order="id", **where)
        if (keep is None or keep(row)) and all(fits(row) for fits in conditions)
    ]
    return _cut(rows, request)


def cut(rows: list, request: Request) -> Page:
    """Of rows that were chosen already, one page of those that the query asks for."""
    conditions = _comparisons(request)
    wanted = request.filters().items()
    return _cut(
        [
            row
            for row in rows
            if all(fits(row) for fits in conditions) and all(row[column] == value for column, value in wanted)
        ],
        request,
    )


def _cut(rows: list, request: Request) -> Page:
    asked = request.paging
    if asked.marker is not None:
        place = next((n for n, row in enumerate(rows) if row["id"] == asked.marker), None)
        if place is None:
            raise request.service.wire.marker_missing(request, asked.marker)
        rows = rows[place + 1 :]
    out = Page(rows if asked.limit is None else rows[: asked.limit])
    out.limit, out.more = asked.limit, len(out) < len(rows)
    return out


def _comparisons(request: Request) -> list[Callable[[dict], bool]]:
    columns = {field.parameter: field.column for field in request.route.fields if field.parameter}
    out = []
    for name, asked in request.pairs:
        parameter, _, operator = name.partition("__")
        if operator in COMPARISONS and parameter in columns:
            out.append(_comparison(columns[parameter], COMPARISONS[operator], asked))
    return out


def _comparison(column: str, compare: Callable[[str, str], bool], asked: str) -> Callable[[dict], bool]:
    return lambda row: isinstance(row[column], str) and compare(row[column], asked)
