"""Every operation of every service as a request that can be sent: paths filled with things that exist, the
smallest bodies that are valid.

Operations come from the routes. What cannot be known from routes and schemas is told by the modules in
tests/contract/examples: SERVICE.py, and SERVICE_FEATURE.py beside it, found by their names. To add an
operation, see first whether it is asked well already (`pytest tests/contract/test_policy_matrix.py`); if not,
say in a module of your feature's name what is missing. Each of these may be left out:

    BODIES = {"POST /v3/regions": {"region": {"id": "$region"}}}    "$name" becomes the thing of that name
    QUERIES = {"GET /usages": "?project_id={project}"}
    HEADERS = {"GET /v3/auth/tokens": {"X-Subject-Token": "$token"}}
    CONTENT = {"POST /v3/auth/saml": b"<xml/>"}                     of routes that read raw bytes

    def make(maker, ids):
        # in the order of the modules' names, SERVICE.py first
        ids["identity regions"] = maker.post("identity", "/regions", {"region": {}}, "admin")["id"]

    def meant(operation, segment):
        # the name of the thing that fills the segment "{region_id}" where it is another than elsewhere, or ""

An operation is known by "METHOD /whole/pattern", or by `Operation.name` without its first word where versions
or actions tell routes apart. "SERVICE WORD" is the thing that fills the parameter after WORD in a path; a
thing named as the parameter ("{tag}") comes next.
"""

from __future__ import annotations

import functools
import importlib
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
from tests.conftest import World
from tests.contract.maker import NEWEST, OCTETS, Maker
from tests.contract.smallest import smallest

from monostack.cloud import load_services
from monostack.kit import schemas as engine
from monostack.kit.resource import LAST, Route, Service
from monostack.kit.schemas import Schemas

SOURCE = Path(engine.__file__).parents[1]
EXAMPLES = Path(__file__).parent / "examples"


@dataclass
class Operation:
    """One route, and how it is asked."""

    service: Service
    route: Route
    schemas: Schemas
    version: tuple[int, int] | None = None
    path: str = ""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None

    @property
    def name(self) -> str:
        action = f" {self.route.action}" if self.route.action else ""
        return f"{self.service.name} {self.route.method} {self.pattern}{action}" + (
            f" (until {self.route.until[0]}.{self.route.until[1]})" if self.route.until != LAST else ""
        )

    @property
    def pattern(self) -> str:
        prefix = "" if self.route.path.startswith("^") else self.service.prefixes[0]
        return prefix + self.route.path.lstrip("^")

    def ask(self, client: httpx.Client, token: str | None) -> httpx.Response:
        headers = dict(self.headers)
        if token is not None:
            headers["X-Auth-Token"] = token
        if self.version is not None:
            headers["OpenStack-API-Version"] = f"{self.service.name} {self.version[0]}.{self.version[1]}"
        options: dict[str, Any] = {"json": self.body} if self.body is not None else {}
        if self.content is not None:
            options = {"content": self.content}
            headers["Content-Type"] = OCTETS
        return client.request(self.route.method, self.path, headers=headers, **options)


def operations() -> list[Operation]:
    """Every route of every service. The doors beside compute (metadata, consoles) know neither tokens nor
    policy."""
    out = []
    for service in load_services():
        schemas = Schemas(SOURCE / service.name / "schemas")
        for route in service.routes:
            operation = Operation(service, route, schemas)
            if service.name in NEWEST:
                operation.version = min(route.until, NEWEST[service.name])
            out.append(operation)
    return out


def prepare(operation: Operation, things: dict[str, Any]) -> Operation:
    """Fill path, body and headers."""
    operation.path = f"/{operation.service.mount}" + filled(operation, things)
    operation.headers = substituted(told(operation, "HEADERS") or {}, things)
    if operation.route.raw:
        operation.content = told(operation, "CONTENT") or b"data"
    elif operation.route.method in ("POST", "PUT", "PATCH"):
        operation.body = body(operation, things)
    return operation


def make_things(world: World, owner: str, stranger: str, only: tuple[str, ...] = ()) -> dict[str, Any]:
    """One thing of each kind in the owner's project, and what is nobody's; name -> id."""
    maker, ids = Maker(world, owner, stranger), {}
    for service in load_services(only):
        for example in examples(service.name):
            if hasattr(example, "make"):
                example.make(maker, ids)
    return ids


@functools.cache
def examples(service: str) -> tuple[ModuleType, ...]:
    """The modules that know a service: its own first, then those of features."""
    names = [service, *sorted(path.stem for path in EXAMPLES.glob(f"{service}_*.py"))]
    return tuple(
        importlib.import_module(f"tests.contract.examples.{name}")
        for name in names
        if (EXAMPLES / f"{name}.py").exists()
    )


def told(operation: Operation, kind: str) -> Any:
    """What the examples say about an operation: in its versions and of its action, or at all."""
    short = f"{operation.route.method} {operation.pattern}"
    for name in (operation.name.partition(" ")[2], short):
        for example in examples(operation.service.name):
            if name in getattr(example, kind, ()):
                return getattr(example, kind)[name]
    return None


def filled(operation: Operation, things: dict[str, Any]) -> str:
    """The path with every parameter replaced by the thing that the word before it names."""
    out: list[str] = []
    for segment in operation.pattern.split("/"):
        if not segment.startswith("{"):
            out.append(segment)
            continue
        known = examples(operation.service.name)
        names = [each.meant(operation, segment) for each in known if hasattr(each, "meant")]
        names += [f"{operation.service.name} {out[-1]}", segment, segment.strip("{}")]
        out.append(next((str(things[name]) for name in names if name in things), str(uuid.uuid4())))
    return "/".join(out) + (told(operation, "QUERIES") or "").format_map(things)


def body(operation: Operation, things: dict[str, Any]) -> Any:
    known = told(operation, "BODIES")
    if known is not None:
        return substituted(known, things)
    route = operation.route
    if route.body is not None:
        validator = operation.schemas.body(route.body, operation.version)
        if validator is not None:
            return smallest(validator)
    if route.action is not None:
        return {route.action: None}
    return {} if route.method != "PUT" else None


def substituted(value: Any, things: dict[str, Any]) -> Any:
    """ "$network" becomes the thing's id."""
    if isinstance(value, dict):
        return {substituted(key, things): substituted(inner, things) for key, inner in value.items()}
    if isinstance(value, list):
        return [substituted(inner, things) for inner in value]
    if isinstance(value, str) and value.startswith("$"):
        return things[value[1:]]
    return value
