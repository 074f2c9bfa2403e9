"""Requests made out of the OpenAPI document by schemathesis: those that fit it and those that break it.

Generating is dear (milliseconds a case), asking is cheap: the application is called in its own loop, no
socket between. So a few dozen cases are generated for each operation, and their parts put together anew: a
body with another case's query, some of the path as generated and the rest as it exists, parameters that the
operation does not know, an administrator or a member. No request is sent twice. The work is shared among
processes by operations; writes are undone; a seed makes the run repeatable.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any
from urllib.parse import quote, unquote, urlencode

import httpx
from tests.conftest import World
from tests.contract import every_operation
from tests.contract.every_operation import Operation
from tests.contract.undone import undo_writes
from tests.security.manners import wrong
from tests.security.queries import QUERIES

from monostack import testing
from monostack.kit import openapi

SEED = 20
GENERATED = 12
"""Cases of an operation that fit the document; as many that break it, where that can be."""
SPARE = 1.1
"""Shares are uneven: the last operations of one cannot always give what is left to them."""
TRIES = 6
"""How often it is tried, for each request wanted, to put together one that was not sent yet."""


@dataclass
class Found:
    """What came of one service's requests."""

    asked: int = 0
    seconds: float = 0.0
    generating: float = 0.0
    codes: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    operations: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(
            self.asked + other.asked,
            max(self.seconds, other.seconds),
            self.generating + other.generating,
            self.codes + other.codes,
            self.wrong + other.wrong,
            self.operations + other.operations,
        )


@dataclass
class Asked:
    """One request, ready for the application."""

    method: str
    path: str
    query: str
    body: bytes | None
    media: str | None
    token: str

    def scope(self, version: str | None) -> dict[str, Any]:
        headers = [(b"host", b"example.org"), (b"x-auth-token", self.token.encode())]
        if self.body is not None:
            headers.append((b"content-length", str(len(self.body)).encode()))
        if self.media is not None:
            headers.append((b"content-type", self.media.encode()))
        if version is not None:
            headers.append((b"openstack-api-version", version.encode()))
        return {
            "type": "http",
            "method": self.method,
            "path": unquote(self.path),
            "raw_path": self.path.encode(),
            "query_string": self.query.encode(),
            "headers": headers,
            "server": None,
            "client": ("127.0.0.1", 1),
            "scheme": "http",
            "http_version": "1.1",
        }


def ask_all(wanted: dict[str, int]) -> dict[str, Found]:
    """So many requests to each service, by as many processes as there are processors."""
    processes = os.cpu_count() or 2
    shares = [
        (service, enough, share, processes)
        for service, enough in wanted.items()
        for share in range(processes)
    ]
    out = {service: Found() for service in wanted}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for (service, *_), found in zip(shares, pool.map(_share, shares), strict=True):
            out[service] += found
    return out


def _share(asked: tuple[str, int, int, int]) -> Found:
    service, enough, share, of = asked
    return ask(service, math.ceil(enough * SPARE / of), share, of)


def ask(service: str, enough: int, share: int = 0, of: int = 1) -> Found:
    """One share of the operations of a service; `enough` requests in all."""
    with testing.cloud() as cloud:
        world = World(cloud)
        world.persona("member")
        world.persona("stranger")
        things = every_operation.make_things(world, "member", "stranger")
        tokens = world.token("admin", "admin"), world.token("member", "member")
        undo_writes(cloud.cloud)
        return _ask(cloud, service, things, tokens, enough, share, of)


def _ask(
    cloud, service: str, things: dict, tokens: tuple[str, str], enough: int, share: int, of: int
) -> Found:
    import schemathesis

    described = next(each for each in cloud.cloud.services if each.name == service)
    document = schemathesis.openapi.from_dict(plain(openapi.document(described)))
    ready = {
        (each.route.method, each.pattern.replace("...}", "}")): every_operation.prepare(each, things)
        for each in every_operation.operations()
        if each.service.name == service
    }
    described_operations = [each.ok() for each in document.get_all_operations()]
    mine = [each for number, each in enumerate(described_operations) if number % of == share]
    whole = sum(weight(each) for each in mine)
    found, started = Found(operations=len(mine)), time.monotonic()
    for number, each in enumerate(mine):
        operation = ready[each.method.upper(), each.path]
        began = time.monotonic()
        parts = Parts(each, operation, SEED + number)
        left = enough - found.asked  # what some operations cannot give, the later ones do
        requests = requests_to(parts, tokens, math.ceil(left * weight(each) / whole))
        whole -= weight(each)
        found.generating += time.monotonic() - began
        found.asked += len(requests)
        for request, answer in cloud.run(answers(cloud.cloud.app, operation, requests)):
            found.codes[answer.status_code] += 1
            words = wrong(operation, answer)
            if words is not None:
                said = f"{request.path[:200]}?{request.query[:200]} {str(request.body)[:300]}"
                found.wrong.append(f"{request.method} {said}\n    {words}")
    found.seconds = time.monotonic() - started
    return found


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """The document with every kind of JSON called so: the generator knows no patches."""
    for operations in document["paths"].values():
        for each in operations.values():
            body = each.get("requestBody")
            if body is not None:
                body["content"] = {
                    "application/json" if "json" in media else media: inner
                    for media, inner in body["content"].items()
                }
    return document


