"""Networking (Neutron v2.0): networks, subnets, ports, routers, floating IPs and security groups.

What other services may ask of it stands in this module and nowhere else. Rooms import it lazily, inside
functions, so that a cloud without networking does not load it.

Hooks that it runs in its transactions: "network.port.changed" (tx, port), "network.port.delete" (tx, port)
before the row goes, "network.port.up" (tx, port) when the host of a port has it ready.
"""

from __future__ import annotations

from typing import Any


def create_port(
    tx,
    *,
    project_id: str,
    network_id: str,
    device_id: str,
    device_owner: str,
    host: str | None = None,
    fixed_ips: list[dict] | None = None,
    security_groups: list[str] | None = None,
    name: str = "",
    mac: str | None = None,
    caller=None,
    hostname: str | None = None,
):
    """Make a port; the row. Raises Error in networking's words: no more addresses, over quota, no such
    network.

    `fixed_ips` like the API's; without, one address of each version. `security_groups` are ids; without, the
    project's default group; [] is none. With `caller` the network must be one that he may use, otherwise any
    will do.
    """
    from monostack.network import face

    return face.create_port(
        tx,
        project_id=project_id,
        network_id=network_id,
        device_id=device_id,
        device_owner=device_owner,
        host=host,
        fixed_ips=fixed_ips,
        security_groups=security_groups,
        name=name,
        mac=mac,
        caller=caller,
        hostname=hostname,
    )


def bind_port(
    tx, port, *, host: str | None, device_id: str, device_owner: str, hostname: str | None = None
) -> None:
    """Give the port to a device, and to a host unless `host` is None; "network.port.up" follows when it is
    ready.

    `hostname` is the name that the guest is told with its lease.
    """
    from monostack.network import face

    face.bind_port(tx, port, host=host, device_id=device_id, device_owner=device_owner, hostname=hostname)


def unbind_port(tx, port) -> None:
    """Take the port from its device and its host; the port and its addresses stay."""
    from monostack.network import face

    face.unbind_port(tx, port)


def delete_port(tx, port) -> None:
    """Delete the port; its addresses are free at once."""
    from monostack.network.ports import rows

    rows.delete(tx, port)


def port(db, id: str):  # noqa: A002
    """The row of a port (id, project_id, network_id, device_id, host, status, ...), or None."""
    from monostack.network.tables import PORTS

    return db.one(PORTS, id=id)


def ports_of(db, device_ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The ports of each device, oldest first, in few statements.

    Each: id, device_id, network_id, network_name, mac_address, fixed_ips [{subnet_id, ip_address, version}],
    floating_ips [{id, floating_ip_address, fixed_ip_address}], status, mtu, security_groups (ids), host,
    name, vif_type, port_security_enabled.
    """
    from monostack.network import face

    return face.ports_of(db, device_ids)


def network(db, id: str):  # noqa: A002
    """The row of a network, or None."""
    from monostack.network.tables import NETWORKS

    return db.one(NETWORKS, id=id, lock=False)


def networks_for(db, caller, project_id: str) -> list:
    """Networks that a server of the project may stand on: its own and the shared ones, oldest first; external
    ones only for an administrator."""
    from monostack.network import face

    return face.networks_for(db, caller, project_id)


def network_data(db, ports: list[dict[str, Any]]) -> dict[str, Any]:
    """network_data.json for a guest with these ports (as from `ports_of`)."""
    from monostack.network import guest_data

    return guest_data.network_data(db, ports)


def security_group_names(db, ids: list[str]) -> dict[str, str]:
    """id -> name."""
    from monostack.network.tables import SECURITY_GROUPS

    return {row["id"]: row["name"] for row in db.all(SECURITY_GROUPS, id=list(ids))} if ids else {}


def groups_with_rules(db, ids: list[str]) -> list[dict[str, Any]]:
    """Groups with their rules: the row of each, and `security_group_rules` as the API shows them."""
    from monostack.network import security_groups as groups
    from monostack.network.tables import SECURITY_GROUPS

    found = db.all(SECURITY_GROUPS, order=("created_at", "id"), id=list(ids)) if ids else []
    groups.complete(db, found, None)
    return found


def find_security_group(db, project_id: str, name_or_id: str):
    """The row of a project's group by id or name, or None; Error 409 when a name stands for several.

    In a transaction "default" is made when the project has none yet.
    """
    from monostack.network import face

    return face.find_security_group(db, project_id, name_or_id)


def port_by_address(db, network_id: str, ip: str):
    """The port that has the address on the network, or None; what the metadata service asks."""
    from monostack.network import face

    return face.port_by_address(db, network_id, ip)


def set_security_groups(tx, port, ids: list[str]) -> None:
    """Let the port be in just these groups."""
    from monostack.network.ports import rows

    rows.set_groups(tx, port, list(ids))


def auto_allocate(tx, project_id: str):
    """The row of the network that a project gets when it names none: made now, with subnet and router, if it
    was never asked for. Raises Error 409 in words when the cloud has no default external network or pool."""
    from monostack.network import topologies

    return topologies.provide(tx, project_id)


def make(tx, caller, kind: str, **sent: Any):
    """Make a "security_group", "security_group_rule" or "floatingip" for the caller, of what the API would
    take; the row. Raises Error in networking's words. The caller's right to do so is the asking service's
    business.
    """
    from monostack.network import other_doors

    return other_doors.make(tx, caller, kind, sent)


def change(tx, caller, kind: str, id: str, **sent: Any):  # noqa: A002
    """Change one of them; the row. Raises networking's 404 for what the caller may not see."""
    from monostack.network import other_doors

    return other_doors.change(tx, caller, kind, id, sent)


def drop(tx, caller, kind: str, id: str) -> None:  # noqa: A002
    """Delete one of them."""
    from monostack.network import other_doors

    other_doors.drop(tx, caller, kind, id)


def find(db, caller, kind: str, id: str):  # noqa: A002
    """The row of one of them; raises networking's 404."""
    from monostack.network import other_doors

    return other_doors.find(db, caller, kind, id)


def of_project(db, kind: str, project_id: str | None) -> list:
    """All of them that a project has, oldest first; None is every project's."""
    from monostack.network import other_doors

    return other_doors.of_project(db, kind, project_id)


def external_networks(db) -> list:
    """The external networks that every project may take floating addresses from, oldest first."""
    from monostack.network.tables import NETWORKS

    return db.all(NETWORKS, order=("created_at", "id"), external=True)
