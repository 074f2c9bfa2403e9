"""A server gets a new disk from an image and starts from it; its name, addresses and place stay.

The host is told by the epochs of disk and boot. A server that was off stays off, as the reference service
leaves it. Ephemeral and swap disks are made anew too.

Source: compute API reference, "Rebuild server"; what each microversion added is in the schemas.
"""

from typing import Any

from monostack.compute import quotas
from monostack.compute.servers import actions, bodies, fields, rows
from monostack.kit.errors import Error
from monostack.kit.resource import Response, Route
from monostack.kit.wire import boolean

RULE = "os_compute_api:servers:rebuild"
PLAIN = (
    ("description", "description"),
    ("hostname", "hostname"),
    ("metadata", "metadata"),
    ("user_data", "user_data"),
    ("OS-DCF:diskConfig", "disk_config"),
    ("trusted_image_certificates", "trusted_certificates"),
)


def rebuild(request, tx) -> Response:
    row, asked = rows.find(tx, request), request.body["rebuild"]
    if asked.get("trusted_image_certificates") is not None:
        request.demand(RULE + ":trusted_certs", row)
    actions.demand(request, row, "rebuild")
    if boolean(str(asked.get("preserve_ephemeral", False))):
        raise Error(
            400,
            "PreserveEphemeralNotSupported",
            "The ephemeral disk is made anew like the others: preserve_ephemeral can only be false.",
        )
    quotas.check_metadata(tx, row["project_id"], asked.get("metadata") or {})
    bodies.check_files(tx, row["project_id"], asked.get("personality") or ())
    _, view = bodies.usable_image(
        request, tx, asked["imageRef"], row["flavor"], "Cannot find image for rebuild"
    )
    values = _changes(asked) | {"image_id": view["id"], "image_properties": bodies.image_properties(view)}
    if bodies.wants_config_drive({}, view):
        values["config_drive"] = True
    spec = {"image": view}
    if "personality" in asked:
        spec["files"] = asked["personality"]
    if "key_name" in asked:
        values["key_name"] = asked["key_name"]
        spec |= _key(tx, row, asked["key_name"])
    tx.set(rows.spec_of(tx, row), **spec)
    power = "off" if row["vm_state"] == "stopped" else "running"
    actions.carry_out(request, tx, row, "rebuild", power=power, **values)
    shown = fields.show(request, tx, fields.REBUILT, row) | {"adminPass": bodies.password(asked)}
    return Response(202, {"server": shown}, [("Location", f"{request.base}/v2.1/servers/{row['id']}")])


def _changes(asked) -> dict[str, Any]:
    """What the body changes of the server's own row."""
    values = {column: asked[name] for name, column in PLAIN if name in asked}
    if "name" in asked:
        values["name"] = asked["name"].strip()
    for name, column in (("accessIPv4", "access_ip_v4"), ("accessIPv6", "access_ip_v6")):
        if name in asked:
            values[column] = bodies.address(asked[name])
    return values


def _key(tx, row, name: str | None) -> dict[str, Any]:
    """Another key pair of the server's user, or none."""
    if name is None:
        return {"key_data": None, "key_type": None}
    found = bodies.key(tx, row["user_id"], name)
    return {"key_data": found["public_key"], "key_type": found["type"]}


ROUTES = (
    Route(
        "POST",
        "/servers/{id}/action",
        rebuild,
        RULE,
        action="rebuild",
        ok=202,
        body="servers.rebuild",
        target=rows.target,
        event="compute.instance.rebuild.start",
    ),
)
