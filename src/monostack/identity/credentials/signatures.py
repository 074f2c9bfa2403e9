"""Whether somebody who signed a request knows the secret of an access key: Amazon's signatures 2 and 4.

Services that speak EC2 or S3 do not know their callers' secrets; they hand us what was signed and the
signature. Nothing here trusts the shape of what they hand: whatever is missing or of another kind fits no
secret. The signatures 0 and 1 of EC2 sign too little (a name and a time; or names that run into values) and
fit none either.

Source: "Signature Version 2 signing process", "Signature Version 4 signing process" and "Signing and
authenticating REST requests" in Amazon's documentation; what the middlewares of EC2 and S3 send."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
S3_SERVICES = frozenset(("s3", "iam", "sts"))
WITHOUT_PORT = re.compile(r"Boto/2\.[0-9]\.[0-2]")
"""Clients that sign the host without its port."""


def ec2_fits(secret: str, asked: Mapping[str, Any]) -> bool:
    """Whether the signature of an EC2 request was made with the secret."""
    signature = asked.get("signature")
    if not isinstance(signature, str) or not signature:
        return False
    try:
        found = [_ec2(secret, asked, asked["host"])]
        host, colon, _ = asked["host"].rpartition(":")
        if colon:
            found.append(_ec2(secret, asked, host))  # some clients sign the host without its port
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return sum(_same(signature, each) for each in found) > 0


def s3_fits(secret: str, asked: Mapping[str, Any]) -> bool:
    """Whether the signature of an S3 request was made with the secret; `token` is what was signed."""
    signature, token = asked.get("signature"), asked.get("token")
    if not isinstance(signature, str) or not isinstance(token, str):
        return False
    try:
        signed = base64.urlsafe_b64decode(token)
        if signed.startswith(b"AWS4"):
            return _same(signature, _s3_version_4(secret, signed.decode()))
    except (binascii.Error, ValueError):
        return False
    return _same(signature, _base64(hmac.digest(secret.encode(), signed, "sha1")))


def moment(asked: Mapping[str, Any]) -> str | None:
    """When an EC2 request says that it was signed; None when it does not."""
    places = ((asked.get("params"), "Timestamp"), (asked.get("headers"), "X-Amz-Date"))
    for place, name in (*places, (asked.get("params"), "X-Amz-Date")):
        if isinstance(place, Mapping) and place.get(name):
            return str(place[name])
    return None


def _ec2(secret: str, asked: Mapping[str, Any], host: str) -> str:
    params = asked["params"]
    if str(params.get("SignatureVersion")) == "2":
        query = _query(params | {"SignatureMethod": "HmacSHA256"})
        signed = "\n".join((asked["verb"], host, asked["path"], query))
        return _base64(hmac.digest(secret.encode(), signed.encode(), "sha256"))
    return _ec2_version_4(secret, asked)


def _ec2_version_4(secret: str, asked: Mapping[str, Any]) -> str:
    params, headers = asked["params"], asked.get("headers") or {}
    told = _told(headers.get("Authorization"), params)
    names = told["SignedHeaders"]
    at = headers.get("X-Amz-Date") or params["X-Amz-Date"]
    _, date, region, service, terminator = told["Credential"].split("/")
    if terminator != TERMINATOR or not at.startswith(date):
        raise ValueError("signed for another day or purpose")
    canonical = "\n".join(
        (
            asked["verb"].upper(),
            asked["path"],
            "" if asked["verb"].upper() == "POST" else _query(params),
            _headers(headers, names),
            names,
            asked["body_hash"],
        )
    )
    scope = f"{date}/{region}/{service}/{TERMINATOR}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signed = "\n".join((ALGORITHM, at, scope, digest))
    return hmac.digest(_key(secret, date, region, service), signed.encode(), "sha256").hex()


def _told(authorization: str | None, params: Mapping[str, Any]) -> dict[str, str]:
    """Credential and SignedHeaders, from the Authorization header or the query."""
    if authorization is not None:
        algorithm, _, rest = authorization.partition(" ")
        told = dict(part.strip().split("=", 1) for part in rest.split(","))
    else:
        algorithm = params["X-Amz-Algorithm"]
        told = {name: params[f"X-Amz-{name}"] for name in ("Credential", "SignedHeaders")}
    if algorithm != ALGORITHM:
        raise ValueError("another algorithm")
    return told


def _headers(headers: Mapping[str, str], names: str) -> str:
    """The signed headers as they are signed: a line each, and one more end of line."""
    lower = {name.lower().strip(): value.strip() for name, value in headers.items()}
    if WITHOUT_PORT.match(lower.get("user-agent", "")) and "host" in lower:
        lower["host"] = lower["host"].partition(":")[0]
    return "".join(f"{name}:{lower[name]}\n" for name in names.split(";") if name in lower)


def _s3_version_4(secret: str, signed: str) -> str:
    algorithm, _, scope, _ = signed.split("\n")
    date, region, service, terminator = scope.split("/")
    if algorithm != ALGORITHM or terminator != TERMINATOR or service not in S3_SERVICES:
        raise ValueError("signed for another purpose")
    return hmac.digest(_key(secret, date, region, service), signed.encode(), "sha256").hex()


def _key(secret: str, *scope: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in (*scope, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _query(params: Mapping[str, Any]) -> str:
    """The query as it is signed: sorted, everything but unreserved characters in per cent."""
    pairs = sorted((name, str(value)) for name, value in params.items() if name != "X-Amz-Signature")
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='-_~')}" for name, value in pairs)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode())
