"""What a deleted project or user leaves of compute, and how it goes.

A user's key pairs go with him: they let nobody in any more. A project's servers and server groups stay, or
are deleted like by anybody's request, as the operator wants (see identity/projects/leaving)."""

from __future__ import annotations

from monostack.compute import keypairs, server_groups
from monostack.compute.servers import api
from monostack.compute.servers.rows import SERVERS
from monostack.kit import ids
from monostack.kit.db import Tx

AT_ONCE = 10


def users_deleted(tx: Tx, user_ids: list[str]) -> None:
    tx.delete_all(keypairs.KEYPAIRS, user_id=user_ids)


def owned(tx: Tx, project_id: str) -> dict[str, int]:
    return {
        "servers": tx.count(SERVERS, project_id=project_id),
        "server groups": tx.count(server_groups.GROUPS, project_id=project_id),
    }


def purge(tx: Tx, project_id: str) -> None:
    doomed = [row for row in tx.all(SERVERS, order="id", project_id=project_id) if row["desired"] != "absent"]
    for row in doomed[:AT_ONCE]:
        server = tx.the(SERVERS, id=row["id"])
        api.doom(tx, server, ids.new_request_id(), server["user_id"], project_id)
    if not tx.count(SERVERS, project_id=project_id):
        tx.delete_all(server_groups.GROUPS, project_id=project_id)


HOOKS = (
    ("identity.users.delete", users_deleted),
    ("identity.project.owned", owned),
    ("identity.project.purge", purge),
)
