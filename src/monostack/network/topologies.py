"""Auto-allocated topology: a network that just works, made at the first asking.

A project that has no network gets one, with a subnet cut from the default pool and a router to the default
external network. Asking again gives the same one.

Source: networking API reference, "Auto Allocated Topologies".
"""

from __future__ import annotations

from typing import Any

from monostack.kit.db import Column, String, Table
from monostack.kit.errors import Error
from monostack.kit.resource import Route
from monostack.network import attributes, limits, networks, subnetpools, subnets
from monostack.network.ports import rows as port_rows
from monostack.network.routers import api as routers
from monostack.network.routers import gateways, interfaces, rows
from monostack.network.tables import NETWORKS, ROUTERS, SUBNETS

TOPOLOGIES = Table(
    "network_auto_topologies",
    Column("project_id", String(64), primary_key=True, nullable=False),
    Column("network_id", String(64)),
    Column("router_id", String(64)),
)
NAME = "auto_allocated_"
DRY_RUN = "dry-run"


def _failure(words: str) -> Error:
    return Error(409, "AutoAllocationFailure", f"Deployment error: {words}")


def requirements(db) -> tuple[Any, Any]:
    """The default external network and the default pool; raises Error 409 when the cloud lacks one."""
    external = db.one(NETWORKS, lock=False, is_default=True, external=True)
    if external is None:
        raise _failure("No default router:external network. Mark one with --default.")
    pool = subnetpools.default_pool(db, 4)
    if pool is None:
        raise _failure("No default subnetpools defined. Make one with --default.")
    return external, pool


def provide(tx, project_id: str):
    """The project's own network, made now if it was never asked for; its row."""
    known = tx.one(TOPOLOGIES, project_id=project_id)
    if known is not None:
        return tx.one(NETWORKS, id=known["network_id"])
    external, pool = requirements(tx)
    limits.take(tx, project_id, network=1, subnet=1, router=1)
    about = {"project_id": project_id, "description": ""}
    network = networks.store(tx, attributes.defaults(networks.ATTRIBUTES, about | {"name": NAME + "network"}))
    subnet = subnets.store(
        tx,
        network,
        attributes.defaults(subnets.ATTRIBUTES, about | {"name": NAME + "subnet_v4", "ip_version": 4}),
        pool,
    )
    router = routers.store(tx, attributes.defaults(routers.ATTRIBUTES, about | {"name": NAME + "router"}))
    gateways.attach(tx, router, external, {"network_id": external["id"]})
    interfaces.join(tx, router, subnet)
    rows.settle(tx, router)
    tx.insert(TOPOLOGIES, project_id=project_id, network_id=network["id"], router_id=router["id"])
    return network


def _project(request) -> str:
    asked = request.path["project_id"]
    return request.caller.project_id if asked in ("None", "") else asked


def target(request, db) -> dict[str, Any]:
    project_id = _project(request)
    return {"project_id": project_id, "tenant_id": project_id}


def show(request, tx) -> dict[str, Any]:
    project_id = _project(request)
    if DRY_RUN in request.query_all("fields"):
        requirements(tx)
        return _view("dry-run=pass", project_id)
    return _view(provide(tx, project_id)["id"], project_id)


def _view(id: str, project_id: str) -> dict[str, Any]:  # noqa: A002
    return {"auto_allocated_topology": {"id": id, "tenant_id": project_id, "project_id": project_id}}


def delete(request, tx) -> None:
    known = tx.one(
        TOPOLOGIES,
        project_id=_project(request),
        missing=Error(404, "AutoAllocatedTopologyNotFound", "There is no auto-allocated topology."),
    )
    forget(tx, known)


def forget(tx, known) -> None:
    """Take the topology down; refused while something of the project stands on it."""
    network = tx.one(NETWORKS, id=known["network_id"])
    router = tx.one(ROUTERS, id=known["router_id"])
    tx.delete(known)
    if router is not None:
        subnet_ids = {row["id"] for row in tx.all(SUBNETS, network_id=known["network_id"])}
        for port in rows.interfaces(tx, router["id"]):
            if {each["subnet_id"] for each in port["fixed_ips"]} <= subnet_ids:
                interfaces.check_free(tx, router, port)
                port_rows.delete(tx, port)
        gateways.change(None, tx, router, None)
        rows.settle(tx, router)
        routers.delete(None, tx, router)
    if network is not None:
        networks.delete(None, tx, network)


PATH = "/v2.0/auto-allocated-topology/{project_id}"

ROUTES = (
    Route("GET", PATH, show, "get_auto_allocated_topology", target=target),
    Route("DELETE", PATH, delete, "delete_auto_allocated_topology", target=target),
)
