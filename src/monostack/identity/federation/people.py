"""People whom an identity provider vouches for: rows of users like any other's, made and kept up at login.

Such a user's id follows from his domain and the name by which the provider knows him, so it is the same again
after he was forgotten, and as other clouds derive it. His name need not be unique: it is the provider's
affair. He has no password here. The groups of a mapping are his in the token that the login makes; for the
time that the provider is trusted beyond a login (authorization_ttl) they are also kept as memberships that
expire. Whoever lost a group at his provider loses his tokens at the next login.

Source: identity API reference, "OS-FEDERATION", "Request an unscoped OS-FEDERATION token"; what a current
identity service answers."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from monostack.identity import removal
from monostack.identity.attributes import bad, missing, taken
from monostack.identity.authentication import naming
from monostack.identity.domains import domains
from monostack.identity.federation.language import Domain, Mapped, NotMapped
from monostack.identity.federation.tables import EXPIRING_MEMBERSHIPS, FEDERATED_USERS, PROTOCOLS
from monostack.identity.tables import GROUPS, USERS
from monostack.identity.tokens import tokens
from monostack.kit import clock, ids
from monostack.kit.clock import seconds
from monostack.kit.db import Db, Row, Tx, Values, gt, lt
from monostack.kit.loops import Done
from monostack.kit.resource import Loop

KEPT_DAYS = 2


def derived_id(domain_id: str, unique_id: str) -> str:
    """The id of a user who lives elsewhere, as all clouds derive it."""
    return hashlib.sha256(f"{domain_id}user{unique_id}".encode()).hexdigest()


# who he is


def arrive(tx: Tx, provider: Row, protocol_id: str, mapped: Mapped) -> tuple[Row, list[str]]:
    """The user that follows from an assertion, made or brought up to date, and the ids of his groups; raises
    NotMapped, or the refusal of what the mapping names and is not there."""
    if mapped.user["type"] == "local":
        return _local(tx, mapped.user), []
    name, unique_id = _names(mapped.user)
    group_ids = _groups(tx, mapped)
    known = tx.one(FEDERATED_USERS, idp_id=provider["id"], protocol_id=protocol_id, unique_id=unique_id)
    if known is None:
        user = _meet(tx, provider, mapped.user.get("domain"), unique_id, name)
        _remember(tx, user, provider["id"], protocol_id, unique_id)
    else:
        user = tx.the(USERS, id=known["user_id"])
    _bring_up_to_date(tx, user, name, mapped.user.get("email"))
    _join(tx, user, provider, group_ids)
    return user, group_ids


def _names(said: dict[str, Any]) -> tuple[str, str]:
    """The name and the unique id: one of them is enough."""
    name = said.get("name") or said.get("id")
    if not name:
        raise NotMapped("the mapping gives neither a name nor an id of the user")
    unique_id = quote(said.get("id") or name)
    if len(name) > 255 or len(unique_id) > 255 or "\0" in name:
        raise NotMapped("the name or the id of the user has more than 255 characters, or NUL")
    return name, unique_id


def _local(tx: Tx, said: dict[str, Any]) -> Row:
    """A user of this cloud's own, who must be there."""
    if "id" in said:
        user = tx.one(USERS, id=said["id"])
    elif "name" in said and "domain" in said:
        user = naming.own_user(tx, said["name"], domain_id(tx, said["domain"], None))
    else:
        raise NotMapped("a local user must be named by id, or by name and domain")
    if user is None:
        raise NotMapped("the local user that the mapping names is not there")
    return user


def domain_id(tx: Tx, said: Domain | None, provider: Row | None) -> str:
    """The id of the domain that a mapping says, or else the provider's; raises Error 404."""
    if not said and provider is not None:
        return provider["domain_id"]
    said = said or {}
    if "id" in said:
        return domains.find(tx, said["id"])["id"]
    row = domains.named(tx, said["name"]) if "name" in said else None
    if row is None:
        raise missing("domain", said.get("name", ""))
    return row["id"]


def _meet(tx: Tx, provider: Row, domain: Domain | None, unique_id: str, name: str) -> Row:
    """The user of the derived id. Another provider's user who happens to have it is somebody else."""
    home = domain_id(tx, domain, provider)
    user_id = derived_id(home, unique_id)
    user = tx.one(USERS, id=user_id)
    if user is not None:
        if tx.one(FEDERATED_USERS, user_id=user_id, idp_id=provider["id"]) is not None:
            return user
        user_id = ids.new_hex()
    return tx.insert(
        USERS, id=user_id, name=name, domain_id=home, origin=user_id, enabled=True, options={}, extra={}
    )


def _bring_up_to_date(tx: Tx, user: Row, name: str, email: str | None) -> None:
    values: dict[str, Any] = {}
    if user["origin"] and user["name"] != name:
        values["name"] = name
    if email and user["extra"].get("email") != email:
        values["extra"] = user["extra"] | {"email": email}
    if values:
        tx.set(user, **values)
        tx.ends_tokens()


# his groups


