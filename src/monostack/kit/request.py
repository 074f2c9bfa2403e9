"""What a handler is told: who asks, what for, in which version."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from monostack.kit import rendering
from monostack.kit.db.rows import primary_key
from monostack.kit.errors import Error
from monostack.kit.resource import UNSET, Field, Paging, Route, Service, Version

if TYPE_CHECKING:
    from monostack.cloud import Cloud
    from monostack.kit.auth import Caller


class Request:
    """One request.

    method, path (parameters of the route), body (JSON, in the newest shape), version, caller, id, route,
    service. `query` has the last value of each parameter; `query_all(name)` has all. `subject` may be set by
    a handler to the id of the resource that the event is about, `found` by a route's `target` to what it had
    to read and its handler needs as well.

    The corridor fills it in on the way. `caller` is there once `authenticated`, which every request behind a
    rule is, and `route` once one has matched: a handler takes both as given, and an AttributeError tells
    that a public route asked who its caller is.
    """

    caller: Caller
    route: Route
    found: Any = None

    def __init__(self, cloud: Cloud, service: Service, scope: dict, receive) -> None:
        self.cloud = cloud
        self.service = service
        self.method: str = scope["method"]
        self.full_path: str = scope["path"]
        self.query_string: str = scope["query_string"].decode("latin-1")
        self.headers: dict[str, str] = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        self.scheme: str = self.headers.get("x-forwarded-proto", scope.get("scheme", "http"))
        self.remote: str = (scope.get("client") or ("", 0))[0]
        self.root: str = ""
        self.id = ""
        self.global_id: str | None = None
        self.path: dict[str, str] = {}
        self.body: Any = None
        self.version: Version = (0, 0)
        self.authenticated = False
        self.judged = False
        self.subject: str | None = None
        self.event_details: dict[str, Any] = {}
        self.response_headers: list[tuple[str, str]] = []
        self.only: frozenset[str] | None = None
        self._receive = receive
        self._query: dict[str, str] | None = None
        self._pairs: list[tuple[str, str]] | None = None
        self._paging: Paging | None = None

    # what was asked

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query as it came: (name, value) pairs."""
        if self._pairs is None:
            self._pairs = parse_qsl(self.query_string, keep_blank_values=True) if self.query_string else []
        return self._pairs

    @property
    def query(self) -> dict[str, str]:
        if self._query is None:
            self._query = dict(self.pairs)
        return self._query

    def query_all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def header(self, name: str) -> str | None:
        """A header by its lower-case name."""
        return self.headers.get(name)

    @property
    def paging(self) -> Paging:
        """What page is asked for; handlers may set `order` defaults on it before `db.page`."""
        if self._paging is None:
            self._paging = self.service.wire.paging(self, self.route.fields)
        return self._paging

    def filters(self) -> dict[str, Any]:
        return self.service.wire.filters(self, self.route.fields)

    def marker_row(self, db, table, marker: str) -> dict:
        """The row a marker names; raises the service's error for an unknown one."""
        key = primary_key(table)
        row = db.one(table, **{key[0]: marker}) if len(key) == 1 else None
        if row is None:
            raise self.service.wire.marker_missing(self, marker)
        return row

    async def stream(self) -> AsyncIterator[bytes]:
        """The raw body, chunk by chunk, as it arrives; raises ConnectionResetError when the caller goes
        away."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the caller went away in the middle of the body")
            chunk = message.get("body", b"")
            if chunk:
                yield chunk
            if not message.get("more_body"):
                return

    # where we are

    @cached_property
    def base(self) -> str:
        """Scheme, host and the service's root: what links start with. No slash at the end."""
        host = self.headers.get("host") or f"{self.cloud.settings.listen}:{self.service.ports[0]}"
        return f"{self.scheme}://{host}{self.root}"

    def next_url(self, marker: str, limit: int | None) -> str:
        """This list's URL with another marker."""
        pairs = [(key, value) for key, value in self.pairs if key not in ("marker", "limit")]
        if limit is not None and "limit" in self.query:
            pairs.append(("limit", str(limit)))
        pairs.append(("marker", marker))
        return f"{self.base}{self.full_path.removeprefix(self.root)}?{urlencode(pairs)}"

    # what is allowed

    def allowed(self, rule: str, target: Mapping[str, Any] | None = None) -> bool:
        """Whether policy lets the caller do this to the target (by default: to things of his own)."""
        caller = self.caller
        if target is None:
            target = caller.own
        return self.cloud.policy(self.service.name).allowed(rule, caller.credentials, target)

    def demand(self, rule: str, target: Mapping[str, Any] | None = None) -> None:
        """Raise the service's refusal unless policy allows it, to a token of this kind."""
        policy = self.cloud.policy(self.service.name)
        if not policy.check_scope(rule, self.caller.credentials) or not self.allowed(rule, target):
            raise self.service.wire.denied(self, rule)

    def check_sent(
        self, fields: tuple[Field, ...], sent: Mapping[str, Any], target: Mapping[str, Any], action: str
    ) -> None:
        """Judge `set_rule` for every attribute the caller sent (a rule may hold "{action}"); raises the
        refusal.

        A field called "fixed_ips:ip_address" stands for the key of the objects in the list attribute
        fixed_ips.
        """
        for field in fields:
            if field.set_rule is None:
                continue
            name, _, part = field.name.partition(":") if field.name not in sent else (field.name, "", "")
            value = sent.get(name, UNSET)
            if value is UNSET or value == field.default:
                continue
            if part and not (
                isinstance(value, list) and any(isinstance(x, dict) and part in x for x in value)
            ):
                continue
            self.demand(field.set_rule.replace("{action}", action), target)

    # what is answered

    def render(self, fields: tuple[Field, ...], row: Mapping[str, Any]) -> dict[str, Any]:
        """A row as the wire shows it to this caller in this version."""
        return self._plan(fields)(row, self)

    def render_all(self, fields: tuple[Field, ...], rows) -> list[dict[str, Any]]:
        plan = self._plan(fields)
        return [plan(row, self) for row in rows]

    def _plan(self, fields: tuple[Field, ...]):
        hidden, judged = set(), set()
        policy = self.cloud.policy(self.service.name)
        for rule in rules_of(fields):
            if policy.needs_target(rule):
                judged.add(rule)
            elif not policy.allowed(rule, self.caller.credentials, {}):
                hidden.add(rule)
        return rendering.plan(fields, self.version, self.only, frozenset(hidden), frozenset(judged))

    def list(self, key: str, items: list, page: Any = None) -> dict[str, Any]:
        """A list answer: items under their key, and the links the service's lists carry."""
        return {key: items} | self.service.wire.links(self, key, items if page is None else page)

    def refuse(self, code: int, type: str, message: str, **extra) -> Error:  # noqa: A002
        return Error(code, type, message, **extra)


_rules: dict[int, tuple[tuple[str, ...], tuple]] = {}


def rules_of(fields: tuple[Field, ...]) -> tuple[str, ...]:
    """The distinct read rules of a tuple of Fields (kept by identity, together with the tuple itself)."""
    found = _rules.get(id(fields))
    if found is None:
        rules = tuple(dict.fromkeys(field.rule for field in fields if field.rule is not None))
        found = _rules[id(fields)] = (rules, fields)
    return found[0]
