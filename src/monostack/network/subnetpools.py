"""Subnet pools: prefixes that subnets are cut from, so that users need not know which are free.

A subnet is cut at the first place where it fits: the pool's row is locked, and what is taken are the subnets
that came from the pool. Pools of one address scope never overlap.

Source: networking API reference, "Subnet pools extension".
"""

from __future__ import annotations

import ipaddress
from functools import partial
from typing import Any

import sqlalchemy as sa

from monostack.kit.errors import Error
from monostack.kit.resource import Route
from monostack.network import checks, limits, sharing
from monostack.network.address_scopes import COLLECTION as ADDRESS_SCOPE
from monostack.network.attributes import DESCRIPTION, ID, OWNER, STANDARD, Attribute, bad, boolean
from monostack.network.checks import parsed_network
from monostack.network.collection import Collection, routes, row_target, save
from monostack.network.subnetpool_tables import SUBNETPOOLS
from monostack.network.tables import SUBNETS

SMALLEST = {4: 8, 6: 64}
GIVEN: dict[str, Any] = {"filter": True, "sort": True, "post": True, "put": True}


def _name(value: Any) -> str:
    if not checks.name(value).strip():
        raise ValueError(f"'{value}' Blank strings are not permitted")
    return value


def _prefixes(value: Any) -> list[str]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"'{value}' is not a list of subnets")
    return [checks.cidr(each) for each in value]


def _length(value: Any) -> int:
    return checks.number(0, 128)(value)


ATTRIBUTES = (
    ID,
    *OWNER,
    DESCRIPTION,
    Attribute("name", required=True, check=_name, **GIVEN),
    Attribute("prefixes", post=True, put=True, required=True, check=_prefixes),
    Attribute(
        "min_prefixlen", lambda row: str(row["min_prefixlen"]), check=_length, convert=checks.integer, **GIVEN
    ),
    Attribute(
        "max_prefixlen", lambda row: str(row["max_prefixlen"]), check=_length, convert=checks.integer, **GIVEN
    ),
    Attribute(
        "default_prefixlen",
        lambda row: str(row["default_prefixlen"]),
        check=_length,
        convert=checks.integer,
        **GIVEN,
    ),
    Attribute(
        "default_quota", check=checks.or_none(checks.number(0, 2**31 - 1)), convert=checks.integer, **GIVEN
    ),
    Attribute("address_scope_id", check=checks.or_none(checks.uuid), **GIVEN),
    Attribute("ip_version", filter=True, sort=True, convert=checks.integer),
    boolean("shared", post=True, default=False, guarded=True),
    boolean("is_default", post=True, put=True, default=False, guarded=True),
    *STANDARD,
)

SEEN = sa.or_(
    SUBNETPOOLS.c.project_id == sa.bindparam("viewer"),
    SUBNETPOOLS.c.id.in_(sharing.granted("subnetpool")),
)


def may_see(db, row, viewer: str | None) -> bool:
    return row["project_id"] == viewer or sharing.is_granted(db, row["id"], viewer)


