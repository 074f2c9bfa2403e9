"""The cache, as administrators look at it, fill it and empty it.

Source: image API reference, "Cache manage" (2.14), and what a current image service answers.
"""

from monostack.image import cache, sight
from monostack.image.cache import QUEUED, READY
from monostack.image.tables import CACHED
from monostack.image.wire import bad
from monostack.kit import clock
from monostack.kit.errors import Error
from monostack.kit.resource import Route

TARGETS = {"": (READY, QUEUED), "cache": (READY,), "queue": (QUEUED,)}


def check(request) -> None:
    """Raise 404 where there is no cache."""
    if not cache.enabled(request.cloud):
        raise Error(404, "NotFound", "Caching via API is not supported at this site.")


def index(request, db):
    check(request)
    return {
        "cached_images": [_view(row) for row in cache.listed(db, READY)],
        "queued_images": [row["image_id"] for row in cache.listed(db, QUEUED)],
    }


def _view(row) -> dict:
    """`checksum` was never filled in by anybody, and clients expect the key."""
    return {
        "id": row["id"],
        "image_id": row["image_id"],
        "last_accessed": clock.seconds(row["accessed_at"]),
        "last_modified": clock.seconds(row["updated_at"] or row["created_at"]),
        "size": row["size"],
        "hits": row["hits"],
        "checksum": None,
    }


def put(request, tx) -> None:
    check(request)
    row = sight.find(request, tx)
    if row["status"] != "active":
        raise bad("Only images with status active can be targeted for queueing")
    cache.queue(tx, row["id"])
    request.subject = row["id"]


def delete(request, tx) -> None:
    check(request)
    row = sight.find(request, tx)
    cache.drop(tx, tx.all(CACHED, image_id=row["id"]))
    request.subject = row["id"]


def clear(request, tx) -> None:
    check(request)
    target = (request.header("x-image-cache-clear-target") or "").lower()
    if target not in TARGETS:
        raise bad("If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string.")
    cache.drop(tx, tx.all(CACHED, status=list(TARGETS[target])))


def prune(request, tx):
    check(request)
    images, size = cache.prune(tx)
    return {"total_files_pruned": images, "total_bytes_pruned": size}


async def clean(request, ctx) -> None:
    check(request)
    await cache.clean(request.cloud, ctx.write)


def nodes(request, db):
    """The URLs of the services that have the image in their cache: all processes share one."""
    check(request)
    row = sight.find(request, db)
    return [request.base] if cache.places(db, row["id"]) else []


PATH = "/v2/cache"

ROUTES = (
    Route("GET", PATH, index, "cache_list"),
    Route("DELETE", PATH, clear, "cache_delete", event="image.cache.clear"),
    Route(
        "PUT",
        PATH + "/{image_id}",
        put,
        "cache_image",
        ok=202,
        target=sight.target,
        event="image.cache.queue",
    ),
    Route(
        "DELETE",
        PATH + "/{image_id}",
        delete,
        "cache_delete",
        target=sight.target,
        event="image.cache.delete",
    ),
    Route("POST", PATH + "/prune", prune, "cache_prune", event="image.cache.prune"),
    Route("POST", PATH + "/clean", clean, "cache_clean", ok=200, event="image.cache.clean"),
    Route("GET", PATH + "/nodes/{image_id}", nodes, "list_cached_nodes", target=sight.target),
)
