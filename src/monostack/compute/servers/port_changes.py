"""What networking says of the ports of servers: they changed, came up, or are gone.

Hooks of the network service, in its transaction: whoever changes a port there sees the server right at once.
"""

from monostack.compute.servers import ports, rows, settling


def _server_of(tx, port):
    if not (port["device_owner"] or "").startswith("compute:") or not port["device_id"]:
        return None
    row = tx.one(rows.SERVERS, id=port["device_id"])
    return row if row is not None and row["host"] is not None and row["desired"] == "present" else None


def on_changed(tx, port) -> None:
    """A port's addresses, floating addresses or groups changed: show it, without counting it as the
    server's change."""
    row = _server_of(tx, port)
    if row is None:
        return
    nics = rows.spec_of(tx, row)["nics"]
    if any(nic["port_id"] == port["id"] for nic in nics):
        ports.refresh(tx, row)


def on_deleted(tx, port) -> None:
    """Somebody deleted a port of a server: the interface goes."""
    row = _server_of(tx, port)
    if row is None:
        return
    spec = rows.spec_of(tx, row)
    left = [nic for nic in spec["nics"] if nic["port_id"] != port["id"]]
    if len(left) == len(spec["nics"]):
        return
    values, nics, _ = ports.look(tx, row, left)
    tx.set(spec, nics=nics)
    rows.tell_host(tx, row, **values)


def on_up(tx, port) -> None:
    """A port came up: a server that waited for it may be ready."""
    row = _server_of(tx, port)
    if row is None or row["task_state"] != "spawning":
        return
    settling.ports_came_up(tx, row)
