"""Nonsense and malice, at random but always the same: whatever anybody sends, the service says in words what
is wrong with it. It never fails, and never answers in another shape than its own.

Members ask, and administrators where a member is refused before anybody looks at what he sent.

A seed makes the run repeatable; a failure names the request, so that it can be sent again by hand.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.conftest import World
from tests.contract import every_operation
from tests.contract.every_operation import Operation
from tests.contract.undone import undo_writes
from tests.security.manners import wrong
from tests.security.queries import QUERIES

from monostack import testing

SEED = 20
ROUNDS = 6
"""Requests for each operation."""

TEXTS = (
    "", " ", "\x00", "a\x00b", "\U0001f680" * 20, "\u202e\u05d0\u05d1 x \u202c", "\u200b", "a" * 300,
    "a" * 70000, "'; drop table users; --", "%s%n%x", "../../etc/passwd", "<script>alert(1)</script>",
    "\r\nX-Injected: yes", "\\", '"', "None", "null", "-1", "1e400", "0x10", "\u0660", "\uffff",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 1.5, -0.0, 1e308)
DEEP: Any = None
for _ in range(60):
    DEEP = [DEEP]
ODD = (None, True, False, [], {}, [[]], [None], {"": ""}, {"a": {"a": {"a": 1}}}, DEEP)
RAW = (
    b"{", b"[", b'{"a":', b"nonsense", b"\xff\xfe{}", b"\x00", b'{"a": NaN}', b'{"a": 1e999}', b'"\\ud800"',
    b'{"a": "\\ud800"}', b"[" * 5000, b'{"a":' * 3000, b'{"a": 1, "a": 2}', b"<xml/>", b"1", b"null", b'""',
)  # fmt: skip
TYPES = ("text/plain", "application/xml", "multipart/form-data", "", "application/json; charset=x", "\xe9")
SEGMENTS = (
    "%2e%2e", "%00", "..%2f..%2fetc", "%F0%9F%9A%80", "%FF", "a" * 500, "%0d%0aX-A:%20b", "-1", "0",
    "99999999999999999999999", "%E2%80%AE", "%20", "%25", "'", "*", "None", "%5C",
)  # fmt: skip

ONCE_FELL = (
    ("GET", "/compute/v2.1/servers/detail?created_at=-1", None),
    ("GET", "/compute/v2.1/servers?changes-since=0001-01-01T00:00:00%2B14:00", None),
    ("PUT", "/compute/v2.1/servers/{compute servers}/tags/%00", None),
    ("POST", "/image/v2/metadefs/namespaces", {"namespace": "\u200b"}),
    ("PUT", "/network/v2.0/address-scopes/{network address-scopes}", {"address_scope": {}}),
    ("POST", "/network/v2.0/rbac-policies", {"rbac_policy": {"object_type": [None], "object_id": "a"}}),
    ("POST", "/image/v2/metadefs/namespaces/a/tags", {"tags": [1.5, {"name": 1}]}),
    ("POST", "/identity/v3/limits", {
        "limits": [
            {"service_id": "{service_id}", "resource_name": "a", "resource_limit": 1, "project_id": None}
        ]
    }),
)  # fmt: skip
"""Requests that made a service fail once, before what they found was mended."""


class Hostile:
    """Makes requests out of sound ones by breaking one thing of each."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def request(self, operation: Operation, turn: int) -> dict[str, Any]:
        """{"path", "content", "headers"}"""
        path, headers = operation.path, dict(operation.headers)
        if operation.version is not None:
            number = "{}.{}".format(*operation.version)
            headers["OpenStack-API-Version"] = f"{operation.service.name} {number}"
        content = None
        if operation.body is not None:
            content = json.dumps(operation.body).encode()
        elif operation.content is not None:
            content = operation.content
        ways = [self.query, self.path] if content is None else [self.query, self.path, *[self.body] * 4]
        way = ways[turn % len(ways)] if turn < len(ways) else self.random.choice(ways)
        headers.setdefault("Content-Type", "application/json")
        asked = {"path": path, "content": content, "headers": headers}
        way(asked, operation)
        if self.random.random() < 0.04:
            self.header(asked)
        return asked

    def query(self, asked: dict, operation: Operation) -> None:
        pieces = self.random.sample(QUERIES, self.random.randint(0, 2))
        known = known_parameters(operation)
        for name in self.random.sample(known, min(len(known), 2)):
            pieces.append(f"{name}={quote(str(self.random.choice((*TEXTS[:-1], *NUMBERS)))[:3000])}")
        asked["path"] += ("&" if "?" in asked["path"] else "?") + "&".join(pieces)

    def path(self, asked: dict, operation: Operation) -> None:
        path, question, query = asked["path"].partition("?")
        words, pattern = path.split("/"), ["", operation.service.mount, *operation.pattern.split("/")[1:]]
        parameters = [n for n, word in enumerate(pattern) if word.startswith("{")]
        trick = self.random.choice(("parameter", "parameter", "parameter", "double", "end", "upper"))
        if trick == "parameter" and parameters:
            words[self.random.choice(parameters)] = self.random.choice(SEGMENTS)
        elif trick == "double":
            words.insert(self.random.randint(2, len(words)), "")
        elif trick == "upper":
            words[-1] = words[-1].upper()
        else:
            words.append(self.random.choice(("", *SEGMENTS)))
        asked["path"] = "/".join(words) + question + query

    def body(self, asked: dict, operation: Operation) -> None:
        dice = self.random.random()
        if dice < 0.15 or operation.body is None:
            asked["content"] = self.random.choice(RAW)
        elif dice < 0.2:
            asked["headers"]["Content-Type"] = self.random.choice(TYPES)
        elif dice < 0.25:
            asked["content"] = asked["content"].replace(b"{", b'{"a": 1, "a": 2, ', 1)
        else:
            asked["content"] = json.dumps(self.spoiled(operation.body)).encode()

    def spoiled(self, value: Any) -> Any:
        """The value with one part of it, deep or shallow, replaced by something else."""
        if isinstance(value, dict) and value and self.random.random() < 0.85:
            key = self.random.choice(list(value))
            dice = self.random.random()
            if dice < 0.1:
                return value | {self.random.choice(TEXTS): 1}
            if dice < 0.15:
                return {name: inner for name, inner in value.items() if name != key}
            return value | {key: self.spoiled(value[key])}
        if isinstance(value, list) and value and self.random.random() < 0.6:
            return [self.spoiled(value[0]), *value[1:], *value * self.random.choice((0, 0, 1, 300))]
        return self.random.choice(self.random.choice((TEXTS, NUMBERS, ODD)))

    def header(self, asked: dict) -> None:
        name, values = self.random.choice((
            ("OpenStack-API-Version", ("compute 99.99", "compute", "placement x", ",", "compute -1.5")),
            ("Accept", ("", "text/html", "application/nothing", "*/*;q=x")),
            ("Content-Type", TYPES),
            ("X-Auth-Token", ("", "a", "gAAAA", "a" * 9000, "\xe9")),
            ("X-Subject-Token", ("", "a", "a" * 9000, "\xe9")),
            ("X-OpenStack-Request-ID", ("x" * 500, "req-\xe9")),
            ("Host", ("", "a b", "[::1", "example.org:99999999")),
            ("X-Forwarded-Proto", ("gopher", "")),
            ("Range", ("bytes=9-1", "bytes=-", "x")),
        ))  # fmt: skip
        asked["headers"][name] = self.random.choice(values)


