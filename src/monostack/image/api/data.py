"""The data of an image: up by PUT, down by GET, whole or one range of it."""

import logging
import re

from monostack.image import cache, imports, reading, upload
from monostack.image.sight import find, target
from monostack.image.wire import forbidden, too_large
from monostack.kit.db.rows import DiskFull
from monostack.kit.errors import Error
from monostack.kit.resource import Response, Route

STREAM = "application/octet-stream"
READABLE = ("active", "deactivated")

log = logging.getLogger(__name__)


async def put(request, ctx):
    check_type(request)
    row = await ctx.read(_find, request)
    length = check_length(request)
    store = imports.check_store(request)

    def finished() -> None:
        request.subject = row["id"]

    await upload.receive(ctx.cloud, row["id"], request.stream(), ctx.write, finished, store, length)


def _find(db, request) -> dict:
    return find(request, db)


def check_type(request) -> None:
    """Data come as bytes and nothing else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != STREAM:
        raise Error(415, "UnsupportedMediaType", f"Invalid content type {kind[:255]}")


def check_length(request) -> int:
    """Refuse at once what is announced as too large; the bytes that are announced, 0 if none are."""
    length, most = request.headers.get("content-length", ""), request.cloud.settings.image.max_bytes
    if not (length.isascii() and length.isdigit()):
        return 0
    if len(length) > 18 or int(length) > most:
        raise too_large(f"The image is larger than {most} bytes, the most that this cloud takes.")
    return int(length)


async def get(request, ctx):
    row = await ctx.read(_found, request)
    if not row["places"] or row["status"] not in READABLE:
        return Response(204)
    size, headers = row["size"], [("Content-Type", STREAM)]
    if row["checksum"] is not None:
        headers.append(("Content-MD5", row["checksum"]))
    first, length, status = 0, size, 200
    if "range" in request.headers and size is not None:
        first, last = _range(request.headers["range"], size)
        length, status = last - first + 1, 206
        headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
    headers.append(("Content-Length", str(length)))
    cached = await ctx.read(cache.places, row["id"])
    path, chunks = await reading.open_data(ctx.cloud, [*cached, *row["places"]], first, length)
    await _tell_cache(ctx, row, bool(cached), path is None)
    if path is not None:
        return Response(status, headers=headers, file=str(path), offset=first, length=length)
    return Response(status, headers=headers, stream=chunks)


async def _tell_cache(ctx, row: dict, cached: bool, far: bool) -> None:
    """Count what came out of the cache; let what came from far away be in it next time. Data can be given
    without it: a full disk, or a database that is away, is no reason to refuse them."""
    note = cache.hit if cached else cache.queue if far and cache.enabled(ctx.cloud) else None
    if note is None:
        return
    try:
        await ctx.write(note, row["id"])
    except (DiskFull, Error) as reason:
        log.warning("image %s: the cache could not be told of a download: %s", row["id"], reason)


def _found(db, request) -> dict:
    row = find(request, db)
    if row["status"] == "deactivated" and not request.caller.admin:
        raise forbidden("The requested image has been deactivated. Image data download is forbidden.")
    return row


def _range(text: str, size: int) -> tuple[int, int]:
    """The first and last byte that a Range header asks for; raises Error 416."""
    asked = re.fullmatch(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", text)
    if asked is not None and asked[1]:
        first, last = int(asked[1]), min(int(asked[2] or size), size - 1)
    elif asked is not None and asked[2]:
        first, last = max(size - int(asked[2]), 0), size - 1
    else:
        first, last = size, 0
    if first > last:
        raise Error(
            416,
            "RangeNotSatisfiable",
            f"The byte range '{text[:100]}' cannot be given of an image of {size} "
            "bytes. Ask for one range, such as bytes=0-1023.",
            headers=[("Content-Range", f"bytes */{size}")],
        )
    return first, last


PATH = "/v2/images/{image_id}/file"

ROUTES = (
    Route("GET", PATH, get, "download_image", target=target),
    Route("PUT", PATH, put, "upload_image", ok=204, target=target, raw=True, event="image.upload"),
)
