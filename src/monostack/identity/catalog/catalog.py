"""The catalogue: where each service answers, as this caller sees it.

URLs may hold places for the caller's ids, in any of the spellings of the last decade. An endpoint with a
place that the token cannot fill is left out, and so is what is disabled. A project with endpoint filters sees
only what they leave, and no service without an endpoint.

Source: identity API reference, "Service catalog and endpoints".
"""

import re

from monostack.identity.catalog import filters
from monostack.identity.tables import ENDPOINTS, SERVICES
from monostack.kit.db import Db

PLACE = re.compile(r"[$%]\(([a-z_]+)\)s")


def of(db: Db, user_id: str | None, project_id: str | None) -> list[dict]:
    """The services with their endpoints."""
    chosen = filters.endpoints_of(db, project_id) if project_id else []
    if not chosen and not db.cloud.settings.identity.return_all_endpoints_if_no_filter:
        return []
    places = {"project_id": project_id, "tenant_id": project_id, "user_id": user_id}
    by_service: dict[str, list[dict]] = {}
    for row in chosen or db.all(ENDPOINTS, order="id", enabled=True):
        if not row["enabled"]:
            continue
        url = filled(row["url"], places)
        if url is not None:
            by_service.setdefault(row["service_id"], []).append(
                {
                    "id": row["id"],
                    "interface": row["interface"],
                    "region_id": row["region_id"],
                    "url": url,
                    "region": row["region_id"],
                }
            )
    return [
        {
            "endpoints": by_service.get(row["id"], []),
            "id": row["id"],
            "type": row["type"],
            "name": row["name"] or "",
        }
        for row in db.all(SERVICES, order="id", enabled=True)
        if not chosen or row["id"] in by_service
    ]


def filled(url: str, places: dict[str, str | None]) -> str | None:
    """The URL with its places filled; None when a place is unknown or has no value here."""
    for name in PLACE.findall(url):
        if places.get(name) is None:
            return None
    return PLACE.sub(lambda found: places[found[1]] or "", url)


class Kept:
    """Catalogues that were made already. Each counts for the epoch it was made in, as validated tokens do."""

    def __init__(self) -> None:
        self._kept: dict[tuple, list[dict]] = {}

    def of(self, db: Db, user_id: str | None, project_id: str | None) -> list[dict]:
        if db.writes:
            return of(db, user_id, project_id)
        if len(self._kept) > 1000:
            self._kept = {}
        key = (db.epoch, user_id, project_id)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = of(db, user_id, project_id)
        return found
