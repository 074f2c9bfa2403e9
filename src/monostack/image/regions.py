"""Images of another region, taken over by the caller's own token (the import method glance-download).

Where the other image service is, the catalogue of the caller's token says; a caller names a region, never an
address, and a redirect is not followed, because the token goes along. The token is kept in memory alone and
no longer than the import: if the process dies, the import fails in words, and the caller asks again.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from monostack.image import attributes, fetch
from monostack.kit.errors import Error

LARGEST_DESCRIPTION = 4 << 20
COPIED = ("hw_", "trait:", "os_distro", "os_secure_boot", "os_type")
"""What properties of the other image are taken over, by how their names begin."""

_errands: dict[str, tuple[str, str | None]] = {}


@dataclass
class Remote:
    """An image of another region."""

    url: str
    token: str
    described: dict[str, Any]
    size: int

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its data; raises Unreachable, also when they are not as many as it says."""
        total = 0
        async for piece in fetch.chunks(f"{self.url}/file", _there(self.url), {"X-Auth-Token": self.token}):
            total += len(piece)
            yield piece
        if total != self.size:
            raise fetch.Unreachable(f"The data have {total} bytes, the image of the region {self.size}.")


def remember(task_id: str, token: str, catalog: list[dict], method: dict) -> None:
    """Keep what an import needs of its caller."""
    _errands[task_id] = (
        token,
        endpoint(catalog, method["glance_region"], method.get("glance_service_interface", "public")),
    )


def forget(task_id: str) -> None:
    _errands.pop(task_id, None)


def endpoint(catalog: list[dict], region: str, interface: str) -> str | None:
    """The image service of a region, in a catalogue."""
    for service in catalog:
        if service.get("type") != "image":
            continue
        for each in service.get("endpoints", ()):
            if each.get("interface") == interface and region in (each.get("region_id"), each.get("region")):
                return each["url"].rstrip("/").removesuffix("/v2")
    return None


async def look(task: dict, method: dict, image: dict) -> Remote:
    """Ask the other region what the image is; raises Unreachable in words."""
    token, service = _errands.get(task["id"], ("", None))
    if not token:
        raise fetch.Unreachable("The import was interrupted and the caller's token is gone. Import it again.")
    if service is None:
        raise fetch.Unreachable(
            f"The catalogue has no such image service in region {method['glance_region'][:255]}."
        )
    url = f"{service}/v2/images/{method['glance_image_id']}"
    text = bytearray()
    asked = {"X-Auth-Token": token, "Accept": "application/json"}
    async for piece in fetch.chunks(url, _there(url), asked):
        text += piece
        if len(text) > LARGEST_DESCRIPTION:
            raise fetch.Unreachable("The other region's description of the image is too long.")
    return Remote(url, token, *_read(bytes(text), image))


def _there(url: str) -> fetch.Rules:
    """An address of the catalogue is allowed as it stands: the operator has written it."""
    parts = urlsplit(url)
    return fetch.Rules(also=(f"{parts.hostname}:{parts.port or fetch.PORTS.get(parts.scheme)}",))


def _read(text: bytes, image: dict) -> tuple[dict[str, Any], int]:
    """What of the other image describes this one, and its size."""
    try:
        found = json.loads(text)
        status, size = found["status"], int(found["size"])
        formats = {name: found[name] for name in attributes.FORMATS}
        attributes.check_all(formats)
    except Error as reason:
        raise fetch.Unreachable(f"The other region's image cannot be taken: {reason}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise fetch.Unreachable("The other region does not describe the image.") from None
    if status != "active":
        raise fetch.Unreachable(f"Source image status should be active instead of {status}")
    properties = {
        name: value
        for name, value in found.items()
        if name.startswith(COPIED) and isinstance(value, str) and name not in attributes.BASE
    }
    merged = (image["properties"] or {}) | properties
    attributes.check_properties(merged)
    return formats | {"properties": merged}, size
