"""Port 8775: metadata for guests behind somebody else's proxy.

A network that this program builds itself asks in-process. A proxy elsewhere asks here and says for whom,
signed with a secret that both share (`compute.metadata_secret`); without the secret nobody is believed, and
every path but the list of versions is 404.

Source: networking guide, "Metadata proxy": X-Instance-ID, X-Tenant-ID, and X-Instance-ID-Signature, an HMAC
with SHA-256 over the id.
"""

from __future__ import annotations

import hashlib
import hmac

from monostack.compute.metadata import http
from monostack.compute.metadata.passwords import LONGEST
from monostack.kit.errors import Error
from monostack.kit.resource import PUBLIC, Response, Route, Service
from monostack.kit.wire import Wire


class MetadataWire(Wire):
    """No tokens, no versions in headers, plain text."""

    auth_first = False

    def finish(self, request, response: Response) -> None:
        """Nothing is added: guests read bodies only."""

    def error(self, request, error: Error) -> Response:
        return Response(error.code, error.message.encode(), [("Content-Type", http.TEXT)])


async def answer(request, ctx) -> Response:
    words = request.full_path.strip("/")
    names = () if not words else _trusted(request)
    body = await _body(request) if request.method == "POST" else b""
    status, headers, content = await http.respond(
        ctx.cloud, http.by_id, names, request.method, request.full_path, body
    )
    return Response(status, content, list(headers.items()))


def _trusted(request) -> tuple[str, str]:
    """The server and the project that the proxy names; raises Error."""
    secret = request.cloud.settings.compute.metadata_secret
    if not secret:
        raise Error(
            404,
            "NotFound",
            "Metadata is told to proxies only that share a secret with this cloud; none is set.",
        )
    server_id, project_id = request.header("x-instance-id"), request.header("x-tenant-id")
    if not server_id:
        raise Error(400, "BadRequest", "X-Instance-ID header is missing from request.")
    if not project_id:
        raise Error(400, "BadRequest", "X-Tenant-ID header is missing from request.")
    expected = hmac.new(secret.encode(), server_id.encode(), hashlib.sha256).hexdigest()
    given = request.header("x-instance-id-signature") or ""
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise Error(403, "Forbidden", "Invalid proxy request signature.")
    return server_id, project_id


async def _body(request) -> bytes:
    """The body, or as much of it as is enough to know that it is too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST:
            break
    return body


METADATA = Service(
    name="compute-metadata",
    type="compute-metadata",
    title="nova-metadata",
    ports=(8775,),
    wire=MetadataWire(),
    routes=(
        Route("GET", "^/", answer, PUBLIC, raw=True),
        Route("GET", "^/{path...}", answer, PUBLIC, raw=True),
        Route("POST", "^/{path...}", answer, PUBLIC, raw=True, ok=200),
    ),
    mount="metadata",
    description="Metadata for guests",
)
