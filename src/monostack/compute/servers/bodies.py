"""What a request to create servers asks for, looked up and understood.

The schema has judged the form already. Here every name in the body becomes the thing it names, or the
request is refused in words: flavor, image, key, networks, ports, security groups, zone. Nothing is written
here.

Source: compute API reference, "Create server"; the refusals are those of the reference service.
"""

import ipaddress
import random
import re
import string
from dataclasses import dataclass, field
from typing import Any

from monostack.compute import flavors, hosts, quotas
from monostack.kit.errors import Error
from monostack.kit.wire import boolean

CREATE = "os_compute_api:servers:create"
MOST_AT_ONCE = 1000
RANDOM = random.SystemRandom()
LETTERS = string.ascii_letters + string.digits
NO_VOLUMES = (
    "This cloud has no volume service: a server boots from an image on its host's disk. Send imageRef, and "
    "no block device whose source or destination is a volume."
)


@dataclass
class Birth:
    """All that a new server is made of."""

    flavor: Any
    image: Any = None
    image_view: dict[str, Any] | None = None
    key: Any = None
    networks: list[dict[str, Any]] = field(default_factory=list)
    group_ids: list[str] | None = None
    group_names: list[str] = field(default_factory=list)
    zone: str | None = None
    host: str | None = None
    forced: bool = False
    group_id: str | None = None
    hints: dict[str, Any] = field(default_factory=dict)
    least: int = 1
    most: int = 1
    password: str = ""


def read(request, tx) -> Birth:
    """Understand the request; raises Error 400, 403 or 409."""
    asked = request.body["server"]
    hints = request.body.get("os:scheduler_hints") or request.body.get("OS-SCH-HNT:scheduler_hints") or {}
    birth = Birth(flavor=flavors.find(tx, request.caller, str(asked["flavorRef"]), 400), hints=hints)
    _demand_parts(request, asked)
    birth.least, birth.most = _counts(asked)
    birth.password = password(asked)
    _image(request, tx, asked, birth)
    _key(request, tx, asked, birth)
    _zone(request, tx, asked, birth)
    _groups(request, tx, asked, birth)
    _networks(request, tx, asked, birth)
    _group(request, tx, birth)
    _limits(request, tx, asked)
    return birth


def hostname(name: str, server_id: str) -> str:
    """A server's name as a host name: lower case, no blanks, nothing a resolver would stumble on."""
    kept = re.sub(r"[^\w.-]+", "", re.sub(r"[ _]", "-", name.encode("ascii", "ignore").decode())).lower()
    kept = kept.strip(".-")[:63].rstrip(".-")
    return kept or f"server-{server_id}"


def address(text: str | None) -> str | None:
    """An address in its shortest spelling."""
    return str(ipaddress.ip_address(text)) if text else None


def _demand_parts(request, asked) -> None:
    """Some attributes have a policy of their own."""
    if isinstance(asked.get("networks"), list) and asked["networks"]:
        request.demand(CREATE + ":attach_network")
    if asked.get("block_device_mapping") or asked.get("block_device_mapping_v2"):
        request.demand(CREATE + ":attach_volume")
    if asked.get("trusted_image_certificates"):
        request.demand(CREATE + ":trusted_certs")


def _counts(asked) -> tuple[int, int]:
    least = int(asked.get("min_count", 1))
    most = int(asked.get("max_count", least))
    if least > most:
        raise Error(400, "BadRequest", "min_count must be <= max_count")
    if most > MOST_AT_ONCE:
        raise Error(
            400, "BadRequest", f"One request makes at most {MOST_AT_ONCE} servers; {most} were asked for."
        )
    return least, most


def _image(request, tx, asked, birth: Birth) -> None:
    birth.image, birth.image_view = usable_image(
        request, tx, _boot_image(asked), birth.flavor, "Can not find requested image"
    )
    if birth.flavor["disk"] == 0 and not request.allowed(CREATE + ":zero_disk_flavor"):
        raise Error(
            403,
            "BootFromVolumeRequiredForZeroDiskFlavor",
            "Only volume-backed servers are allowed for flavors with zero disk.",
        )


def usable_image(request, tx, image_id: str, flavor, missing: str) -> tuple[Any, dict[str, Any]]:
    """An image that a server of this flavor can be born from: its row, and what hosts are told of it.

    Raises Error 400; `missing` are the words for an image that the caller cannot see.
    """
    from monostack import image

    row = image.get(tx, request.caller, image_id, missing=Error(400, "BadRequest", missing))
    view = image.view(tx, row)
    if view["status"] != "active":
        raise Error(400, "ImageNotActive", f"Image {image_id} is not active.")
    if (view.get("min_ram") or 0) > flavor["ram"]:
        raise Error(400, "FlavorMemoryTooSmall", "Flavor's memory is too small for requested image.")
    if flavor["disk"] == 0:
        return row, view
    if (view.get("min_disk") or 0) > flavor["disk"]:
        raise Error(
            400,
            "FlavorDiskSmallerThanMinDisk",
            f"Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is "
            f"{flavor['disk'] << 30} bytes, minimum size is {view['min_disk'] << 30} bytes.",
        )
    if (view.get("size") or 0) > flavor["disk"] << 30:
        raise Error(
            400,
            "FlavorDiskSmallerThanImage",
            f"Flavor's disk is too small for requested image. Flavor disk is {flavor['disk'] << 30} bytes, "
            f"image is {view['size']} bytes.",
        )
    return row, view


