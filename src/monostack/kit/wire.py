"""How a service speaks: negotiation, error shapes, lists. Each service's `wire.py` subclasses `Wire`.

What is here is the plain way (no microversions, offset-free pages by limit and marker); the services override
what their clients are used to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from monostack.kit.errors import Error
from monostack.kit.resource import LAST, Field, Paging, Response, Version

if TYPE_CHECKING:
    from monostack.kit.request import Request

JSON = ("Content-Type", "application/json")
TRUE = frozenset(("1", "t", "true", "on", "y", "yes"))
FALSE = frozenset(("0", "f", "false", "off", "n", "no"))


def boolean(text: str) -> bool:
    """The services' lenient boolean in a query; raises ValueError."""
    lower = text.strip().lower()
    if lower in TRUE:
        return True
    if lower in FALSE:
        return False
    raise ValueError(f"'{text}' is not a boolean: use true or false")


class Wire:
    """The plain dialect."""

    max_limit: int | None = 1000
    default_limit: int | None = None
    body_limit: int = 114688
    auth_first = True
    """Whether a missing token is told (401) before an unknown path (404)."""
    finds_first = False
    """Whether what the path names is looked for (404) before the token's kind is judged (403)."""
    version_type = ""
    """The service type in OpenStack-API-Version."""
    json_types: tuple[str, ...] = ("application/json",)

    # versions

    def negotiate(self, request: Request) -> Version:
        """The microversion of the request; raises Error 400 or 406."""
        return LAST

    def finish(self, request: Request, response: Response) -> None:
        """Add the headers that every answer of the service carries."""
        response.headers.append(("x-openstack-request-id", request.id))

    # errors

    def logged(self, path: str) -> str:
        """A path as it may stand in logs: without a secret that an API has in it."""
        return path

    def error(self, request: Request, error: Error) -> Response:
        """The service's own shape of a refusal."""
        body = {"error": {"code": error.code, "title": error.type, "message": error.message}}
        return Response(error.code, body, list(error.extra.get("headers", ())))

    def beyond_access_rules(self, request: Request) -> bool:
        """Whether a token may be used for this whatever its access rules say."""
        return False

    def unauthorized(self, request: Request) -> Response:
        """No token or one that is not valid (the shape that all services behind the token filter share)."""
        body = {
            "error": {
                "code": 401,
                "title": "Unauthorized",
                "message": "The request you have made requires authentication.",
            }
        }
        return Response(
            401, body, [("WWW-Authenticate", f'Keystone uri="{request.cloud.identity_url(request)}"')]
        )

    def admit(self, request: Request) -> None:
        """Raise Error for a caller that the service serves nothing, although his token is good."""

    def denied(self, request: Request, rule: str) -> Error:
        """Policy said no."""
        return Error(403, "Forbidden", f"Policy doesn't allow {rule} to be performed.")

    def no_route(self, request: Request) -> Response:
        return Response(
            404,
            b"404 Not Found\n\nThe resource could not be found.\n\n   \n",
            [("Content-Type", "text/plain; charset=UTF-8")],
        )

    def no_method(self, request: Request, allowed: list[str]) -> Response:
        return Response(
            405,
            b"405 Method Not Allowed\n\nThe method is not allowed for this resource.\n",
            [("Content-Type", "text/plain; charset=UTF-8"), ("Allow", ", ".join(allowed))],
        )

    def no_version(self, request: Request, routes: list) -> Response:
        """The path is known, but not for this action or this version."""
        return self.no_route(request)

    def invalid(self, request: Request, message: str) -> Error:
        """A schema said no."""
        return Error(400, "BadRequest", message)

    def malformed(self, request: Request) -> Error:
        return Error(400, "BadRequest", "Malformed request body: it is not JSON.")

    # lists

    def paging(self, request: Request, fields: tuple[Field, ...]) -> Paging:
        """limit, marker, sort_key and sort_dir; raises Error 400."""
        keys = request.query_all("sort_key")
        directions = request.query_all("sort_dir")
        order = tuple(
            self._sorted_by(request, fields, key, directions[n] if n < len(directions) else "asc")
            for n, key in enumerate(keys)
        )
        return Paging(order, self.limit(request), request.query.get("marker"))

    def _sorted_by(self, request: Request, fields: tuple[Field, ...], key: str, direction: str) -> str:
        if direction not in ("asc", "desc"):
            raise self.invalid(request, f"Invalid sort direction: {direction}. Use asc or desc.")
        for field in fields:
            if field.sort and key == field.name:
                column = field.sort if isinstance(field.sort, str) else field.column
                return "-" + column if direction == "desc" else column
        known = ", ".join(sorted(field.name for field in fields if field.sort))
        raise self.invalid(request, f"Invalid sort key: {key}. Lists of this resource sort by: {known}.")

    def limit(self, request: Request) -> int | None:
        text = request.query.get("limit")
        if text is None:
            return self.default_limit or self.max_limit
        try:
            value = int(text)
        except ValueError:
            raise self.invalid(request, f"limit is '{text}': it must be an integer.") from None
        if value < 0:
            raise self.invalid(request, f"limit is {value}: it must be 0 or more.")
        if value == 0:
            return self.default_limit or self.max_limit
        return value if self.max_limit is None else min(value, self.max_limit)

    def filters(self, request: Request, fields: tuple[Field, ...]) -> dict[str, Any]:
        """Conditions from the query: column -> value; several values of one parameter mean any of them."""
        out: dict[str, Any] = {}
        for field in fields:
            parameter = field.parameter
            if parameter is None:
                continue
            values = request.query_all(parameter)
            if not values:
                continue
            if field.convert is not None:
                try:
                    values = [field.convert(value) for value in values]
                except ValueError as reason:
                    raise self.invalid(request, f"Invalid value for filter {parameter}: {reason}.") from None
            out[field.column] = values[0] if len(values) == 1 else values
        return out

    def marker_missing(self, request: Request, marker: str) -> Error:
        return self.invalid(request, f"marker [{marker}] not found")

    def links(self, request: Request, key: str, page: Any) -> dict[str, Any]:
        """What a list adds to its items: the link to the next page when this one is full."""
        if not getattr(page, "more", False) or not page:
            return {}
        return {key + "_links": [{"rel": "next", "href": request.next_url(page[-1]["id"], page.limit)}]}

    # bodies

    encoder = msgspec.json.Encoder()

    def encode(self, body: Any) -> bytes:
        return self.encoder.encode(body)


__all__ = ["JSON", "Wire", "boolean"]
