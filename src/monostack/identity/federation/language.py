"""The mapping language: from what an identity provider says to who somebody is here.

A mapping is a list of rules. A rule has `remote`, a list of requirements on the assertion, and `local`, a
list of objects that say what follows. An assertion is a mapping of attribute names to lists of texts.

A rule applies if each requirement holds, and a requirement never holds for an attribute that is not there:

    {"type": A}                        A is there; its values can be used
    {"type": A, "whitelist": [...]}    A is there; of its values, those listed can be used
    {"type": A, "blacklist": [...]}    A is there; of its values, those not listed can be used
    {"type": A, "any_one_of": [...]}   a value of A is listed; nothing can be used
    {"type": A, "not_any_of": [...]}   no value of A is listed; nothing can be used

With "regex": true what is listed are regular expressions that may match anywhere in a value.

The usable values are numbered from 0 in the order of the requirements. `{0}` in a text of `local` stands for
them: one value as it is; several, or none, as a list written like ['a', 'b']; `{}` is the next number and
`{{` a brace. `groups`, `group_ids` and `projects_json` understand a list that stands alone as the list it is.

What follows from all rules that apply, taken together: the first `user` that is not empty; every `group`,
`groups` (names, with the `domain` beside them; or texts JSON:{"name": ..., "domain": ...}) and `group_ids`;
the last `projects`. In schema 1.0 a user or project without a domain is in the identity provider's; from 2.0
on, in the `domain` that stands beside it or in the last of the rules; 3.0 adds `projects_json`.

Nothing in an assertion is ever read as a template or as a list, so nobody widens his groups by the spelling
of a name. Regular expressions come from operators alone; texts of an assertion are at most `LONGEST` long.

Pure: no rows, no clock. Source: the federation guide, "Mapping combinations"; what a current identity service
makes of mappings."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

LONGEST = 4096
MOST_VALUES = 1000
TEMPLATE = re.compile(r"\{\{|\}\}|\{(\d{0,6})\}")
ALONE = re.compile(r"\{(\d{0,6})\}")

Assertion = Mapping[str, Sequence[str]]
Domain = Mapping[str, str]


class NotMapped(Exception):
    """Nobody follows from this assertion by this mapping; the words say why, for the log."""


@dataclass(frozen=True)
class Mapped:
    """Who somebody is. `user` has what the mapping says of id, name, email, domain and type; a group by name
    and a project carry the domain that the mapping says, or None for the identity provider's."""

    user: dict[str, Any]
    group_ids: tuple[str, ...] = ()
    group_names: tuple[tuple[str, Domain], ...] = ()
    projects: tuple[dict[str, Any], ...] = ()


@dataclass
class _Found:
    """What follows, while the rules are read."""

    user: dict[str, Any] = field(default_factory=dict)
    group_ids: dict[str, None] = field(default_factory=dict)
    group_names: list[tuple[str, Domain]] = field(default_factory=list)
    projects: list[dict[str, Any]] = field(default_factory=list)
    domain: Domain | None = None


def apply(rules: Iterable[Mapping[str, Any]], assertion: Assertion, version: str = "1.0") -> Mapped:
    """Who the assertion is about, by the rules; raises NotMapped."""
    bounded(assertion)
    found, any_applied = _Found(), False
    for rule in rules:
        values = _usable(rule["remote"], assertion)
        if values is None:
            continue
        for local in rule["local"]:
            any_applied = True
            _follow(found, local, values, version)
    if not any_applied:
        raise NotMapped("no rule of the mapping applies to the assertion")
    found.user.setdefault("type", "ephemeral")
    if version != "1.0" and found.domain is not None:
        found.user.setdefault("domain", found.domain)
    return Mapped(found.user, tuple(found.group_ids), tuple(found.group_names), tuple(found.projects))


def bounded(assertion: Assertion) -> None:
    """Refuse an assertion that is too large to be judged; raises NotMapped."""
    for name, values in assertion.items():
        if len(values) > MOST_VALUES or any(len(value) > LONGEST for value in values):
            raise NotMapped(
                f"the attribute {name[:64]} has more than {MOST_VALUES} values, or one of more than "
                f"{LONGEST} characters"
            )


# requirements


def _usable(requirements: Iterable[Mapping[str, Any]], assertion: Assertion) -> list[list[str]] | None:
    """The numbered values; None if a requirement does not hold."""
    out = []
    for requirement in requirements:
        values = list(assertion.get(requirement["type"], ()))
        if not values:
            return None
        listed = _listed(requirement)
        if "any_one_of" in requirement or "not_any_of" in requirement:
            if any(listed(value) for value in values) != ("any_one_of" in requirement):
                return None
        elif "whitelist" in requirement:
            out.append([value for value in values if listed(value)])
        elif "blacklist" in requirement:
            out.append([value for value in values if not listed(value)])
        else:
            out.append(values)
    return out


