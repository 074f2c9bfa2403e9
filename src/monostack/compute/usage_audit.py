"""What the hosts' audits of usage told: how many servers each carried in the last whole month.

An audit used to be a job on every host that could run late or fail. Here it is computed from the servers'
own rows, deleted ones included, whenever it is asked for; every host is therefore done, without errors.

Source: compute API reference, "Instance usage audit log".
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from monostack.compute.hosts import HOSTS
from monostack.compute.servers.rows import SERVERS
from monostack.kit import clock
from monostack.kit.db import Db, query
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Route

RULE = "os_compute_api:os-instance-usage-audit-log:"

_CARRIED = query(
    sa.select(SERVERS.c.host, sa.func.count().label("servers"))
    .where(
        SERVERS.c.host.is_not(None),
        SERVERS.c.launched_at.is_not(None),
        SERVERS.c.launched_at < sa.bindparam("end"),
        sa.or_(SERVERS.c.terminated_at.is_(None), SERVERS.c.terminated_at >= sa.bindparam("begin")),
    )
    .group_by(SERVERS.c.host)
)


def index(request: Request, db: Db) -> dict[str, Any]:
    return {"instance_usage_audit_logs": _log(db, db.now)}


def show(request: Request, db: Db) -> dict[str, Any]:
    """The month before a moment."""
    text = request.path["id"]
    try:
        before = clock.parse(text)
    except ValueError:
        raise Error(400, "BadRequest", f"Invalid timestamp for date {text}") from None
    return {"instance_usage_audit_log": _log(db, before)}


def _log(db: Db, before: str) -> dict[str, Any]:
    begin, end = _last_month(before)
    carried = {row["host"]: row["servers"] for row in db.run(_CARRIED, begin=begin, end=end)}
    hosts = [row["name"] for row in db.all(HOSTS, order="number")]
    log = {name: _of_host(carried.get(name, 0)) for name in hosts}
    return {
        "period_beginning": clock.spaced(begin),
        "period_ending": clock.spaced(end),
        "num_hosts": len(hosts),
        "num_hosts_done": len(hosts),
        "num_hosts_running": 0,
        "num_hosts_not_run": 0,
        "hosts_not_run": [],
        "total_instances": sum(each["instances"] for each in log.values()),
        "total_errors": 0,
        "overall_status": "ALL hosts done. 0 errors.",
        "log": log,
    }


def _of_host(servers: int) -> dict[str, Any]:
    message = f"{servers} servers in the period."
    return {"state": "DONE", "instances": servers, "errors": 0, "message": message}


def _last_month(before: str) -> tuple[str, str]:
    """The first moments of the last month that was over before a moment, and of the month after it."""
    end = date.fromisoformat(before[:10]).replace(day=1)
    begin = (end - timedelta(days=1)).replace(day=1)
    return f"{begin}T00:00:00.000000", f"{end}T00:00:00.000000"


PATH = "/os-instance_usage_audit_log"

ROUTES = (
    Route("GET", PATH, index, RULE + "list", query="instance_usage_audit_log.index"),
    Route("GET", PATH + "/{id}", show, RULE + "show", query="instance_usage_audit_log.show"),
)
