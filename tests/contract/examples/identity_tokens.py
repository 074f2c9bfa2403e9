"""Identity's requests that know no token: signatures of EC2 and S3, OAuth's forms."""

from __future__ import annotations

import base64
import hmac
from typing import Any
from urllib.parse import quote

from tests.contract.maker import Maker

QUERY = {"Action": "Test", "SignatureMethod": "HmacSHA256", "SignatureVersion": "2"}
BODIES: dict[str, Any] = {
    "POST /v2.0/tokens": {"auth": {"token": {"id": "$token"}}},
    "POST /v3/ec2tokens": {
        "credentials": {
            "access": "$ec2_access",
            "host": "cloud",
            "verb": "GET",
            "path": "/",
            "params": QUERY,
            "signature": "$ec2_signature",
        }
    },
    "POST /v3/s3tokens": {
        "credentials": {"access": "$ec2_access", "token": "c2lnbmVk", "signature": "$s3_signature"}
    },
}  # fmt: skip
CONTENT = {"POST /v3/OS-OAUTH2/token": b"grant_type=client_credentials&client_id=x&client_secret=x"}


def make(maker: Maker, ids: dict[str, Any]) -> None:
    """An EC2 pair of the owner, and two signatures made with it: of a request, and of the word "signed"; the
    owner's token, which the second version has in a path."""
    ids["token_id"] = ids["token"]
    path = f"/users/{ids['user_id']}/credentials/OS-EC2"
    pair = maker.post("identity", path, {"tenant_id": ids["project"]}, "admin")
    text = "GET\ncloud\n/\n" + "&".join(f"{name}={quote(value)}" for name, value in sorted(QUERY.items()))
    ids["ec2_access"], secret = pair["access"], pair["secret"].encode()
    ids["ec2_signature"] = base64.b64encode(hmac.digest(secret, text.encode(), "sha256")).decode()
    ids["s3_signature"] = base64.b64encode(hmac.digest(secret, b"signed", "sha1")).decode()
