"""Diagnostics: what a server's host can tell of the running guest, for administrators.

Up to 2.47 the answer was whatever the hypervisor said, in one flat object; the names of it are those that the
reference service's libvirt driver made customary.

Source: compute API reference, "Servers diagnostics".
"""

from typing import Any

from monostack.compute.servers import rows
from monostack.kit.errors import Error
from monostack.kit.resource import Route

DRIVER = "libvirt"
"""The names of drivers are a closed set on the wire; of those, this is what a QEMU guest has there."""
COUNTED = ("octets", "errors", "drop", "packets", "rate")


async def show(request, ctx) -> dict[str, Any]:
    row = await ctx.read(rows.target_of, request)
    if row["host"] is None:
        raise Error(409, "InstanceNotReady", f"Instance {row['id']} is not ready: it is on no host.")
    try:
        found = await ctx.ask(row["host"], "server", row["id"], "diagnostics")
    except LookupError as reason:
        raise Error(
            409, "InstanceInvalidPowerState", f"Instance {row['id']} has no diagnostics: {reason}"
        ) from None
    found = found | {"driver": DRIVER, "nic_details": [_whole(nic) for nic in found["nic_details"]]}
    return found if request.version >= (2, 48) else flat(found)


def _whole(nic: dict[str, Any]) -> dict[str, Any]:
    """An interface with all its counters; null for what the host does not measure."""
    counters = {f"{way}_{name}": None for way in ("rx", "tx") for name in COUNTED}
    return counters | nic


def flat(found: dict[str, Any]) -> dict[str, Any]:
    """The answer of versions before 2.48."""
    out: dict[str, Any] = {"memory": (found["memory_details"] or {}).get("maximum", 0) * 1024}
    for cpu in found["cpu_details"]:
        out[f"cpu{cpu['id']}_time"] = cpu["time"]
    for number, disk in enumerate(found["disk_details"]):
        name = "vd" + "abcdefghijklmnopqrstuvwxyz"[number % 26]
        out |= {
            f"{name}_read": disk["read_bytes"],
            f"{name}_read_req": disk["read_requests"],
            f"{name}_write": disk["write_bytes"],
            f"{name}_write_req": disk["write_requests"],
            f"{name}_errors": disk["errors_count"],
        }
    for number, nic in enumerate(found["nic_details"]):
        for way in ("rx", "tx"):
            out |= {
                f"vnet{number}_{way}": nic[f"{way}_octets"],
                f"vnet{number}_{way}_packets": nic[f"{way}_packets"],
                f"vnet{number}_{way}_errors": nic[f"{way}_errors"],
                f"vnet{number}_{way}_drop": nic[f"{way}_drop"],
            }
    return {name: value for name, value in out.items() if value is not None}


ROUTES = (
    Route(
        "GET",
        "/servers/{id}/diagnostics",
        show,
        "os_compute_api:os-server-diagnostics",
        query="server_diagnostics.index",
        target=rows.target,
    ),
)
