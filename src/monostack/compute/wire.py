"""How the compute service speaks: two version headers, faults named by their status, lists with a link on.

Every answer of a negotiated request repeats its microversion twice, because clients of different ages look
for different headers; `Vary` stands once for each. An error is an object whose only key is chosen by the
status. A list carries a link to the next page whenever this page is as long as it may be, even if nothing
follows: clients page until an empty answer.

Requests below /v2 are those of clients from before microversions: they get the first version and no version
headers.

Source: compute API guide, "Microversions" and "Faults"; recorded answers of the reference service.
"""

from __future__ import annotations

import re
from typing import Any

from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Response, Version
from monostack.kit.wire import Wire

FIRST_VERSION: Version = (2, 1)
LAST_VERSION: Version = (2, 104)
LEGACY_VERSION: Version = (2, 0)
NOT_NEGOTIATED: Version = (0, 0)
PATTERN = re.compile(r"^([1-9]\d{0,3})\.(0|[1-9]\d{0,3})$")

FAULTS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
ERROR_TYPE = ("Content-Type", "application/json; charset=UTF-8")
NOT_FOUND = "The resource could not be found."


def spell(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


class ComputeWire(Wire):
    """The dialect of the compute service."""

    version_type = "compute"
    max_limit = 1000

    # versions

    def negotiate(self, request: Request) -> Version:
        path = request.full_path
        if path == "/":
            return NOT_NEGOTIATED
        if path == "/v2" or path.startswith("/v2/"):
            return LEGACY_VERSION
        asked = self._asked(request)
        if asked is None:
            return FIRST_VERSION
        if asked.lower() == "latest":
            return LAST_VERSION
        found = PATTERN.match(asked)
        if found is None:
            raise Error(
                400,
                "BadRequest",
                f"API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum.",
            )
        version = (int(found[1]), int(found[2]))
        if not FIRST_VERSION <= version <= LAST_VERSION:
            request.version = version
            raise Error(
                406,
                "NotAcceptable",
                f"Version {asked} is not supported by the API. Minimum is {spell(FIRST_VERSION)} and "
                f"maximum is {spell(LAST_VERSION)}.",
            )
        return version

    def _asked(self, request: Request) -> str | None:
        """The version a client names: the general header before the older one."""
        for part in request.headers.get("openstack-api-version", "").split(","):
            service, _, version = part.strip().partition(" ")
            if service.lower() == self.version_type and version.strip():
                return version.strip()
        return request.headers.get("x-openstack-nova-api-version") or None

    def finish(self, request: Request, response: Response) -> None:
        headers = response.headers
        names = {name.lower() for name, _ in headers}
        if (
            response.body is None
            and response.stream is None
            and response.file is None
            and "content-type" not in names
        ):
            headers.append(("Content-Type", "application/json"))
        if request.full_path == "/":
            return
        if request.version >= FIRST_VERSION:
            version = spell(request.version)
            headers.append(("OpenStack-API-Version", f"compute {version}"))
            headers.append(("X-OpenStack-Nova-API-Version", version))
            headers.append(("Vary", "OpenStack-API-Version"))
            headers.append(("Vary", "X-OpenStack-Nova-API-Version"))
        headers.append(("x-openstack-request-id", request.id))
        headers.append(("x-compute-request-id", request.id))

    # errors

    def error(self, request: Request, error: Error) -> Response:
        fault = FAULTS.get(error.code, "computeFault")
        body = {fault: {"code": error.code, "message": error.message}}
        return Response(error.code, body, [ERROR_TYPE, *error.extra.get("headers", ())])

    def no_route(self, request: Request) -> Response:
        accepted = request.headers.get("accept", "")
        if "html" in accepted or "*/*" in accepted:
            page = (
                "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>"
                f"\n  {NOT_FOUND}<br /><br />\n\n\n\n </body>\n</html>"
            )
            return Response(404, page.encode(), [("Content-Type", "text/html; charset=UTF-8")])
        return super().no_route(request)

    def no_method(self, request: Request, allowed: list[str]) -> Response:
        if request.full_path.endswith("/"):
            return self.no_route(request)  # a member without a name, and not the collection
        error = Error(
            405,
            "BadMethod",
            "The method is not allowed for this resource. Allowed: " + ", ".join(allowed) + ".",
            headers=[("Allow", ", ".join(allowed))],
        )
        return self.error(request, error)

    def no_version(self, request: Request, routes: list) -> Response:
        """An action nobody knows, or something that this microversion does not have."""
        actions = {route.action for route in routes if route.action is not None}
        if actions:
            body = request.body
            if not isinstance(body, dict) or not body:
                return self.error(request, self.malformed(request))
            name = next(iter(body))
            if name not in actions:
                return self.error(request, Error(400, "BadRequest", f"There is no such action: {name}"))
        return self.error(request, Error(404, "NotFound", NOT_FOUND))

    def malformed(self, request: Request) -> Error:
        return Error(400, "MalformedRequestBody", "Malformed request body")

    # lists

    def limit(self, request: Request) -> int | None:
        if request.query.get("limit") == "0":
            return 0
        return super().limit(request)

    def links(self, request: Request, key: str, page: Any) -> dict[str, Any]:
        if not page or len(page) != page.limit:
            return {}
        limit = int(request.query.get("limit") or page.limit)
        return {key + "_links": [{"rel": "next", "href": request.next_url(page[-1]["id"], limit)}]}


WIRE = ComputeWire()
