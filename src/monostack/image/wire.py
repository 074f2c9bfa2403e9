"""The image service's way of speaking: no microversions, and errors in the form the caller accepts.

An error is HTML for `*/*`, JSON for a caller who asks for JSON, plain text otherwise: what clients have
parsed for years. An Accept that is there but empty counts as `*/*`: the SDK sends it with an upload, and
reads words out of HTML but not out of plain text.

Lists carry `first`, `next` and `schema` beside the items, as paths without a host.

Source: image API reference v2 and real answers.
"""

import html
from urllib.parse import urlencode

from monostack.kit.errors import Error
from monostack.kit.resource import Field, Paging, Response
from monostack.kit.wire import Wire

PATCH_TYPES = ("application/openstack-images-v2.0-json-patch", "application/openstack-images-v2.1-json-patch")
SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
DEFAULT_LIMIT = 25
MAX_LIMIT = 1000
LARGEST = 2**31 - 1

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
UNAUTHORIZED = (
    "This server could not verify that you are authorized to access the document you requested. Either you "
    "supplied the wrong credentials (e.g., bad password), or your browser does not understand how to supply "
    "the credentials required."
)


def forbidden(message: str) -> Error:
    return Error(403, "Forbidden", message)


def bad(message: str) -> Error:
    return Error(400, "BadRequest", message)


def conflict(message: str) -> Error:
    return Error(409, "Conflict", message)


def unavailable(message: str) -> Error:
    return Error(503, "ServiceUnavailable", message)


def too_large(message: str) -> Error:
    return Error(413, "RequestEntityTooLarge", message)


class ImageWire(Wire):
    """The image service's dialect."""

    finds_first = True
    max_limit = MAX_LIMIT
    default_limit = DEFAULT_LIMIT
    body_limit = 4 << 20
    json_types = ("application/json", "application/octet-stream", *PATCH_TYPES)

    # errors

    def error(self, request, error: Error) -> Response:
        headers = list(error.extra.get("headers", ()))
        if error.code == 415:
            if request.method == "PATCH":
                headers.append(("Accept-Patch", ", ".join(PATCH_TYPES)))
            kind = request.headers.get("content-type", "").partition(";")[0]
            told = f"The request media type {kind} is not supported by this server.\n"
            return self._told(request, 415, told, error.message, "", headers)
        return self._told(request, error.code, error.message, "", "\n\n", headers)

    def unauthorized(self, request) -> Response:
        uri = request.cloud.identity_url(request)
        headers = [("WWW-Authenticate", f'Keystone uri="{uri}"')]
        return self._told(request, 401, UNAUTHORIZED, "", "\n\n", headers)

    def no_route(self, request) -> Response:
        return self._told(request, 404, "The resource could not be found.", "", "\n\n", [])

    def no_method(self, request, allowed: list[str]) -> Response:
        if request.full_path.endswith("/"):
            return self.no_route(request)
        told = f"The method {request.method} is not allowed for this resource. "
        return self._told(request, 405, told, "", "", [("Allow", ", ".join(allowed))])

    def _told(self, request, code: int, told: str, detail: str, end: str, headers: list) -> Response:
        title = TITLES.get(code, "Error")
        accept = request.headers.get("accept")
        if accept and "application/json" in accept:
            body = {
                "message": f"{told}<br /><br />\n{detail}{end}",
                "code": f"{code} {title}",
                "title": title,
            }
            return Response(code, body, headers)
        if accept is not None and (not accept or "html" in accept or "*/*" in accept):
            words = f"{html.escape(told)}<br /><br />\n{html.escape(detail)}{end}"
            page = (
                f"<html>\n <head>\n  <title>{code} {title}</title>\n </head>\n <body>\n  "
                f"<h1>{code} {title}</h1>\n  {words}\n </body>\n</html>"
            )
            return Response(code, page.encode(), [("Content-Type", "text/html; charset=UTF-8"), *headers])
        text = f"{code} {title}\n\n{told}\n\n{detail}   "
        return Response(code, text.encode(), [("Content-Type", "text/plain; charset=UTF-8"), *headers])

    def denied(self, request, rule: str) -> Error:
        return forbidden(f"You are not authorized to complete {rule} action.")

    def invalid(self, request, message: str) -> Error:
        return bad(f"Provided object does not match schema 'image': {message}")

    def malformed(self, request) -> Error:
        return bad("Malformed JSON in request body.")

    def marker_missing(self, request, marker: str) -> Error:
        return bad(f"Invalid marker: no image found with ID {marker[:255]}.")

    # lists

    def limit(self, request) -> int:
        text = request.query.get("limit")
        if text is None:
            return DEFAULT_LIMIT
        try:
            value = int(text[:20])
        except ValueError:
            raise bad("limit param must be an integer") from None
        if value < 0:
            raise bad("limit param must be positive")
        return min(value, MAX_LIMIT)

    def paging(self, request, fields: tuple[Field, ...]) -> Paging:
        order = self._order(request, tuple(field.name for field in fields if field.sort) or SORT_KEYS)
        names = [name.lstrip("-") for name in order]
        last = "-" if not order or order[-1].startswith("-") else ""
        if "created_at" not in names:
            order.append(last + "created_at")
        return Paging(tuple(order), self.limit(request), request.query.get("marker"))

    def _order(self, request, known: tuple[str, ...]) -> list[str]:
        """`sort=name:asc,size` or any number of sort_key with one sort_dir or one for each; newest first."""
        keys, directions = request.query_all("sort_key"), request.query_all("sort_dir")
        if "sort" in request.query:
            if keys or directions:
                raise bad("Old and new sorting syntax cannot be combined")
            parts = [part.strip().partition(":") for part in request.query["sort"].split(",")]
            keys = [key.strip() for key, *_ in parts]
            directions = [direction.strip() or "desc" for *_, direction in parts]
        elif directions and len(directions) not in (1, len(keys) or 1):
            raise bad("Number of sort dirs does not match the number of sort keys")
        keys = keys or ["created_at"]
        if not directions or len(directions) < len(keys):
            directions = (directions or ["desc"]) * len(keys)
        if len(keys) > len(known):
            raise bad("Only one sort key of each kind can be given.")
        order: list[str] = []
        for key, direction in zip(keys, directions, strict=True):
            if key not in known:
                raise bad(
                    f"Invalid sort key: {key[:255]}. It must be one of the following: {', '.join(known)}."
                )
            if direction not in ("asc", "desc"):
                raise bad(f"Invalid sort direction: {direction[:255]}. It must be asc or desc.")
            if key not in [name.lstrip("-") for name in order]:
                order.append(("-" if direction == "desc" else "") + key)
        return order

    def filters(self, request, fields: tuple[Field, ...]) -> dict:
        """The lists' filters are many and of their own kind: `listing` reads them."""
        return {}

    def collection(self, request, key: str, items: list, path: str, schema: str, last: str | None) -> dict:
        """A list with its links; `last` is the marker of the next page, if there may be one."""
        pairs = [(name, value) for name, value in request.pairs if name != "marker"]
        out = {key: items, "first": path + ("?" + urlencode(pairs) if pairs else ""), "schema": schema}
        if last is not None:
            out["next"] = f"{path}?{urlencode([('marker', last), *pairs])}"
        return out


WIRE = ImageWire()
