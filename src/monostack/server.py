"""The HTTP server: one uvicorn over as many listening sockets as the services have ports."""

from __future__ import annotations

import logging
import socket

import uvicorn

from monostack.cloud import Cloud
from monostack.sendfile import sendfile

log = logging.getLogger(__name__)


class PortTaken(Exception):
    """A port is in use; the words say which and what to do."""


def listen(cloud: Cloud) -> list[socket.socket]:
    """The sockets of all services, bound; raises PortTaken."""
    settings = cloud.settings
    if settings.shared_port is not None:
        ports = [settings.shared_port]
    else:
        ports = cloud.customary_ports
    sockets: list[socket.socket] = []
    for port in ports:
        family = socket.AF_INET6 if ":" in settings.listen else socket.AF_INET
        each = socket.socket(family)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            each.bind((settings.listen, port))
        except (OSError, OverflowError) as reason:
            each.close()
            words = f"port {port} on {settings.listen} cannot be used ({getattr(reason, 'strerror', reason)})"
            if port in cloud.further_ports:
                log.warning("%s; the service answers on its first port only", words)
                continue
            for other in sockets:
                other.close()
            raise PortTaken(
                f"{words}. Another cloud or service has it: stop that, or give --port-offset."
            ) from None
        each.listen(2048)
        each.setblocking(False)
        sockets.append(each)
    if settings.shared_port == 0:
        settings.shared_port = sockets[0].getsockname()[1]
    return sockets


class Server(uvicorn.Server):
    """uvicorn without its own signal handling: `monostack.cli.foreground` decides what a signal means."""

    def capture_signals(self):
        from contextlib import nullcontext

        return nullcontext()


def make_server(cloud: Cloud) -> Server:
    """The server of a cloud that is prepared."""
    cloud.app.sendfile = sendfile
    config = uvicorn.Config(
        cloud.app,
        loop="none",
        http="httptools",
        ws="websockets-sansio",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=75,
        backlog=2048,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=None,
    )
    return Server(config)
