"""More than one factor: which methods a user must have logged in by.

A user's rules are lists of methods; to have used all of any one list is enough. Of a rule, only methods that
are offered here count, so that taking a method out of the settings locks nobody out; where that leaves
nothing of any rule, there are none.

Source: identity API reference, "Multi-Factor Authentication"; identity's user guide of the same name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

ENABLED, RULES = "multi_factor_auth_enabled", "multi_factor_auth_rules"


def rules(options: Mapping[str, Any] | None, offered: Collection[str]) -> list[list[str]]:
    """A user's rules, as far as they can be fulfilled here."""
    options = options or {}
    if not options.get(ENABLED, True):
        return []
    found = [[name for name in rule if name in offered] for rule in options.get(RULES) or []]
    return [rule for rule in found if rule]


def suffice(rules: list[list[str]], methods: Collection[str]) -> bool:
    """Whether the methods fulfil a rule."""
    return not rules or any(set(rule) <= set(methods) for rule in rules)


def begun(rules: list[list[str]], methods: Collection[str]) -> list[list[str]]:
    """The rules of which something is done."""
    return [rule for rule in rules if set(rule) & set(methods)]
