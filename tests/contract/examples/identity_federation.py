"""Identity's requests about federation."""

from __future__ import annotations

from typing import Any

from tests.contract.every_operation import Operation
from tests.contract.maker import Maker

F = "/OS-FEDERATION"
RULES = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "HTTP_OIDC_SUB"}]}]
MAPPING = {"mapping": {"rules": RULES}}
PROVIDER = {"service_provider": {"auth_url": "https://b.example/v3", "sp_url": "https://b.example/sp"}}
BODIES: dict[str, Any] = {
    "PUT /v3/OS-FEDERATION/identity_providers/{idp_id}": {"identity_provider": {}},
    "PATCH /v3/OS-FEDERATION/identity_providers/{idp_id}": {"identity_provider": {"description": "new"}},
    "PUT /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}": {
        "protocol": {"mapping_id": "mapping"}
    },
    "PATCH /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}": {
        "protocol": {"mapping_id": "mapping"}
    },
    "PUT /v3/OS-FEDERATION/mappings/{mapping_id}": MAPPING,
    "PATCH /v3/OS-FEDERATION/mappings/{mapping_id}": MAPPING,
    "PUT /v3/OS-FEDERATION/service_providers/{sp_id}": PROVIDER,
    "PATCH /v3/OS-FEDERATION/service_providers/{sp_id}": PROVIDER,
}
VOUCH = {
    "auth": {
        "identity": {"methods": ["token"], "token": {"id": "$token"}},
        "scope": {"service_provider": {"id": "sp"}},
    }
}
BODIES |= {f"POST /v3/auth/OS-FEDERATION/saml2{door}": VOUCH for door in ("", "/ecp")}
CONTENT = {
    f"{method} /v3{door}": b"<xml/>"
    for method in ("GET", "POST")
    for door in (
        "/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth",
        "/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso",
        "/auth/OS-FEDERATION/websso/{protocol_id}",
    )
}
NEW = {"{idp_id}": "new-idp", "{protocol_id}": "new-protocol", "{mapping_id}": "new", "{sp_id}": "new-sp"}


def meant(operation: Operation, segment: str) -> str:
    """What a PUT makes is not there yet."""
    last = operation.pattern.rpartition("/")[2]
    if F in operation.pattern and operation.route.method == "PUT" and segment == last:
        return NEW.get(segment, "")
    return ""


def make(maker: Maker, ids: dict[str, Any]) -> None:
    provider = {"identity_provider": {"enabled": True}}
    maker.post("identity", f"{F}/mappings/mapping", MAPPING, "admin", "PUT")
    maker.post("identity", f"{F}/identity_providers/idp", provider, "admin", "PUT")
    protocol = {"protocol": {"mapping_id": "mapping"}}
    maker.post("identity", f"{F}/identity_providers/idp/protocols/mapped", protocol, "admin", "PUT")
    maker.post("identity", f"{F}/service_providers/sp", PROVIDER, "admin", "PUT")
    ids |= {
        "identity identity_providers": "idp",
        "identity protocols": "mapped",
        "identity mappings": "mapping",
        "identity service_providers": "sp",
        "mapping": "mapping",
    } | {name: name for name in NEW.values()}
