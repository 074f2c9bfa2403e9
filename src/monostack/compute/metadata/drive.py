"""The config drive: both trees as files, for a guest that no network reaches.

EC2's older versions are left out of the drive, as the reference service does: nobody who reads a drive is
that old.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from monostack.compute.metadata import ec2, openstack
from monostack.compute.metadata.subject import Subject, load
from monostack.kit.agents import HOSTS

EC2_VERSIONS = ("2009-04-04", ec2.LATEST)


def wants_drive(db, row: Mapping[str, Any]) -> bool:
    """Whether a server is to have a config drive: it was asked for, or nothing answers at 169.254.169.254
    on the networks of its host."""
    if row["config_drive"]:
        return True
    host = db.one(HOSTS, name=row["host"], lock=False) if row["host"] else None
    return host is not None and bool((host["networking"] or {}).get("config_drive"))


def tree(db, row: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a server's config drive: path -> content."""
    return dict(files(load(db, row)))


def files(subject: Subject) -> Iterator[tuple[str, bytes]]:
    for version in EC2_VERSIONS:
        known = ec2.resolve(version)
        yield f"ec2/{version}/meta-data.json", msgspec.json.encode(ec2.meta_data(subject, known))
        if subject.user_data is not None:
            yield f"ec2/{version}/user-data", subject.user_data
    for number, (_, content) in enumerate(subject.files):
        yield f"openstack/content/{number:04d}", content
    for version in (*openstack.VERSIONS, openstack.LATEST):
        known = openstack.resolve(version)
        for since, name, _ in openstack.DOCUMENTS:
            content = openstack.document(subject, known, name) if since <= known else None
            if content is not None:
                yield f"openstack/{version}/{name}", content