def known_parameters(operation: Operation) -> list[str]:
    """The query parameters that an operation understands."""
    route = operation.route
    names = {each.parameter for each in route.fields if each.parameter}
    if route.query is not None:
        validator = operation.schemas.query(route.query, operation.version)
        names |= set(validator.schema.get("properties", ())) if validator is not None else set()
    return sorted(names)


def ask_again(client: httpx.Client, url: str, token: str, things: dict) -> Iterator[tuple[str, str]]:
    """What is wrong (still) with the answers to the requests that once fell."""
    headers = {"X-Auth-Token": token, "OpenStack-API-Version": "compute 2.100"}
    for method, path, body in ONCE_FELL:
        for name in re.findall(r"{(.*?)}", path):
            path = path.replace("{" + name + "}", things[name])  # noqa: PLW2901
        content = json.dumps(body).replace("{service_id}", things["service_id"]) if body else None
        answer = client.request(method, url + path, content=content, headers=headers)
        if answer.status_code >= 500:
            yield f"{method} {path}", f"{answer.status_code}: {answer.text[:200]}"


@pytest.fixture(scope="module")
def asked() -> Iterator[dict[str, list[tuple[str, str]]]]:
    """Every operation asked in hostile ways: what was wrong, by operation."""
    with testing.cloud() as cloud:
        world = World(cloud)
        world.persona("member")
        world.persona("stranger")
        things = every_operation.make_things(world, "member", "stranger")
        tokens = world.token("member", "member"), world.token("admin", "admin")
        undo_writes(cloud.cloud)
        hostile = Hostile(SEED)
        found: dict[str, list[tuple[str, str]]] = {"count": []}
        codes: Counter[int] = Counter()
        with httpx.Client(timeout=30) as client:
            found["once fell"] = list(ask_again(client, cloud.url, tokens[1], things))
            for operation in every_operation.operations():
                every_operation.prepare(operation, things)
                for turn in range(ROUNDS):
                    made = hostile.request(operation, turn)
                    made["headers"].setdefault("X-Auth-Token", tokens[turn % 2])
                    headers = {name: value.encode("latin-1") for name, value in made["headers"].items()}
                    url = httpx.URL(cloud.url).copy_with(raw_path=made["path"].encode())
                    try:
                        answer = client.request(
                            operation.route.method, url, content=made["content"], headers=headers
                        )
                    except (httpx.HTTPError, httpx.InvalidURL) as reason:
                        words = f"{reason!r}"
                    else:
                        codes[answer.status_code] += 1
                        words = wrong(operation, answer)
                    found["count"].append(("", ""))
                    if words is not None:
                        said = f"{made['path'][:200]} {str(made['content'])[:200]}"
                        found.setdefault(operation.name, []).append((said, words))
        found["codes"] = [(str(code), "") for code in codes]
        yield found


def test_no_hostile_request_breaks_a_service_or_its_manners(asked):
    lines = [f"{name}: {said}\n    {words}" for name, many in asked.items() for said, words in many if words]
    assert len(asked["count"]) > 2000
    assert not lines, "\n".join(lines)
