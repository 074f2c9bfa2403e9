"""Availability zones: what a user may ask a server to be in, and for operators, what is in each.

A zone is there because a host is in it (see `aggregates`); it is available while one of its hosts takes
servers.

Source: compute API reference, "Availability zones".
"""

from __future__ import annotations

from typing import Any

from monostack.compute import services
from monostack.kit.resource import Route

RULE = "os_compute_api:os-availability-zone:"


def index(request, db) -> dict[str, Any]:
    zones = _zones(each for each in services.everything(db) if each["zone"] != services.INTERNAL)
    return {"availabilityZoneInfo": [_zone(name, enabled) for name, enabled, _ in zones]}


def detail(request, db) -> dict[str, Any]:
    """With the hosts of each zone that is available, and what lives on them."""
    return {
        "availabilityZoneInfo": [
            _zone(name, enabled, _hosts(found) if enabled else None)
            for name, enabled, found in _zones(services.everything(db))
        ]
    }


def _zones(found) -> list[tuple[str, bool, list[dict[str, Any]]]]:
    """(name, whether it is available, its services), the available ones first."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for each in found:
        by_name.setdefault(each["zone"], []).append(each)
    zones = [
        (name, any(each["status"] == "enabled" for each in of_zone), of_zone)
        for name, of_zone in by_name.items()
    ]
    return sorted(zones, key=lambda zone: not zone[1])


def _zone(name: str, available: bool, hosts: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"zoneName": name, "zoneState": {"available": available}, "hosts": hosts}


def _hosts(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for each in found:
        out.setdefault(each["host"], {})[each["binary"]] = {
            "available": each["state"] == "up",
            "active": each["status"] == "enabled",
            "updated_at": each["updated_at"],
        }
    return out


ROUTES = (
    Route("GET", "/os-availability-zone", index, RULE + "list", query="availability_zone.index"),
    Route("GET", "/os-availability-zone/detail", detail, RULE + "detail", query="availability_zone.detail"),
)
