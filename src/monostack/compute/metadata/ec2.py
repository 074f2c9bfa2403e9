"""The EC2 tree: VERSION/meta-data/... and VERSION/user-data.

Guests of the first hour, and many since, know only this one. It is a tree of small texts: a folder is
listed by its names, one a line, folders with a slash; a list is one entry a line. Numbers of images do not
exist here, so an image's `ami-` is the beginning of its UUID; `i-` is the server's own number.

Source: EC2 user guide, "Instance metadata categories"; the versions are the contract's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monostack.compute.metadata.subject import Subject

VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
)
LATEST = "latest"
NAME = "_name"
"""The key under which a folder that is listed otherwise (0=mykey) keeps how."""


def _image(subject: Subject) -> str:
    return "ami-" + (subject.row["image_id"] or "00000000")[:8]


def _keys(subject: Subject) -> dict[str, Any] | None:
    if subject.key is None:
        return None
    return {"0": {NAME: f"0={subject.key['name']}", "openssh-key": subject.key["data"]}}


def _devices(subject: Subject) -> dict[str, str]:
    """The disks by what they are for: the root disk, then an ephemeral one, then swap."""
    flavor, root = subject.row["flavor"], subject.row["root_device_name"] or "/dev/vda"
    found = {"ami": root.removeprefix("/dev/"), "root": root}
    letters = iter("bcd")
    if flavor.get("ephemeral"):
        found["ephemeral0"] = "/dev/vd" + next(letters)
    if flavor.get("swap"):
        found["swap"] = "/dev/vd" + next(letters)
    return found


def _first(addresses: tuple[str, ...]) -> str:
    return addresses[0] if addresses else ""


ENTRIES: tuple[tuple[str, str, Callable[[Subject], Any]], ...] = (
    ("1.0", "ami-id", _image),
    ("1.0", "ami-launch-index", lambda subject: subject.row["launch_index"] or 0),
    ("1.0", "ami-manifest-path", lambda subject: "(unknown)"),
    ("1.0", "instance-id", lambda subject: f"i-{subject.row['number']:08x}"),
    ("1.0", "hostname", lambda subject: subject.hostname),
    ("1.0", "local-ipv4", lambda subject: _first(subject.fixed_ips)),
    ("1.0", "reservation-id", lambda subject: subject.row["reservation_id"] or ""),
    ("1.0", "security-groups", lambda subject: list(subject.row["security_groups"] or ())),
    ("1.0", "public-keys", _keys),
    ("2007-01-19", "local-hostname", lambda subject: subject.hostname),
    ("2007-01-19", "public-hostname", lambda subject: subject.hostname),
    ("2007-01-19", "public-ipv4", lambda subject: _first(subject.floating_ips)),
    ("2007-08-29", "instance-type", lambda subject: subject.row["flavor"]["original_name"]),
    ("2007-12-15", "block-device-mapping", _devices),
    ("2008-02-01", "placement", lambda subject: {"availability-zone": subject.row["zone"] or ""}),
    ("2008-09-01", "instance-action", lambda subject: "none"),
)
"""(since, name, value); a value of None is left out."""


def resolve(version: str) -> str | None:
    """The version that a path names, or None."""
    if version == LATEST:
        return VERSIONS[-1]
    return version if version in VERSIONS else None


def meta_data(subject: Subject, version: str) -> dict[str, Any]:
    age = VERSIONS.index(version)
    told = ((name, value(subject)) for since, name, value in ENTRIES if VERSIONS.index(since) <= age)
    return {name: value for name, value in told if value is not None}


def tree(subject: Subject, version: str) -> dict[str, Any]:
    """All of a version."""
    told: dict[str, Any] = {"meta-data": meta_data(subject, version)}
    if subject.user_data is not None:
        told["user-data"] = subject.user_data
    return told


def walk(node: Any, words: list[str]) -> Any:
    """What stands at the end of a path, or None."""
    for word in words:
        if not isinstance(node, Mapping) or word not in node or word == NAME:
            return None
        node = node[word]
    return node


def text(node: Any) -> bytes:
    """A folder's names, a list's entries, or the text itself."""
    if isinstance(node, bytes):
        return node
    if isinstance(node, Mapping):
        return "\n".join(_listed(name, node[name]) for name in sorted(node) if name != NAME).encode()
    if isinstance(node, list):
        return "\n".join(node).encode()
    return str(node).encode()


def _listed(name: str, value: Any) -> str:
    if not isinstance(value, Mapping):
        return name
    return value.get(NAME, name + "/")
