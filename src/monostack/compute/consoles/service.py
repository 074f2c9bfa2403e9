"""The two ports of the consoles, as companions of the compute service, and the URLs that lead to them."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from monostack.compute.consoles import pages
from monostack.compute.consoles.proxy import proxy
from monostack.kit.errors import Error
from monostack.kit.resource import PUBLIC, Response, Route, Service
from monostack.kit.wire import Wire


class ConsoleWire(Wire):
    """Pages and plain words; the token in the URL is all there is to check, and the websocket checks it."""

    auth_first = False

    def finish(self, request, response: Response) -> None:
        """A page that shows a console is framed by nobody and told to nobody."""
        response.headers.append(("Referrer-Policy", "no-referrer"))

    def error(self, request, error: Error) -> Response:
        return Response(error.code, error.message.encode(), [("Content-Type", "text/plain; charset=UTF-8")])


WIRE = ConsoleWire()

NOVNC = Service(
    name="compute-novnc",
    type="compute-novnc",
    title="nova-novncproxy",
    ports=(6080,),
    wire=WIRE,
    routes=(
        Route("GET", "^/", pages.novnc, PUBLIC, raw=True),
        Route("GET", "^/{path...}", pages.novnc, PUBLIC, raw=True),
    ),
    mount="novnc",
    websocket=proxy("novnc"),
    description="Screens of servers",
)
SERIAL = Service(
    name="compute-serial",
    type="compute-serial",
    title="nova-serialproxy",
    ports=(6083,),
    wire=WIRE,
    routes=(Route("GET", "^/", pages.serial, PUBLIC, raw=True),),
    mount="serial",
    websocket=proxy("serial"),
    description="Serial lines of servers",
)


def url(request, door: Service, token: str) -> str:
    """Where a console is, on the host by whose name the caller reached the API."""
    cloud = request.cloud
    given = request.header("host") or cloud.settings.listen
    folder = ""
    if cloud.settings.shared_port is not None:
        authority, folder = given, door.mount + "/"
    else:
        name = urlsplit("//" + given).hostname or cloud.settings.listen
        name = f"[{name}]" if ":" in name else name
        authority = f"{name}:{door.ports[0] + cloud.settings.port_offset}"
    if door is NOVNC:
        path = quote(f"{folder}?token={token}", safe="")
        return f"{request.scheme}://{authority}/{folder}{pages.START[0]}?path={path}"
    scheme = "wss" if request.scheme == "https" else "ws"
    return f"{scheme}://{authority}/{folder}?token={token}"
