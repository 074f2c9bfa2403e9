"""Crash points: the places where a test may end the program.

Every change of the world stands between two points, one before and one after it. A test that kills the
program at each of them in turn has tried every half-done step there is. Names are literals, so that the list
of all points is read from the source (`names`) and cannot be forgotten; in the running program a point costs
one comparison.
"""

import ast
from collections.abc import Callable
from pathlib import Path

_callback: Callable[[str], None] | None = None


def point(name: str) -> None:
    """Say that the program is here. Nothing happens unless a test has armed the points."""
    if _callback is not None:
        _callback(name)


def arm(callback: Callable[[str], None]) -> None:
    """From now on call this at every point; what it raises is raised there."""
    global _callback
    _callback = callback


def disarm() -> None:
    global _callback
    _callback = None


def names(package_path: Path | str) -> list[str]:
    """All points below a folder (or in one file), sorted. A name that is not a literal is a ValueError."""
    root = Path(package_path)
    files = [root] if root.is_file() else sorted(root.rglob("*.py"))
    found: set[str] = set()
    for file in files:
        source = file.read_text(encoding="utf-8")
        if "point(" not in source:
            continue
        for call in ast.walk(ast.parse(source, str(file))):
            if not isinstance(call, ast.Call) or not _is_point(call.func):
                continue
            found.add(_literal(call, file))
    return sorted(found)


def _is_point(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id == "point"
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr == "point" and function.value.id == "crash"
    return False


def _literal(call: ast.Call, file: Path) -> str:
    if len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str):
        return call.args[0].value
    raise ValueError(f"{file}:{call.lineno}: the name of a crash point must be a literal string.")
