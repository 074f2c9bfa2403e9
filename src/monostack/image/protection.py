"""Protected properties: which roles may make, read, change and delete which of an image's own properties.

An operator writes a file (`image.property_protection_file`) of sections, each a regular expression for names;
the first one that matches a name decides, and a name that none matches is for nobody. What may be done is
written as roles (`@` is everybody, `!` nobody) or, with `image.property_protection_rule_format = policies`,
as one rule of policy. Properties that the service itself writes are never in question.

What a caller may not read is not shown to him; what he may not do is 403.

Source: image administration guide, "Property protections".
"""

import configparser
import re
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from monostack.image.wire import forbidden
from monostack.kit.db.rows import Row
from monostack.settings import BadSetting, Image

CREATE, READ, UPDATE, DELETE = "create", "read", "update", "delete"
OWN = "os_glance"
EVERYBODY, NOBODY = "@", "!"


class Protection:
    """The rules of a file; raises BadSetting for one that is wrong."""

    def __init__(self, settings: Image) -> None:
        self.by_policy = settings.property_protection_rule_format == "policies"
        if settings.property_protection_rule_format not in ("roles", "policies"):
            raise BadSetting("image.property_protection_rule_format must be roles or policies.")
        self.rules: list[tuple[re.Pattern, dict[str, frozenset[str]]]] = []
        name = settings.property_protection_file
        parser = configparser.ConfigParser(interpolation=None)
        try:
            with open(name) as file:
                parser.read_file(file)
            for section in parser.sections():
                operations = {
                    each: self._words(parser, section, each) for each in (CREATE, READ, UPDATE, DELETE)
                }
                self.rules.append((re.compile(section), operations))
        except (OSError, UnicodeError, configparser.Error, re.error) as reason:
            raise BadSetting(f"image.property_protection_file {name} cannot be used: {reason}") from None

    def _words(self, parser: configparser.ConfigParser, section: str, operation: str) -> frozenset[str]:
        words = frozenset(word.strip() for word in parser.get(section, operation).split(",") if word.strip())
        alone = EVERYBODY in words or NOBODY in words or self.by_policy
        if not words or (alone and len(words) > 1):
            raise BadSetting(
                f"image.property_protection_file: [{section}] {operation} must be roles, one of @ and !, or, "
                "with policies, one rule."
            )
        return words

    def allows(self, cloud, caller, operation: str, name: str) -> bool:
        """Whether a caller may do this to a property of that name."""
        if name.startswith(OWN):
            return True
        for pattern, operations in self.rules:
            if pattern.match(name):
                return self._judge(cloud, caller, operations[operation])
        return False

    def _judge(self, cloud, caller, words: frozenset[str]) -> bool:
        if EVERYBODY in words or NOBODY in words:
            return EVERYBODY in words
        if self.by_policy:
            return cloud.policy("image").allowed(next(iter(words)), caller.credentials, caller.own)
        return bool({word.lower() for word in words} & caller.credentials["roles"])


def of(cloud) -> Protection | None:
    """The rules of a cloud, None when nothing is protected."""
    settings = cloud.settings.image
    if not settings.property_protection_file:
        return None
    if cloud not in _kept:
        _kept[cloud] = Protection(settings)
    return _kept[cloud]


_kept: WeakKeyDictionary[Any, Protection] = WeakKeyDictionary()


def readable(cloud, caller, properties: Mapping[str, str]) -> dict[str, str]:
    """What a caller is shown of an image's properties."""
    rules = of(cloud)
    if rules is None:
        return dict(properties)
    return {name: value for name, value in properties.items() if rules.allows(cloud, caller, READ, name)}


def readable_row(cloud, caller, row: Any) -> Any:
    """The row with the properties that a caller is shown."""
    if of(cloud) is None:
        return row
    shown = Row(row)
    shown.table = row.table
    shown["properties"] = readable(cloud, caller, row["properties"] or {})
    return shown


def check_set(cloud, caller, before: Mapping[str, str], name: str) -> None:
    """Raise Error 403 when a caller may not give a property a value."""
    rules = of(cloud)
    if rules is None:
        return
    known = name in before and rules.allows(cloud, caller, READ, name)
    if not rules.allows(cloud, caller, UPDATE if known else CREATE, name):
        raise reserved(name)


def check_delete(cloud, caller, name: str) -> None:
    """Raise Error 403 when a caller may not take a property away."""
    rules = of(cloud)
    if rules is not None and not rules.allows(cloud, caller, DELETE, name):
        raise reserved(name)


def reserved(name: str) -> Exception:
    return forbidden(f"Attribute '{name}' is reserved.")
