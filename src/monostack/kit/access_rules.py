"""What a token may be used for: access rules, for callers that carry some.

A rule names a service's type, a method and a path. In the path `*` and `{anything}` stand for one segment,
`**` for any number of them. A request that no rule names is not let in, whatever the caller's roles are. Two
things are always possible: what a service asks in the user's name while it serves him (it shows a token of
its own beside his), and what a service says may be (to look at a token, for identity).

Users write the rules, and the same users the requests that are held against them. A regular expression with
a dozen wildcards would try for minutes; so the places that a rule may have come to in the path are counted
forward, once for each part of the rule.

Source: identity API reference, "Application Credentials", access rules; keystonemiddleware's behaviour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

WILD = re.compile(r"\{[^}]*\}|\*\*+|\*")


LONGEST = 2048
"""Characters of a path that can be named by a rule; no operation's is longer."""
SEGMENT, ANY = object(), object()


@lru_cache(4096)
def parts(path: str) -> tuple:
    """The path of a rule, taken apart: texts, SEGMENT for one segment, ANY for any number of them."""
    out: list = []
    end = 0
    for found in WILD.finditer(path):
        out += [path[end : found.start()], ANY if found[0].startswith("**") else SEGMENT]
        end = found.end()
    return tuple(part for part in (*out, path[end:]) if part)


def fits(rule_path: str, path: str) -> bool:
    """Whether the path of a request is one that the path of a rule names."""
    if len(path) > LONGEST:
        return False
    places = {0}
    for part in parts(rule_path):
        if part is ANY:
            places = set(range(min(places), len(path) + 1))
        elif part is SEGMENT:
            places = _segments(path, places)
        else:
            places = {place + len(part) for place in places if path.startswith(part, place)}
        if not places:
            return False
    return len(path) in places


def _segments(path: str, places: set[int]) -> set[int]:
    """Where one or more characters that are no slash may end, begun at any of the places."""
    out: set[int] = set()
    reached = -1
    for place in sorted(places):
        if place < reached:
            continue
        end = path.find("/", place)
        reached = len(path) if end < 0 else end
        out.update(range(place + 1, reached + 1))
    return out


def allow(rules: Iterable[Mapping[str, str]], service: str, method: str, *paths: str) -> bool:
    """Whether a rule names the request, under one of the spellings of its path."""
    return any(
        rule["service"] == service
        and rule["method"] == method
        and any(fits(rule["path"], path) for path in paths)
        for rule in rules
    )
