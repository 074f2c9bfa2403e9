"""The ids of federation's resources: an operator chooses them, and they stand in the URL."""

from __future__ import annotations

from monostack.identity.attributes import bad
from monostack.kit.request import Request

LONGEST = 64


def chosen(request: Request, parameter: str) -> str:
    """The id in the path that a new resource is to have; raises Error 400."""
    name = request.path[parameter]
    if len(name) > LONGEST or not name.isprintable():
        raise bad(f"{parameter} must be at most {LONGEST} printable characters.")
    return name
