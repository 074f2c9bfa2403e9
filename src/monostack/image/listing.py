"""Which images a list shows: what the caller may see, and what his filters ask for.

Everything is one statement. Its conditions are kept by their kinds, so that few statements are compiled; the
values are bound. A parameter that is no known filter asks for a property of that name.

A list without `visibility` leaves out the community images of others: anybody may make one, nobody should
have to scroll past them.
"""

import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from monostack.image.tables import IMAGES, MEMBERS, PROPERTIES, TAGS
from monostack.image.wire import LARGEST, bad
from monostack.kit import clock
from monostack.kit.db import Page, ne, query
from monostack.kit.wire import boolean

VISIBILITIES = ("public", "private", "shared", "community", "all")
MEMBER_STATUSES = ("accepted", "pending", "rejected", "all")
NO_FILTERS = frozenset(("limit", "marker", "sort", "sort_key", "sort_dir", "member_status", "visibility"))
TEXTS = frozenset(
    (
        "name",
        "status",
        "container_format",
        "disk_format",
        "id",
        "checksum",
        "owner",
        "os_hash_value",
        "os_hash_algo",
    )
)
BOOLEANS = frozenset(("protected", "os_hidden"))
NUMBERS = {"min_ram": "min_ram", "min_disk": "min_disk", "size": "size"}
BOUNDS = {"size_min": ("size", "gte"), "size_max": ("size", "lte")}
TIMES = frozenset(("created_at", "updated_at"))
OPERATORS: dict[str, Callable] = {
    "gt": lambda column, bind: column > bind,
    "gte": lambda column, bind: column >= bind,
    "lt": lambda column, bind: column < bind,
    "lte": lambda column, bind: column <= bind,
    "eq": lambda column, bind: column == bind,
    "neq": lambda column, bind: column != bind,
}
MOST_LABELS = 32

_conditions: dict[tuple, Any] = {}


def page(request, db) -> Page:
    """The images of one page; raises Error 400 in words."""
    asked = _Asked(request)
    for name, value in request.pairs:
        if name not in NO_FILTERS:
            asked.add(name, value)
    return db.page(IMAGES, request, among=_kept(tuple(asked.kinds)), values=asked.values, **asked.where)


class _Asked:
    """Conditions of one request: `where` for columns, `kinds` for the shape of the rest, `values` for its
    binds."""

    def __init__(self, request) -> None:
        self.where: dict[str, Any] = {}
        self.kinds: list[tuple] = []
        self.values: dict[str, Any] = {}
        caller = request.caller
        self.values["me"] = caller.project_id or ""
        if not caller.admin:
            status = _one_of(request, "member_status", "accepted", MEMBER_STATUSES)
            self.kinds.append(("seen", status == "all"))
            if status != "all":
                self.values["member_status"] = status
        visibility = _one_of(request, "visibility", None, VISIBILITIES)
        if visibility is None:
            self.kinds.append(("not of the community",))
        elif visibility != "all":
            self.where["visibility"] = visibility
        if "os_hidden" not in request.query:
            self.where["os_hidden"] = False

    def add(self, name: str, value: str) -> None:
        """One filter of the query."""
        if name == "tag":
            self._label("tag", value)
        elif name in BOUNDS:
            column, operator = BOUNDS[name]
            self._compare(column, operator, _number(name, value))
        elif name in TIMES:
            operator, colon, rest = value.partition(":")
            if not colon or operator not in OPERATORS:
                operator, rest = "eq", value
            self._time(name, operator, rest)
        elif name in NUMBERS:
            self.where[NUMBERS[name]] = _number(name, value)
        elif name in BOOLEANS:
            self.where[name] = _boolean(name, value)
        elif name in TEXTS:
            self.where[name] = _text(name, value)
        else:
            self._label("property", value, name)

    def _label(self, kind: str, value: str, name: str | None = None) -> None:
        number = len(self.kinds)
        if number > MOST_LABELS:
            raise bad(f"A list is filtered by at most {MOST_LABELS} tags and properties at a time.")
        self.kinds.append((kind, number))
        self.values[f"value_{number}"] = value
        if name is not None:
            self.values[f"name_{number}"] = name

    def _compare(self, column: str, operator: str, value: Any) -> None:
        number = len(self.kinds)
        if number > MOST_LABELS:
            raise bad(f"A list has at most {MOST_LABELS} filters at a time.")
        self.kinds.append(("compare", column, operator, number))
        self.values[f"value_{number}"] = value

    def _time(self, column: str, operator: str, text: str) -> None:
        try:
            moment = clock.parse(text.replace(" ", "+") if "T" in text else text)
        except ValueError:
            raise bad(
                f"Unable to parse the time of {column}: '{text[:255]}'. Write it as "
                f"2030-01-31T23:59:59Z, after an operator ({', '.join(OPERATORS)}) and a colon to compare."
            ) from None
        if operator in ("eq", "neq"):
            self._within_second(column, operator, moment)
        else:
            # rows know microseconds, answers show seconds: whoever compares has read the answer
            self._compare(
                column, operator, moment[:19] + (".999999" if operator in ("gt", "lte") else ".000000")
            )

    def _within_second(self, column: str, operator: str, moment: str) -> None:
        number = len(self.kinds)
        self.kinds.append(("second", column, operator, number))
        self.values[f"from_{number}"] = moment[:19] + ".000000"
        self.values[f"to_{number}"] = moment[:19] + ".999999"


