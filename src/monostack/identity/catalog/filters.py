"""Endpoint filters: which endpoints the catalogue of a project has.

A project may be given endpoints one by one, and endpoint groups: a group is a filter, and its endpoints are
those that fit it now, so one that is made later joins by itself. A project that has neither has all endpoints
(a setting), because filters are an offer to those who want them and not a gate: an endpoint that is left out
of a catalogue is only not told of.

Source: identity API reference, "OS-EP-FILTER"; what a current identity service answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monostack.identity.catalog.tables import ENDPOINT_GROUPS, PROJECT_ENDPOINT_GROUPS, PROJECT_ENDPOINTS
from monostack.identity.tables import ENDPOINTS
from monostack.kit.db import Db, Row


def groups_of(db: Db, project_id: str) -> list[Row]:
    """The endpoint groups that the project was given."""
    given = [row["endpoint_group_id"] for row in db.all(PROJECT_ENDPOINT_GROUPS, project_id=project_id)]
    return db.all(ENDPOINT_GROUPS, order="id", id=given) if given else []


def fits(filters: Mapping[str, Any], endpoint: Row) -> bool:
    return all(endpoint[name] == wanted for name, wanted in filters.items())


def endpoints_of(db: Db, project_id: str) -> list[Row]:
    """The endpoints that the project was given, by themselves or by a group; none where nothing filters."""
    given = {row["endpoint_id"] for row in db.all(PROJECT_ENDPOINTS, project_id=project_id)}
    groups = groups_of(db, project_id)
    if not given and not groups:
        return []
    return [
        row
        for row in db.all(ENDPOINTS, order="id")
        if row["id"] in given or any(fits(group["filters"], row) for group in groups)
    ]
