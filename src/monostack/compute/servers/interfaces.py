"""The interfaces of a server: the ports it has, one more, one less.

An interface is a port in the server's list of nics; the host is told of the new list and plugs or unplugs.
The answer does not wait for that: the port's state tells when it is there. A port that was made for the
server is deleted with its interface, one that the user brought is let go.

Source: compute API reference, "Port interfaces".
"""

from typing import Any

from monostack.compute import instance_actions
from monostack.compute.servers import bodies, ports, rows, verbs
from monostack.compute.servers.verbs import Verb
from monostack.kit.errors import Error
from monostack.kit.resource import Field, Response, Route

RULE = "os_compute_api:os-attach-interfaces:"
STATES = ("active", "paused", "stopped")
ATTACH = Verb("attach_interface", STATES, "", "")
DETACH = Verb("detach_interface", STATES, "", "")

SHOWN = (
    Field("net_id", "network_id"),
    Field("port_id", "id"),
    Field("mac_addr", "mac_address"),
    Field("port_state", "status"),
    Field("fixed_ips", lambda port: [_plain(each) for each in port["fixed_ips"]]),
    Field("tag", since=(2, 70)),
)


def _plain(fixed_ip: dict[str, Any]) -> dict[str, str]:
    return {"subnet_id": fixed_ip["subnet_id"], "ip_address": fixed_ip["ip_address"]}


def index(request, db) -> dict:
    return {"interfaceAttachments": request.render_all(SHOWN, _attached(db, rows.find(db, request)))}


def show(request, db) -> dict:
    return {
        "interfaceAttachment": request.render(
            SHOWN, _one(db, rows.find(db, request), request.path["port_id"])
        )
    }


def attach(request, tx) -> dict:
    """One more interface: on a port that exists, on a network, or on the only network there is."""
    row = rows.find(tx, request)
    verbs.demand(ATTACH, row, request.caller)
    asked = (request.body or {}).get("interfaceAttachment") or {}
    spec = rows.spec_of(tx, row)
    wanted = _wanted(request, tx, asked)
    try:
        nic = ports.connect_one(tx, row, spec, wanted, row["host"], row["zone"])
    except ports.NoAddress as reason:
        raise Error(
            400, "InterfaceAttachFailed", f"Failed to attach network adapter device to {row['id']}: {reason}"
        ) from None
    shown, nics, _ = ports.look(tx, row, [*spec["nics"], nic])
    tx.set(spec, nics=nics)
    rows.tell_host(tx, row, **shown)
    instance_actions.done(tx, row, "attach_interface", request, "compute_attach_interface")
    return {"interfaceAttachment": request.render(SHOWN, _one(tx, row, nic["port_id"]))}


def detach(request, tx) -> Response:
    row, port_id = rows.find(tx, request), request.path["port_id"]
    verbs.demand(DETACH, row, request.caller)
    _one(tx, row, port_id)
    spec = rows.spec_of(tx, row)
    left = [nic for nic in spec["nics"] if nic["port_id"] != port_id]
    gone = [nic for nic in spec["nics"] if nic["port_id"] == port_id]
    tx.set(spec, nics=left)
    ports.give_back(tx, row, gone)
    shown, nics, _ = ports.look(tx, row, left)
    tx.set(spec, nics=nics)
    rows.tell_host(tx, row, **shown)
    instance_actions.done(tx, row, "detach_interface", request, "compute_detach_interface")
    return Response(202)


def _wanted(request, tx, asked: dict[str, Any]) -> dict[str, Any]:
    """The asked interface as `networks` of a new server would say it; 404 where creating a server would say
    400."""
    birth = bodies.Birth(flavor=None)
    try:
        if asked.get("port_id"):
            if asked.get("net_id"):
                raise Error(400, "BadRequest", "Must not input both network_id and port_id")
            return bodies.on_port(request, tx, asked["port_id"], asked, birth)
        if asked.get("net_id"):
            fixed = (asked.get("fixed_ips") or [{}])[0].get("ip_address")
            offered = bodies.networks_offered(request, tx)
            each = {"fixed_ip": fixed, "tag": asked.get("tag")}
            return bodies.on_network(request, tx, asked["net_id"], each, offered, birth)
    except Error as refusal:
        if refusal.type in ("PortNotFound", "NetworkNotFound"):
            raise Error(404, refusal.type, refusal.message) from None
        raise
    if asked.get("fixed_ips"):
        raise Error(400, "BadRequest", "Must input network_id when request IP address")
    return bodies.automatic(request, tx, True)[0] | {"tag": asked.get("tag")}


def _attached(db, row) -> list[dict[str, Any]]:
    """The server's ports in device order, each with the tag of its nic."""
    from monostack import network

    nics = rows.spec_of(db, row)["nics"] or []
    found = {port["id"]: port for port in network.ports_of(db, [row["id"]]).get(row["id"], ())}
    return [found[nic["port_id"]] | {"tag": nic["tag"]} for nic in nics if nic["port_id"] in found]


def _one(db, row, port_id: str) -> dict[str, Any]:
    for port in _attached(db, row):
        if port["id"] == port_id:
            return port
    raise Error(404, "PortNotFound", f"Instance {row['id']} does not have a port with id {port_id}")


ROUTES = (
    Route(
        "GET",
        "/servers/{id}/os-interface",
        index,
        RULE + "list",
        query="attach_interfaces.index",
        target=rows.target,
    ),
    Route(
        "POST",
        "/servers/{id}/os-interface",
        attach,
        RULE + "create",
        ok=200,
        body="attach_interfaces.create",
        target=rows.target,
        event="compute.instance.interface_attach",
    ),
    Route(
        "GET",
        "/servers/{id}/os-interface/{port_id}",
        show,
        RULE + "show",
        query="attach_interfaces.show",
        target=rows.target,
    ),
    Route(
        "DELETE",
        "/servers/{id}/os-interface/{port_id}",
        detach,
        RULE + "delete",
        ok=202,
        target=rows.target,
        event="compute.instance.interface_detach",
    ),
)
