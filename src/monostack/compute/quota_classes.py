"""Quota classes: of the classes once meant, only `default` is left, the limits of every project without its
own.

Another class would apply to nobody; it is shown as what it is, the same as the default, and cannot be
changed. What networking counts can still be named until 2.49 and is repeated to who asks; it limits nothing.

Source: compute API reference, "Quota class sets".
"""

from __future__ import annotations

from typing import Any

from monostack.compute import quotas
from monostack.compute.quota_sets import FILES, with_elsewhere
from monostack.kit import quota
from monostack.kit.errors import Error
from monostack.kit.resource import Field, Route

RULE = "os_compute_api:os-quota-class-sets:"
DEFAULT = "default"
NETWORKING = (2, 49)
GROUPS = (2, 50)

SET = (
    Field("cores"),
    Field("fixed_ips", until=NETWORKING),
    Field("floating_ips", until=NETWORKING),
    Field("injected_file_content_bytes", until=FILES),
    Field("injected_file_path_bytes", until=FILES),
    Field("injected_files", until=FILES),
    Field("instances"),
    Field("key_pairs"),
    Field("metadata_items"),
    Field("ram"),
    Field("security_group_rules", until=NETWORKING),
    Field("security_groups", until=NETWORKING),
    Field("server_group_members", since=GROUPS),
    Field("server_groups", since=GROUPS),
)
SHOWN = (Field("id"), *SET)


def target(request, db) -> dict[str, str]:
    return {"quota_class": request.path["id"]}


def show(request, db) -> dict[str, Any]:
    return {"quota_class_set": request.render(SHOWN, _limits(db) | {"id": request.path["id"]})}


def update(request, tx) -> dict[str, Any]:
    name = request.path["id"]
    if name != DEFAULT:
        raise Error(
            400, "BadRequest", f"No project is in the quota class {name}: only '{DEFAULT}' can be changed."
        )
    for resource, limit in request.body["quota_class_set"].items():
        quota.set_limit(tx, quotas.SERVICE, "", resource, int(limit))
    return {"quota_class_set": request.render(SET, _limits(tx))}


def _limits(db) -> dict[str, Any]:
    return quota.limits(db, quotas.SERVICE, "", with_elsewhere(quotas.DEFAULTS))


ROUTES = (
    Route(
        "GET",
        "/os-quota-class-sets/{id}",
        show,
        RULE + "show",
        query="quota_classes.show",
        target=target,
    ),
    Route(
        "PUT",
        "/os-quota-class-sets/{id}",
        update,
        RULE + "update",
        body="quota_classes.update",
        target=target,
        event="compute.quota_class.update",
    ),
)