def compact(prefixes: list[str]) -> list[str]:
    """The same addresses in the fewest prefixes; raises Error 400 when versions are mixed."""
    networks = [parsed_network(each) for each in prefixes]
    if len({network.version for network in networks}) > 1:
        raise Error(400, "PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
    return [str(each) for each in ipaddress.collapse_addresses(networks)]


def create(request, tx, values: dict):
    limits.take(tx, values["project_id"], subnetpool=1)
    row = store(tx, values)
    _check_scope(request, tx, row, values.get("address_scope_id"))
    return row


def store(tx, values: dict):
    """Add a pool; `values` by the wire's names."""
    prefixes = compact(values["prefixes"])
    version = parsed_network(prefixes[0]).version
    widest = 32 if version == 4 else 128
    lengths = {
        "min_prefixlen": values.get("min_prefixlen", SMALLEST[version]),
        "max_prefixlen": values.get("max_prefixlen", widest),
    }
    lengths["default_prefixlen"] = values.get("default_prefixlen", lengths["min_prefixlen"])
    _check_lengths(version, lengths)
    if values["is_default"]:
        _only_default(tx, version, None)
    row = tx.insert(
        SUBNETPOOLS,
        project_id=values["project_id"],
        name=values["name"],
        description=values["description"],
        prefixes=prefixes,
        ip_version=version,
        default_quota=values.get("default_quota"),
        shared=values["shared"],
        is_default=values["is_default"],
        address_scope_id=values.get("address_scope_id"),
        revision_number=0,
        **lengths,
    )
    sharing.mirror(tx, "subnetpool", row, sharing.SHARED, row["shared"])
    return row


def _check_lengths(version: int, lengths: dict[str, int]) -> None:
    widest = 32 if version == 4 else 128
    low, high, default = lengths["min_prefixlen"], lengths["max_prefixlen"], lengths["default_prefixlen"]
    for name, value in lengths.items():
        if value > widest:
            raise Error(
                400,
                "UnsupportedMinSubnetPoolPrefix" if "min" in name else "IllegalSubnetPoolPrefixBounds",
                f"{name} may be at most {widest} in a pool of IPv{version} prefixes.",
            )
    if not low <= default <= high:
        raise Error(
            400,
            "IllegalSubnetPoolPrefixBounds",
            f"Illegal prefix bounds: min_prefixlen={low}, default_prefixlen={default}, max_prefixlen={high}.",
        )


def _only_default(tx, version: int, id: str | None) -> None:  # noqa: A002
    other = tx.one(SUBNETPOOLS, is_default=True, ip_version=version)
    if other is not None and other["id"] != id:
        raise Error(
            400,
            "InvalidInput",
            "Invalid input for operation: A default subnetpool for this IP family has "
            "already been set. Only one default may exist per IP family.",
        )


def _check_scope(request, tx, row, scope_id: str | None) -> None:
    if scope_id is None:
        return
    caller = request.caller
    scope = ADDRESS_SCOPE.find(tx, caller, scope_id)
    named = caller.project_id in sharing.targets(tx, scope_id, sharing.SHARED)
    if not (caller.admin or named or scope["project_id"] == caller.project_id):
        raise Error(
            400,
            "IllegalSubnetPoolAssociationToAddressScope",
            f"Illegal subnetpool association: subnetpool {row['id']} cannot be associated with address scope "
            f"{scope_id}, which is not yours.",
        )
    if scope["ip_version"] != row["ip_version"]:
        raise Error(
            400,
            "IllegalSubnetPoolIpVersionAssociationToAddressScope",
            f"Illegal subnetpool association: subnetpool {row['id']} cannot associate with address scope "
            f"{scope_id} because subnetpool ip_version is not {scope['ip_version']}.",
        )
    mine = [parsed_network(each) for each in row["prefixes"]]
    for other in tx.all(SUBNETPOOLS, address_scope_id=scope_id):
        clash = any(one.overlaps(parsed_network(each)) for one in mine for each in other["prefixes"])
        if other["id"] != row["id"] and clash:
            raise Error(
                409,
                "AddressScopePrefixConflict",
                f"Failed to associate address scope: subnetpools within an address scope must have unique "
                f"prefixes; this one overlaps with {other['id']}.",
            )


def update(request, tx, row, sent: dict):
    changes = dict(sent)
    if "prefixes" in sent:
        changes["prefixes"] = compact(sent["prefixes"])
        wanted = [parsed_network(each) for each in changes["prefixes"]]
        if wanted[0].version != row["ip_version"]:
            raise Error(400, "PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
        for prefix in row["prefixes"]:
            if not any(parsed_network(prefix).subnet_of(each) for each in wanted):
                raise Error(
                    400,
                    "IllegalSubnetPoolPrefixUpdate",
                    f"Illegal update to prefixes: {prefix} would be gone. Prefixes can only be added.",
                )
    lengths = {
        name: changes.get(name, row[name]) for name in ("min_prefixlen", "max_prefixlen", "default_prefixlen")
    }
    _check_lengths(row["ip_version"], lengths)
    if changes.get("is_default"):
        _only_default(tx, row["ip_version"], row["id"])
    save(tx, row, **changes)
    if "address_scope_id" in sent or "prefixes" in sent:
        _check_scope(request, tx, row, row["address_scope_id"])
    return row


def delete(request, tx, row) -> None:
    if tx.one(SUBNETS, subnetpool_id=row["id"]) is not None:
        raise Error(
            409,
            "SubnetPoolDeleteError",
            f"Unable to delete subnet pool: Subnet pool has existing allocations. ({row['id']})",
        )
    sharing.forget(tx, row["id"])
    tx.delete(row)


# cutting


def default_pool(db, version: int):
    return db.one(SUBNETPOOLS, is_default=True, ip_version=version)


def cut(tx, pool, project_id: str, cidr: str | None, length: int | None) -> str:
    """A prefix of the pool for a new subnet: the one asked for, or the first that is free."""
    length = (
        parsed_network(cidr).prefixlen
        if cidr
        else length
        if length is not None
        else pool["default_prefixlen"]
    )
    if length < pool["min_prefixlen"]:
        raise Error(
            400,
            "MinPrefixSubnetAllocationError",
            f"Unable to allocate subnet with prefix length {length}, minimum allowed prefix is "
            f"{pool['min_prefixlen']}.",
        )
    if length > pool["max_prefixlen"]:
        raise Error(
            400,
            "MaxPrefixSubnetAllocationError",
            f"Unable to allocate subnet with prefix length {length}, maximum allowed prefix is "
            f"{pool['max_prefixlen']}.",
        )
    subnets = tx.all(SUBNETS, subnetpool_id=pool["id"])
    _check_quota(pool, [row for row in subnets if row["project_id"] == project_id], length)
    taken = sorted((parsed_network(row["cidr"]) for row in subnets), key=lambda each: each.network_address)
    if cidr is not None:
        wanted = parsed_network(cidr)
        inside = any(
            wanted.version == pool["ip_version"] and wanted.subnet_of(parsed_network(each))
            for each in pool["prefixes"]
        )
        if not inside or any(wanted.overlaps(each) for each in taken):
            raise Error(
                400,
                "SubnetAllocationError",
                f"Failed to allocate subnet: Cannot allocate requested subnet {cidr} from the available "
                "set of prefixes.",
            )
        return cidr
    for prefix in pool["prefixes"]:
        found = _first_free(parsed_network(prefix), taken, length)
        if found is not None:
            return found
    raise Error(
        400,
        "SubnetAllocationError",
        f"Failed to allocate subnet: Insufficient prefix space to allocate subnet size /{length}.",
    )


def _first_free(prefix, taken: list, length: int) -> str | None:
    """The first free prefix of that length, jumping over what is taken."""
    if prefix.prefixlen > length:
        return None
    size = 1 << (prefix.max_prefixlen - length)
    at, end = int(prefix.network_address), int(prefix.broadcast_address)
    for other in taken:
        if int(other.broadcast_address) < at:
            continue
        if int(other.network_address) >= at + size or int(other.network_address) > end:
            break
        at = -(-(int(other.broadcast_address) + 1) // size) * size
    if at + size - 1 > end:
        return None
    return f"{type(prefix.network_address)(at)}/{length}"


def _check_quota(pool, mine: list, length: int) -> None:
    """The quota of a pool counts addresses (IPv4) or networks of /64 (IPv6) that a project has of it."""
    if pool["default_quota"] is None:
        return
    unit = 32 if pool["ip_version"] == 4 else 64
    used = sum(2 ** max(0, unit - parsed_network(row["cidr"]).prefixlen) for row in mine)
    if used + 2 ** max(0, unit - length) > pool["default_quota"]:
        raise Error(409, "SubnetPoolQuotaExceeded", "Per-tenant subnet pool prefix quota exceeded.")


# prefixes, one by one


def _sent_prefixes(request) -> list[str]:
    body = request.body
    if not isinstance(body, dict) or "prefixes" not in body:
        raise bad("Unable to find 'prefixes' in request body")
    try:
        return _prefixes(body["prefixes"])
    except ValueError as reason:
        raise bad(f"Invalid input for prefixes. Reason: {reason}.") from None


def add_prefixes(request, tx) -> dict[str, Any]:
    row = request.row
    update(request, tx, row, {"prefixes": [*row["prefixes"], *_sent_prefixes(request)]})
    return {"prefixes": row["prefixes"]}


def remove_prefixes(request, tx) -> dict[str, Any]:
    row = request.row
    left = [parsed_network(each) for each in row["prefixes"]]
    for gone in (parsed_network(each) for each in _sent_prefixes(request)):
        parts = []
        for each in left:
            inside = each.version == gone.version and each.overlaps(gone)
            if not inside:
                parts.append(each)
            elif gone.prefixlen > each.prefixlen:
                parts.extend(each.address_exclude(gone))
        left = parts
    for subnet in tx.all(SUBNETS, subnetpool_id=row["id"]):
        if not any(parsed_network(subnet["cidr"]).subnet_of(each) for each in left):
            raise Error(
                409,
                "IllegalSubnetPoolPrefixUpdate",
                f"Illegal update to prefixes: subnet {subnet['id']} uses {subnet['cidr']}.",
            )
    save(tx, row, prefixes=[str(each) for each in sorted(left)])
    return {"prefixes": row["prefixes"]}


COLLECTION = Collection(
    "subnetpool",
    "subnetpools",
    "subnetpools",
    SUBNETPOOLS,
    ATTRIBUTES,
    ("SubnetPoolNotFound", "Subnet pool {id} could not be found."),
    among=SEEN,
    may_see=may_see,
    create=create,
    update=update,
    delete=delete,
    parents=lambda db, row, viewer: {"shared": "id" in row and sharing.is_open(db, row, viewer)},
)

ONE = "/v2.0/subnetpools/{id}/"
TARGET = partial(row_target, COLLECTION)

ROUTES = (
    *routes(COLLECTION),
    Route(
        "PUT",
        ONE + "add_prefixes",
        add_prefixes,
        "add_prefixes",
        target=TARGET,
        event="network.subnetpool.update",
    ),
    Route(
        "PUT",
        ONE + "remove_prefixes",
        remove_prefixes,
        "remove_prefixes",
        target=TARGET,
        event="network.subnetpool.update",
    ),
)
