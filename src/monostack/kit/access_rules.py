"""What a token may be used for: access rules, for callers that carry some.

A rule names a service's type, a method and a path. In the path `*` and `{anything}` stand for one segment,
`**` for any number of them. A request that no rule names is not let in, whatever the caller's roles are. Two
things are always possible: what a service asks in the user's name while it serves him (it shows a token of
its own beside his), and what a service says may be (to look at a token, for identity).

Source: identity API reference, "Application Credentials", access rules; keystonemiddleware's behaviour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

WILD = re.compile(r"\{[^}]*\}|\*\*+|\*")


@lru_cache(4096)
def pattern(path: str) -> re.Pattern[str]:
    """The path of a rule, as what it fits."""
    out, end = [], 0
    for found in WILD.finditer(path):
        out.append(re.escape(path[end : found.start()]))
        out.append(".*" if found[0].startswith("**") else "[^/]+")
        end = found.end()
    return re.compile("".join(out) + re.escape(path[end:]), re.DOTALL)


def allow(rules: Iterable[Mapping[str, str]], service: str, method: str, *paths: str) -> bool:
    """Whether a rule names the request, under one of the spellings of its path."""
    return any(
        rule["service"] == service
        and rule["method"] == method
        and any(pattern(rule["path"]).fullmatch(path) for path in paths)
        for rule in rules
    )