def _groups(tx: Tx, mapped: Mapped) -> list[str]:
    """The ids of the groups; a group by name that is not there is passed over, one by id is a mistake."""
    found = dict.fromkeys(mapped.group_ids)
    there = {row["id"] for row in tx.all(GROUPS, id=list(found))} if found else set()
    if found.keys() - there:
        raise NotMapped(f"the mapping names groups that are not there: {sorted(found.keys() - there)}")
    for name, domain in mapped.group_names:
        row = tx.one(GROUPS, name=name, domain_id=domain_id(tx, domain, None), lock=False)
        if row is not None:
            found[row["id"]] = None
    return list(found)


def _join(tx: Tx, user: Row, provider: Row, group_ids: list[str]) -> None:
    """Keep the groups for the provider's time; end his tokens if he is no longer in one of before."""
    minutes = provider["authorization_ttl"]
    if minutes is None:
        minutes = tx.cloud.settings.federation.authorization_ttl
    expires = clock.from_seconds(seconds(tx.now) + minutes * 60)
    where = {"user_id": user["id"], "idp_id": provider["id"]}
    held = {row["group_id"]: row for row in tx.all(EXPIRING_MEMBERSHIPS, **where, lock=True)}
    for group_id in group_ids:
        if group_id in held:
            tx.set(held.pop(group_id), expires_at=expires)
        else:
            tx.insert(EXPIRING_MEMBERSHIPS, **where, group_id=group_id, expires_at=expires)
    for row in held.values():
        tx.delete(row)
    if held:
        tokens.end_all(tx, user)
    tx.ends_tokens()


def expiring_groups(db: Db, user_id: str) -> list[Row]:
    """The groups that identity providers say a user is in, with when that ends."""
    out = []
    for membership in db.all(EXPIRING_MEMBERSHIPS, user_id=user_id, expires_at=gt(db.now)):
        group = db.one(GROUPS, id=membership["group_id"])
        if group is not None:
            group["membership_expires_at"] = membership["expires_at"]
            out.append(group)
    return out


def forget_memberships(row: None, tx: Tx) -> Done:
    """Drop memberships that expired long enough ago that no token of then can live."""
    tx.delete_all(
        EXPIRING_MEMBERSHIPS, expires_at=lt(clock.from_seconds(seconds(tx.now) - KEPT_DAYS * 86400))
    )
    return Done()


FORGETTING = Loop("identity.expired_memberships", forget_memberships, every=3600.0)


# how he is known


def _remember(tx: Tx, user: Row, idp_id: str, protocol_id: str, unique_id: str) -> None:
    tx.insert(
        FEDERATED_USERS,
        user_id=user["id"],
        idp_id=idp_id,
        protocol_id=protocol_id,
        unique_id=unique_id,
    )


def known_as(db: Db, user_id: str) -> list[dict[str, Any]]:
    """How identity providers know a user, as the wire shows it: a list of providers with protocols."""
    out: dict[str, list[dict[str, str]]] = {}
    for row in db.all(FEDERATED_USERS, user_id=user_id, order=("idp_id", "protocol_id", "unique_id")):
        known = {"protocol_id": row["protocol_id"], "unique_id": row["unique_id"]}
        out.setdefault(row["idp_id"], []).append(known)
    return [{"idp_id": idp_id, "protocols": protocols} for idp_id, protocols in out.items()]


def know_as(tx: Tx, user: Row, asked: list[dict[str, Any]]) -> None:
    """Say how identity providers know a user, in place of what was said before; raises Error 400 or 409."""
    tx.delete_all(FEDERATED_USERS, user_id=user["id"])
    for provider in asked:
        idp_id = provider["idp_id"]
        for protocol in provider["protocols"]:
            if tx.one(PROTOCOLS, idp_id=idp_id, id=protocol["protocol_id"], lock=False) is None:
                words = f"Could not find federated protocol {protocol['protocol_id']}"
                raise bad(f"{words} for Identity Provider: {idp_id}.")
            where = {"idp_id": idp_id, **{name: protocol[name] for name in ("protocol_id", "unique_id")}}
            if len(where["unique_id"]) > 255:
                raise bad("unique_id must be at most 255 characters.")
            if tx.one(FEDERATED_USERS, **where) is not None:
                raise taken("federated_user", "Duplicate entry")
            _remember(tx, user, **where)


def forget(tx: Tx, idp_id: str, protocol_id: str) -> None:
    """A protocol goes: so do the people who are known by nothing else and are no users of our own."""
    for known in tx.all(FEDERATED_USERS, idp_id=idp_id, protocol_id=protocol_id):
        tx.delete(known)
        user = tx.one(USERS, id=known["user_id"])
        if user is None:
            continue
        if user["origin"] and tx.one(FEDERATED_USERS, user_id=user["id"]) is None:
            removal.users(tx, [user])
            continue
        tx.delete_all(EXPIRING_MEMBERSHIPS, user_id=user["id"], idp_id=idp_id)
        tokens.end_all(tx, user)


def by(db: Db, **where: str) -> list[str]:
    """The ids of the users whom a provider, a protocol or a unique id names."""
    conditions: Values = where
    return [row["user_id"] for row in db.all(FEDERATED_USERS, **conditions)]
