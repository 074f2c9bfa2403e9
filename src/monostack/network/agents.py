"""Agents: the hosts, as networking's operators are used to seeing them.

One process per host does all the work here; it is shown as the three agents that clients know how to list
(switching, DHCP, routing), each as alive as its host. Who may not see agents sees an empty list. They are
views of the hosts, with ids derived from the host's name; only what an operator wrote to one is stored.

Source: networking API reference, "Agents", "DHCP agent scheduler", "L3 agent scheduler".
"""

from __future__ import annotations

import uuid
from typing import Any

from monostack.kit import agents as hosts
from monostack.kit import clock
from monostack.kit.db import Boolean, Column, String, Table, Text, Time
from monostack.kit.errors import Error
from monostack.kit.resource import ANYONE, Response, Route
from monostack.kit.wire import boolean
from monostack.network import checks
from monostack.network.attributes import Attribute, bad, read
from monostack.network.attributes import boolean as boolean_attribute
from monostack.network.hosting import PARTS
from monostack.network.networks import COLLECTION as NETWORK
from monostack.network.routers import rows as router_rows
from monostack.network.tables import NETWORKS, ROUTERS
from monostack.network.wire import WIRE

SWITCH, DHCP, L3 = "Open vSwitch agent", "DHCP agent", "L3 agent"
KINDS = {
    SWITCH: ("neutron-openvswitch-agent", "N/A", None),
    DHCP: ("neutron-dhcp-agent", "dhcp_agent", "nova"),
    L3: ("neutron-l3-agent", "l3_agent", "nova"),
}
CHANGEABLE = (
    boolean_attribute("admin_state_up", put=True),
    Attribute("description", put=True, check=checks.or_none(checks.description)),
)
NAMES = uuid.UUID("6f0c2f3e-5d0e-4b0a-9d55-0d1c7a0b2f11")


NOTES = Table(
    "network_agent_notes",
    Column("id", String(64), primary_key=True, nullable=False),
    Column("description", Text),
    Column("admin_state_up", Boolean),
    Column("deleted_at", Time),
)
"""What operators wrote to an agent. A deleted one is shown again once its host is heard of."""


def agent_id(host: str, kind: str) -> str:
    return str(uuid.uuid5(NAMES, f"{host}/{kind}"))


def _view(db, host, kind: str) -> dict[str, Any] | None:
    binary, topic, zone = KINDS[kind]
    note = db.one(NOTES, lock=False, id=agent_id(host["name"], kind)) or {}
    if note.get("deleted_at") and (host["seen_at"] or "") <= note["deleted_at"]:
        return None
    return {
        "id": agent_id(host["name"], kind),
        "agent_type": kind,
        "binary": binary,
        "topic": topic,
        "host": host["name"],
        "admin_state_up": note.get("admin_state_up", True),
        "created_at": clock.spaced(host["created_at"]),
        "started_at": clock.spaced(host["started_at"]),
        "heartbeat_timestamp": clock.spaced(host["seen_at"]),
        "description": note.get("description"),
        "resources_synced": None,
        "availability_zone": zone,
        "alive": hosts.alive(db, host),
        "configurations": {"driver": (host["networking"] or {}).get("driver")},
    }


def everyone(db) -> list[dict[str, Any]]:
    found = [_view(db, host, kind) for host in hosts.hosts(db) for kind in KINDS]
    return [agent for agent in found if agent is not None]


def of_hosts(db, names: set[str], kind: str) -> list[dict[str, Any]]:
    """The agents of one kind on these hosts."""
    found = [_view(db, host, kind) for host in hosts.hosts(db) if host["name"] in names]
    return [agent for agent in found if agent is not None]


def _find(request, db) -> dict[str, Any]:
    asked = request.path["id"]
    for agent in everyone(db) if request.allowed("get_agent") else ():
        if agent["id"] == asked:
            return agent
    raise Error(404, "AgentNotFound", f"Agent {asked} could not be found")


def index(request, db) -> dict[str, Any]:
    found = everyone(db) if request.allowed("get_agent") else []
    for name in ("id", "host", "agent_type", "binary", "topic", "availability_zone"):
        wanted = request.query_all(name)
        if wanted:
            found = [agent for agent in found if agent[name] in wanted]
    if "alive" in request.query:
        try:
            alive = boolean(request.query["alive"])
        except ValueError as reason:
            raise WIRE.invalid(request, str(reason)) from None
        found = [agent for agent in found if agent["alive"] is alive]
    only = set(request.query_all("fields"))
    if only:
        found = [{name: value for name, value in agent.items() if name in only} for agent in found]
    return {"agents": found}


def show(request, db) -> dict[str, Any]:
    return {"agent": _find(request, db)}


def update(request, tx) -> dict[str, Any]:
    """Write something to an agent. Switching one off takes nothing from its host and keeps new routers
    away."""
    agent = _find(request, tx)
    body = request.body
    if not isinstance(body, dict) or not isinstance(body.get("agent"), dict):
        raise bad("Unable to find 'agent' in request body")
    sent = read(CHANGEABLE, body["agent"], False)
    values = {name: sent.get(name, agent[name]) for name in ("description", "admin_state_up")}
    _note(tx, agent["id"], **values)
    return {"agent": agent | values}


