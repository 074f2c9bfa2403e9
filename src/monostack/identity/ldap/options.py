"""How to reach a directory and what its attributes mean: the options of a domain's group `ldap`, read and
checked.

Options are kept as clients sent them, so they are checked here, when they are used; what is wrong is said in
words that name the option. Only ldap:// and ldaps:// are spoken to.

Source: identity administration guide, "LDAP"; the names and defaults of a current identity service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SCOPES = ("one", "sub")
ALIASES = ("default", "never", "searching", "always", "finding")
CERTIFICATES = ("demand", "never", "allow")
ON, OFF = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class Misconfigured(ValueError):
    """An option that cannot be used as it is; the words name it and what is allowed."""


@dataclass(frozen=True)
class Kind:
    """How entries of one kind, users or groups, are found and read."""

    tree: str
    filter: str
    object_class: str
    id: str
    name: str
    description: str
    ignored: frozenset[str]
    more: Mapping[str, str]
    """What an attribute of the directory is called here, for those that have no place of their own."""


@dataclass(frozen=True)
class Enabled:
    """What says whether a user may log in: an attribute, perhaps a bit of it, or being in a group."""

    attribute: str
    mask: int
    default: str
    invert: bool
    group: str | None
    group_attribute: str


@dataclass(frozen=True)
class Options:
    """Everything about one domain's directory."""

    domain_id: str
    urls: tuple[str, ...]
    user: str
    password: str
    scope: str
    page_size: int
    aliases: str
    referrals: bool
    start_tls: bool
    certificates: str
    ca_file: str | None
    ca_folder: str | None
    kept_connections: int
    kept_seconds: float
    list_limit: int | None
    users: Kind
    groups: Kind
    enabled: Enabled
    mail: str
    default_project: str | None
    member: str
    members_are_ids: bool

    @property
    def place(self) -> str:
        return " or ".join(self.urls)


def read(domain_id: str, ldap: Mapping[str, Any], identity: Mapping[str, Any]) -> Options:
    """The options in force for a domain; raises Misconfigured."""
    said = _Said(ldap)
    suffix = said.text("suffix")
    urls = _urls(said.text("url"))
    start_tls = said.truth("use_tls")
    if start_tls and any(url.startswith("ldaps:") for url in urls):
        raise Misconfigured("use_tls starts TLS on ldap://; an ldaps:// url has it already: choose one")
    users = _kind(said, "user", "ou=Users", suffix, "user_description_attribute")
    groups = _kind(said, "group", "ou=UserGroups", suffix, "group_desc_attribute")
    emulated = said.truth("user_enabled_emulation")
    group_attributes = emulated and said.truth("user_enabled_emulation_use_group_config")
    return Options(
        domain_id=domain_id,
        urls=urls,
        user=said.text("user"),
        password=said.text("password"),
        scope=said.one_of("query_scope", SCOPES),
        page_size=max(0, said.number("page_size")),
        aliases=said.one_of("alias_dereferencing", ALIASES),
        referrals=said.truth("chase_referrals"),
        start_tls=start_tls,
        certificates=said.one_of("tls_req_cert", CERTIFICATES),
        ca_file=said.text("tls_cacertfile") or None,
        ca_folder=said.text("tls_cacertdir") or None,
        kept_connections=max(0, said.number("pool_size")) if said.truth("use_pool") else 0,
        kept_seconds=float(max(0, said.number("pool_connection_lifetime"))),
        list_limit=_Said(identity).number("list_limit") or None,
        users=users,
        groups=groups,
        enabled=Enabled(
            attribute=said.text("user_enabled_attribute") or "enabled",
            mask=said.number("user_enabled_mask"),
            default=said.text("user_enabled_default") or "True",
            invert=said.truth("user_enabled_invert"),
            group=(said.text("user_enabled_emulation_dn") or f"cn=enabled_users,{users.tree}")
            if emulated
            else None,
            group_attribute=said.text("group_member_attribute") if group_attributes else "member",
        ),
        mail=said.text("user_mail_attribute") or "mail",
        default_project=said.text("user_default_project_id_attribute") or None,
        member=said.text("group_member_attribute") or "member",
        members_are_ids=said.truth("group_members_are_ids"),
    )


def _kind(said: _Said, kind: str, folder: str, suffix: str, description: str) -> Kind:
    return Kind(
        tree=said.text(f"{kind}_tree_dn") or f"{folder},{suffix}",
        filter=said.text(f"{kind}_filter"),
        object_class=said.text(f"{kind}_objectclass"),
        id=said.text(f"{kind}_id_attribute") or "cn",
        name=said.text(f"{kind}_name_attribute") or "cn",
        description=said.text(description) or "description",
        ignored=frozenset(said.words(f"{kind}_attribute_ignore")),
        more=_pairs(said, f"{kind}_additional_attribute_mapping"),
    )


def _pairs(said: _Said, option: str) -> dict[str, str]:
    """`directory's:ours` pairs."""
    out = {}
    for word in said.words(option):
        theirs, colon, ours = word.partition(":")
        if not (colon and theirs and ours):
            raise Misconfigured(f"{option} has {word!r}: it must be a list of DIRECTORY_ATTRIBUTE:ATTRIBUTE")
        out[theirs] = ours
    return out


def _urls(text: str) -> tuple[str, ...]:
    urls = tuple(word.strip() for word in text.split(",") if word.strip())
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("ldap", "ldaps") or not parts.hostname:
            raise Misconfigured(f"url is {url!r}: it must be ldap://HOST[:PORT] or ldaps://HOST[:PORT]")
    if not urls:
        raise Misconfigured("url is empty: it must be ldap://HOST[:PORT] or ldaps://HOST[:PORT]")
    return urls


class _Said:
    """Options by name, in the type that is wanted."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options

    def text(self, name: str) -> str:
        value = self.options.get(name)
        if value is None:
            return ""
        if isinstance(value, (dict, list)):
            raise Misconfigured(f"{name} is {value!r}: it must be a text")
        return str(value)

    def words(self, name: str) -> list[str]:
        value = self.options.get(name)
        if isinstance(value, list):
            return [str(word).strip() for word in value]
        return [word.strip() for word in self.text(name).split(",") if word.strip()]

    def truth(self, name: str) -> bool:
        value = self.options.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        text = str(value).strip().lower()
        if text not in ON + OFF:
            raise Misconfigured(f"{name} is {value!r}: it must be true or false")
        return text in ON

    def number(self, name: str) -> int:
        value = self.options.get(name)
        if value is None:
            return 0
        try:
            return int(value)
        except (TypeError, ValueError):
            raise Misconfigured(f"{name} is {value!r}: it must be a number") from None

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in allowed:
            raise Misconfigured(f"{name} is {value!r}: it must be {', '.join(allowed)}")
        return value
