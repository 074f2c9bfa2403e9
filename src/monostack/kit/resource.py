"""The words in which a service says what it offers: Field, Route, Service.

Routes and fields are data. From them come routing, 404 and 405, version negotiation, policy, validation,
events, OpenAPI, COVERAGE and the policy matrix. A route without a policy rule does not start.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from monostack.kit.errors import Error

Version = tuple[int, int]
FIRST: Version = (0, 0)
LAST: Version = (999, 999)

PUBLIC = "public"
"""The rule of a route that needs no token."""
ANYONE = "anyone"
"""The rule of a route that needs a valid token and nothing more."""


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Any = _Unset()


@dataclass(frozen=True, eq=False)
class Field:
    """One attribute of a resource on the wire.

    name     as the wire spells it
    source   a column, or a function of (row) or (row, request); without it the column called like the field
    since, until   the microversions that show it
    rule     shown only if this policy rule allows the caller
    omit_none      left out when the value is None (otherwise null)
    set_rule the policy rule judged when a caller SENDS the attribute
    default  what a caller may send without needing `set_rule`
    filter   the query parameter that filters by it (True: the field's name); needs a column as source
    sort     whether lists may be sorted by it
    convert  turns a filter's text into the column's value; raises ValueError
    """

    name: str
    source: str | Callable | None = None
    since: Version = FIRST
    until: Version = LAST
    rule: str | None = None
    omit_none: bool = False
    set_rule: str | None = None
    default: Any = UNSET
    filter: str | bool | None = None
    sort: bool | str = False
    convert: Callable[[str], Any] | None = None

    @property
    def column(self) -> str:
        return self.source if isinstance(self.source, str) else self.name

    @property
    def parameter(self) -> str | None:
        """The query parameter that filters by this field."""
        return self.name if self.filter is True else self.filter or None


@dataclass(frozen=True, eq=False)
class Route:
    """One operation.

    path     below the service's prefix, with {parameters}; a path that starts with "^" is absolute
    handler  (request, db) reads; (request, tx) writes in one transaction; `async (request, ctx)` is a flow
    that streams,
             waits or asks the world. The second parameter's name decides.
    rule     the policy rule; PUBLIC or ANYONE where there is none
    rule_of  (request, db) -> the rule for this very thing, where there are several; `rule` is the usual one
    ok       the success status, or {first version: status}
    action   the body's only key, for .../action
    body     the name of the request schema; query likewise
    target   (request, db) -> what the rule is judged on, in the handler's transaction; by default the
    caller's own ids
    event    the kind of event recorded with the change
    raw      the body is not JSON: the handler reads request.stream()
    fields   the Fields whose filters and sort keys a list takes
    normalise  {version: function(body)}: what turns a body of an older version into the newest shape
    """

    method: str
    path: str
    handler: Callable
    rule: str
    ok: int | Mapping[Version, int] = 0
    action: str | None = None
    since: Version = FIRST
    until: Version = LAST
    body: str | None = None
    query: str | None = None
    target: Callable | None = None
    event: str | None = None
    raw: bool = False
    fields: tuple[Field, ...] = ()
    normalise: Mapping[Version, Callable] = field(default_factory=dict)
    deadline: float = 60.0
    scope: bool = True
    rule_of: Callable | None = None

    @property
    def kind(self) -> str:
        """ "read", "write" or "flow"."""
        if inspect.iscoroutinefunction(self.handler):
            return "flow"
        if inspect.isfunction(self.handler):  # inspect.signature takes twenty times as long
            code = self.handler.__code__
            names = code.co_varnames[: code.co_argcount]
        else:
            names = tuple(inspect.signature(self.handler).parameters)
        return "write" if names[1:2] == ("tx",) else "read"

    def success(self, version: Version) -> int:
        if isinstance(self.ok, int):
            return self.ok or {"POST": 201, "DELETE": 204}.get(self.method, 200)
        best = max((since for since in self.ok if since <= version), default=min(self.ok))
        return self.ok[best]


@dataclass(frozen=True, eq=False)
class PartKind:
    """A kind of thing that hosts carry.

    wanted(db, host) -> [(id, version)] of all parts of this kind that the host should know, tombstones
    included load(db, id, host) -> the part, or None when the host should not know it settle(tx, host, fact)
    -> records what the host reports; ends the tombstone on {"state": "absent"}
    """

    name: str
    wanted: Callable
    load: Callable
    settle: Callable


@dataclass(frozen=True, eq=False)
class Loop:
    """Work on rows that are due.

    step(row, tx) -> Done | Again | Failed (see monostack.kit.loops); writes rows, touches no world.
    `every` is the poll interval in seconds; wake-ups only shorten it. A loop without a table is called with
    (None, tx).
    """

    name: str
    step: Callable
    table: Any = None
    every: float = 5.0
    batch: int = 50


@dataclass(frozen=True, eq=False)
class Service:
    """A service: what it is called, where it answers and what it is made of.

    name     the folder: identity, image, compute ...
    type     the catalogue's service type; `title` the catalogue's name (keystone, glance, nova ...)
    ports    the customary ports; `mount` the first path segment when all services share one port
    prefixes path prefixes under which `routes` stand, the first is the canonical one ("/v2.1", "/v2")
    endpoint what the catalogue's URL adds to the service's root ("/v2.1")
    overview (title, table, columns) of what `monostack status` shows
    companions  further doors of the same service that speak otherwise: own ports, wire and routes, no
    catalogue entry;
             they share the service's tables, policies and schemas
    """

    name: str
    type: str
    title: str
    ports: tuple[int, ...]
    wire: Any
    routes: tuple[Route, ...]
    mount: str = ""
    prefixes: tuple[str, ...] = ("",)
    endpoint: str = ""
    project_in_path: bool = False
    tables: tuple = ()
    loops: tuple[Loop, ...] = ()
    parts: tuple[PartKind, ...] = ()
    needs: tuple[str, ...] = ()
    hooks: tuple[tuple[str, Callable], ...] = ()
    bootstrap: Callable | None = None
    websocket: Callable | None = None
    overview: tuple[tuple[str, Any, tuple[str, ...]], ...] = ()
    description: str = ""
    companions: tuple[Service, ...] = ()


class Response:
    """An answer that is more than a JSON object.

    body     bytes, or anything JSON; None for no body
    stream   an async iterator of bytes, instead of a body
    file     a path to send, instead of a body; with `offset` and `length`
    """

    __slots__ = ("body", "file", "headers", "length", "offset", "status", "stream")

    def __init__(
        self,
        status: int = 0,
        body: Any = None,
        headers: list[tuple[str, str]] | None = None,
        *,
        stream: Any = None,
        file: str | None = None,
        offset: int = 0,
        length: int | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers or []
        self.stream = stream
        self.file = file
        self.offset = offset
        self.length = length


class Paging:
    """What a list request asks for: order ("-name" is descending), limit, marker, direction."""

    __slots__ = ("backwards", "limit", "marker", "order")

    def __init__(
        self,
        order: tuple[str, ...] = (),
        limit: int | None = None,
        marker: str | None = None,
        backwards: bool = False,
    ) -> None:
        self.order, self.limit, self.marker, self.backwards = order, limit, marker, backwards


__all__ = [
    "ANYONE",
    "FIRST",
    "LAST",
    "PUBLIC",
    "UNSET",
    "Error",
    "Field",
    "Loop",
    "Paging",
    "PartKind",
    "Response",
    "Route",
    "Service",
    "Version",
]
