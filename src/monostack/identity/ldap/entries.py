"""Entries of a directory, read as users and groups.

A user's id in the cloud is a digest of the domain's and the directory's ids, so it is the same in every
cloud, and after a directory was left and entered again.

Source: identity administration guide, "LDAP"; the identity mapping of a current identity service.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monostack.identity.ldap.options import Enabled, Kind, Misconfigured, Options

LONGEST_NAME = 255
LONGEST_GROUP_NAME = 64


@dataclass(frozen=True)
class Entry:
    """What the directory has under a DN. Attributes are found whatever the case of their letters."""

    dn: str
    attributes: Mapping[str, list[Any]]

    def values(self, attribute: str) -> list[str]:
        found = self.attributes.get(attribute.lower(), ())
        return [text for text in (_text(value) for value in found) if text is not None]

    def first(self, attribute: str) -> str | None:
        return next(iter(self.values(attribute)), None)


class Found(list):
    """What a search gave. `whole` unless the directory may have more of it: then what is not in it need not
    be gone."""

    whole: bool = True


@dataclass(frozen=True)
class User:
    dn: str
    local_id: str
    name: str
    enabled: bool
    default_project_id: str | None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    dn: str
    local_id: str
    name: str
    description: str | None
    members: tuple[str, ...]
    more: Mapping[str, Any] = field(default_factory=dict)


def public_id(domain_id: str, kind: str, local_id: str) -> str:
    """The id that the cloud knows a user or a group by."""
    return hashlib.sha256(f"{domain_id}{kind}{local_id}".encode()).hexdigest()


def user(options: Options, entry: Entry, enabled_dns: frozenset[str] | None) -> User | None:
    """The user that an entry is; None when it lacks an id or a name. `enabled_dns` are the members of the
    group that says who is enabled, in small letters."""
    kind = options.users
    local_id, name = entry.first(kind.id), entry.first(kind.name)
    if not local_id or not name or len(name) > LONGEST_NAME:
        return None
    more: dict[str, Any] = _more(kind, entry)
    for ours, theirs in (("email", options.mail), ("description", kind.description)):
        value = entry.first(theirs)
        if value is not None and ours not in kind.ignored:
            more[ours] = value
    project = None
    if options.default_project and "default_project_id" not in kind.ignored:
        project = entry.first(options.default_project)
    return User(entry.dn, local_id, name, _enabled(options, entry, enabled_dns), project, more)


def group(options: Options, entry: Entry) -> Group | None:
    """The group that an entry is; None when it lacks an id or a name."""
    kind = options.groups
    local_id, name = entry.first(kind.id), entry.first(kind.name)
    if not local_id or not name or len(name) > LONGEST_GROUP_NAME:
        return None
    description = None if "description" in kind.ignored else entry.first(kind.description)
    return Group(
        entry.dn, local_id, name, description, tuple(entry.values(options.member)), _more(kind, entry)
    )


def wanted(options: Options, kind: Kind) -> list[str]:
    """The attributes to ask for; never the password."""
    names = {kind.id, kind.name, kind.description, *kind.more}
    if kind is options.users:
        names |= {options.mail, options.enabled.attribute}
        if options.default_project:
            names.add(options.default_project)
    else:
        names.add(options.member)
    return sorted(names)


def _more(kind: Kind, entry: Entry) -> dict[str, Any]:
    found = {ours: entry.first(theirs) for theirs, ours in kind.more.items() if ours not in kind.ignored}
    return {name: value for name, value in found.items() if value is not None and name not in ("id", "links")}


def _enabled(options: Options, entry: Entry, enabled_dns: frozenset[str] | None) -> bool:
    rule = options.enabled
    if rule.group is not None:
        return enabled_dns is not None and entry.dn.lower() in enabled_dns
    if "enabled" in options.users.ignored:
        return True
    value = entry.first(rule.attribute)
    if rule.mask:
        return (_bits(rule, value) & rule.mask) != rule.mask
    text = (rule.default if value is None else value).strip().lower()
    return (text == "true") != rule.invert


def _bits(rule: Enabled, value: str | None) -> int:
    try:
        return int(rule.default if value is None else value)
    except ValueError:
        words = f"with user_enabled_mask, {rule.attribute} and user_enabled_default must be numbers"
        raise Misconfigured(words) from None


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return str(value)