def _kept(kinds: tuple) -> Any:
    """The condition of these kinds, built once."""
    found = _conditions.get(kinds)
    if found is None:
        found = _conditions[kinds] = sa.and_(sa.true(), *(_condition(kind) for kind in kinds))
    return found


def _condition(kind: tuple) -> Any:
    columns = IMAGES.c
    if kind[0] == "seen":
        return _seen(every_status=kind[1])
    if kind[0] == "not of the community":
        return sa.or_(columns.owner == sa.bindparam("me"), columns.visibility != "community")
    if kind[0] == "tag":
        return sa.exists().where(
            TAGS.c.image_id == columns.id, TAGS.c.value == sa.bindparam(f"value_{kind[1]}")
        )
    if kind[0] == "property":
        return sa.exists().where(
            PROPERTIES.c.image_id == columns.id,
            PROPERTIES.c.name == sa.bindparam(f"name_{kind[1]}"),
            PROPERTIES.c.value == sa.bindparam(f"value_{kind[1]}"),
        )
    if kind[0] == "second":
        _, name, operator, number = kind
        within = columns[name].between(sa.bindparam(f"from_{number}"), sa.bindparam(f"to_{number}"))
        return within if operator == "eq" else sa.not_(within)
    _, name, operator, number = kind
    return OPERATORS[operator](columns[name], sa.bindparam(f"value_{number}", type_=columns[name].type))


def _seen(every_status: bool) -> Any:
    """What somebody who is no administrator sees: his own, everybody's, and what is shared with him."""
    columns = IMAGES.c
    me: Any = sa.bindparam("me")
    member = [MEMBERS.c.image_id == columns.id, MEMBERS.c.member_id == me]
    if not every_status:
        member.append(MEMBERS.c.status == sa.bindparam("member_status"))
    shared = sa.and_(columns.visibility == "shared", sa.exists().where(*member))
    return sa.or_(columns.owner == me, columns.visibility.in_(("public", "community")), shared)


_ALL = query(
    sa.select(IMAGES)
    .where(
        IMAGES.c.live == 1,
        IMAGES.c.os_hidden == sa.literal_column("0"),
        _condition(("not of the community",)),
        sa.or_(sa.bindparam("admin", type_=sa.Boolean) == sa.true(), _seen(every_status=False)),
    )
    .order_by(IMAGES.c.created_at.desc(), IMAGES.c.id.desc()),
    IMAGES,
)


def everything(db, caller) -> list:
    """All images that a list without filters shows the caller, newest first."""
    return db.run(_ALL, me=caller.project_id or "", member_status="accepted", admin=caller.admin)


def _one_of(request, name: str, default: str | None, allowed: tuple[str, ...]) -> str | None:
    value = request.query.get(name, default)
    if value is not None and value not in allowed:
        raise bad(f"Invalid {name} value: {value[:255]}. It must be one of: {', '.join(allowed)}.")
    return value


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) >= 2**63:
        raise bad(f"{name} is '{text[:255]}': it must be a number from 0 on.")
    if name in ("min_ram", "min_disk"):
        return min(int(text), LARGEST)
    return int(text)


def _boolean(name: str, text: str) -> bool:
    try:
        return boolean(text)
    except ValueError:
        raise bad(f"{name} is '{text[:255]}': it must be true or false.") from None


def _text(name: str, value: str) -> Any:
    operator, colon, rest = value.partition(":")
    if not colon or operator not in ("in", "eq", "neq"):
        return value
    if operator == "in":
        return _values(name, rest)
    return ne(_values(name, rest)[0]) if operator == "neq" else _values(name, rest)[0]


def _values(name: str, text: str) -> list[str]:
    """The values of `in:`, separated by commas; double quotes keep a comma inside a value."""
    if not re.fullmatch(r'(?:[^",]*|"[^"]*")(?:,(?:[^",]*|"[^"]*"))*', text):
        raise bad(
            f"Invalid filter value of {name}: {text[:255]}. Quote a value that holds a comma, and close the "
            "quotes."
        )
    found = [each[1:-1] if each.startswith('"') else each for each in re.findall(r'"[^"]*"|[^",]+', text)]
    if len(found) > 1000:
        raise bad(f"in: takes at most 1000 values of {name}.")
    return found or [""]
