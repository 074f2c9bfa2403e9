"""POST /servers: rows first, the world later.

One transaction understands the request, takes quota, writes the servers and, for a few of them, chooses
hosts and makes ports. A cloud that has no room or no address is no reason to refuse: the answer is 202 and
the server says why it is in ERROR. More than a few servers at once are only written here; the loop gives
them their places.

Source: compute API reference, "Create server"; "Create multiple servers".
"""

import random
import string
from typing import Any

from monostack.compute import flavors, instance_actions, quotas
from monostack.compute.servers import bodies, building, fields, loop, rows
from monostack.kit.ids import new_uuid
from monostack.kit.resource import Response
from monostack.kit.wire import boolean

PLACED_AT_ONCE = 20
LETTERS = random.SystemRandom()
RESERVATION = string.ascii_lowercase + string.digits


def create(request, tx) -> Response:
    asked, caller = request.body["server"], request.caller
    birth = bodies.read(request, tx)
    count = quotas.take(
        tx,
        caller.project_id,
        caller.user_id,
        birth.least,
        birth.most,
        birth.flavor["vcpus"],
        birth.flavor["ram"],
    )
    reservation = "r-" + "".join(LETTERS.choices(RESERVATION, k=8))
    later = count > PLACED_AT_ONCE
    servers = [_one(request, tx, asked, birth, reservation, number, count, later) for number in range(count)]
    if later:
        tx.wake(loop.NAME)
    first = servers[0]
    request.subject = first["id"]
    if count > 1:
        request.event_details = {"servers": [row["id"] for row in servers[1:]]}
    if boolean(str(asked.get("return_reservation_id", False))):
        return Response(202, {"reservation_id": reservation})
    shown = {
        "id": first["id"],
        "links": fields.links(first, request),
        "OS-DCF:diskConfig": first["disk_config"],
        "security_groups": [{"name": name} for name in birth.group_names],
        "adminPass": birth.password,
    }
    return Response(202, {"server": shown}, [("Location", f"{request.base}/v2.1/servers/{first['id']}")])


def _one(request, tx, asked, birth: bodies.Birth, reservation: str, number: int, count: int, later: bool):
    """Write one server, and start it unless the loop shall."""
    server_id = new_uuid()
    suffix = f"-{number + 1}" if count > 1 else ""
    spec = {
        "networks": birth.networks,
        "security_groups": birth.group_ids,
        "nics": [],
        "image": birth.image_view,
        "key_data": birth.key["public_key"] if birth.key else None,
        "key_type": birth.key["type"] if birth.key else None,
        "files": asked.get("personality") or None,
        "requested_host": birth.host,
        "forced": birth.forced,
        "tried": [],
    }
    server = rows.NEWBORN | _values(request, asked, birth, server_id, suffix, reservation, number)
    trouble = None
    if not later:
        try:
            settled, kept = building.settle_on_a_host(tx, server, spec)
        except building.FAILURES as reason:
            trouble = str(reason)
        else:
            server, spec = server | settled, spec | kept
    row = rows.add(tx, server, spec)
    instance_actions.begin(
        tx,
        row,
        "create",
        request_id=request.id,
        user_id=request.caller.user_id,
        project_id=request.caller.project_id,
        event="compute__do_build_and_run_instance",
    )
    if trouble is not None:
        building.fail(tx, row, trouble)
    return row


def _values(
    request, asked, birth: bodies.Birth, server_id: str, suffix: str, reservation: str, number: int
) -> dict[str, Any]:
    flavor, caller = birth.flavor, request.caller
    name = asked["name"].strip() + suffix
    description = asked.get("description") if request.version >= (2, 19) else name
    hostname = asked["hostname"] + suffix if asked.get("hostname") else bodies.hostname(name, server_id)
    view = birth.image_view or {}
    return {
        "id": server_id,
        "project_id": caller.project_id,
        "user_id": caller.user_id,
        "name": name,
        "hostname": hostname,
        "description": description,
        "reservation_id": reservation,
        "launch_index": number,
        "flavor_id": flavor["id"],
        "flavor": flavors.copy(flavor),
        "vcpus": flavor["vcpus"],
        "ram": flavor["ram"],
        "image_id": view.get("id"),
        "image_properties": bodies.image_properties(view),
        "key_name": asked.get("key_name"),
        "user_data": asked.get("user_data"),
        "config_drive": bodies.wants_config_drive(asked, view),
        "metadata": asked.get("metadata") or {},
        "tags": list(dict.fromkeys(asked.get("tags") or ())),
        "hints": birth.hints,
        "group_id": birth.group_id,
        "trusted_certificates": asked.get("trusted_image_certificates"),
        "disk_config": asked.get("OS-DCF:diskConfig", "MANUAL"),
        "root_device_name": "/dev/vda",
        "access_ip_v4": bodies.address(asked.get("accessIPv4")),
        "access_ip_v6": bodies.address(asked.get("accessIPv6")),
        "pinned_zone": birth.zone,
        "zone": birth.zone,
        "request_id": request.id,
    }
