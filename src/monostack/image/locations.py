"""Locations: data that stand on somebody's web server and are an image without ever being uploaded.

There are two ways to give an image one. The new way (`/locations`) is a task: the size is asked for, and with
`image.do_secure_hash` the data are read, looked into and hashed; told hashes must fit before the image is
active. The old way is a JSON patch of `locations`, where the operator shows them
(`image.show_multiple_locations`): the image is active at once.

Only http and https, and only where the operator has a store of the type http. Other schemes name files or
devices of the cloud itself (file:, swift+config:), and whoever can name them reads other people's data.

Source: image API reference, "Image locations"; RFC 6901 for positions.
"""

import json
import re
from typing import Any
from urllib.parse import urlsplit

from monostack.image import blobs, fetch, stores
from monostack.image.tables import BLOBS
from monostack.image.wire import bad, conflict, forbidden, too_large
from monostack.kit import ids

MOST = 10
LONGEST_METADATA = 4096
SIZES = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
FACTS = ("checksum", "os_hash_algo", "os_hash_value")


def shown(cloud, row: dict) -> list[dict]:
    """The locations of an image as the wire shows them."""
    home, out = stores.of(cloud), []
    for place in row["places"] or ():
        store = home.get(place["store"])
        if store is not None:
            metadata = (place.get("metadata") or {}) | {"store": place["store"]}
            out.append({"url": store.url(place["key"]), "metadata": metadata})
    return out


def check_url(cloud, url: Any) -> str:
    """The store of a location; raises Error 400 for a URL that cannot be one."""
    web = stores.of(cloud).web
    if not isinstance(url, str) or len(url) > 255:
        raise bad("The url of a location is a text of at most 255 characters.")
    if urlsplit_scheme(url) not in fetch.PORTS or web is None:
        raise bad("Invalid location: only http and https URLs are taken, where a store of that type is.")
    try:
        fetch.check(url, fetch.rules(cloud.settings.image))
    except fetch.Unreachable as reason:
        raise bad(f"URI for add location does not pass filtering: {reason}") from None
    return web


def urlsplit_scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def check_hashes(told: dict) -> None:
    """Refuse hashes that cannot be ones; raises Error 400."""
    algorithm, value = told.get("os_hash_algo"), told.get("os_hash_value")
    if value is None and algorithm is None:
        return
    if algorithm not in SIZES or not isinstance(value, str):
        raise bad(f"validation_data has os_hash_algo (one of {', '.join(SIZES)}) and os_hash_value.")
    if not re.fullmatch(r"[0-9a-fA-F]*", value):
        raise bad(f"os_hash_value ({value[:128]}) is not a valid hexadecimal value")
    if len(value) != 2 * SIZES[algorithm]:
        raise bad(
            f"os_hash_value: ({value[:128]}) is not the correct size for ({algorithm}) "
            f"(should be ({SIZES[algorithm]}) bytes)"
        )


def add(tx, row: dict, url: str, size: int, metadata: dict | None = None, at: int | None = None) -> None:
    """Data on a web server are the image's."""
    blob = tx.insert(
        BLOBS,
        id=ids.new_uuid(),
        image_id=row["id"],
        store=stores.of(tx.cloud).web,
        key=url,
        size=size,
        status=blobs.PRESENT,
    )
    places = list(row["places"] or [])
    places.insert(len(places) if at is None else at, blobs.place(blob) | {"metadata": metadata or {}})
    tx.set(row, places=places)


# The old way: patches


def urls(asked: list[tuple[str, str, Any]]) -> list[str]:
    """The URLs that a patch adds."""
    found = []
    for operation, name, value in asked:
        if name.partition("/")[0] == "locations" and operation != "remove":
            found += [each.get("url") for each in _list(value) if isinstance(each, dict)]
    return [url for url in found if isinstance(url, str)]


