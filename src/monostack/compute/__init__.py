"""Compute: servers, their flavors, and the hosts that carry them.

A server is a row that says what shall be; its host makes it true and reports what is. Above it stands
nothing yet; below it are identity, placement, image and network, which it asks through their faces.

This is what other services may ask; they import it inside the function that needs it.
"""

from typing import Any


def server(db, server_id: str) -> Any:
    """The row of a living server, or None."""
    from monostack.compute.servers import rows

    return db.one(rows.SERVERS, id=server_id, lock=False)
