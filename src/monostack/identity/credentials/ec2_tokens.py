"""Tokens for those who sign their requests with an EC2 pair: asked for by the services that speak EC2 or S3.

Only a service or an administrator may ask: who was let in without a token could try stolen requests, and
learn what they are good for. The token is for the pair's project and, if the pair was made under a trust or
an application credential, has no more roles than that lends. Identity itself takes no such token (see the
wire): a signature on one request to one service must not become a password or another credential.

Source: what a current identity service answers; keystone's security advisories on EC2 tokens; middlewares
s3token and ec2token."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from monostack.identity.attributes import bad
from monostack.identity.authentication.login import with_catalog
from monostack.identity.authentication.verifying import refused
from monostack.identity.credentials import credentials, signatures
from monostack.identity.tables import APPLICATION_CREDENTIALS, CREDENTIALS, TRUSTS
from monostack.identity.tokens import tokens
from monostack.identity.tokens.claims import Claims, new_audit_id
from monostack.identity.wire import only_post
from monostack.kit import clock
from monostack.kit.db import Db, Row
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import PUBLIC, Response, Route

METHOD = "ec2credential"
NAMES = ("credentials", "credential", "ec2Credentials")


def from_ec2(request: Request, db: Db) -> Response:
    token, body = _issue(request, db, signatures.ec2_fits)
    return Response(200, body, [("X-Subject-Token", token)])


def from_s3(request: Request, db: Db) -> dict:
    """The token is described and not given: who only checks a signature shall not act for its maker."""
    return _issue(request, db, signatures.s3_fits)[1]


def _issue(request: Request, db: Db, fits: Callable[[str, dict], bool]) -> tuple[str, dict]:
    """The token and its description; raises Error 401 where the signature or what it stands for is no
    good."""
    asked = _asked(request)
    pair = _pair(db, asked)
    blob = json.loads(credentials.blob_of(db.cloud, pair))
    if not isinstance(blob.get("secret"), str) or not fits(blob["secret"], asked):
        raise refused()
    _check_moment(db, asked)
    issued = int(db.cloud.clock.time() * 1_000_000)
    audit_id = new_audit_id()
    claims = Claims(
        user_id=_user(db, pair, blob),
        methods=(METHOD,),
        scope="project",
        target_id=pair["project_id"],
        issued=issued,
        expires=issued + db.cloud.settings.identity.token_seconds * 1_000_000,
        audit_id=audit_id,
        chain_id=audit_id,
        credential_id=blob.get("app_cred_id"),
        trust_id=blob.get("trust_id"),
    )
    made = tokens.issue(db, claims)
    if made is None:
        raise refused()
    return made[0], {"token": with_catalog(db, made[1])}


def _asked(request: Request) -> dict[str, Any]:
    if not isinstance(request.body, dict) or not request.body:
        raise bad("request must include a request body")
    asked = next((request.body[name] for name in NAMES if request.body.get(name)), None)
    if not isinstance(asked, dict) or not isinstance(asked.get("access"), str):
        raise refused()
    return asked


def _pair(db: Db, asked: dict[str, Any]) -> Row:
    absent = Error(404, "NotFound", "EC2 access key not found.")
    row_id = credentials.digest(asked["access"])
    return db.one(CREDENTIALS, id=row_id, type=credentials.EC2, lock=False, missing=absent)


def _check_moment(db: Db, asked: dict[str, Any]) -> None:
    """Raise Error 401 for a request that was signed too long ago, or is dated too far ahead."""
    told = signatures.moment(asked)
    if told is None:
        return
    try:
        at = clock.seconds(clock.parse(told))
    except ValueError:
        raise refused() from None
    if abs(db.cloud.clock.time() - at) > db.cloud.settings.identity.signature_seconds:
        raise refused()


def _user(db: Db, pair: Row, blob: dict[str, Any]) -> str:
    """Whose the token is: the pair's owner, and under a trust that impersonates, who was entrusted by him."""
    if blob.get("access_token_id"):
        raise refused()  # an OAuth1 token makes no pairs here, so what it would lend is not known
    if blob.get("app_cred_id"):
        lent = db.one(APPLICATION_CREDENTIALS, id=blob["app_cred_id"], user_id=pair["user_id"], lock=False)
        if lent is None or lent["project_id"] != pair["project_id"]:
            raise refused()
    if not blob.get("trust_id"):
        return pair["user_id"]
    trust = db.one(TRUSTS, id=blob["trust_id"], project_id=pair["project_id"], lock=False)
    if trust is None:
        raise refused()
    if trust["impersonation"] and trust["trustor_user_id"] == pair["user_id"]:
        return trust["trustee_user_id"]
    return pair["user_id"]


ROUTES = (
    Route("POST", "/ec2tokens", from_ec2, "identity:ec2tokens_validate", ok=200),
    Route("POST", "/s3tokens", from_s3, "identity:s3tokens_validate", ok=200),
    Route("GET", "/ec2tokens", only_post, PUBLIC),
    Route("GET", "/s3tokens", only_post, PUBLIC),
)