def image_properties(view: dict[str, Any]) -> dict[str, str]:
    """An image's properties as a server shows them."""
    return {key: str(value) for key, value in (view.get("properties") or {}).items()}


def _boot_image(asked) -> str:
    """The image to boot from; volumes are refused in words."""
    image_id = asked.get("imageRef") or None
    if asked.get("block_device_mapping"):
        raise Error(400, "BadRequest", NO_VOLUMES)
    boot = None
    for device in asked.get("block_device_mapping_v2") or ():
        source = device.get("source_type")
        if source in ("volume", "snapshot") or device.get("destination_type") == "volume":
            raise Error(400, "BadRequest", NO_VOLUMES)
        if source == "image" and int(device.get("boot_index") or 0) == 0:
            boot = device.get("uuid")
        elif source == "image":
            raise Error(400, "BadRequest", "Mapping image to local is not supported.")
    if image_id and boot and boot != image_id:
        raise Error(
            400, "BadRequest", "imageRef and the block device with boot_index 0 name different images."
        )
    chosen = image_id or boot
    if not chosen:
        raise Error(400, "BadRequest", "Invalid imageRef provided.")
    return chosen


def _key(request, tx, asked, birth: Birth) -> None:
    if asked.get("key_name") is not None:
        birth.key = key(tx, request.caller.user_id, asked["key_name"])


def key(tx, user_id: str, name: str) -> Any:
    """A user's key pair; raises Error 400 when he has none of that name."""
    from monostack.compute import keypairs

    missing = Error(400, "KeypairNotFound", "Invalid key_name provided.")
    return tx.one(keypairs.KEYPAIRS, lock=False, missing=missing, user_id=user_id, name=name)


def _zone(request, tx, asked, birth: Birth) -> None:
    """availability_zone may be "zone", "zone:host" or "zone:host:node"; from 2.74 on a host may be asked
    for apart."""
    text = asked.get("availability_zone")
    if text:
        zone, _, rest = text.partition(":")
        host, _, node = rest.partition(":")
        if rest:
            request.demand(CREATE + ":forced_host")
            birth.host, birth.forced = host or node or None, True
        birth.zone = zone or None
    wanted = asked.get("host") or asked.get("hypervisor_hostname")
    if wanted:
        request.demand("compute:servers:create:requested_destination")
        if birth.forced:
            raise Error(
                400, "BadRequest", "A host is named twice: in availability_zone and by itself. Name it once."
            )
        birth.host = wanted
    if birth.zone is None and birth.host is None:
        return
    known = hosts.known(tx)
    if birth.zone is not None and not any(row["zone"] == birth.zone for row in known):
        raise Error(400, "InvalidRequest", "The requested availability zone is not available")
    if wanted and not any(row["name"] == wanted for row in known):
        raise Error(400, "ComputeHostNotFound", f"Compute host {wanted} could not be found.")


def _groups(request, tx, asked, birth: Birth) -> None:
    """Security groups, by id or name; the answer repeats them as they were named."""
    from monostack import network

    names = list(dict.fromkeys(each["name"] for each in asked.get("security_groups") or () if "name" in each))
    birth.group_names = names or ["default"]
    if not names or names == ["default"]:
        return
    project_id = request.caller.project_id
    ids = []
    for name in names:
        found = network.find_security_group(tx, project_id, name)
        if found is None:
            raise Error(
                400, "SecurityGroupNotFound", f"Security group {name} not found for project {project_id}."
            )
        ids.append(found["id"])
    birth.group_ids = list(dict.fromkeys(ids))


def _networks(request, tx, asked, birth: Birth) -> None:
    """What each interface shall be: {network_id, port_id, fixed_ip, tag}."""
    wanted = asked.get("networks")
    if wanted == "none":
        return
    if wanted is None or wanted == "auto" or wanted == []:
        birth.networks = automatic(request, tx, wanted == "auto")
        return
    offered = None
    seen: set[str] = set()
    for each in wanted:
        port_id, network_id = each.get("port"), each.get("uuid")
        if port_id is not None:
            if port_id in seen:
                raise Error(400, "BadRequest", f"Duplicate port {port_id} in the request.")
            seen.add(port_id)
            birth.networks.append(on_port(request, tx, port_id, each, birth))
            continue
        if network_id is None:
            raise Error(400, "BadRequest", "Each entry of networks needs 'uuid' or 'port'.")
        if offered is None:
            offered = networks_offered(request, tx)
        birth.networks.append(on_network(request, tx, network_id, each, offered, birth))


def networks_offered(request, tx) -> dict[str, Any]:
    from monostack import network

    found = network.networks_for(tx, request.caller, request.caller.project_id)
    return {row["id"]: row for row in found}


