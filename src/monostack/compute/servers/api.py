"""Servers: the doors. List, show, change, delete; making one is `create`, what is done to one `actions`.

Source: compute API reference, "Servers".
"""

from monostack.compute import hosts, instance_actions
from monostack.compute.servers import (
    actions,
    bodies,
    create,
    diagnostics,
    fields,
    filters,
    interfaces,
    rebuild,
    rows,
    security_groups,
    settling,
    snapshots,
    verbs,
)
from monostack.kit.errors import Error
from monostack.kit.resource import Route

RULE = "os_compute_api:servers:"
DEFAULT_ORDER = ("-created_at", "-id")
FOR_ADMINISTRATORS = ("host", "node")


def index(request, db) -> dict:
    page = _page(request, db, RULE + "index:get_all_tenants")
    return request.list("servers", request.render_all(fields.LINKED, page), page)


def detail(request, db) -> dict:
    page = _page(request, db, RULE + "detail:get_all_tenants", fields.AS_STORED)
    fields.look_at_hosts(request, db)
    return request.list("servers", request.render_all(fields.DETAIL, page), page)


def _page(request, db, rule: str, stored: frozenset[str] = frozenset()):
    for key in request.query_all("sort_key"):
        if key in FOR_ADMINISTRATORS and not request.caller.admin:
            raise Error(403, "Forbidden", f"Only administrators can sort servers by {key}")
    found = filters.read(request, filters.all_projects(request, rule))
    if not request.paging.order:
        request.paging.order = DEFAULT_ORDER
    return db.page(
        rows.SERVERS,
        request,
        among=found.among(),
        values=found.values,
        deleted=found.deleted,
        stored=stored,
        **found.where,
    )


def show(request, db) -> dict:
    return {"server": fields.show(request, db, fields.SHOWN, rows.find(db, request))}


def update(request, tx) -> dict:
    """Change what is said about a server; its host hears of it, because the guest's metadata says it too."""
    row, asked = rows.find(tx, request), request.body["server"]
    values = {}
    for name, column in (
        ("name", "name"),
        ("accessIPv4", "access_ip_v4"),
        ("accessIPv6", "access_ip_v6"),
        ("OS-DCF:diskConfig", "disk_config"),
        ("description", "description"),
        ("hostname", "hostname"),
    ):
        if name in asked:
            values[column] = asked[name]
    for column in ("access_ip_v4", "access_ip_v6"):
        if column in values:
            values[column] = bodies.address(values[column])
    if "name" in values:
        values["name"] = values["name"].strip()
    if "pinned_availability_zone" in asked:
        values["pinned_zone"] = _zone_to_pin(tx, row, asked["pinned_availability_zone"])
    if values:
        tx.set(row, **values)
    return {"server": fields.show(request, tx, fields.UPDATED, row)}


def _zone_to_pin(tx, row, zone: str | None) -> str | None:
    """A server is kept in the zone where it is, or let go; it does not move by being pinned elsewhere."""
    if zone is None:
        return None
    if not any(host["zone"] == zone for host in hosts.known(tx)):
        raise Error(400, "InvalidRequest", "The requested availability zone is not available")
    if row["host"] is not None and row["zone"] != zone:
        raise Error(
            409,
            "InstanceInvalidState",
            f"Instance {row['id']} is in availability zone {row['zone']} and cannot be pinned to {zone}.",
        )
    return zone


def delete(request, tx) -> None:
    """The server shall not be. It ends when its host has looked and found nothing of it; without a host, at
    once."""
    row = rows.find(tx, request)
    if row["desired"] == "absent":
        return
    verbs.demand(verbs.VERBS["delete"], row, request.caller)
    doom(tx, row, request.id, request.caller.user_id, request.caller.project_id)


def doom(tx, row, request_id: str, user_id: str, project_id: str) -> None:
    """The server shall not be, whoever wants that."""
    if row["verb"] is not None:
        instance_actions.finish(tx, row, "The server was deleted meanwhile.")
    rows.move(
        tx,
        row,
        row["vm_state"],
        "deleting",
        desired="absent",
        verb="delete",
        request_id=request_id,
        version=row["version"] + 1,
        attempts=0,
        cause=None,
    )
    instance_actions.begin(
        tx,
        row,
        "delete",
        request_id=request_id,
        user_id=user_id,
        project_id=project_id,
        event=verbs.VERBS["delete"].event,
    )
    if row["host"] is None:
        settling.gone(tx, row)
    else:
        tx.wake_host(row["host"], ("server", row["id"]))


def addresses(request, db) -> dict:
    return {"addresses": fields.plain_addresses(rows.find(db, request))}


def addresses_of(request, db) -> dict:
    row, name = rows.find(db, request), request.path["network"]
    if name not in row["addresses"]:
        raise Error(404, "NotFound", "Instance is not a member of specified network")
    return {name: fields.plain_addresses(row)[name]}


ROUTES = (
    Route("GET", "/servers", index, RULE + "index", query="servers.index", fields=fields.SORTED),
    Route("GET", "/servers/detail", detail, RULE + "detail", query="servers.detail", fields=fields.SORTED),
    Route(
        "POST",
        "/servers",
        create.create,
        RULE + "create",
        ok=202,
        body="servers.create",
        event="compute.instance.create.start",
    ),
    Route("GET", "/servers/{id}", show, RULE + "show", query="servers.show", target=rows.target),
    Route(
        "PUT",
        "/servers/{id}",
        update,
        RULE + "update",
        ok=200,
        body="servers.update",
        target=rows.target,
        event="compute.instance.update",
    ),
    Route(
        "DELETE",
        "/servers/{id}",
        delete,
        RULE + "delete",
        target=rows.target,
        event="compute.instance.delete.start",
    ),
    Route(
        "POST",
        "/servers/{id}/action",
        delete,
        "os_compute_api:os-deferred-delete:force",
        action="forceDelete",
        ok=202,
        body="deferred_delete.force_delete",
        target=rows.target,
        event="compute.instance.delete.start",
    ),
    Route(
        "GET",
        "/servers/{id}/ips",
        addresses,
        "os_compute_api:ips:index",
        query="ips.index",
        target=rows.target,
    ),
    Route(
        "GET",
        "/servers/{id}/ips/{network}",
        addresses_of,
        "os_compute_api:ips:show",
        query="ips.show",
        target=rows.target,
    ),
    *actions.ROUTES,
    *rebuild.ROUTES,
    *snapshots.ROUTES,
    *security_groups.ROUTES,
    *interfaces.ROUTES,
    *diagnostics.ROUTES,
)