def _listed(requirement: Mapping[str, Any]) -> Callable[[str], bool]:
    """Whether a value is among those that the requirement lists."""
    words = ("any_one_of", "not_any_of", "whitelist", "blacklist")
    listed = next((requirement[word] for word in words if word in requirement), ())
    if requirement.get("regex"):
        patterns = [_compiled(text) for text in listed]
        return lambda value: any(pattern.search(value) for pattern in patterns)
    return lambda value: value in listed


@lru_cache(maxsize=512)
def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(text)


def wrong_pattern(rules: Iterable[Mapping[str, Any]]) -> str | None:
    """What is wrong with the first regular expression in the rules that is none; None if all are good."""
    for rule in rules:
        for requirement in rule["remote"]:
            if not requirement.get("regex"):
                continue
            for word in ("any_one_of", "not_any_of", "whitelist", "blacklist"):
                for text in requirement.get(word, ()):
                    try:
                        _compiled(text)
                    except (re.error, TypeError, OverflowError, RecursionError) as reason:
                        return f"{text!r} of {word} is not a regular expression: {reason}"
    return None


# what follows


def _follow(found: _Found, local: Mapping[str, Any], values: list[list[str]], version: str) -> None:
    domain = _filled(local["domain"], values) if "domain" in local else None
    found.domain = domain or found.domain
    if "user" in local and not found.user:
        found.user = _filled(local["user"], values)
        if found.user and domain and version != "1.0":
            found.user.setdefault("domain", domain)
    if "group" in local:
        group = _filled(local["group"], values)
        if "id" in group:
            found.group_ids[group["id"]] = None
        else:
            found.group_names.append((group["name"], group["domain"]))
    if "groups" in local:
        found.group_names += [_group(text, domain) for text in _several(local["groups"], values)]
    if "group_ids" in local:
        found.group_ids |= dict.fromkeys(_several(local["group_ids"], values))
    if "projects" in local or "projects_json" in local:
        projects = _filled(local.get("projects", []), values)
        if "projects_json" in local and version == "3.0":
            projects += _projects(_several(local["projects_json"], values))
        if domain and version != "1.0":
            projects = [{"domain": domain} | project for project in projects]
        found.projects = projects


def _group(text: str, domain: Domain | None) -> tuple[str, Domain]:
    """A group by name: a text, or JSON:{"name": ..., "domain": ...}."""
    if text.startswith("JSON:"):
        group = _read(text.removeprefix("JSON:"))
        if isinstance(group, dict) and isinstance(group.get("name"), str) and _is_domain(group.get("domain")):
            return group["name"], group["domain"]
        raise NotMapped("a group in JSON must have a name and a domain")
    if domain is None:
        raise NotMapped("groups need a domain beside them in the mapping")
    return text, domain


def _projects(texts: list[str]) -> list[dict[str, Any]]:
    """Projects that the identity provider itself lists, in JSON."""
    out = []
    for text in texts:
        listed = _read(text)
        for project in listed if isinstance(listed, list) else [listed]:
            if not _is_project(project):
                raise NotMapped("a project in JSON must be {name, roles: [{name}]}, with a domain or without")
            out.append(project)
    return out


def _read(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise NotMapped("what should be JSON in the assertion is none") from None


def _is_domain(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and ("id" in value or "name" in value)
        and all(isinstance(value.get(name, ""), str) for name in ("id", "name"))
    )


def _is_project(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("roles"), list)
        and all(isinstance(role, dict) and isinstance(role.get("name"), str) for role in value["roles"])
        and ("domain" not in value or _is_domain(value["domain"]))
    )


def _filled(local: Any, values: list[list[str]]) -> Any:
    """The part of a rule with its templates filled."""
    if isinstance(local, dict):
        return {name: _filled(value, values) for name, value in local.items()}
    if isinstance(local, list):
        return [_filled(value, values) for value in local]
    return _text(local, values)


def _text(template: str, values: list[list[str]]) -> str:
    following = iter(range(len(values) + 1))

    def put(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        chosen = _chosen(match[1] or str(next(following, len(values))), values)
        return chosen[0] if len(chosen) == 1 else str(chosen)

    return TEMPLATE.sub(put, template)


def _several(template: str, values: list[list[str]]) -> list[str]:
    """The texts that a template means: a list if it is one value alone, or a list written out."""
    alone = ALONE.fullmatch(template)
    if alone:
        return _chosen(alone[1] or "0", values)
    if not TEMPLATE.search(template):
        try:
            written = ast.literal_eval(template)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            written = None
        if isinstance(written, list) and all(isinstance(text, str) for text in written):
            return written
    return [_text(template, values)]


def _chosen(number: str, values: list[list[str]]) -> list[str]:
    if int(number) >= len(values):
        raise NotMapped(f"the mapping uses {{{number}}}, but its rule has {len(values)} usable values")
    return values[int(number)]
