"""A plain reading of policy rules, written for clarity and from the description of the language alone.

The engine compiles rules; this reads them word by word, slowly. Tests hold the two against each other, and
the answers of the running services against this one.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WORDS = ("(", ")", "and", "or", "not")
TOKEN = re.compile(r"[()]|(?:%\([^)]*\)s|[^\s()])+")

Rules = Mapping[str, Any]


def read_rules(file: Path) -> dict[str, str]:
    """Rule -> sentence, of a service's policies.tsv."""
    with file.open(newline="", encoding="utf-8") as rows:
        return {row["rule"]: row["check"] for row in csv.DictReader(rows, delimiter="\t", quoting=3)}


def sentence(text: str, caller: Mapping, target: Mapping, rules: Rules) -> bool:
    """The verdict of a sentence: each check becomes True or False, and Python knows and, or, not."""
    words = [
        word.lower() if word.lower() in WORDS else str(check(word, caller, target, rules))
        for word in TOKEN.findall(text)
    ]
    return bool(eval(" ".join(words), {"__builtins__": {}})) if words else True


def tree(node: Any, caller: Mapping, target: Mapping, rules: Rules) -> bool:
    """The verdict of a rule written as ("or", check, ("not", check))."""
    if isinstance(node, str):
        return check(node, caller, target, rules)
    word, *parts = node
    verdicts = [tree(part, caller, target, rules) for part in parts]
    return {"not": lambda: not verdicts[0], "and": lambda: all(verdicts), "or": lambda: any(verdicts)}[word]()


def check(text: str, caller: Mapping, target: Mapping, rules: Rules) -> bool:
    if text in ("@", "!"):
        return text == "@"
    left, right = text.split(":", 1)
    if left == "role":
        return right.lower() in caller["roles"]
    if left == "rule":
        return right in rules and sentence(rules[right], caller, target, rules)
    if left == "field":
        name, value = right.split(":", 1)[1].split("=")
        found = target.get(name)
        if found is None:
            return False
        return bool(re.match(value[1:], found)) if value[0] == "~" else str(found) == value
    key = re.fullmatch(r"%\((.*)\)s", right)
    wanted = find(target, key[1]) if key else right
    if wanted == "MISSING":
        return False
    try:
        return str(ast.literal_eval(left)) == str(wanted)
    except (ValueError, SyntaxError):
        held = find(caller, left)
    if key and (held in (None, "MISSING") or wanted is None):
        return False
    return str(None if held == "MISSING" else held) == str(wanted)


def find(values: Mapping, key: str) -> Any:
    if key in values:
        return values[key]
    for step in key.split("."):
        if not isinstance(values, Mapping) or step not in values:
            return "MISSING"
        values = values[step]
    return values
