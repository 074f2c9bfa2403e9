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

EC2_VERSIONS = ((ec2.VERSIONS[-1], ec2.VERSIONS[-1]), (ec2.LATEST, ec2.VERSIONS[-1]))
OPENSTACK_VERSIONS = (
    *((version, version) for version in openstack.VERSIONS),
    (openstack.LATEST, openstack.VERSIONS[-1]),
)
"""(the folder, the version in it)."""


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
    for folder, version in EC2_VERSIONS:
        yield f"ec2/{folder}/meta-data.json", msgspec.json.encode(ec2.meta_data(subject, version))
        if subject.user_data is not None:
            yield f"ec2/{folder}/user-data", subject.user_data
    for number, (_, content) in enumerate(subject.files):
        yield f"openstack/content/{number:04d}", content
    for folder, version in OPENSTACK_VERSIONS:
        for _, name, _ in openstack.DOCUMENTS:
            document = openstack.document(subject, version, name)
            if document is not None:
                yield f"openstack/{folder}/{name}", document
