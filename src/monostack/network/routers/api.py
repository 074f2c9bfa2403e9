"""Routers: what joins networks, and leads out of them.

Source: networking API reference, "Routers"; static routes from the "extraroute" and "extraroute-atomic"
extensions.
"""

from __future__ import annotations

import ipaddress
from functools import partial
from typing import Any

from monostack.kit import quota
from monostack.kit.errors import Error
from monostack.kit.resource import Route
from monostack.network import checks, limits
from monostack.network.attributes import DESCRIPTION, ID, NAME, OWNER, STANDARD, Attribute, bad, boolean
from monostack.network.checks import parsed_network
from monostack.network.collection import Collection, routes, row_target, save
from monostack.network.routers import gateways, interfaces, rows
from monostack.network.tables import ROUTERS, SUBNETS


def not_yet(name: str) -> checks.Check:
    """An attribute that may be sent, but only with what every router here is."""

    def check(value: Any) -> bool:
        if value is not None and checks.boolean(value):
            raise ValueError(f"routers here are carried by one host each: {name} can only be false")
        return False

    return check


ATTRIBUTES = (
    ID,
    *OWNER,
    NAME,
    DESCRIPTION,
    boolean("admin_state_up", post=True, put=True, default=True, sort=True),
    Attribute("status", filter=True, sort=True),
    Attribute(
        "external_gateway_info",
        gateways.view,
        post=True,
        put=True,
        guarded=True,
        default=None,
        parts=("network_id", "enable_snat", "external_fixed_ips"),
        check=gateways.check,
    ),
    Attribute("routes", put=True, check=checks.host_routes),
    Attribute("availability_zone_hints", post=True, default=(), check=checks.hints),
    Attribute("availability_zones", lambda row: ["nova"] if row["host"] else []),
    Attribute(
        "distributed",
        lambda row: False,
        post=True,
        put=True,
        guarded=True,
        check=not_yet("distributed"),
        rule="get_router:distributed",
    ),
    Attribute(
        "ha", lambda row: False, post=True, put=True, guarded=True, check=not_yet("ha"), rule="get_router:ha"
    ),
    Attribute("flavor_id", sort=True),
    *STANDARD,
)


def create(request, tx, values: dict):
    limits.take(tx, values["project_id"], router=1)
    row = store(tx, values)
    if values["external_gateway_info"]:
        gateways.change(request, tx, row, values["external_gateway_info"])
        rows.settle(tx, row)
    return row


def store(tx, values: dict):
    """Add a router without any port; `values` by the wire's names."""
    return tx.insert(
        ROUTERS,
        project_id=values["project_id"],
        name=values["name"],
        description=values["description"],
        admin_state_up=values["admin_state_up"],
        status="ACTIVE",
        enable_snat=True,
        revision_number=1,
        availability_zone_hints=list(values["availability_zone_hints"]),
    )


def update(request, tx, row, sent: dict):
    if "external_gateway_info" in sent:
        gateways.change(request, tx, row, sent["external_gateway_info"])
    changes = {name: sent[name] for name in ("name", "description", "admin_state_up") if name in sent}
    if "routes" in sent:
        _check_routes(tx, row, sent["routes"])
        changes["routes"] = sent["routes"]
    save(tx, row, **changes)
    rows.settle(tx, row)
    return row


def delete(request, tx, row) -> None:
    held = rows.interfaces(tx, row["id"])
    if held:
        raise Error(
            409,
            "RouterInUse",
            f"Router {row['id']} has ports still attached: {', '.join(port['id'] for port in held)}",
        )
    gateways.change(request, tx, row, None)
    rows.settle(tx, row)
    tx.delete(row)


# static routes


def _check_routes(tx, router, wanted: list[dict]) -> None:
    most = quota.limits(tx, limits.SERVICE, router["project_id"], limits.DEFAULTS)["router_route"]
    if 0 <= most < len(wanted):
        raise Error(
            400,
            "RoutesExhausted",
            f"Unable to complete operation for {router['id']}. The number of routes "
            f"exceeds the maximum {most}.",
        )
    if not wanted:
        return
    held = rows.ports(tx, router["id"])
    own = {each["ip_address"] for port in held for each in port["fixed_ips"]}
    subnets = tx.all(SUBNETS, id=list({each["subnet_id"] for port in held for each in port["fixed_ips"]}))
    for route in wanted:
        nexthop = ipaddress.ip_address(route["nexthop"])
        if not any(nexthop in parsed_network(subnet["cidr"]) for subnet in subnets):
            raise _invalid_routes(wanted, "the nexthop is not connected with router")
        if route["nexthop"] in own:
            raise _invalid_routes(wanted, "the nexthop is used by router")


def _invalid_routes(wanted: list[dict], why: str) -> Error:
    return Error(400, "InvalidRoutes", f"Invalid format for routes: {wanted}, {why}")


def _sent_routes(request) -> list[dict]:
    body = request.body
    inner = body.get("router") if isinstance(body, dict) else None
    if not isinstance(inner, dict) or "routes" not in inner:
        raise bad("Unable to find 'routes' of 'router' in request body")
    try:
        return checks.host_routes(inner["routes"])
    except ValueError as reason:
        raise bad(f"Invalid input for routes. Reason: {reason}.") from None


def add_routes(request, tx) -> dict:
    row = request.row
    wanted = [*row["routes"], *(route for route in _sent_routes(request) if route not in row["routes"])]
    return _with_routes(request, tx, row, wanted)


def remove_routes(request, tx) -> dict:
    row = request.row
    gone = _sent_routes(request)
    return _with_routes(request, tx, row, [route for route in row["routes"] if route not in gone])


def _with_routes(request, tx, row, wanted: list[dict]) -> dict:
    _check_routes(tx, row, wanted)
    save(tx, row, routes=wanted)
    rows.settle(tx, row)
    return {"router": COLLECTION.render(request, tx, row)}


def carried_by(request, db) -> dict:
    """Which agent carries the router."""
    from monostack.network import agents

    row = COLLECTION.find(db, request.caller, request.path["id"])
    return {"agents": agents.of_hosts(db, {row["host"]} if row["host"] else set(), agents.L3)}


COLLECTION = Collection(
    "router",
    "routers",
    "routers",
    ROUTERS,
    ATTRIBUTES,
    ("RouterNotFound", "Router {id} could not be found"),
    create=create,
    update=update,
    delete=delete,
)

ONE = "/v2.0/routers/{id}/"
TARGET = partial(row_target, COLLECTION)

ROUTES = (
    *routes(COLLECTION),
    Route(
        "PUT",
        ONE + "add_router_interface",
        interfaces.add,
        "add_router_interface",
        target=TARGET,
        event="network.router.interface.create",
    ),
    Route(
        "PUT",
        ONE + "remove_router_interface",
        interfaces.remove,
        "remove_router_interface",
        target=TARGET,
        event="network.router.interface.delete",
    ),
    Route(
        "PUT",
        ONE + "add_extraroutes",
        add_routes,
        "add_extraroutes",
        target=TARGET,
        event="network.router.update",
    ),
    Route(
        "PUT",
        ONE + "remove_extraroutes",
        remove_routes,
        "remove_extraroutes",
        target=TARGET,
        event="network.router.update",
    ),
    Route("GET", ONE + "l3-agents", carried_by, "get_l3-agents"),
)
