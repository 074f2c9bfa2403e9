"""How much of compute a project may have.

Counted from the servers themselves, in the transaction that adds to them. The defaults are those of the
reference service; an operator changes them for one project or for all (`monostack.kit.quota`).
"""

from collections.abc import Mapping

import sqlalchemy as sa

from monostack.compute import user_limits
from monostack.compute.servers.rows import SERVERS
from monostack.kit import quota
from monostack.kit.db import query
from monostack.kit.errors import Error

SERVICE = "compute"
DEFAULTS: dict[str, int] = {
    "instances": 10,
    "cores": 20,
    "ram": 51200,
    "metadata_items": 128,
    "injected_files": 5,
    "injected_file_content_bytes": 10240,
    "injected_file_path_bytes": 255,
    "key_pairs": 100,
    "server_groups": 10,
    "server_group_members": 10,
}

_USED = query(
    sa.select(
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(SERVERS.c.vcpus), 0),
        sa.func.coalesce(sa.func.sum(SERVERS.c.ram), 0),
    ).where(SERVERS.c.project_id == sa.bindparam("project"), SERVERS.c.live == 1)
)


def used(db, project_id: str) -> dict[str, int]:
    """What the project's servers take: instances, cores, ram."""
    found = list(db.first(_USED, project=project_id).values())
    return {"instances": int(found[0]), "cores": int(found[1]), "ram": int(found[2])}


def take(tx, project_id: str, user_id: str, least: int, most: int, vcpus: int, ram: int) -> int:
    """How many servers of that size the user may make now in the project, at least `least` and at most
    `most`; raises Error 403."""
    each = {"instances": 1, "cores": vcpus, "ram": ram}
    have = {}

    def count(tx, names) -> Mapping[str, int]:
        have.update(used(tx, project_id))
        return have

    try:
        quota.check(
            tx, SERVICE, project_id, DEFAULTS, {name: size * most for name, size in each.items()}, count
        )
    except quota.Over as over:
        most = _fit(each, least, most, have, {name: limit for name, (_, _, limit) in over.over.items()})
    own = {name: limit for name, limit in user_limits.of(tx, project_id, user_id).items() if limit >= 0}
    if not own:
        return most
    return _fit(each, least, most, user_limits.used(tx, project_id, user_id), own)


def _fit(
    each: Mapping[str, int], least: int, most: int, have: Mapping[str, int], allowed: Mapping[str, int]
) -> int:
    """How many of that size fit below the limits; raises Error 403 when not even `least` do."""
    fit = min((allowed[name] - have[name]) // each[name] for name in allowed)
    if fit >= least:
        return min(fit, most)
    wanted = {name: each[name] * least for name in allowed if have[name] + each[name] * least > allowed[name]}
    raise over_words(wanted, have, allowed)


def over_words(wanted: Mapping[str, int], have: Mapping[str, int], allowed: Mapping[str, int]) -> Error:
    """The 403 that clients know: what was asked, what is used, what is allowed."""
    names = sorted(wanted)
    asked = ", ".join(str(wanted[name]) for name in names)
    used_words = ", ".join(str(have[name]) for name in names)
    limits = ", ".join(str(allowed[name]) for name in names)
    listed = ", ".join(names)
    return Error(
        403,
        "TooManyInstances",
        f"Quota exceeded for {listed}: Requested {asked}, but already used {used_words} of {limits} {listed}",
    )


def limit(db, project_id: str | None, resource: str) -> int:
    """One limit in force; -1 is unlimited."""
    return quota.limits(db, SERVICE, project_id, DEFAULTS)[resource]


def check_metadata(db, project_id: str | None, metadata: Mapping[str, str]) -> None:
    """Raise Error 403 when a server would have more metadata items than the quota allows."""
    if not metadata:
        return
    allowed = limit(db, project_id, "metadata_items")
    if allowed != quota.UNLIMITED and len(metadata) > allowed:
        raise Error(403, "MetadataLimitExceeded", f"Maximum number of metadata items exceeds {allowed}")
