"""Ports: what stands on a network, with a MAC, addresses and groups.

Who may choose what is finer here than anywhere: on somebody else's shared network a project may have ports,
but not choose their MAC or address. Policy therefore looks at each attribute sent, on a target that knows the
network.

Source: networking API reference, "Ports".
"""

from __future__ import annotations

import ipaddress
from typing import Any

import sqlalchemy as sa

from monostack.kit.db import like
from monostack.kit.errors import Error
from monostack.network import checks, dhcp, sharing
from monostack.network.attributes import DESCRIPTION, ID, NAME, OWNER, STANDARD, Attribute, bad, boolean
from monostack.network.collection import Collection, routes
from monostack.network.networks import COLLECTION as NETWORK
from monostack.network.ports import rows
from monostack.network.tables import ADDRESSES, FLOATING_IPS, NETWORKS, PORTS, ROUTERS

VNIC_TYPES = (
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
)
ATTRIBUTES = (
    ID,
    *OWNER,
    NAME,
    DESCRIPTION,
    Attribute("network_id", filter=True, sort=True, post=True, required=True, check=checks.uuid),
    boolean("admin_state_up", post=True, put=True, default=True, sort=True),
    Attribute(
        "mac_address",
        filter=True,
        sort=True,
        post=True,
        put=True,
        guarded=True,
        check=checks.or_none(checks.mac_address),
        convert=lambda value: value.lower().replace("-", ":"),
    ),
    Attribute(
        "fixed_ips",
        post=True,
        put=True,
        guarded=True,
        parts=("ip_address", "subnet_id"),
        check=checks.fixed_ips,
    ),
    Attribute("status", filter=True, sort=True),
    Attribute(
        "device_id",
        filter=True,
        sort=True,
        post=True,
        put=True,
        default="",
        guarded=True,
        check=checks.text(255),
    ),
    Attribute(
        "device_owner",
        filter=True,
        sort=True,
        post=True,
        put=True,
        default="",
        guarded=True,
        check=checks.text(255),
    ),
    Attribute("security_groups", post=True, put=True, check=checks.uuids),
    boolean("port_security_enabled", post=True, put=True, guarded=True, filter=None),
    Attribute(
        "allowed_address_pairs",
        post=True,
        put=True,
        guarded=True,
        parts=("mac_address", "ip_address"),
        check=checks.address_pairs,
    ),
    Attribute("extra_dhcp_opts", post=True, put=True, default=None, check=checks.dhcp_options),
    Attribute(
        "binding:host_id",
        lambda row: row["host"] or "",
        post=True,
        put=True,
        guarded=True,
        check=checks.or_none(checks.text(255)),
        rule="get_port:binding:host_id",
    ),
    Attribute("binding:vif_type", "vif_type", filter=True, rule="get_port:binding:vif_type"),
    Attribute("binding:vif_details", "vif_details", rule="get_port:binding:vif_details"),
    Attribute(
        "binding:vnic_type",
        "vnic_type",
        filter=True,
        post=True,
        put=True,
        default="normal",
        guarded=True,
        check=checks.one_of(*VNIC_TYPES),
    ),
    Attribute(
        "binding:profile",
        "profile",
        post=True,
        put=True,
        guarded=True,
        check=checks.mapping,
        rule="get_port:binding:profile",
    ),
    Attribute("qos_policy_id", lambda row: None),
    Attribute("qos_network_policy_id", lambda row: None),
    Attribute("ip_allocation", lambda row: "immediate" if row["fixed_ips"] else "none"),
    Attribute("resource_request", lambda row: None, rule="get_port:resource_request"),
    *STANDARD,
)


def parents(db, row, viewer: str | None) -> dict:
    network = db.one(NETWORKS, lock=False, id=row["network_id"])
    if network is None:
        raise NETWORK.not_found(row["network_id"])
    return {
        "network:project_id": network["project_id"],
        "network:tenant_id": network["project_id"],
        "shared": sharing.is_open(db, network, viewer),
    }


SEEN = sa.or_(
    PORTS.c.project_id == sa.bindparam("viewer"),
    PORTS.c.network_project_id == sa.bindparam("viewer"),
)
"""A project sees its own ports, and those of others on its networks."""


def may_see(db, row, viewer: str | None) -> bool:
    return viewer in (row["project_id"], row["network_project_id"])


# filters that are no columns


