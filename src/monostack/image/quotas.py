"""How much a project may keep: limits that identity registers, counted from the rows themselves.

They are in force when `image.use_keystone_limits` says so. A resource that no limit is registered for allows
nothing, as everywhere with unified limits: who switches them on registers all four. The size of an upload is
not known when it begins unless its caller told it; so a project may pass its limit once, and then no more.

Source: image administration guide, "Per-tenant quotas"; sizes count in MiB, the words are those of the
library that services judge unified limits with.
"""

import sqlalchemy as sa

from monostack import identity
from monostack.image.blobs import PRESENT
from monostack.image.blobs import STAGED as IS_STAGED
from monostack.image.tables import BLOBS, IMAGES
from monostack.image.wire import too_large
from monostack.kit import quota
from monostack.kit.db import gt, query

SIZE, STAGED, COUNT, UPLOADING = (
    "image_size_total",
    "image_stage_total",
    "image_count_total",
    "image_count_uploading",
)
NAMES = (SIZE, STAGED, COUNT, UPLOADING)
BUSY = ("saving", "uploading", "importing")
MIB = 1 << 20

_BYTES = query(
    sa.select(sa.func.coalesce(sa.func.sum(BLOBS.c.size), 0))
    .select_from(BLOBS.join(IMAGES, IMAGES.c.id == BLOBS.c.image_id))
    .where(
        IMAGES.c.owner == sa.bindparam("project"),
        IMAGES.c.live == 1,
        BLOBS.c.status == sa.bindparam("status"),
    )
)


def used(db, project_id: str) -> dict[str, int]:
    """What the project's images take."""
    copying = db.count(IMAGES, owner=project_id, status="active", upload=gt(""))
    return {
        SIZE: int(db.value(_BYTES, project=project_id, status=PRESENT)) // MIB,
        STAGED: int(db.value(_BYTES, project=project_id, status=IS_STAGED)) // MIB,
        COUNT: db.count(IMAGES, owner=project_id),
        UPLOADING: db.count(IMAGES, owner=project_id, status=list(BUSY)) + copying,
    }


def usage(db, project_id: str | None) -> dict[str, dict[str, int]]:
    """What a project is told of its limits; nothing when none are in force."""
    if not db.cloud.settings.image.use_keystone_limits or project_id is None:
        return {}
    have = used(db, project_id)
    return {
        name: {"usage": have[name], "limit": identity.limit(db, "image", name, project_id)} for name in NAMES
    }


def check_new(tx, project_id: str | None) -> None:
    """Raise Error 413 when the project may not have one more image."""
    _check(tx, project_id, {COUNT: 1})


def check_upload(tx, project_id: str | None, staging: bool, size: int = 0) -> None:
    """Raise Error 413 when the project may not send data now; `size` as far as it is known."""
    _check(tx, project_id, {STAGED if staging else SIZE: size // MIB, UPLOADING: 1})


def check_import(tx, project_id: str | None, size: int, staging: bool) -> None:
    """Raise Error 413 when the project may not import now; `staging` says that room for staging is needed."""
    _check(tx, project_id, {STAGED: size // MIB, UPLOADING: 1} if staging else {SIZE: size // MIB})


def _check(tx, project_id: str | None, wanted: dict[str, int]) -> None:
    if not tx.cloud.settings.image.use_keystone_limits or project_id is None:
        return
    quota.lock(tx, "image", project_id)
    have = used(tx, project_id)
    over = []
    for name, more in wanted.items():
        limit = identity.limit(tx, "image", name, project_id)
        if limit != quota.UNLIMITED and have[name] + more > limit:
            over.append(
                f"Resource {name} is over limit of {limit} due to current usage {have[name]} and delta {more}"
            )
    if over:
        raise too_large(f"Project {project_id} is over a limit for [{', '.join(over)}]")
