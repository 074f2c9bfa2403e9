"""The data of an image: up by PUT, down by GET, whole or one range of it."""

import re

from monostack.image import store, upload
from monostack.image.sight import find, target
from monostack.image.wire import forbidden, too_large
from monostack.kit.errors import Error
from monostack.kit.resource import Response, Route

STREAM = "application/octet-stream"


async def put(request, ctx):
    check_type(request)
    row = await ctx.read(_find, request)
    check_length(request)

    def finished() -> None:
        request.subject = row["id"]

    await upload.receive(ctx.cloud, row["id"], request.stream(), ctx.write, finished)


def _find(db, request) -> dict:
    return find(request, db)


def check_type(request) -> None:
    """Data come as bytes and nothing else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != STREAM:
        raise Error(415, "UnsupportedMediaType", f"Invalid content type {kind[:255]}")


def check_length(request) -> None:
    """Refuse at once what is announced as too large."""
    length, most = request.headers.get("content-length", ""), request.cloud.settings.image.max_bytes
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > most):
        raise too_large(f"The image is larger than {most} bytes, the most that this cloud takes.")


def get(request, db):
    row = find(request, db)
    if row["status"] == "deactivated" and not request.caller.admin:
        raise forbidden("The requested image has been deactivated. Image data download is forbidden.")
    if row["blob"] is None:
        return Response(204)
    size = row["size"]
    headers = [("Content-Type", STREAM), ("Content-MD5", row["checksum"])]
    path = str(store.file(request.cloud, row["id"], row["blob"]))
    if "range" not in request.headers:
        return Response(200, headers=[*headers, ("Content-Length", str(size))], file=path, length=size)
    first, last = _range(request.headers["range"], size)
    headers += [("Content-Range", f"bytes {first}-{last}/{size}"), ("Content-Length", str(last - first + 1))]
    return Response(206, headers=headers, file=path, offset=first, length=last - first + 1)


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