def weight(described: Any) -> float:
    """How much there is to vary in an operation."""
    return 1 + 3 * bool(described.body) + bool(described.query)


class Parts:
    """What requests to one operation are put together from."""

    def __init__(self, described: Any, operation: Operation, seed: int) -> None:
        self.random = random.Random(seed)
        self.method = operation.route.method
        self.real = operation.path.partition("?")[0].split("/")
        self.pattern = ["", operation.service.mount, *described.path.strip("/").split("/")]
        made = cases(described, seed)
        self.paths = [case.path_parameters or {} for case in made]
        self.queries = ["", *(written(case.query) for case in made)]
        self.bodies = [content(case) for case in made]
        self.media = operation.headers.get("Content-Type")

    def put_together(self, tokens: tuple[str, str]) -> Asked:
        choose = self.random.choice
        query = choose(QUERIES) if self.random.random() < 0.3 else choose(self.queries)
        body, media = choose(self.bodies)
        return Asked(
            self.method, self.path(), query, body, self.media or media, choose((*tokens, tokens[0]))
        )

    def path(self) -> str:
        """What exists, mostly; else one segment, or all, of what was generated."""
        generated = self.random.choice(self.paths)
        names = [word[1:-1] for word in self.pattern if word.startswith("{")]
        how = self.random.random()
        if how < 0.6 or not names or len(self.pattern) != len(self.real):
            return "/".join(self.real)
        replaced = set(names) if how > 0.9 else {self.random.choice(names)}
        return "/".join(
            quote(str(generated.get(word[1:-1], real)), safe="", errors="replace")
            if word[1:-1] in replaced and word.startswith("{")
            else real
            for word, real in zip(self.pattern, self.real, strict=True)
        )


def requests_to(parts: Parts, tokens: tuple[str, str], wanted: int) -> list[Asked]:
    """So many different requests, or as many as there are."""
    made: dict[bytes, Asked] = {}
    for _ in range(wanted * TRIES):
        if len(made) >= wanted:
            break
        request = parts.put_together(tokens)
        made[signature(request)] = request
    return list(made.values())


def signature(request: Asked) -> bytes:
    words = (request.method, request.path, request.query, request.body, request.token)
    return hashlib.blake2b(repr(words).encode(), digest_size=12).digest()


def cases(described: Any, seed: int) -> list[Any]:
    """Some fit the document, some break it. A path alone cannot: any text fits."""
    import hypothesis
    from hypothesis import HealthCheck, Phase
    from schemathesis.generation import GenerationMode

    out: list[Any] = []
    breakable = bool(described.body) or bool(described.query)
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE][: 1 + breakable]
    for mode in modes:

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=GENERATED,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(described.as_strategy(generation_mode=mode))
        def gather(case):
            out.append(case)

        try:
            gather()
        except hypothesis.errors.Unsatisfiable:  # nothing about the operation can be broken
            continue
    return out


def written(query: Any) -> str:
    if not isinstance(query, dict):
        return ""
    return urlencode({str(name): value for name, value in query.items()}, doseq=True, errors="replace")


def content(case: Any) -> tuple[bytes | None, str | None]:
    from schemathesis.core import NotSet

    if isinstance(case.body, NotSet):
        return None, None
    if isinstance(case.body, bytes):
        return case.body, case.media_type
    try:
        return json.dumps(case.body).encode(errors="surrogatepass"), case.media_type or "application/json"
    except (TypeError, ValueError):
        return repr(case.body).encode(), case.media_type


async def answers(
    app: Any, operation: Operation, requests: list[Asked]
) -> list[tuple[Asked, httpx.Response]]:
    """All of them, one after the other."""
    version = None
    if operation.version is not None:
        version = "{} {}.{}".format(operation.service.name, *operation.version)
    out = []
    for request in requests:
        status, headers, parts = 0, [], []
        unread = [request.body or b""]

        async def receive(unread=unread) -> dict[str, Any]:
            return {"type": "http.request", "body": unread.pop() if unread else b"", "more_body": False}

        async def send(message: dict[str, Any], parts=parts, headers=headers) -> None:
            if message["type"] == "http.response.start":
                headers += [(b":status", str(message["status"]).encode()), *message["headers"]]
            else:
                parts.append(message.get("body", b""))

        await app(request.scope(version), receive, send)
        status = int(headers.pop(0)[1])
        kept = [(name, value) for name, value in headers if name.lower() != b"content-encoding"]
        out.append((request, httpx.Response(status, headers=kept, content=b"".join(parts))))
    return out
