"""How a user asks for a console, and what a proxy elsewhere may ask about a token.

Source: compute API reference, "Server consoles"; before 2.6 one action for each kind.
"""

from __future__ import annotations

from typing import Any

from monostack.compute.consoles import tokens
from monostack.compute.consoles.service import NOVNC, SERIAL, url
from monostack.compute.servers import rows
from monostack.kit.errors import Error
from monostack.kit.resource import Route

RULE = "os_compute_api:os-remote-consoles"
TOKEN_RULE = "os_compute_api:os-console-auth-tokens"
PROTOCOLS = {"novnc": "vnc", "serial": "serial"}
DOORS = {"novnc": NOVNC, "serial": SERIAL}
TOKENS_OF_EVERY_KIND = (2, 31)


def create(request, tx) -> dict[str, Any]:
    asked = request.body["remote_console"]
    protocol, kind = asked["protocol"], asked["type"]
    if kind in PROTOCOLS and PROTOCOLS[kind] != protocol:
        raise Error(
            400,
            "ConsoleTypeInvalid",
            f"Invalid console type {kind} for the protocol {protocol}: it goes with {PROTOCOLS[kind]}.",
        )
    return {"remote_console": {"protocol": protocol, "type": kind, "url": _open(request, tx, kind)}}


def get_vnc_console(request, tx) -> dict[str, Any]:
    return _console(request, tx, request.body["os-getVNCConsole"]["type"])


def get_serial_console(request, tx) -> dict[str, Any]:
    return _console(request, tx, request.body["os-getSerialConsole"]["type"])


def get_spice_console(request, tx) -> dict[str, Any]:
    return _console(request, tx, request.body["os-getSPICEConsole"]["type"])


def show_token(request, db) -> dict[str, Any]:
    """Where a token leads. The port is the proxy's own: on a host a console is a socket, and no port leads
    there."""
    token = request.path["token"]
    found = tokens.server_of(db, token)
    if found is None:
        raise Error(404, "NotFound", "Token not found")
    server, kind = found
    if request.version < TOKENS_OF_EVERY_KIND:
        raise Error(401, "Unauthorized", "The requested console type details are not accessible")
    port = DOORS[kind].ports[0] + request.cloud.settings.port_offset
    shown = {
        "instance_uuid": server["id"],
        "host": server["host"],
        "port": port,
        "internal_access_path": None,
    }
    if request.version >= (2, 99):
        shown["tls_port"] = None
    return {"console": shown}


def _console(request, tx, kind: str) -> dict[str, Any]:
    return {"console": {"type": kind, "url": _open(request, tx, kind)}}


def _open(request, tx, kind: str) -> str:
    server = rows.find(tx, request)
    if kind not in DOORS:
        known = ", ".join(DOORS)
        raise Error(
            400, "ConsoleTypeUnavailable", f"Unavailable console type {kind}. This cloud has: {known}."
        )
    if server["host"] is None:
        raise Error(409, "InstanceNotReady", "Instance not yet ready")
    return url(request, DOORS[kind], tokens.make(tx, server, kind))


def _action(handler, name: str, body: str) -> Route:
    return Route(
        "POST",
        "/servers/{id}/action",
        handler,
        RULE,
        ok=200,
        action=name,
        until=(2, 5),
        body=f"remote_consoles.{body}",
        target=rows.target,
    )


ROUTES = (
    Route(
        "POST",
        "/servers/{id}/remote-consoles",
        create,
        RULE,
        ok=200,
        since=(2, 6),
        body="remote_consoles.create",
        target=rows.target,
    ),
    _action(get_vnc_console, "os-getVNCConsole", "get_vnc_console"),
    _action(get_serial_console, "os-getSerialConsole", "get_serial_console"),
    _action(get_spice_console, "os-getSPICEConsole", "get_spice_console"),
    Route("GET", "/os-console-auth-tokens/{token}", show_token, TOKEN_RULE, query="console_auth_tokens.show"),
)
