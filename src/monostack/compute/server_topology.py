"""A server's NUMA topology: none, because no host here pins processors or memory to its own nodes.

The answer for such a server is what the reference service gives for one without a topology: no nodes, no
page size.

Source: compute API reference, "Show server topology", from 2.78 on.
"""

from __future__ import annotations

from typing import Any

from monostack.compute.servers import rows
from monostack.kit.resource import Route


def index(request, db) -> dict[str, Any]:
    rows.find(db, request)
    return {"nodes": [], "pagesize_kb": None}


ROUTES = (
    Route(
        "GET",
        "/servers/{id}/topology",
        index,
        "compute:server:topology:index",
        since=(2, 78),
        query="server_topology.index",
        target=rows.target,
    ),
)
