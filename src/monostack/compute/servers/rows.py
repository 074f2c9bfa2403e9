"""What is stored of a server, and the few functions that write it.

`vm_state` and `task_state` are written by `move` and, at birth, by `add`; by nothing else. What a list
shows stands in the server's own row, already in the shape of the wire (addresses, security groups), so that
a list of a thousand servers is one statement. What only its host and the scheduler need stands in a second
row (`SPECS`), which lists never read.

Toward the host a server is a part with a version and three epochs: `place` (which placing), `boot` (which
start) and `disk` (which disk). A report is only believed when it is about the current place.
"""

from typing import Any

from monostack.kit.db import (
    JSON,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    Time,
    Unique,
    due,
    live,
    stamps,
)
from monostack.kit.errors import Error

SERVERS = Table(
    "compute_servers",
    Column("number", Integer),
    Column("project_id", String(64)),
    Column("user_id", String(64)),
    Column("name", String(255)),
    Column("hostname", String(255)),
    Column("description", String(255)),
    Column("reservation_id", String(32)),
    Column("launch_index", Integer),
    Column("flavor_id", String(255)),
    Column("flavor", JSON),
    Column("vcpus", Integer),
    Column("ram", Integer),
    Column("image_id", String(64)),
    Column("image_properties", JSON),
    Column("key_name", String(255)),
    Column("user_data", Text),
    Column("config_drive", Boolean),
    Column("metadata", JSON),
    Column("tags", JSON),
    Column("hints", JSON),
    Column("group_id", String(36)),
    Column("trusted_certificates", JSON),
    Column("disk_config", String(16)),
    Column("root_device_name", String(255)),
    Column("access_ip_v4", String(64)),
    Column("access_ip_v6", String(64)),
    Column("pinned_zone", String(255)),
    Column("zone", String(255)),
    Column("host", String(255)),
    Column("vm_state", String(32)),
    Column("task_state", String(64)),
    Column("power_state", Integer),
    Column("fault", JSON),
    Column("locked", Boolean),
    Column("locked_by", String(16)),
    Column("locked_reason", String(255)),
    Column("addresses", JSON),
    Column("ips", Text),
    Column("security_groups", JSON),
    Column("desired", String(8)),
    Column("power", String(16)),
    Column("reboot", String(8)),
    Column("place", Integer),
    Column("boot", Integer),
    Column("disk", Integer),
    Column("version", Integer),
    Column("seen_version", Integer),
    Column("verb", String(32)),
    Column("request_id", String(64)),
    Column("build_attempts", Integer),
    Column("launched_at", Time),
    Column("terminated_at", Time),
    Column("deleted_at", Time),
    *stamps(),
    live(),
    *due(),
    Index("compute_servers_project", "project_id", "live", "created_at", "id"),
    Index("compute_servers_all", "live", "created_at", "id"),
    Index("compute_servers_usage", "project_id", "live", "vcpus", "ram"),
    Index("compute_servers_host", "host", "live", "id", "version"),
)

SPECS = Table(
    "compute_server_specs",
    Column("id", String(64), primary_key=True, nullable=False),
    Column("networks", JSON),
    Column("security_groups", JSON),
    Column("nics", JSON),
    Column("image", JSON),
    Column("key_data", Text),
    Column("key_type", String(16)),
    Column("files", JSON),
    Column("requested_host", String(255)),
    Column("forced", Boolean),
    Column("tried", JSON),
)
"""`nics` are the server's ports in device order: {port_id, mac, mtu, network_id, own, tag}; `own` tells that
we made the port and delete it with the server. `networks` is what was asked and is not made yet; None once it
is. `tried` are the hosts that failed to build it: {host, cause}."""

NUMBERS = Table(
    "compute_server_numbers",
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("server_id", String(64)),
)
"""Where the number in an instance's name comes from."""

LEFTOVERS = Table(
    "compute_server_leftovers",
    Column("server_id", String(64)),
    Column("host", String(255)),
    Column("place", Integer),
    Column("version", Integer),
    Column("cause", Text),
    *stamps(),
    Unique("host", "server_id"),
    Index("compute_server_leftovers_server", "server_id"),
)
"""What a server left on hosts that it is not on any more; kept until the host has looked and says that it
is gone."""

PATIENCE = 60.0
"""Seconds after which a loop looks at a server whose task has not ended."""


def instance_name(row) -> str:
    return f"instance-{row['number']:08x}"


def find(db, request, server_id: str | None = None):
    """The server a request is about; another project's server is not there, except for administrators."""
    server_id = server_id or request.path["id"]
    missing = Error(404, "InstanceNotFound", f"Instance {server_id} could not be found.")
    row = db.one(SERVERS, id=server_id, missing=missing)
    caller = request.caller
    if row["project_id"] != caller.project_id and not caller.admin:
        raise missing
    request.subject = row["id"]
    return row


def target(request, db):
    """What policy rules about one server are judged on."""
    return find(db, request)


def target_of(db, request):
    """`find` for a flow, which hands the database first."""
    return find(db, request)


def spec_of(db, row):
    return db.one(SPECS, id=row["id"])


NEWBORN: dict[str, Any] = {
    "vm_state": "building",
    "power_state": 0,
    "locked": False,
    "desired": "present",
    "power": "running",
    "reboot": "hard",
    "place": 0,
    "boot": 1,
    "disk": 1,
    "version": 1,
    "verb": "create",
    "build_attempts": 0,
    "host": None,
    "addresses": {},
    "ips": "",
    "security_groups": [],
}
"""What every server begins with."""


def add(tx, server: dict[str, Any], spec: dict[str, Any]):
    """A new server: its row. It is spawning if it has a host, otherwise the loop looks at it at once."""
    placed = server["host"] is not None
    number = tx.insert(NUMBERS, server_id=server["id"])["number"]
    tx.insert(SPECS, id=server["id"], **spec)
    return tx.insert(
        SERVERS,
        number=number,
        task_state="spawning" if placed else "scheduling",
        updated_at=tx.now,
        due_at=tx.cloud.clock.after(PATIENCE) if placed else tx.now,
        **server,
    )


def move(tx, row, vm_state: str, task_state: str | None, **values) -> None:
    """Bring a server into a pair of states. A task in flight is looked at again by the loop; none is
    settled."""
    if task_state is None:
        values = {"verb": None, "due_at": None, "attempts": 0, "cause": None} | values
    elif "due_at" not in values:
        values["due_at"] = tx.cloud.clock.after(PATIENCE)
    tx.set(row, vm_state=vm_state, task_state=task_state, **values)


def tell_host(tx, row, **values) -> None:
    """Change what the host should make of the server, and let it know."""
    tx.set(row, version=row["version"] + 1, **values)
    tx.wake_host(row["host"], ("server", row["id"]))


def leave_behind(tx, row, cause: str) -> None:
    """The server goes elsewhere: whatever its host has of it must go."""
    old = tx.one(LEFTOVERS, host=row["host"], server_id=row["id"])
    if old is None:
        tx.insert(
            LEFTOVERS,
            server_id=row["id"],
            host=row["host"],
            place=row["place"],
            version=row["version"] + 1,
            cause=cause,
        )
    else:
        tx.set(old, place=row["place"], version=row["version"] + 1, cause=cause)
    tx.wake_host(row["host"], ("server", row["id"]))
