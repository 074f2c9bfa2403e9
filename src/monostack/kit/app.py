"""The one door: from an ASGI request to a handler and out again.

match -> negotiate -> authenticate -> read the body -> validate -> (in the handler's own snapshot or
transaction) judge policy, run, record the event -> render. No step goes back; what differs between services
is in their wire.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from monostack.kit import access_rules, ids, router
from monostack.kit.access import AccessLog
from monostack.kit.auth import NotAuthenticated
from monostack.kit.context import Context
from monostack.kit.db.rows import DiskFull, Gone, Taken
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import ANYONE, PUBLIC, Response, Route, Service
from monostack.kit.schemas import Invalid, Schemas

if TYPE_CHECKING:
    from monostack.cloud import Cloud
    from monostack.kit.auth import Caller

CHUNK = 1 << 20
UNSENDABLE = re.compile(r"[^ -~]+")
PARAMETER = re.compile(r"\{[^}]*\}")
log = logging.getLogger(__name__)
decode = msgspec.json.Decoder().decode


class Door:
    """A route, made ready."""

    __slots__ = ("kind", "names", "route")

    def __init__(self, route: Route) -> None:
        self.route = route
        self.kind = route.kind
        self.names = router.parameter_names(route.path.lstrip("^"))


class Site:
    """One service, made ready to answer."""

    def __init__(self, cloud: Cloud, service: Service, folder: Path) -> None:
        self.cloud = cloud
        self.service = service
        self.schemas = Schemas(folder / "schemas")
        self.router = router.Router()
        self.doors: dict[int, Door] = {}
        self.words: set[str] = set()
        known = {rule for rule, *_ in cloud.policy(service.name).list()} | {PUBLIC, ANYONE}
        for route in service.routes:
            if route.rule not in known:
                raise ValueError(
                    f"{service.name}: {route.method} {route.path} has the rule {route.rule!r}, "
                    "which the policies do not know"
                )
            self._add(route)
        for route in not_built_routes(folder / "missing.tsv"):
            if not self._answered(route):
                self._add(route)

    def _add(self, route: Route) -> None:
        self.doors[id(route)] = Door(route)
        if route.path.startswith("^"):
            self.router.add(route.path[1:], route)
            return
        self.words.add(route.path.strip("/").split("/")[0])
        for prefix in self.service.prefixes:
            self.router.add(prefix + route.path, route)

    def _answered(self, route: Route) -> bool:
        """Whether a built route takes the path already, by a parameter where the missing one has a word."""
        found = self.router.match(PARAMETER.sub("x", route.path.lstrip("^")))
        return found is not None and route.action is None and route.method in found[0]

    def match(self, path: str):
        found = self.router.match(path)
        if found is None and self.service.project_in_path:
            for prefix in self.service.prefixes:
                rest = path.removeprefix(prefix + "/")
                project, _, tail = rest.partition("/")
                if rest != path and project not in self.words and ids.is_uuid(project):
                    return self.router.match(f"{prefix}/{tail}")
        return found


def not_built_routes(file: Path) -> list[Route]:
    """Routes for the operations that the contract has and the service lacks: they answer 501 in words."""
    if not file.exists():
        return []
    rows = (line.split("\t") for line in file.read_text().splitlines())
    return [Route(verb, "^" + path, not_built, ANYONE, action=action or None) for verb, path, action in rows]


def not_built(request: Request, db) -> None:
    what = request.route.path.lstrip("^") + (f" {request.route.action}" if request.route.action else "")
    words = f"{request.method} {what} is not built yet. docs/COVERAGE.md tells what is."
    raise Error(501, "NotImplemented", words)


class App:
    """The ASGI application of a cloud: all services, by port or by the first path segment."""

    def __init__(self, cloud: Cloud, sites: list[Site]) -> None:
        self.cloud = cloud
        self.access: AccessLog | None = None
        self.sendfile: Callable | None = None
        self.by_port: dict[int, Site] = {}
        self.by_mount = {site.service.mount: site for site in sites if site.service.mount}

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        site, root = self._site(scope)
        if scope["type"] == "websocket":
            await self._websocket(site, scope, receive, send)
            return
        started = time.perf_counter()
        if site is None:
            await _send(send, await self._outside(scope, receive), "GET")
            return
        request = Request(self.cloud, site.service, scope, receive)
        request.root = root
        asked = request.headers.get("x-openstack-request-id", "")
        request.id = ids.new_request_id()
        request.global_id = asked if ids.REQUEST_ID.match(asked) else None
        try:
            response = await self._answer(site, request)
        except asyncio.CancelledError:
            raise
        except DiskFull:
            words = "There is no room left on the cloud's disk. Nothing was changed."
            response = site.service.wire.error(request, Error(507, "InsufficientStorage", words))
        except Exception:
            path = site.service.wire.logged(request.full_path)
            log.error("%s %s %s failed\n%s", request.id, request.method, path, traceback.format_exc())
            words = f"The server failed on this request. The log has the cause under {request.id}."
            response = site.service.wire.error(request, Error(500, "InternalServerError", words))
        try:
            site.service.wire.finish(request, response)
            response.headers.extend(request.response_headers)
            await _send(send, response, request.method, self.sendfile)
        finally:
            if self.access is not None:
                took = (time.perf_counter() - started) * 1000
                path = site.service.wire.logged(scope["path"])
                self.access.write(request, path, response.status, took)

    def _site(self, scope) -> tuple[Site | None, str]:
        server = scope.get("server")
        site = self.by_port.get(server[1]) if server else None
        if site is not None:
            return site, ""
        path: str = scope["path"]
        word = path[1:].partition("/")[0]
        site = self.by_mount.get(word)
        if site is None:
            return None, ""
        scope["path"] = path[len(word) + 1 :] or "/"
        return site, "/" + word

    async def _outside(self, scope, receive) -> Response:
        """A path that belongs to no service: the test controls, if this cloud has them, or a list of what is
        here."""
        if self.cloud.controls is not None and scope["path"].startswith("/_cloud/"):
            return await self.cloud.controls(scope, receive)
        return Response(
            404,
            {
                "error": {
                    "code": 404,
                    "title": "Not Found",
                    "message": "Services here: " + ", ".join("/" + m for m in self.by_mount),
                }
            },
        )

    async def _websocket(self, site, scope, receive, send) -> None:
        handler = site.service.websocket if site else None
        if handler is None:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await handler(self.cloud, scope, receive, send)

    # the corridor

    async def _answer(self, site: Site, request: Request) -> Response:
        wire = site.service.wire
        try:
            answer = await self._refused_or_answered(site, request)
            if request.authenticated and not request.judged and self.cloud.engine.shared:
                await self.cloud.engine.read(self.cloud.auth.confirm, request)
            return answer
        except NotAuthenticated:
            return wire.unauthorized(request)

    async def _refused_or_answered(self, site: Site, request: Request) -> Response:
        wire = site.service.wire
        try:
            return await self._handle(site, request)
        except Error as error:
            return wire.error(request, error)
        except Invalid as reason:
            return wire.error(request, wire.invalid(request, reason.message))
        except Gone:
            words = "What this request is about was deleted by another one meanwhile."
            return wire.error(request, Error(409, "Conflict", words))
        except Taken:
            words = "Another request made the same thing meanwhile. Look at what is there, then try again."
            return wire.error(request, Error(409, "Conflict", words))

    async def _handle(self, site: Site, request: Request) -> Response:
        wire = site.service.wire
        found = site.match(request.full_path)
        methods = found[0] if found else {}
        routes = methods.get(request.method)
        if routes is None and request.method == "HEAD":
            routes = methods.get("GET")
        public = routes is not None and any(route.rule == PUBLIC for route in routes)
        if not public and (wire.auth_first or routes is not None):
            caller = await self._caller(request)
            if caller is None:
                return wire.unauthorized(request)
            request.caller, request.authenticated = caller, True
            if caller.bound is not None and caller.bound != self.cloud.auth.thumbprint(request):
                return wire.unauthorized(request)
            if caller.access_rules and not await self._may_be_used(request, caller.access_rules):
                return wire.unauthorized(request)
            wire.admit(request)
        if found is None:
            return wire.no_route(request)
        if routes is None:
            return wire.no_method(request, sorted(methods))
        request.version = wire.negotiate(request)
        if all(route.since > request.version for route in routes):
            return wire.no_version(request, routes)
        raw = routes[0].raw
        if not raw:
            request.body = await self._body(request, wire)
        route = router.choose(routes, request.version, request.body)
        if route is None:
            return wire.no_version(request, routes)
        door = site.doors[id(route)]
        request.route = route
        values = found[1]
        request.path = dict(zip(door.names, values[-len(door.names) :], strict=True)) if door.names else {}
        self._validate(site, request, route)
        answer = await self._run(door, request)
        return self._finished(wire, request, route, answer)

    async def _caller(self, request: Request) -> Caller | None:
        token = request.headers.get("x-auth-token")
        if not token:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not token:
                return None
            request.headers["x-auth-token"] = token
        return await self.cloud.auth.authenticate(token)

    async def _may_be_used(self, request: Request, rules: Sequence[Mapping[str, str]]) -> bool:
        """Whether the token's access rules name the request; or another service asks in the caller's name,
        which its own token shows."""
        service = request.service
        paths = {request.full_path, request.root + request.full_path}
        if service.wire.beyond_access_rules(request):
            return True
        if access_rules.allow(rules, service.type, request.method, *paths):
            return True
        token = request.headers.get("x-service-token")
        behind = await self.cloud.auth.authenticate(token) if token else None
        return behind is not None and behind.service

    async def _body(self, request: Request, wire) -> Any:
        length = request.headers.get("content-length")
        if length is None and request.method == "GET" and "transfer-encoding" not in request.headers:
            return None  # RFC 9112, section 6.3: there is none, and nothing need be waited for
        if length is not None and length.isdigit() and int(length) > wire.body_limit:
            raise Error(
                413, "RequestEntityTooLarge", f"Request is too large: at most {wire.body_limit} bytes."
            )
        parts, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > wire.body_limit:
                raise Error(
                    413, "RequestEntityTooLarge", f"Request is too large: at most {wire.body_limit} bytes."
                )
            parts.append(chunk)
        if not size:
            return None
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind not in wire.json_types and not kind.endswith("+json"):
            raise Error(
                415,
                "UnsupportedMediaType",
                f"Content type {kind} is not understood here: send {' or '.join(wire.json_types)}.",
            )
        try:
            return decode(b"".join(parts))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise wire.malformed(request) from None

    def _validate(self, site: Site, request: Request, route: Route) -> None:
        if route.query is not None:
            validator = site.schemas.query(route.query, request.version)
            if validator is not None:
                asked: dict[str, list[str]] = {}
                for name, value in request.pairs:
                    asked.setdefault(name, []).append(value)
                validator.check(asked)
        if route.body is not None:
            validator = site.schemas.body(route.body, request.version)
            if validator is not None:
                if request.body is None:
                    raise site.service.wire.malformed(request)
                validator.check(request.body)
        for since, step in route.normalise.items():
            if request.version < since:
                step(request.body)

    async def _run(self, door: Door, request: Request) -> Any:
        route, engine = door.route, self.cloud.engine
        if door.kind == "read":
            return await engine.read(_judged, route.handler, request)
        if door.kind == "write":
            return await engine.write(_judged, route.handler, request)
        ctx = Context(self.cloud, request)
        if route.rule != PUBLIC:
            await engine.read(_judge, request)
        if route.raw:
            return await route.handler(request, ctx)
        try:
            async with asyncio.timeout(route.deadline):
                return await route.handler(request, ctx)
        except TimeoutError:
            raise Error(
                504, "GatewayTimeout", f"No answer within {route.deadline:.0f} seconds. Try again."
            ) from None

    def _finished(self, wire, request: Request, route: Route, answer: Any) -> Response:
        if not isinstance(answer, Response):
            answer = Response(0, answer)
        if not answer.status:
            answer.status = route.success(request.version)
        return answer


def _judge(db, request: Request) -> None:
    route = request.route
    request.judged = True
    request.cloud.auth.confirm(db, request)
    if route.rule in (PUBLIC, ANYONE):
        return
    policy = request.cloud.policy(request.service.name)
    credentials = request.caller.credentials
    rule = route.rule if route.rule_of is None else route.rule_of(request, db)
    wire = request.service.wire
    right_kind = not route.scope or policy.check_scope(rule, credentials)
    if not right_kind and not wire.finds_first:
        raise wire.denied(request, rule)
    target = request.caller.own if route.target is None else route.target(request, db)
    if not right_kind or not policy.allowed(rule, credentials, target):
        raise wire.denied(request, rule)


def _judged(db, handler, request: Request) -> Any:
    _judge(db, request)
    answer = handler(request, db)
    if db.writes and request.route.event is not None:
        record(db, request, answer)
    return answer


def record(tx, request: Request, answer: Any = None) -> None:
    """Record the route's event in the transaction of its change."""
    subject = request.subject
    if subject is None and isinstance(answer, dict) and len(answer) == 1:
        inner = next(iter(answer.values()))
        subject = inner.get("id") if isinstance(inner, dict) else None
    if subject is None and request.path:
        subject = request.path.get("id") or next(reversed(request.path.values()))
    tx.event(
        request.route.event,
        subject,
        request_id=request.id,
        project_id=request.caller.project_id if request.authenticated else None,
        user_id=request.caller.user_id if request.authenticated else None,
        **request.event_details,
    )