def automatic(request, tx, demanded: bool) -> list[dict[str, Any]]:
    """Nobody said which network: the only one there is."""
    offered = [row for row in networks_offered(request, tx).values() if not row.get("external")]
    if len(offered) > 1:
        raise Error(
            409, "NetworkAmbiguous", "Multiple possible networks found, use a Network ID to be more specific."
        )
    if offered:
        return [{"network_id": offered[0]["id"], "mtu": offered[0]["mtu"]}]
    return [_allocated(request, tx)] if demanded else []


def _allocated(request, tx) -> dict[str, Any]:
    """A project without networks asked for one: networking makes it, as far as the operator prepared it."""
    from monostack import network

    try:
        row = network.auto_allocate(tx, request.caller.project_id)
    except Error as refusal:
        raise Error(
            400,
            "UnableToAutoAllocateNetwork",
            f"Unable to automatically allocate a network for project {request.caller.project_id}: "
            f"{refusal.message}",
        ) from None
    return {"network_id": row["id"], "mtu": row["mtu"]}


def on_network(request, tx, network_id: str, each, offered: dict[str, Any], birth: Birth) -> dict[str, Any]:
    row = offered.get(network_id)
    if row is None:
        from monostack import network

        row = other = network.network(tx, network_id)
        if (
            other is not None
            and other.get("external")
            and not request.allowed("network:attach_external_network")
        ):
            raise Error(
                403,
                "ExternalNetworkAttachForbidden",
                f"It is not allowed to create an interface on external network {network_id}",
            )
        if other is None or not (request.caller.admin or other.get("external")):
            raise Error(400, "NetworkNotFound", f"Network {network_id} could not be found.")
    fixed_ip = each.get("fixed_ip")
    if fixed_ip is not None and birth.most > 1:
        raise Error(
            400,
            "InvalidFixedIpAndMaxCountRequest",
            "Invalid instances count when a fixed IP is asked for: several servers cannot have one address.",
        )
    return {"network_id": network_id, "mtu": row["mtu"], "fixed_ip": fixed_ip, "tag": each.get("tag")}


def on_port(request, tx, port_id: str, each, birth: Birth) -> dict[str, Any]:
    from monostack import network

    if birth.most > 1:
        raise Error(
            400, "MultiplePortsNotApplicable", "Cannot use a port for several servers: ask for one server."
        )
    if each.get("fixed_ip"):
        raise Error(
            400,
            "FixedIpNotApplicable",
            f"Specified Fixed IP '{each['fixed_ip']}' cannot be used with port '{port_id}': the port already "
            "has a Fixed IP allocated.",
        )
    row = network.port(tx, port_id)
    if row is None or (row["project_id"] != request.caller.project_id and not request.caller.admin):
        raise Error(400, "PortNotFound", f"Port id {port_id} could not be found.")
    if row["device_id"]:
        raise Error(409, "PortInUse", f"Port {port_id} is still in use.")
    if not row["fixed_ips"] and row.get("ip_allocation") == "deferred":
        raise Error(400, "PortRequiresFixedIP", f"Port {port_id} requires a FixedIP in order to be used.")
    mtu = network.network(tx, row["network_id"])["mtu"]
    return {"port_id": port_id, "network_id": row["network_id"], "mtu": mtu, "tag": each.get("tag")}


def _group(request, tx, birth: Birth) -> None:
    """The server group that a hint names."""
    hint = birth.hints.get("group")
    if not hint:
        return
    from monostack.compute import server_groups

    group_id = hint[0] if isinstance(hint, list) else hint
    birth.group_id = server_groups.join(tx, request.caller, group_id, birth.most)["id"]


def _limits(request, tx, asked) -> None:
    project_id = request.caller.project_id
    quotas.check_metadata(tx, project_id, asked.get("metadata") or {})
    check_files(tx, project_id, asked.get("personality") or ())


def check_files(tx, project_id: str, files) -> None:
    """Raise Error 403 when the quota allows fewer or smaller files in a new guest."""
    if not files:
        return
    most = quotas.limit(tx, project_id, "injected_files")
    if 0 <= most < len(files):
        raise Error(403, "OnsetFileLimitExceeded", f"Personality file limit exceeded: at most {most} files.")
    longest = quotas.limit(tx, project_id, "injected_file_content_bytes")
    if 0 <= longest < max(len(each.get("contents", "")) * 3 // 4 for each in files):
        raise Error(
            403,
            "OnsetFileContentLimitExceeded",
            f"Personality file content limit exceeded: at most {longest} bytes each.",
        )


def password(asked) -> str:
    """The administrator's password that was asked for, or a new one."""
    return asked.get("adminPass") or "".join(RANDOM.choices(LETTERS, k=12))


def wants_config_drive(asked, image_view) -> bool:
    if (image_view or {}).get("properties", {}).get("img_config_drive") == "mandatory":
        return True
    given = asked.get("config_drive")
    return boolean(str(given)) if given not in (None, "") else False
