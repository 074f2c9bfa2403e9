"""The filters of server lists, as SQL.

Most parameters name a column and compare for equality. Some are more: a status stands for pairs of states,
a name is a regular expression, an address is a part of one, tags are members of a list. Each becomes a
condition with bound values; conditions of the same shape share one compiled statement.

A regular expression that says no more than LIKE can (anchors, dots, stars: nearly all that clients send)
becomes LIKE. Others go to the database's own matcher, unless their repetitions are nested: those can take
for ever and are refused.

Source: compute API reference, "List servers", query parameters.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from monostack.compute.servers.rows import SERVERS
from monostack.compute.servers.status import condition, known
from monostack.kit import clock
from monostack.kit.db import String, ge
from monostack.kit.errors import Error
from monostack.kit.wire import FALSE, TRUE, boolean

COLUMNS = {
    "uuid": "id",
    "reservation_id": "reservation_id",
    "image": "image_id",
    "image_ref": "image_id",
    "flavor": "flavor_id",
    "user_id": "user_id",
    "host": "host",
    "node": "host",
    "vm_state": "vm_state",
    "task_state": "task_state",
    "availability_zone": "zone",
    "key_name": "key_name",
    "locked_by": "locked_by",
    "root_device_name": "root_device_name",
    "access_ip_v4": "access_ip_v4",
    "access_ip_v6": "access_ip_v6",
}
NUMBERS = {"power_state": "power_state", "launch_index": "launch_index"}
BOOLEANS = {"locked": "locked", "config_drive": "config_drive"}
MOMENTS = {"created_at": "created_at", "launched_at": "launched_at", "terminated_at": "terminated_at"}
EXPRESSIONS = {
    "name": "name",
    "display_name": "name",
    "description": "description",
    "display_description": "description",
    "hostname": "hostname",
}
FOR_EVERYBODY = frozenset(
    (
        "name",
        "display_name",
        "status",
        "image",
        "image_ref",
        "flavor",
        "ip",
        "ip6",
        "changes-since",
        "changes-before",
        "reservation_id",
        "uuid",
        "locked",
        "tags",
        "tags-any",
        "not-tags",
        "not-tags-any",
        "metadata",
        "description",
        "display_description",
        "hostname",
        "all_tenants",
    )
)
FOR_EVERYBODY_LATER = FOR_EVERYBODY | {
    "availability_zone",
    "config_drive",
    "key_name",
    "created_at",
    "launched_at",
    "terminated_at",
    "power_state",
    "task_state",
    "vm_state",
    "progress",
    "user_id",
}
ALL_FILTERS = "os_compute_api:servers:allow_all_filters"
NESTED = re.compile(r"[*+}][^()]*\)[*+?{]")
TAGS = {
    "tags": (True, True),
    "tags-any": (True, False),
    "not-tags": (False, True),
    "not-tags-any": (False, False),
}
LONGEST = 255


class Filters:
    """What a list is restricted to: `where` for the kit, and further conditions with their values."""

    def __init__(self) -> None:
        self.where: dict[str, Any] = {}
        self.deleted = False
        self.shape: list[tuple] = []
        self.builders: list[Callable[[], Any]] = []
        self.values: dict[str, Any] = {}

    def add(self, shape: tuple, build: Callable[[], Any], **values: Any) -> None:
        self.shape.append(shape)
        self.builders.append(build)
        self.values.update(values)

    def among(self):
        """The further conditions as one; the same object for the same shape."""
        if not self.shape:
            return None
        key = tuple(self.shape)
        found = _kept.get(key)
        if found is None:
            found = _kept[key] = sa.and_(*[build() for build in self.builders])
        return found


_kept: dict[tuple, Any] = {}


def read(request, everybody: bool) -> Filters:
    """The filters of a list request; `everybody` is whether servers of all projects are listed. Raises
    Error 400/403."""
    filters = Filters()
    caller = request.caller
    privileged = request.allowed(ALL_FILTERS)
    allowed = FOR_EVERYBODY_LATER if request.version >= (2, 83) else FOR_EVERYBODY
    if not everybody:
        filters.where["project_id"] = caller.project_id
    for name in request.query:
        if not privileged and name not in allowed:
            continue
        _one(request, filters, name, request.query_all(name))
    if not filters.deleted:
        filters.where.setdefault("live", 1)
    return filters


def all_projects(request, rule: str) -> bool:
    """Whether servers of all projects are asked for; raises Error 400 and 403."""
    text = request.query.get("all_tenants")
    if text is None:
        return False
    lower = text.strip().lower()
    if lower and lower not in TRUE and lower not in FALSE:
        raise Error(400, "BadRequest", f"Invalid value for all_tenants: '{text}'. Send true or false.")
    if lower in FALSE:
        return False
    request.demand(rule)
    return True


def _one(request, filters: Filters, name: str, values: list[str]) -> None:
    if name in COLUMNS:
        filters.where[COLUMNS[name]] = values[0] if len(values) == 1 else values
    elif name in ("tenant_id", "project_id"):
        filters.where.setdefault("project_id", values[0] if len(values) == 1 else values)
    elif name in NUMBERS:
        filters.where[NUMBERS[name]] = [_number(name, value) for value in values]
    elif name in BOOLEANS:
        if name != "locked" or request.version >= (2, 73):
            filters.where[BOOLEANS[name]] = _boolean(name, values[-1])
    elif name in MOMENTS:
        filters.where[MOMENTS[name]] = moment(name, values[-1])
    elif name in EXPRESSIONS:
        _expression(request, filters, EXPRESSIONS[name], values[-1])
    elif name == "status":
        _status(request, filters, values)
    elif name in ("ip", "ip6"):
        _address(filters, name, values[-1])
    elif name == "changes-since":
        filters.where["updated_at"] = ge(moment(name, values[-1]))
        filters.deleted = True
    elif name == "changes-before" and request.version >= (2, 66):
        filters.add(
            (name,),
            lambda: SERVERS.c.updated_at <= sa.bindparam("f_before", type_=String),
            f_before=moment(name, values[-1]),
        )
        filters.deleted = True
    elif name == "deleted":
        filters.where["live"] = None if _boolean(name, values[-1]) else 1
        filters.deleted = True
    elif name == "metadata":
        _metadata(filters, values)
    elif name in TAGS and request.version >= (2, 26):
        _tags(filters, name, ",".join(values).split(","))


def moment(name: str, text: str) -> str:
    """The moment that a parameter of a query names; raises Error 400."""
    try:
        return clock.parse(text)
    except ValueError:
        words = f"Invalid value for {name}: '{text}' is not a time such as 2030-01-31T23:59:59Z."
        raise Error(400, "BadRequest", words) from None


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Error(
            400, "BadRequest", f"Invalid value for filter {name}: '{text}' is not a number."
        ) from None


def _boolean(name: str, text: str) -> bool:
    try:
        return boolean(text)
    except ValueError as reason:
        raise Error(400, "BadRequest", f"Invalid value for filter {name}: {reason}.") from None


def _status(request, filters: Filters, words: list[str]) -> None:
    upper = sorted({word.upper() for word in words})
    if "DELETED" in upper:
        if not request.caller.admin:
            raise Error(403, "Forbidden", "Only administrators may list deleted instances")
        filters.deleted = True
        filters.where["live"] = None
    meant = tuple(word for word in upper if known(word))
    filters.add(("status", meant), lambda: sa.or_(sa.false(), *[condition(SERVERS, word) for word in meant]))


def like_words(pattern: str) -> str | None:
    """The pattern of LIKE that matches the same texts as the regular expression; None if there is none."""
    start, end = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    body = pattern[1 if start else 0 : len(pattern) - (1 if end else 0)]
    out, position = [], 0
    while position < len(body):
        letter, following = body[position], body[position + 1 : position + 2]
        if letter == "\\":
            if not following or following.isalnum():
                return None
            letter, position = following, position + 1
            following = body[position + 1 : position + 2]
        elif letter == "." and following == "*":
            out.append("%")
            position += 2
            continue
        elif letter in "[](){}*+?|^$":
            return None
        elif letter == ".":
            if following in ("+", "?", "{"):
                return None
            out.append("_")
            position += 1
            continue
        if following in ("*", "+", "?", "{"):
            return None
        out.append("\\" + letter if letter in "%_\\" else letter)
        position += 1
    return ("" if start else "%") + "".join(out) + ("" if end else "%")


def _expression(request, filters: Filters, column: str, pattern: str) -> None:
    bind = f"f_{column}"
    words = like_words(pattern)
    if words is not None:
        filters.add(
            ("like", column),
            lambda: SERVERS.c[column].like(sa.bindparam(bind, type_=String), escape="\\"),
            **{bind: words},
        )
        return
    try:
        re.compile(pattern)
    except re.error as reason:
        raise Error(400, "BadRequest", f"Invalid regular expression '{pattern}': {reason}.") from None
    if len(pattern) > LONGEST or NESTED.search(pattern):
        raise Error(
            400,
            "BadRequest",
            f"The regular expression '{pattern[:LONGEST]}' repeats what repeats already; "
            "write it without nested repetitions.",
        )
    filters.add(
        ("regexp", column),
        lambda: SERVERS.c[column].regexp_match(sa.bindparam(bind, type_=String)),
        **{bind: pattern},
    )


def _address(filters: Filters, name: str, text: str) -> None:
    """Part of an address, or all of it between ^ and $. Addresses stand in their column between blanks."""
    plain = text.replace("\\.", ".")
    start, end = plain.startswith("^"), plain.endswith("$")
    plain = plain.strip("^$").removesuffix(".*").replace("\\", "").replace("%", "\\%").replace("_", "\\_")
    words = "%" + (" " if start else "") + plain + (" " if end else "") + "%"
    bind = f"f_{name}"
    filters.add(
        ("ips", name),
        lambda: SERVERS.c.ips.like(sa.bindparam(bind, type_=String), escape="\\"),
        **{bind: words},
    )


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _metadata(filters: Filters, values: list[str]) -> None:
    """JSON objects whose pairs the server must have."""
    for number, text in enumerate(values):
        try:
            wanted = msgspec.json.decode(text)
            pairs = list(wanted.items())
        except (msgspec.DecodeError, AttributeError):
            raise Error(400, "BadRequest", f"Invalid filter metadata: {text} is not a JSON object.") from None
        for position, (key, value) in enumerate(pairs):
            pair = msgspec.json.encode({key: value}).decode()[1:-1]
            bind = f"f_metadata_{number}_{position}"
            filters.add(
                ("metadata", number, position), _json_like("metadata", bind), **{bind: f"%{_quoted(pair)}%"}
            )


def _tags(filters: Filters, name: str, tags: list[str]) -> None:
    wanted, every = TAGS[name]
    binds = {}
    for number, tag in enumerate(tags):
        binds[f"f_{name}_{number}".replace("-", "_")] = f"%{_quoted(msgspec.json.encode(tag).decode())}%"
    names = list(binds)

    def build():
        parts = [_json_like("tags", bind)() for bind in names]
        found = sa.and_(*parts) if every else sa.or_(*parts)
        return found if wanted else sa.not_(found)

    filters.add((name, len(names)), build, **binds)


def _json_like(column: str, bind: str) -> Callable[[], Any]:
    text = sa.cast(SERVERS.c[column], sa.Text)
    return lambda: text.like(sa.bindparam(bind, type_=String), escape="\\")
