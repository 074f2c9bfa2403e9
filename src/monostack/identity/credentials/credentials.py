"""Credentials of a user for other systems: a typed blob that we keep and do not look into, and EC2 key pairs.

Blobs are sealed with keys of their own before they are stored. An EC2 pair is a credential of the type ec2
whose id is the digest of its access key; it has doors of its own. A token of a restricted application
credential makes and changes none, because they would outlive it.

Source: identity API reference, "Credentials", "EC2 credentials"; what a current identity service answers.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING

from monostack.identity.attributes import asked_for, bad, missing, show, taken
from monostack.identity.credentials import sealing
from monostack.identity.delegation import borrowed
from monostack.identity.projects import projects
from monostack.identity.tables import CREDENTIALS
from monostack.identity.users import users
from monostack.identity.wire import cut, page, self_link
from monostack.kit import ids
from monostack.kit.db import Db, Row, Tx
from monostack.kit.request import Request
from monostack.kit.resource import Field, Route

if TYPE_CHECKING:
    from monostack.cloud import Cloud

EC2 = "ec2"
SHOWN = (
    Field("id"),
    Field("user_id", filter=True),
    Field("project_id"),
    Field("type", filter=True),
    Field("blob", lambda row, request: blob_of(request.cloud, row)),
    Field("links", self_link("credentials")),
)


def blob_of(cloud: Cloud, row: Row) -> str:
    """What the credential keeps; raises Error 500 where its key is gone."""
    return sealing.unseal(cloud, row["sealed_blob"])


def target(request: Request, db: Db) -> dict:
    row = db.one(CREDENTIALS, id=request.path["credential_id"], lock=False)
    return {} if row is None else _target_of(row["user_id"])


def _target_of(user_id: str) -> dict:
    return {"target.credential.user_id": user_id}


def target_of_new(request: Request, db: Db) -> dict:
    return _target_of(asked_for(request, "credential").get("user_id") or request.caller.user_id)


def own(request: Request, db: Db) -> dict:
    return _target_of(request.caller.user_id)


def index(request: Request, db: Db) -> dict:
    def visible(row: Row) -> bool:
        return request.allowed("identity:get_credential", _target_of(row["user_id"]))

    found = page(db, CREDENTIALS, request, visible)
    return request.list("credentials", [request.render(SHOWN, row) for row in found], found)


def show_one(request: Request, db: Db) -> dict:
    return {"credential": show(request, SHOWN, find(db, request.path["credential_id"]))}


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "credential")
    borrowed.refuse(request)
    user = users.find(tx, asked.get("user_id") or request.caller.user_id)
    row_id = ids.new_hex()
    if asked["type"] == EC2:
        row_id = digest(_access(asked))
    row = tx.insert(
        CREDENTIALS,
        taken=taken("credential", f"Duplicate entry found with ID {row_id}"),
        id=row_id,
        user_id=user["id"],
        project_id=asked.get("project_id"),
        type=asked["type"],
        sealed_blob=sealing.seal(tx, asked["blob"]),
        extra={},
    )
    return {"credential": show(request, SHOWN, row)}


def _access(asked: dict) -> str:
    """The access key in an EC2 blob; raises Error 400."""
    try:
        blob = json.loads(asked["blob"])
    except ValueError:
        raise bad("Invalid blob in credential: it is not JSON.") from None
    if not isinstance(blob, dict) or not isinstance(blob.get("access"), str):
        raise bad("Invalid blob in credential: it has no access key.")
    return blob["access"]


def digest(access: str) -> str:
    """The id of the EC2 pair with the access key."""
    return hashlib.sha256(access.encode()).hexdigest()


def update(request: Request, tx: Tx) -> dict:
    """Set another blob; all else of a credential stays as it was made."""
    borrowed.refuse(request)
    row = find(tx, request.path["credential_id"])
    asked = asked_for(request, "credential")
    if row["type"] == EC2:
        _access(asked)
    tx.set(row, sealed_blob=sealing.seal(tx, asked["blob"]))
    return {"credential": show(request, SHOWN, row)}


def delete(request: Request, tx: Tx) -> None:
    borrowed.refuse(request)
    tx.delete(find(tx, request.path["credential_id"]))


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    return db.one(CREDENTIALS, id=id, missing=missing("credential", id))


# EC2 key pairs


def ec2_target(request: Request, db: Db) -> dict:
    """What the rules on a user's EC2 pairs look at: whose the pair is, whoever the path names; 404 for a pair
    that is not there comes before the judgement."""
    user_id = request.path["user_id"]
    owner_id = _find_pair(request, db)["user_id"] if "access" in request.path else user_id
    return {"user_id": user_id} | _target_of(owner_id)


def ec2_index(request: Request, db: Db) -> dict:
    user = users.find(db, request.path["user_id"])
    rows = cut(db.all(CREDENTIALS, order="id", user_id=user["id"], type=EC2), request)
    return request.list("credentials", [_pair(request, row) for row in rows], rows)


def ec2_show(request: Request, db: Db) -> dict:
    return {"credential": _pair(request, _find_pair(request, db))}


def ec2_create(request: Request, tx: Tx) -> dict:
    borrowed.refuse(request)
    tenant_id = request.body.get("tenant_id") if isinstance(request.body, dict) else None
    if not isinstance(tenant_id, str):
        raise bad("'tenant_id' is a required property: the id of the project that the key pair is for.")
    user, project = users.find(tx, request.path["user_id"]), projects.find(tx, tenant_id)
    access = ids.new_hex()
    blob = json.dumps({"access": access, "secret": secrets.token_hex(16), "trust_id": None})
    row = tx.insert(
        CREDENTIALS,
        id=digest(access),
        user_id=user["id"],
        project_id=project["id"],
        type=EC2,
        sealed_blob=sealing.seal(tx, blob),
        extra={},
    )
    request.subject = row["id"]
    return {"credential": _pair(request, row)}


def ec2_delete(request: Request, tx: Tx) -> None:
    borrowed.refuse(request)
    row = _find_pair(request, tx)
    request.subject = row["id"]
    tx.delete(row)


def _find_pair(request: Request, db: Db) -> Row:
    row_id = digest(request.path["access"])
    absent = missing("credential", row_id)
    return db.one(CREDENTIALS, id=row_id, type=EC2, missing=absent)


def _pair(request: Request, row: Row) -> dict:
    blob = json.loads(blob_of(request.cloud, row))
    place = f"/v3/users/{row['user_id']}/credentials/OS-EC2/{blob['access']}"
    return {
        "user_id": row["user_id"],
        "tenant_id": row["project_id"],
        "access": blob["access"],
        "secret": blob.get("secret"),
        "trust_id": blob.get("trust_id"),
        "links": {"self": request.base + place},
    }


PAIRS = "/users/{user_id}/credentials/OS-EC2"
MADE, CHANGED, GONE = (f"identity.credential.{verb}" for verb in ("created", "updated", "deleted"))

ROUTES = (
    Route("GET", "/credentials", index, "identity:list_credentials", target=own, fields=SHOWN),
    Route(
        "POST",
        "/credentials",
        create,
        "identity:create_credential",
        target=target_of_new,
        body="credentials.create",
        event=MADE,
    ),
    Route("GET", "/credentials/{credential_id}", show_one, "identity:get_credential", target=target),
    Route(
        "PATCH",
        "/credentials/{credential_id}",
        update,
        "identity:update_credential",
        target=target,
        body="credentials.update",
        event=CHANGED,
    ),
    Route(
        "DELETE",
        "/credentials/{credential_id}",
        delete,
        "identity:delete_credential",
        target=target,
        event=GONE,
    ),
    Route("GET", PAIRS, ec2_index, "identity:ec2_list_credentials", target=ec2_target),
    Route("POST", PAIRS, ec2_create, "identity:ec2_create_credential", target=ec2_target, event=MADE),
    Route("GET", PAIRS + "/{access}", ec2_show, "identity:ec2_get_credential", target=ec2_target),
    Route(
        "DELETE",
        PAIRS + "/{access}",
        ec2_delete,
        "identity:ec2_delete_credential",
        target=ec2_target,
        event=GONE,
    ),
)
