"""Conversations run on both databases: every module's cloud is made once on SQLite and once on PostgreSQL."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request) -> str:
    """The URL for a cloud: empty for SQLite, a new database of the tests' own PostgreSQL server otherwise."""
    if request.param == "sqlite":
        return ""
    return request.getfixturevalue("postgresql").database("conversations")
