"""How networking speaks: no microversions, one error shape, links that page both ways.

Lists take any shown attribute as a filter, several values meaning any of them; a filter or a sort key that
does not exist is refused, not ignored.

Source: networking API reference, "Filtering and Column Selection", "Sorting", "Pagination".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Paging, Response
from monostack.kit.wire import Wire, boolean

CONTROLS = frozenset(
    (
        "fields",
        "limit",
        "marker",
        "page_reverse",
        "sort_key",
        "sort_dir",
        "tags",
        "tags-any",
        "not-tags",
        "not-tags-any",
    )
)
"""Query parameters that are no filters."""


class NetworkWire(Wire):
    max_limit = None
    default_limit = None

    # errors

    def error(self, request: Request, error: Error) -> Response:
        body = {"NeutronError": {"type": error.type, "message": error.message, "detail": ""}}
        return Response(error.code, body, list(error.extra.get("headers", ())))

    def denied(self, request: Request, rule: str) -> Error:
        return Error(403, "PolicyNotAuthorized", f"rule:{rule} is disallowed by policy")

    def no_route(self, request: Request) -> Response:
        return self.error(request, Error(404, "HTTPNotFound", "The resource could not be found."))

    def no_method(self, request: Request, allowed: list[str]) -> Response:
        words = f"{request.method} is not allowed here; allowed: {', '.join(allowed)}."
        return self.error(
            request, Error(405, "HTTPMethodNotAllowed", words, headers=[("Allow", ", ".join(allowed))])
        )

    def invalid(self, request: Request, message: str) -> Error:
        return Error(400, "HTTPBadRequest", message)

    def malformed(self, request: Request) -> Error:
        return Error(400, "HTTPBadRequest", "The request body is not JSON.")

    # lists

    def paging(self, request: Request, fields: tuple[Field, ...]) -> Paging:
        keys, directions = request.query_all("sort_key"), request.query_all("sort_dir")
        if len(keys) != len(directions) and directions:
            raise self.invalid(request, "The number of sort_keys and sort_dirs must be same")
        order = tuple(
            self._sorted_by(request, fields, key, directions[n] if directions else "asc")
            for n, key in enumerate(keys)
        )
        return Paging(order, self.limit(request), request.query.get("marker"), self.reversed(request))

    def _sorted_by(self, request: Request, fields: tuple[Field, ...], key: str, direction: str) -> str:
        if direction not in ("asc", "desc"):
            raise self.invalid(request, f"The value of sort_dir is '{direction}': it must be asc or desc")
        for field in fields:
            if field.sort and field.name == key:
                column = field.sort if isinstance(field.sort, str) else field.column
                return "-" + column if direction == "desc" else column
        raise self.invalid(request, f"['{key}'] is invalid attribute for sorting")

    def reversed(self, request: Request) -> bool:
        try:
            return boolean(request.query.get("page_reverse", "false"))
        except ValueError:
            return False

    def limit(self, request: Request) -> int | None:
        text = request.query.get("limit")
        if text is None or text == "":
            return None
        try:
            value = int(text)
        except ValueError:
            value = -1
        if value < 0:
            raise self.invalid(request, f"Limit must be an integer 0 or greater and not '{text}'")
        return value or None

    def filters(self, request: Request, fields: tuple[Field, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for field in fields:
            parameter = field.parameter
            if parameter is None or callable(field.source):
                continue
            values: list[Any] = request.query_all(parameter)
            if not values:
                continue
            if field.convert is not None:
                try:
                    values = [field.convert(value) for value in values]
                except ValueError as reason:
                    raise Error(400, "InvalidInput", f"Invalid input for operation: {reason}") from None
            both = out.get(field.column)
            if both is not None:
                values = [value for value in values if value in (both if isinstance(both, list) else [both])]
            out[field.column] = values[0] if len(values) == 1 else values
        return out

    def check_filters(
        self, request: Request, fields: tuple[Field, ...], more: frozenset[str] = frozenset()
    ) -> None:
        """Refuse query parameters that name nothing."""
        known = {field.parameter for field in fields}
        unknown = [
            name
            for name, _ in request.pairs
            if name not in known and name not in CONTROLS and name not in more
        ]
        if unknown:
            raise self.invalid(request, f"{sorted(set(unknown))} is invalid attribute for filtering")

    def marker_missing(self, request: Request, marker: str) -> Error:
        collection = request.full_path.rpartition("/")[2].replace("-", "_")
        return Error(404, "HTTPNotFound", f"The marker {marker} names nothing in {collection}.")

    def links(self, request: Request, key: str, page: Any) -> dict[str, Any]:
        limit = request.paging.limit
        if limit is None:
            return {}
        links = []
        full, backwards = len(page) >= limit, request.paging.backwards
        if full or backwards:
            links.append(
                {"rel": "next", "href": self._link(request, page[-1]["id"] if page else None, False)}
            )
        if full or not backwards:
            links.append(
                {"rel": "previous", "href": self._link(request, page[0]["id"] if page else None, True)}
            )
        return {key + "_links": links}

    def _link(self, request: Request, marker: str | None, backwards: bool) -> str:
        """This list from the marker on; without one from its end."""
        pairs = [(name, value) for name, value in request.pairs if name not in ("marker", "page_reverse")]
        if marker is not None:
            pairs.append(("marker", marker))
        if backwards:
            pairs.append(("page_reverse", "True"))
        return f"{request.base}{request.full_path.removeprefix(request.root)}?{urlencode(pairs)}"


WIRE = NetworkWire()
