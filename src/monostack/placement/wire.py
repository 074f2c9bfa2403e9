"""Placement's way of speaking: one list of errors with codes, lower-case version header, dates from 1.15 on.

A 404 carries no Vary header and a 406 neither that nor a version; `code` in errors came with 1.23. These are
what real answers look like (placement API reference; microversions 1.0 to 1.39).
"""

from email.utils import formatdate

from monostack.kit import clock
from monostack.kit.errors import Error
from monostack.kit.resource import Response, Version
from monostack.kit.wire import Wire

FIRST: Version = (1, 0)
LATEST: Version = (1, 39)
UNDEFINED = "placement.undefined_code"
CODES_SINCE: Version = (1, 23)

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
BEGINNINGS = {
    400: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    403: "Access was denied to this resource.",
    404: "The resource could not be found.",
    406: "The resource could not be generated that was acceptable to your browser "
    "(content of type application/json. ",
    409: "There was a conflict when trying to complete your request.",
    413: "The body of your request was too large for this server.",
    415: "The request media type is not supported by this server.",
    500: "The server has either erred or is incapable of performing the requested operation.",
    501: "The server does not support the functionality required to fulfill the request.",
    503: "The server is currently unavailable. Please try again at a later time.",
    504: "The gateway has timed out.",
}


def _takes_json(accept: str | None) -> bool:
    """Whether a client takes what placement has: no header takes everything, and so does an empty one."""
    ranges = [part.split(";") for part in (accept or "*/*").split(",")]
    taken = [kind.strip().lower() for kind, *rest in ranges if not _refused(rest)]
    return any(kind in ("*/*", "application/*", "application/json") for kind in taken)


def _refused(parameters: list[str]) -> bool:
    return any(each.strip().rstrip("0") in ("q=", "q=0.") for each in parameters)


def bad_value(message: str) -> Error:
    """A query that makes no sense."""
    return Error(400, "placement.query.bad_value", message)


def concurrent(message: str) -> Error:
    """Somebody else was quicker: read again, then try again."""
    return Error(409, "placement.concurrent_update", message)


class PlacementWire(Wire):
    """Placement's dialect."""

    max_limit = None
    body_limit = 4 << 20
    version_type = "placement"

    def negotiate(self, request) -> Version:
        version = self._version(request)
        if request.method == "GET" and request.full_path != "/" and not _takes_json(request.header("accept")):
            request.version = version
            raise Error(406, UNDEFINED, "Only application/json is provided")
        return version

    def _version(self, request) -> Version:
        asked = self._asked(request)
        if asked is None:
            return FIRST
        if asked == "latest":
            return LATEST
        major, dot, minor = asked.partition(".")
        if not (dot and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()):
            request.version = FIRST
            raise Error(400, UNDEFINED, f"Invalid microversion: invalid version string: {asked}")
        version = (int(major[:9]), int(minor[:9]))
        if not FIRST <= version <= LATEST:
            raise Error(406, UNDEFINED, f"Invalid microversion: Unacceptable version header: {asked}")
        return version

    def _asked(self, request) -> str | None:
        for part in (request.header("openstack-api-version") or "").split(","):
            service, _, version = part.strip().partition(" ")
            if service.lower() == self.version_type:
                return version.strip()
        return None

    def finish(self, request, response: Response) -> None:
        if response.status not in (401, 406):
            major, minor = request.version if request.version != (0, 0) else FIRST
            response.headers.append(("openstack-api-version", f"placement {major}.{minor}"))
            if response.status != 404:
                response.headers.append(("Vary", "openstack-api-version"))
        super().finish(request, response)

    def dated(self, request, moment: str | None = None) -> None:
        """Let the answer say when its content last changed (now, if nothing better is known)."""
        if request.version < (1, 15):
            return
        seconds = clock.seconds(moment) if moment else request.cloud.clock.time()
        request.response_headers = [
            ("Last-Modified", formatdate(seconds, usegmt=True)),
            ("Cache-Control", "no-cache"),
        ]

    # errors

    def error(self, request, error: Error) -> Response:
        title = TITLES.get(error.code, "Error")
        beginning = BEGINNINGS.get(error.code, title)
        end = "" if error.code == 406 else "  "
        one = {"status": error.code, "title": title, "detail": f"{beginning}\n\n {error.message}{end}"}
        if request.version >= CODES_SINCE:
            one["code"] = error.type if error.type.startswith("placement.") else UNDEFINED
        one["request_id"] = request.id
        if error.code == 406 and request.version == (0, 0):
            one |= {"max_version": "1.39", "min_version": "1.0"}
        return Response(error.code, {"errors": [one]}, list(error.extra.get("headers", ())))

    def no_route(self, request) -> Response:
        request.version = self._version(request)
        return self._bare(request, 404, BEGINNINGS[404] + "\n\n   ")

    def no_method(self, request, allowed: list[str]) -> Response:
        request.version = self._version(request)
        words = (
            f"The method {request.method} is not allowed for this resource. \n\n "
            "The method specified is not allowed for this resource."
        )
        return self._bare(request, 405, words, [("Allow", ", ".join(allowed))])

    def no_version(self, request, routes: list) -> Response:
        if any(route.method == request.method and route.since > request.version for route in routes):
            since = min(route.since for route in routes)
            words = f"{BEGINNINGS[404]}\n\n This exists from microversion {since[0]}.{since[1]} on.  "
            return self._bare(request, 404, words)
        return self.no_route(request)

    def _bare(
        self, request, status: int, detail: str, headers: list[tuple[str, str]] | None = None
    ) -> Response:
        one = {"status": status, "title": TITLES[status], "detail": detail}
        if request.version >= CODES_SINCE:
            one["code"] = UNDEFINED
        one["request_id"] = request.id
        return Response(status, {"errors": [one]}, headers)

    def denied(self, request, rule: str) -> Error:
        return Error(403, UNDEFINED, f"Policy does not allow {rule} to be performed.")

    def invalid(self, request, message: str) -> Error:
        return Error(400, UNDEFINED, message)

    def malformed(self, request) -> Error:
        return Error(400, UNDEFINED, "Malformed JSON: the body of this request must be JSON.")


WIRE = PlacementWire()