def _list(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def patch(request, tx, row: dict, target: dict, change: tuple[str, str, Any], sizes: dict[str, int]) -> None:
    """One operation of a patch; raises Error for what may not change."""
    operation, name, value = change
    position = name.partition("/")[2] or None
    request.demand("delete_image_location" if operation == "remove" else "set_image_location", target)
    if not tx.cloud.settings.image.show_multiple_locations:
        raise forbidden(f"It's not allowed to {operation} locations if locations are invisible.")
    if row["status"] not in (("active",) if operation == "remove" else ("active", "queued")):
        raise conflict(f"It's not allowed to {operation} locations if image status is {row['status']}.")
    if row["upload"] is not None:
        raise conflict("The image's data are being copied. Wait for the import to end.")
    if row["status"] == "queued":
        blobs.clear(tx, row)
    if operation == "remove":
        _remove(tx, row, position)
    elif operation == "replace":
        _replace(tx, row, position, value, sizes)
    else:
        _add(tx, row, position, value, sizes)


def _remove(tx, row: dict, position: str | None) -> None:
    places = list(row["places"] or [])
    if len(places) == 1:
        raise forbidden("Cannot remove last location in the image.")
    at = _position(position, len(places), end=False)
    if at is None:
        raise bad("Invalid position for removing a location.")
    gone = places.pop(at)
    tx.set(row, places=places)
    blobs.doom(tx, id=gone["id"])


def _replace(tx, row: dict, position: str | None, value: Any, sizes: dict[str, int]) -> None:
    if position is not None or not isinstance(value, list):
        raise bad("Locations are replaced as a whole, by a list.")
    if not value:
        raise forbidden("Cannot set locations to empty list.")
    described = [_described(each) for each in value]
    have = {stores.of(tx.cloud).need(each["store"]).url(each["key"]): each for each in row["places"] or []}
    wanted = [url for url, _, _ in described]
    if have:
        if sorted(have) != sorted(wanted):
            raise bad("Original locations is not empty: only their order and metadata can be changed.")
        tx.set(row, places=[have[url] | {"metadata": metadata} for url, metadata, _ in described])
        return
    for each in described:
        _one(tx, row, each, None, sizes)


def _add(tx, row: dict, position: str | None, value: Any, sizes: dict[str, int]) -> None:
    at = _position(position, len(row["places"] or []), end=True)
    if at is None:
        raise bad("Invalid position for adding a location.")
    _one(tx, row, _described(value), at, sizes)


def _one(tx, row: dict, described: tuple, at: int | None, sizes: dict[str, int]) -> None:
    url, metadata, told = described
    check_url(tx.cloud, url)
    places = row["places"] or []
    if any(each["key"] == url for each in places):
        raise bad(f"The location {url} already exists")
    if len(places) >= MOST:
        raise too_large(
            f"The limit has been exceeded on the number of allowed image locations. "
            f"Attempted: {len(places) + 1}, Maximum: {MOST}"
        )
    size = sizes.get(url)
    if size is None:
        raise bad(f"At most {MOST} locations are added at a time.")
    new = _new_facts(row, told)
    add(tx, row, url, size, metadata, at)
    if row["status"] == "queued":
        tx.set(row, status="active", size=size, **new)


def _described(value: Any) -> tuple[str, dict, dict]:
    """The URL, metadata and validation data of a location; raises Error 400."""
    if not isinstance(value, dict) or not isinstance(value.get("url"), str):
        raise bad("A location is an object with url and metadata.")
    metadata, told = value.get("metadata"), value.get("validation_data", {})
    if not isinstance(metadata, dict) or len(json.dumps(metadata)) > LONGEST_METADATA:
        raise bad(f"The metadata of a location are an object of at most {LONGEST_METADATA} characters.")
    if not isinstance(told, dict) or not set(told) <= set(FACTS):
        raise bad(f"validation_data is an object with {', '.join(FACTS)}.")
    return value["url"], metadata, told


def _new_facts(row: dict, told: dict) -> dict:
    """What a caller tells of the data and the image does not say yet; raises Error 409."""
    for name, value in told.items():
        if row[name] not in (None, value):
            raise conflict(f"{name} is already set with a different value")
    new = {name: value for name, value in told.items() if value != row[name]}
    if not new:
        return {}
    if row["status"] != "queued":
        raise conflict(f"New value(s) for {', '.join(new)} may only be given while image status is 'queued'")
    if new.get("os_hash_algo") != "sha512" or not isinstance(new.get("os_hash_value"), str):
        raise conflict("os_hash_algo must be sha512, and os_hash_value goes with it.")
    for name, length in (("checksum", 32), ("os_hash_value", 128)):
        if name in new and not re.fullmatch(rf"[0-9a-fA-F]{{{length}}}", str(new[name])):
            raise conflict(f"{name} is not {length} hexadecimal digits.")
    return new


def _position(text: str | None, count: int, end: bool) -> int | None:
    """The place in a list that a JSON pointer names."""
    if text == "-":
        return count if end else count - 1
    if text is None or not re.fullmatch(r"\d{1,4}", text):
        return None
    at = int(text)
    return at if at < count or (end and at == count) else None
