"""Requests on what is lent: access rules of application credentials."""

from __future__ import annotations

from typing import Any

from tests.contract.maker import Maker


def make(maker: Maker, ids: dict[str, Any]) -> None:
    """A rule that no credential has any more, so that it may be deleted."""
    rule = {"service": "compute", "method": "GET", "path": "/v2.1/servers"}
    path = f"/users/{ids['user_id']}/application_credentials"
    asked = {"application_credential": {"name": "passing", "access_rules": [rule]}}
    made = maker.post("identity", path, asked)
    ids["identity access_rules"] = made["access_rules"][0]["id"]
    maker.post("identity", f"{path}/{made['id']}", None, method="DELETE")
