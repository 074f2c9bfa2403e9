"""Placement's requests: a provider with an inventory, and words of our own."""

from __future__ import annotations

from typing import Any

from tests.contract.maker import Maker

BODIES: dict[str, Any] = {
    "POST /resource_providers/{id}/inventories": {
        "resource_provider_generation": 1, "resource_class": "DISK_GB", "total": 1,
    },
}  # fmt: skip
QUERIES = {
    "GET /allocation_candidates": "?resources=VCPU:1",
    "GET /usages": "?project_id={project}",
}


def make(maker: Maker, ids: dict[str, Any]) -> None:
    post = maker.post
    provider = post("placement", "/resource_providers", {"name": "new"}, "admin")["uuid"]
    inventories = {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 8}}}
    post("placement", f"/resource_providers/{provider}/inventories", inventories, "admin", "PUT")
    post("placement", "/traits/CUSTOM_RED", None, "admin", "PUT")
    post("placement", "/resource_classes/CUSTOM_RED", None, "admin", "PUT")
    ids |= {
        "provider": provider,
        "placement resource_providers": provider,
        "placement inventories": "VCPU",
        "placement traits": "CUSTOM_RED",
        "placement resource_classes": "CUSTOM_RED",
    }