def sieve(request, db):
    tests = []
    if "fixed_ips" in request.query:
        found = _having_addresses(db, request.query_all("fixed_ips"))
        tests.append(lambda row: row["id"] in found)
    if "security_groups" in request.query:
        groups = set(request.query_all("security_groups"))
        tests.append(lambda row: not groups.isdisjoint(row["security_groups"]))
    if "binding:host_id" in request.query:
        hosts = set(request.query_all("binding:host_id"))
        tests.append(lambda row: (row["host"] or "") in hosts)
    return (lambda row: all(test(row) for test in tests)) if tests else None


def _having_addresses(db, filters: list[str]) -> set[str]:
    """Ports with an address that fits: ip_address=A (any of several), subnet_id=S (of several),
    ip_address_substr=T."""
    asked: dict[str, list[str]] = {}
    for text in filters:
        for part in text.split(","):
            name, _, value = part.partition("=")
            if name not in ("ip_address", "subnet_id", "ip_address_substr") or not value:
                raise bad(
                    f"Invalid input for fixed_ips. Reason: '{part}' is no filter: use ip_address=, subnet_id="
                    " or ip_address_substr=."
                )
            asked.setdefault(name, []).append(_canonical(value) if name == "ip_address" else value)
    where: dict[str, Any] = {}
    if "ip_address" in asked:
        where["address"] = asked["ip_address"]
    if "subnet_id" in asked:
        where["subnet_id"] = asked["subnet_id"]
    if "ip_address_substr" in asked:
        where.setdefault("address", _like(asked["ip_address_substr"][0]))
    return {row["port_id"] for row in db.all(ADDRESSES, **where)}


