"""How much a project may have, and how it is refused when that is not enough.

Source: networking API reference, "Quotas"; defaults as the reference service ships them.
"""

from __future__ import annotations

import sqlalchemy as sa

from monostack.kit import quota
from monostack.kit.db import query
from monostack.kit.errors import Error
from monostack.network.sharing import POLICIES
from monostack.network.subnetpool_tables import SUBNETPOOLS
from monostack.network.tables import (
    FLOATING_IPS,
    NETWORKS,
    PORTS,
    ROUTERS,
    SECURITY_GROUP_RULES,
    SECURITY_GROUPS,
    SUBNETS,
)

SERVICE = "network"
DEFAULTS = {
    "network": 100,
    "subnet": 100,
    "subnetpool": -1,
    "port": 500,
    "router_route": 30,
    "router": 10,
    "floatingip": 50,
    "rbac_policy": 10,
    "security_group": 10,
    "security_group_rule": 100,
    "trunk": -1,
}
COUNTED = {
    "network": NETWORKS,
    "subnet": SUBNETS,
    "port": PORTS,
    "router": ROUTERS,
    "floatingip": FLOATING_IPS,
    "security_group": SECURITY_GROUPS,
    "security_group_rule": SECURITY_GROUP_RULES,
    "rbac_policy": POLICIES,
    "subnetpool": SUBNETPOOLS,
}
_COUNTS = {
    name: query(
        sa.select(sa.func.count()).select_from(table).where(table.c.project_id == sa.bindparam("of_project"))
    )
    for name, table in COUNTED.items()
}


def used(db, project_id: str, names) -> dict[str, int]:
    """How much a project has."""
    return {name: db.value(_COUNTS[name], of_project=project_id) if name in _COUNTS else 0 for name in names}


def take(tx, project_id: str, **wanted: int) -> None:
    """Refuse what would go over the project's quota."""
    if not project_id:
        return
    try:
        quota.check(tx, SERVICE, project_id, DEFAULTS, wanted, lambda db, names: used(db, project_id, names))
    except quota.Over as reason:
        raise Error(409, "OverQuota", f"Quota exceeded for resources: {sorted(reason.over)}.") from None
