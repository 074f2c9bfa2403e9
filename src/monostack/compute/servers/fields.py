"""What a server looks like on the wire, microversion by microversion.

`SHOWN` is the whole list; what a list or an update shows is made of it by leaving out. Text and order
follow recorded answers of the reference service.

Source: compute API reference, "Servers", and the REST API version history.
"""

import hashlib
from functools import lru_cache
from typing import Any

import msgspec

from monostack.compute import hosts
from monostack.compute.servers import rows
from monostack.compute.servers.status import FAULT_SHOWN, PROGRESS_SHOWN, status
from monostack.kit import clock
from monostack.kit.resource import LAST, Field

EXTENDED = "os_compute_api:os-extended-server-attributes"
HOST_STATUS = "os_compute_api:servers:show:host_status"
EXTRA_SPECS = "os_compute_api:servers:show:flavor-extra-specs"


@lru_cache(20_000)
def host_id(project_id: str, host: str | None) -> str:
    """Tells two hosts apart without naming them: the same host looks different to every project."""
    if not host:
        return ""
    return hashlib.sha224((project_id + host).encode()).hexdigest()


def links(row, request) -> list[dict[str, str]]:
    base, server_id = request.base, row["id"]
    return [
        {"rel": "self", "href": f"{base}/v2.1/servers/{server_id}"},
        {"rel": "bookmark", "href": f"{base}/servers/{server_id}"},
    ]


def flavor_link(row, request) -> dict[str, Any]:
    flavor_id = row["flavor_id"]
    return {"id": flavor_id, "links": [{"rel": "bookmark", "href": f"{request.base}/flavors/{flavor_id}"}]}


def flavor(row, request) -> dict[str, Any]:
    """The server's own copy of its flavor; the verdict on extra specs is the same for one owner's servers."""
    kept, verdicts = row["flavor"], request.verdicts
    owner = (row["project_id"], row["user_id"])
    allowed = verdicts.get(owner)
    if allowed is None:
        allowed = verdicts[owner] = request.allowed(EXTRA_SPECS, row)
    if allowed:
        return kept
    plain = msgspec.json.decode(kept) if isinstance(kept, msgspec.Raw) else kept
    return {name: value for name, value in plain.items() if name != "extra_specs"}


def image(row, request) -> Any:
    image_id = row["image_id"]
    if image_id is None:
        return ""
    shown = {"id": image_id, "links": [{"rel": "bookmark", "href": f"{request.base}/images/{image_id}"}]}
    if request.version >= (2, 98):
        shown["properties"] = row["image_properties"] or {}
    return shown


def shown_status(row) -> str:
    return status(row["vm_state"], row["task_state"])


def progress(row) -> int | None:
    """There is no progress to tell of; the states in which clients expect the attribute have it."""
    return 0 if status(row["vm_state"], row["task_state"]) in PROGRESS_SHOWN else None


def fault(row, request) -> dict[str, Any] | None:
    kept = row["fault"]
    if kept is None or status(row["vm_state"], row["task_state"]) not in FAULT_SHOWN:
        return None
    shown = {"code": kept["code"], "created": kept["created"], "message": kept["message"]}
    if kept.get("details") and (request.caller.admin or kept["code"] != 500):
        shown["details"] = kept["details"]
    return shown


def security_groups(row) -> list[dict[str, str]] | None:
    names = row["security_groups"]
    return [{"name": name} for name in names] if names else None


def plain_addresses(row) -> dict[str, list[dict[str, Any]]]:
    """Addresses without what extensions once added."""
    return {
        name: [{"version": each["version"], "addr": each["addr"]} for each in entries]
        for name, entries in row["addresses"].items()
    }


def host_status(row, request) -> str:
    if row["host"] is None:
        return ""
    return request.host_statuses.get(row["host"], "UNKNOWN")


AS_STORED = frozenset(("addresses", "flavor", "metadata", "tags"))
"""What a list shows as the row keeps it."""


def look_at_hosts(request, db) -> None:
    """Host states are shown from 2.16 on, to whom policy lets see them: one statement for the whole
    answer."""
    request.host_statuses, request.verdicts = {}, {}
    if request.version >= (2, 16) and request.allowed(HOST_STATUS):
        request.host_statuses = hosts.statuses(db)


def show(request, db, fields: tuple[Field, ...], row) -> dict[str, Any]:
    """One server as the caller may see it."""
    look_at_hosts(request, db)
    return request.render(fields, row)


LINKED = (Field("id"), Field("name"), Field("links", links))

_CORE = (
    Field("accessIPv4", lambda row: row["access_ip_v4"] or ""),
    Field("accessIPv6", lambda row: row["access_ip_v6"] or ""),
    Field("addresses"),
    Field("created", lambda row: clock.z(row["created_at"])),
    Field("flavor", flavor_link, until=(2, 46)),
    Field("flavor", flavor, since=(2, 47)),
    Field("hostId", lambda row: host_id(row["project_id"], row["host"])),
    Field("id"),
    Field("image", image),
    Field("links", links),
    Field("metadata"),
    Field("name"),
    Field("status", shown_status),
    Field("tenant_id", "project_id"),
    Field("user_id"),
    Field("updated", lambda row: clock.z(row["updated_at"])),
    Field("OS-DCF:diskConfig", "disk_config"),
    Field("progress", progress, omit_none=True),
    Field("fault", fault, omit_none=True),
)
_LATER = (
    Field("locked", since=(2, 9)),
    Field("description", since=(2, 19)),
    Field("tags", since=(2, 26)),
    Field("trusted_image_certificates", "trusted_certificates", since=(2, 63)),
    Field("locked_reason", since=(2, 73)),
)


