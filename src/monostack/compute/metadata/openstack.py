"""The OpenStack tree: openstack/VERSION/DOCUMENT.

A version says what a guest of that age can rely on; nothing is ever taken away, so each document and each
key of meta_data.json has only the version from which it is there. `latest` is the newest.

Source: compute user guide, "Metadata service"; the versions are the contract's.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from monostack.compute.metadata.subject import Subject

VERSIONS = (
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
    "2025-04-04",
)
LATEST = "latest"
PASSWORD = "password"
SEED_BYTES = 512


# meta_data.json


def _own_metadata(subject: Subject) -> dict[str, str] | None:
    return subject.row["metadata"] or None


def _public_keys(subject: Subject) -> dict[str, str] | None:
    return {subject.key["name"]: subject.key["data"]} if subject.key else None


def _keys(subject: Subject) -> list[dict[str, str]] | None:
    return [subject.key] if subject.key else None


def _files(subject: Subject) -> list[dict[str, str]] | None:
    """Where the content of each file of the user's lies."""
    return [
        {"path": path, "content_path": f"/content/{number:04d}"}
        for number, (path, _) in enumerate(subject.files)
    ] or None


def _devices(subject: Subject) -> list[dict[str, Any]]:
    """The interfaces that carry a tag. Where on the bus the host put them is not known here, and said so."""
    return [
        {"type": "nic", "bus": "none", "address": "none", "mac": nic["mac"], "tags": [nic["tag"]]}
        for nic in subject.nics
        if nic.get("tag")
    ]


def _seed(subject: Subject) -> str:
    return base64.b64encode(secrets.token_bytes(SEED_BYTES)).decode()


KEYS: tuple[tuple[str, str, Callable[[Subject], Any]], ...] = (
    ("2012-08-10", "uuid", lambda subject: subject.row["id"]),
    ("2012-08-10", "meta", _own_metadata),
    ("2012-08-10", "files", _files),
    ("2012-08-10", "public_keys", _public_keys),
    ("2012-08-10", "keys", _keys),
    ("2012-08-10", "hostname", lambda subject: subject.hostname),
    ("2012-08-10", "name", lambda subject: subject.row["name"]),
    ("2012-08-10", "launch_index", lambda subject: subject.row["launch_index"] or 0),
    ("2012-08-10", "availability_zone", lambda subject: subject.row["zone"] or ""),
    ("2013-04-04", "random_seed", _seed),
    ("2015-10-15", "project_id", lambda subject: subject.row["project_id"]),
    ("2016-06-30", "devices", _devices),
    ("2020-10-14", "dedicated_cpus", lambda subject: []),
)
"""(since, key, value); a value of None is left out. No server has dedicated processors: hosts share
theirs."""


def meta_data(subject: Subject, version: str) -> dict[str, Any]:
    told = ((name, value(subject)) for since, name, value in KEYS if since <= version)
    return {name: value for name, value in told if value is not None}


# Documents


DOCUMENTS: tuple[tuple[str, str, Callable[[Subject, str], Any]], ...] = (
    ("2012-08-10", "meta_data.json", meta_data),
    ("2012-08-10", "user_data", lambda subject, version: subject.user_data),
    ("2013-10-17", "vendor_data.json", lambda subject, version: {}),
    ("2015-10-15", "network_data.json", lambda subject, version: subject.network),
    ("2016-10-06", "vendor_data2.json", lambda subject, version: {"static": {}}),
)
"""(since, name, content); None is no document. Vendor data is empty until an operator has something to
add."""
PASSWORD_SINCE = "2013-04-04"


def resolve(version: str) -> str | None:
    """The version that a path names, or None."""
    if version == LATEST:
        return VERSIONS[-1]
    return version if version in VERSIONS else None


def names(subject: Subject, version: str) -> list[str]:
    """What a version's folder has, for a guest that lists it."""
    present = [name for since, name, _ in DOCUMENTS if since <= version]
    if subject.user_data is None:
        present.remove("user_data")
    if version >= PASSWORD_SINCE:
        present.append(PASSWORD)
    return present


def document(subject: Subject, version: str, name: str) -> bytes | None:
    """The content of a document in a version, or None."""
    for since, known, make in DOCUMENTS:
        if known == name and since <= version:
            content = make(subject, version)
            return content if content is None or isinstance(content, bytes) else msgspec.json.encode(content)
    return None


def content(subject: Subject, number: str) -> bytes | None:
    """The content of a file of the user's, by its place ("0000")."""
    if not number.isdecimal() or int(number) >= len(subject.files):
        return None
    return subject.files[int(number)][1]
