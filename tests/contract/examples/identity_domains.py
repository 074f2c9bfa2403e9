"""Identity's requests about what a domain has of its own."""

from __future__ import annotations

from typing import Any

from tests.contract.every_operation import Operation
from tests.contract.maker import Maker

CONFIG = {"config": {"ldap": {"url": "ldap://127.0.0.1"}}}
BODIES: dict[str, Any] = {
    "PUT /v3/domains/{domain_id}/config": CONFIG,
    "PATCH /v3/domains/{domain_id}/config": CONFIG,
    "PATCH /v3/domains/{domain_id}/config/{group}": CONFIG,
    "PATCH /v3/domains/{domain_id}/config/{group}/{option}": {"config": CONFIG["config"]["ldap"]},
}


def meant(operation: Operation, segment: str) -> str:
    """An option of the one group that has been set; what passwords must look like is told at one domain."""
    if "/config" not in operation.pattern:
        return ""
    if "security_compliance" in operation.pattern:
        return {"{domain_id}": "default domain", "{option}": "rule on passwords"}.get(segment, "")
    return {"{group}": "group of options", "{option}": "option"}.get(segment, "")


def make(maker: Maker, ids: dict[str, Any]) -> None:
    maker.post("identity", f"/domains/{ids['identity domains']}/config", CONFIG, "admin", "PUT")
    ids |= {
        "default domain": "default",
        "rule on passwords": "password_regex",
        "group of options": "ldap",
        "option": "url",
    }