def _extended(since: tuple[int, int]) -> tuple[Field, ...]:
    """What administrators and states add; `since` is when the answer in question began to carry it."""
    newer = max(since, (2, 3))
    return (
        Field("OS-EXT-AZ:availability_zone", lambda row: row["zone"] or "", since=since),
        Field("config_drive", lambda row: "True" if row["config_drive"] else "", since=since),
        Field("key_name", since=since),
        Field("OS-SRV-USG:launched_at", "launched_at", since=since),
        Field("OS-SRV-USG:terminated_at", "terminated_at", since=since),
        Field("security_groups", security_groups, omit_none=True, since=since),
        Field("OS-EXT-SRV-ATTR:host", "host", since=since, rule=EXTENDED),
        Field("OS-EXT-SRV-ATTR:instance_name", rows.instance_name, since=since, rule=EXTENDED),
        Field("OS-EXT-SRV-ATTR:hypervisor_hostname", "host", since=since, rule=EXTENDED),
        Field("OS-EXT-SRV-ATTR:hostname", "hostname", since=newer, until=(2, 89), rule=EXTENDED),
        Field("OS-EXT-SRV-ATTR:hostname", "hostname", since=(2, 90)),
        Field("OS-EXT-SRV-ATTR:kernel_id", lambda row: "", since=newer, rule=EXTENDED),
        Field("OS-EXT-SRV-ATTR:launch_index", "launch_index", since=newer, rule=EXTENDED),
        Field("OS-EXT-SRV-ATTR:ramdisk_id", lambda row: "", since=newer, rule=EXTENDED),
        Field("OS-EXT-SRV-ATTR:reservation_id", "reservation_id", since=newer, rule=EXTENDED),
        Field("OS-EXT-SRV-ATTR:root_device_name", "root_device_name", since=newer, rule=EXTENDED),
        Field("OS-EXT-SRV-ATTR:user_data", "user_data", since=newer, rule=EXTENDED),
        Field("OS-EXT-STS:task_state", "task_state", since=since),
        Field("OS-EXT-STS:vm_state", "vm_state", since=since),
        Field("OS-EXT-STS:power_state", "power_state", since=since),
        Field("os-extended-volumes:volumes_attached", lambda row: [], since=since),
        Field("host_status", host_status, since=max(since, (2, 16)), rule=HOST_STATUS),
        Field("pinned_availability_zone", "pinned_zone", since=(2, 96)),
        Field("scheduler_hints", lambda row: row["hints"] or {}, since=(2, 100)),
    )


_GROUPS = (Field("server_groups", lambda row: [row["group_id"]] if row["group_id"] else [], since=(2, 71)),)

DETAIL = _CORE + _extended((2, 0)) + _LATER
SHOWN = DETAIL + _GROUPS
UPDATED = (
    Field("addresses", plain_addresses, until=(2, 74)),
    Field("addresses", since=(2, 75)),
    *(field for field in _CORE if field.name != "addresses"),
    *_extended((2, 75)),
    *_LATER,
    *_GROUPS,
)
"""What an update answers: as much as `SHOWN` only from 2.75 on."""

REBUILT = (
    *(field for field in UPDATED if field.name != "OS-EXT-SRV-ATTR:user_data"),
    Field("key_name", since=(2, 54), until=(2, 74)),
    Field("user_data", since=(2, 57)),
)
"""What a rebuild answers: an update's answer, and what it may have changed besides, to everybody."""

SORTED = tuple(
    Field(name, column, until=LAST, sort=column)
    for name, column in (
        ("access_ip_v4", "access_ip_v4"),
        ("access_ip_v6", "access_ip_v6"),
        ("auto_disk_config", "disk_config"),
        ("availability_zone", "zone"),
        ("config_drive", "config_drive"),
        ("created_at", "created_at"),
        ("display_description", "description"),
        ("display_name", "name"),
        ("host", "host"),
        ("hostname", "hostname"),
        ("image_ref", "image_id"),
        ("instance_type_id", "flavor_id"),
        ("kernel_id", "id"),
        ("key_name", "key_name"),
        ("launch_index", "launch_index"),
        ("launched_at", "launched_at"),
        ("locked", "locked"),
        ("locked_by", "locked_by"),
        ("node", "host"),
        ("power_state", "power_state"),
        ("progress", "id"),
        ("project_id", "project_id"),
        ("ramdisk_id", "id"),
        ("root_device_name", "root_device_name"),
        ("task_state", "task_state"),
        ("terminated_at", "terminated_at"),
        ("updated_at", "updated_at"),
        ("user_id", "user_id"),
        ("uuid", "id"),
        ("vm_state", "vm_state"),
    )
)
"""The sort keys of lists."""
