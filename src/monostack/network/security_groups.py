"""Security groups: named sets of ports, and the rules of what may reach them.

Every project has a group called "default", made when it is first needed: its members may talk to each other
and to everybody, and nobody else may talk to them. A new group lets its members talk to everybody and nobody
talk to them. A group without a rule lets nothing through: rules only allow.

Source: networking API reference, "Security groups"; the templates of the rules from "Default security group
rules".
"""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa

from monostack.kit.db import Taken
from monostack.kit.errors import Error
from monostack.network import collection, hosting, limits, sharing
from monostack.network import security_group_rules as rules
from monostack.network.attributes import DESCRIPTION, ID, NAME, OWNER, STANDARD, Attribute, boolean
from monostack.network.collection import Collection, routes, save
from monostack.network.tables import PORT_GROUPS, SECURITY_GROUP_RULES, SECURITY_GROUPS, all_in

DEFAULT = "default"
DEFAULT_DESCRIPTION = "Default security group"

ATTRIBUTES = (
    ID,
    *OWNER,
    NAME,
    DESCRIPTION,
    boolean("stateful", post=True, put=True, default=True),
    boolean("shared"),
    Attribute("security_group_rules"),
    *STANDARD,
)


SEEN = sa.or_(
    SECURITY_GROUPS.c.project_id == sa.bindparam("viewer"),
    SECURITY_GROUPS.c.id.in_(sharing.granted("security_group")),
)


def may_see(db, row, viewer: str | None) -> bool:
    return row["project_id"] == viewer or sharing.is_granted(db, row["id"], viewer)


def complete(db, rows: list, viewer: str | None) -> None:
    """The rules of each group."""
    by_group: dict[str, list] = {row["id"]: [] for row in rows}
    found = all_in(db, SECURITY_GROUP_RULES, "security_group_id", by_group, order=("created_at", "id"))
    for rule in found:
        by_group[rule["security_group_id"]].append(rules.view(rule))
    for row in rows:
        row["security_group_rules"] = by_group[row["id"]]
    foreign = [row["id"] for row in rows if viewer is not None and row["project_id"] != viewer]
    for id in sharing.granted_among(db, foreign, viewer):  # noqa: A001
        next(row for row in rows if row["id"] == id)["shared"] = True


def default_of(tx, project_id: str):
    """The project's default group, made now if it was never needed before."""
    row = tx.one(SECURITY_GROUPS, lock=False, default_of=project_id)
    if row is not None:
        return row
    try:
        with tx.nested():
            return _store(tx, project_id, DEFAULT, DEFAULT_DESCRIPTION, True, default=True)
    except Taken:
        return tx.one(SECURITY_GROUPS, lock=False, default_of=project_id)


def _store(tx, project_id: str, name: str, description: str, stateful: bool, default: bool = False):
    row = tx.insert(
        SECURITY_GROUPS,
        project_id=project_id,
        name=name,
        description=description,
        stateful=stateful,
        shared=False,
        default_of=project_id if default else None,
        revision_number=1,
    )
    for direction, ethertype in (("egress", "IPv4"), ("egress", "IPv6")):
        rules.store(tx, row, direction=direction, ethertype=ethertype)
    if default:
        for ethertype in ("IPv4", "IPv6"):
            rules.store(tx, row, direction="ingress", ethertype=ethertype, remote_group_id=row["id"])
    return row


def create(request, tx, values: dict):
    if values["name"] == DEFAULT:
        default_of(tx, values["project_id"])
        raise Error(409, "SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
    default_of(tx, values["project_id"])
    limits.take(tx, values["project_id"], security_group=1, security_group_rule=2)
    return _store(tx, values["project_id"], values["name"], values["description"], values["stateful"])


def update(request, tx, row, sent: dict):
    if row["default_of"] and sent.get("name", DEFAULT) != DEFAULT:
        raise Error(409, "SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
    if not row["default_of"] and sent.get("name") == DEFAULT:
        raise Error(409, "SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
    if sent.get("stateful", row["stateful"]) != row["stateful"] and in_use(tx, row["id"]):
        raise Error(409, "SecurityGroupInUse", f"Security Group {row['id']} in use.")
    save(tx, row, **sent)
    if "stateful" in sent:
        hosting.changed(tx, "security_group", row["id"])
    return row


def in_use(db, group_id: str) -> bool:
    return db.one(PORT_GROUPS, lock=False, security_group_id=group_id) is not None


def delete(request, tx, row) -> None:
    if in_use(tx, row["id"]):
        raise Error(409, "SecurityGroupInUse", f"Security Group {row['id']} in use.")
    if row["default_of"] and not request.caller.admin:
        raise Error(
            409,
            "SecurityGroupCannotRemoveDefault",
            "Insufficient rights for removing default security group.",
        )
    take_away(tx, row)


def take_away(tx, row) -> None:
    """Delete a group that nothing uses; rules of others that name it go along."""
    others = {rule["security_group_id"] for rule in tx.all(SECURITY_GROUP_RULES, remote_group_id=row["id"])}
    tx.delete_all(SECURITY_GROUP_RULES, security_group_id=row["id"])
    tx.delete_all(SECURITY_GROUP_RULES, remote_group_id=row["id"])
    tx.delete(row)
    for other in sorted(others - {row["id"]}):
        hosting.changed(tx, "security_group", other)
        hosting.settle_groups_of(tx, other)
    sharing.forget(tx, row["id"])
    hosting.release_everywhere(tx, "security_group", row["id"])


def parents(db, row, viewer: str | None) -> dict:
    return {"shared": "id" in row and sharing.is_open(db, row, viewer)}


COLLECTION = Collection(
    "security_group",
    "security_groups",
    "security-groups",
    SECURITY_GROUPS,
    ATTRIBUTES,
    ("SecurityGroupNotFound", "Security group {id} does not exist"),
    among=SEEN,
    may_see=may_see,
    parents=parents,
    create=create,
    update=update,
    delete=delete,
    complete=complete,
)


async def index(request, ctx) -> dict:
    """List groups; the first look at a project makes its default group."""
    caller = request.caller
    asked = request.query_all("project_id") + request.query_all("tenant_id")
    project_id = asked[0] if asked and caller.admin else caller.project_id
    if project_id and await ctx.read(_lacks_default, project_id):
        await ctx.write(default_of, project_id)
    return await ctx.read(partial(_index, request))


def _lacks_default(db, project_id: str) -> bool:
    return db.one(SECURITY_GROUPS, default_of=project_id) is None


def _index(request, db) -> dict:
    return collection.index(COLLECTION, request, db)


ROUTES = routes(COLLECTION, listing=index)