def spelled(value: str) -> str:
    """A header's value as it may be sent: a Location may hold a name that a caller gave, in any script."""
    if value.isascii() and value.isprintable():
        return value
    return UNSENDABLE.sub(lambda found: quote(found[0], errors="replace"), value)


async def _send(send, response: Response, method: str, sendfile: Callable | None = None) -> None:
    body = response.body
    headers = [(name.encode("ascii"), spelled(value).encode("ascii")) for name, value in response.headers]
    names = {name.lower() for name, _ in headers}
    if response.stream is not None or response.file is not None:
        await _send_bulk(send, response, headers, method, sendfile)
        return
    if body is None:
        data = b""
    elif isinstance(body, bytes):
        data = body
    else:
        data = msgspec.json.encode(body)
    if data and b"content-type" not in names:
        headers.append((b"Content-Type", b"application/json"))
    if response.status != 204 and b"content-length" not in names:
        headers.append((b"Content-Length", str(len(data)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else data})


async def _send_bulk(send, response: Response, headers, method: str, sendfile: Callable | None) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if method == "HEAD":
        await send({"type": "http.response.body", "body": b""})
        return
    if response.stream is not None:
        async for chunk in response.stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    elif response.file is not None:
        with open(response.file, "rb") as source:
            offset, left = response.offset, response.length if response.length is not None else 1 << 62
            if sendfile is not None and response.length is not None:
                try:
                    sent = await sendfile(send, source, offset, left)
                except ConnectionError:
                    return
                offset, left = offset + sent, left - sent
            source.seek(offset)
            while left > 0:
                chunk = await asyncio.to_thread(source.read, min(CHUNK, left))
                if not chunk:
                    break
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _lifespan(receive, send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