def _canonical(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise bad(f"Invalid input for fixed_ips. Reason: '{address}' is not a valid IP address.") from None


def _like(text: str):
    quoted = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return like(f"%{quoted}%")


# changing


def create(request, tx, values: dict):
    caller = request.caller
    network = NETWORK.find(tx, caller, values["network_id"])
    _no_foreign_device(request, values)
    return rows.create(
        tx,
        network,
        project_id=values["project_id"],
        name=values["name"],
        description=values["description"],
        mac=values.get("mac_address"),
        fixed_ips=values.get("fixed_ips"),
        groups=values.get("security_groups"),
        device_id=values["device_id"],
        device_owner=values["device_owner"],
        host=values.get("binding:host_id"),
        admin_state_up=values["admin_state_up"],
        port_security=values.get("port_security_enabled"),
        pairs=values.get("allowed_address_pairs") or [],
        dhcp_options=values["extra_dhcp_opts"] or [],
        vnic_type=values["binding:vnic_type"],
        profile=values.get("binding:profile"),
        see_all=caller.admin,
    )


def _no_foreign_device(request, values: dict) -> None:
    """Ports of routers are made by the service: with one of his own a user would be on somebody's router."""
    if values.get("device_owner", "").startswith("network:router_") and not request.caller.admin:
        raise Error(
            409,
            "DeviceIDNotOwnedByTenant",
            f"The following device_id {values.get('device_id')} is not owned by your tenant or matches "
            "another tenants router.",
        )


def _kept(tx, row) -> str | None:
    """Why the service needs the port; None when it does not."""
    owner = row["device_owner"]
    if owner in (rows.ROUTER_INTERFACE, rows.ROUTER_GATEWAY):
        needed = tx.one(ROUTERS, lock=False, id=row["device_id"])
    elif owner == rows.FLOATING_IP:
        needed = tx.one(FLOATING_IPS, lock=False, floating_port_id=row["id"])
    else:
        needed = None
    return None if needed is None else f"has device owner {owner}"


def update(request, tx, row, sent: dict):
    changed = {
        name: sent[name] for name in ("device_id", "device_owner") if sent.get(name, row[name]) != row[name]
    }
    if changed:
        _no_foreign_device(request, {"device_id": row["device_id"]} | changed)
        why = None if request.caller.admin else _kept(tx, row)
        if why is not None:
            raise Error(409, "PortInUse", f"Port {row['id']} is kept by the service: it {why}.")
    network = tx.one(NETWORKS, lock=False, id=row["network_id"])
    plain = {
        name: sent[name] for name in ("name", "description", "device_id", "device_owner") if name in sent
    }
    told = _told(tx, row, sent, network)
    _update_security(request, tx, row, sent)
    if "fixed_ips" in sent:
        rows.set_addresses(tx, row, network, sent["fixed_ips"])
    if told:
        rows.port_changed(tx, row, **told)
    _update_binding(tx, row, sent, plain)
    return row


def _told(tx, row, sent: dict, network) -> dict:
    """Changes that hosts must know, by column."""
    out = {}
    if "admin_state_up" in sent and sent["admin_state_up"] != row["admin_state_up"]:
        out["admin_state_up"] = sent["admin_state_up"]
        if not sent["admin_state_up"]:
            out["status"] = "DOWN"
    if "mac_address" in sent:
        out["mac_address"] = _new_mac(tx, row, sent["mac_address"])
    if "extra_dhcp_opts" in sent:
        out["extra_dhcp_opts"] = _merged_options(row["extra_dhcp_opts"], sent["extra_dhcp_opts"])
    if "binding:vnic_type" in sent:
        out["vnic_type"] = sent["binding:vnic_type"]
    if "binding:profile" in sent:
        out["profile"] = sent["binding:profile"]
    return out


def _new_mac(tx, row, asked: str | None) -> str:
    mac = asked or rows.new_mac(tx, row["network_id"])
    if mac == row["mac_address"]:
        return mac
    if row["host"]:
        raise Error(
            409,
            "PortBound",
            f"Unable to complete operation on port {row['id']}, port is already bound, port "
            f"type: {row['vif_type']}, old_mac {row['mac_address']}, new_mac {mac}.",
        )
    if tx.one(PORTS, network_id=row["network_id"], mac_address=mac) is not None:
        raise Error(
            409,
            "MacAddressInUse",
            f"Unable to complete operation for network {row['network_id']}. The mac address {mac} is in use.",
        )
    return mac


def _merged_options(before: list[dict], sent: list[dict]) -> list[dict]:
    """Options are changed one by one; a null value takes one away."""
    options = {(each["opt_name"], each["ip_version"]): each["opt_value"] for each in before}
    for each in sent:
        options[(each["opt_name"], int(each.get("ip_version", 4)))] = each.get("opt_value")
    return [
        {"opt_name": name, "opt_value": value, "ip_version": version}
        for (name, version), value in options.items()
        if value is not None
    ]


def _update_security(request, tx, row, sent: dict) -> None:
    names = ("port_security_enabled", "security_groups", "allowed_address_pairs")
    if not any(name in sent for name in names):
        return
    secure = sent.get("port_security_enabled", row["port_security_enabled"])
    groups = sent.get("security_groups", row["security_groups"])
    pairs = sent.get("allowed_address_pairs", row["allowed_address_pairs"])
    if groups and not secure and "security_groups" not in sent:
        raise Error(
            409,
            "PortSecurityPortHasSecurityGroup",
            "Port has security group associated. Cannot disable port security or IP address until security "
            "group is removed.",
        )
    rows.check_pairs(secure, pairs)
    if "security_groups" in sent:
        groups = rows.chosen_groups(
            tx, row["project_id"], groups, secure, bool(row["fixed_ips"]), False, request.caller.admin
        )
        if sorted(groups) != sorted(row["security_groups"]):
            rows.set_groups(tx, row, groups)
    told = {}
    if secure != row["port_security_enabled"]:
        told["port_security_enabled"] = secure
    if "allowed_address_pairs" in sent:
        told["allowed_address_pairs"] = rows.with_macs(pairs, row["mac_address"])
    if told:
        rows.port_changed(tx, row, **told)


def _update_binding(tx, row, sent: dict, plain: dict) -> None:
    host = sent.get("binding:host_id", row["host"]) or None
    owner = plain.get("device_owner", row["device_owner"])
    if host is None and row["host"]:
        rows.displace(tx, row, **plain)
    elif host is not None and (host != row["host"] or owner != row["device_owner"]):
        if row["guest"] and not rows.is_guest(owner, host):
            rows.displace(tx, row)
        rows.place(tx, row, host, **plain)
    elif plain:
        rows.port_changed(tx, row, **plain)


def delete(request, tx, row) -> None:
    why = _kept(tx, row)
    if why is not None:
        raise Error(
            409, "ServicePortInUse", f"Port {row['id']} cannot be deleted directly via the port API: {why}."
        )
    rows.delete(tx, row)
    if row["device_owner"] == rows.DHCP:
        dhcp.settle(tx, tx.one(NETWORKS, id=row["network_id"]))


COLLECTION = Collection(
    "port",
    "ports",
    "ports",
    PORTS,
    ATTRIBUTES,
    ("PortNotFound", "Port {id} could not be found."),
    among=SEEN,
    may_see=may_see,
    create=create,
    update=update,
    delete=delete,
    parents=parents,
    sieve=sieve,
    sieves=frozenset(("fixed_ips", "security_groups", "binding:host_id")),
    stored=frozenset(
        ("allowed_address_pairs", "extra_dhcp_opts", "profile", "security_groups", "tags", "vif_details")
    ),
)

ROUTES = routes(COLLECTION)