def delete(request, tx) -> None:
    """Forget an agent; one whose host lives is back with its next sign of life."""
    _note(tx, _find(request, tx)["id"], deleted_at=tx.now, description=None, admin_state_up=True)


def _note(tx, id: str, **values: Any) -> None:  # noqa: A002
    row = tx.one(NOTES, id=id)
    if row is None:
        tx.insert(NOTES, id=id, **values)
    else:
        tx.set(row, **values)


def _carried(db, agent: dict[str, Any], kind: str) -> list[str]:
    return [row["part_id"] for row in db.all(PARTS, host=agent["host"], kind=kind, desired="present")]


def dhcp_networks(request, db) -> dict[str, Any]:
    """The networks whose guests this host's DHCP serves."""
    agent = _find(request, db)
    ids = _carried(db, agent, "network") if agent["agent_type"] == DHCP else []
    rows = db.all(NETWORKS, order="id", id=ids) if ids else []
    NETWORK.complete(db, rows, request.caller.project_id)
    return {"networks": request.render_all(NETWORK.shown, rows)}


def l3_routers(request, db) -> dict[str, Any]:
    """The routers that this host carries."""
    from monostack.network.routers.api import COLLECTION as ROUTER

    agent = _find(request, db)
    rows = db.all(ROUTERS, order="id", host=agent["host"]) if agent["agent_type"] == L3 else []
    return {"routers": request.render_all(ROUTER.shown, rows)}


def _routers_agent(request, db) -> dict[str, Any]:
    agent = _find(request, db)
    if agent["agent_type"] != L3:
        raise Error(409, "InvalidL3Agent", f"Agent {agent['id']} is not a L3 Agent or has been disabled")
    return agent


def nothing() -> Response:
    """What clients parse where there is nothing to say."""
    return Response(201, b"null", [("Content-Type", "application/json")])


def add_router(request, tx) -> Response:
    """Let this host carry a router that no other carries."""
    agent = _routers_agent(request, tx)
    body = request.body
    router_id = body.get("router_id") if isinstance(body, dict) else None
    router = tx.one(
        ROUTERS,
        id=str(router_id),
        missing=Error(404, "RouterNotFound", f"Router {router_id} could not be found"),
    )
    if not agent["admin_state_up"] or not agent["alive"]:
        raise Error(409, "InvalidL3Agent", f"Agent {agent['id']} is not a L3 Agent or has been disabled")
    if router["host"] == agent["host"]:
        return nothing()
    if router["host"] is not None:
        raise Error(
            409,
            "RouterHostedByL3Agent",
            f"The router {router['id']} has been already hosted by the L3 Agent "
            f"{agent_id(router['host'], L3)}.",
        )
    tx.set(router, host=agent["host"])
    router_rows.settle(tx, router)
    return nothing()


def remove_router(request, tx) -> None:
    """Take a router from this host; a host that is not heard of takes it down when it is back."""
    agent = _routers_agent(request, tx)
    router = tx.one(ROUTERS, id=request.path["router_id"])
    if router is None or router["host"] != agent["host"]:
        raise Error(
            404,
            "RouterNotHostedByL3Agent",
            f"The router {request.path['router_id']} is not hosted by L3 agent {agent['id']}.",
        )
    router_rows.leave(tx, router)


def serving(request, db) -> dict[str, Any]:
    """Which hosts' DHCP serves a network."""
    network = NETWORK.find(db, request.caller, request.path["id"])
    carriers = {
        row["host"] for row in db.all(PARTS, part_id=network["id"], kind="network", desired="present")
    }
    return {"agents": of_hosts(db, carriers, DHCP)}


def zones(request, db) -> dict[str, Any]:
    """One zone, for networks and for routers, available while a host lives."""
    known = hosts.hosts(db)
    if not known:
        return {"availability_zones": []}
    state = "available" if any(hosts.alive(db, host) for host in known) else "unavailable"
    return {
        "availability_zones": [
            {"name": "nova", "resource": resource, "state": state} for resource in ("network", "router")
        ]
    }


ROUTES = (
    Route("GET", "/v2.0/agents", index, ANYONE),
    Route("GET", "/v2.0/agents/{id}", show, ANYONE),
    Route("PUT", "/v2.0/agents/{id}", update, "update_agent", event="network.agent.update"),
    Route("DELETE", "/v2.0/agents/{id}", delete, "delete_agent", event="network.agent.delete"),
    Route("GET", "/v2.0/agents/{id}/dhcp-networks", dhcp_networks, "get_dhcp-networks"),
    Route("GET", "/v2.0/agents/{id}/l3-routers", l3_routers, "get_l3-routers"),
    Route(
        "POST",
        "/v2.0/agents/{id}/l3-routers",
        add_router,
        "create_l3-router",
        event="network.router.schedule",
    ),
    Route(
        "DELETE",
        "/v2.0/agents/{id}/l3-routers/{router_id}",
        remove_router,
        "delete_l3-router",
        event="network.router.unschedule",
    ),
    Route("GET", "/v2.0/networks/{id}/dhcp-agents", serving, "get_dhcp-agents"),
    Route("GET", "/v2.0/availability_zones", zones, "get_availability_zone"),
)
