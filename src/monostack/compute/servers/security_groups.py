"""Security groups of a server: put all of its ports into one more group, or take them out of one.

Groups belong to ports and to networking; a server only speaks of all its ports at once.

Source: compute API reference, "Add Security Group To A Server", "Remove Security Group From A Server".
"""

from typing import Any

from monostack.compute.networking import security_groups
from monostack.compute.servers import ports, rows
from monostack.kit.errors import Error
from monostack.kit.resource import Route

RULE = "os_compute_api:os-security-groups:"


def index(request, db) -> dict[str, Any]:
    """The groups of all of the server's ports, with their rules, in the shape of compute's own old ones."""
    from monostack import network

    row = rows.find(db, request)
    found = network.ports_of(db, [row["id"]]).get(row["id"], ())
    ids = list(dict.fromkeys(group for port in found for group in port["security_groups"]))
    return {"security_groups": security_groups.shown(db, network.groups_with_rules(db, ids))}


def add(request, tx) -> None:
    row, group = _asked(request, tx, "addSecurityGroup")
    for port in _ports(tx, row):
        if group["id"] not in port["security_groups"]:
            _set(tx, port, [*port["security_groups"], group["id"]])
    ports.refresh(tx, row)


def remove(request, tx) -> None:
    row, group = _asked(request, tx, "removeSecurityGroup")
    found = [port for port in _ports(tx, row) if group["id"] in port["security_groups"]]
    if not found:
        raise Error(
            400,
            "SecurityGroupNotExistsForInstance",
            f"Security group {group['name']} is not associated with the instance {row['id']}",
        )
    for port in found:
        _set(tx, port, [each for each in port["security_groups"] if each != group["id"]])
    ports.refresh(tx, row)


def _asked(request, tx, action: str):
    from monostack import network

    row, name = rows.find(tx, request), request.body[action]["name"]
    group = network.find_security_group(tx, row["project_id"], name)
    if group is None:
        raise Error(
            404, "SecurityGroupNotFound", f"Security group {name} not found for project {row['project_id']}."
        )
    return row, group


def _ports(tx, row) -> list:
    from monostack import network

    found = [network.port(tx, nic["port_id"]) for nic in rows.spec_of(tx, row)["nics"] or ()]
    return [port for port in found if port is not None]


def _set(tx, port, groups: list[str]) -> None:
    from monostack import network

    network.set_security_groups(tx, port, groups)


ROUTES = (
    Route("GET", "/servers/{id}/os-security-groups", index, RULE + "list", target=rows.target),
    Route(
        "POST",
        "/servers/{id}/action",
        add,
        RULE + "add",
        action="addSecurityGroup",
        ok=202,
        body="security_groups.addSecurityGroup",
        target=rows.target,
        event="compute.instance.add_security_group",
    ),
    Route(
        "POST",
        "/servers/{id}/action",
        remove,
        RULE + "remove",
        action="removeSecurityGroup",
        ok=202,
        body="security_groups.removeSecurityGroup",
        target=rows.target,
        event="compute.instance.remove_security_group",
    ),
)
