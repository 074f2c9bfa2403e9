"""Who may do what, asked of the running services: every operation by every kind of caller.

The expected verdict comes from a second, naive reading of the contract's default rule, over the owner of the
thing; the seen one from a request. A write is done in its transaction and then undone, so that no caller
finds a world that another one has changed, and each may delete everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.conftest import World
from tests.contract import every_operation, naive_policy, promises
from tests.contract.every_operation import SOURCE, Operation
from tests.contract.examples.network import TAGGED
from tests.contract.undone import undo_writes

from monostack import testing
from monostack.kit.resource import ANYONE, PUBLIC

PERSONAS = ("admin", "manager", "member", "reader", "service", "stranger", "anonymous")

JUDGES_ITSELF = {"image POST /v2/images/{image_id}/import": "modify_image"}
"""Operations whose handler asks a rule, depending on the body."""

JUDGED_BY_IMAGE = {
    "compute DELETE /v2.1/images/{id} (until 2.35)": "delete_image",
    "compute POST /v2.1/images/{id}/metadata (until 2.38)": "modify_image",
    "compute PUT /v2.1/images/{id}/metadata (until 2.38)": "modify_image",
    "compute PUT /v2.1/images/{id}/metadata/{key} (until 2.38)": "modify_image",
    "compute DELETE /v2.1/images/{id}/metadata/{key} (until 2.38)": "modify_image",
}
"""Compute's old doors to images ask the image service's rules, too."""


@dataclass
class Seen:
    """What one caller met at one operation."""

    operation: Operation
    persona: str
    expected: str
    answer: httpx.Response

    @property
    def right(self) -> bool:
        code = self.answer.status_code
        if self.expected == "401":
            return code == 401
        if self.expected == "denied":
            return code in (403, 404)
        return code not in (401, 403) and (code < 500 or code == 501)


def expected(operation: Operation, persona: str, callers: dict, book: dict, things: dict) -> str:
    rules = book[operation.service.name]
    rule = JUDGES_ITSELF.get(operation.name, operation.route.rule)
    if rule == PUBLIC:
        return "allowed"
    if persona == "anonymous":
        return "401"
    caller = callers[persona]
    if operation.name in JUDGED_BY_IMAGE:
        target = {"project_id": callers["member"]["project_id"]}
        below = f"rule:{JUDGED_BY_IMAGE[operation.name]}"
        allowed = naive_policy.check(below, caller, target, book["image"]["checks"])
        return "allowed" if allowed else "denied"
    if rule == ANYONE:
        return "allowed"
    scopes = rules["scopes"].get(rule, "")
    if operation.route.scope and scopes and "project" not in scopes.split(","):
        return "denied"
    target = owner_of(operation, caller, callers["member"], things)
    verdict = naive_policy.check(f"rule:{rule}", caller, target, rules["checks"])
    return "allowed" if verdict else "denied"


OWNED = {
    "image": ("/images/",),
    "network": tuple(
        f"/{kind}/{{id}}"
        for kind in (
            *TAGGED, "security-group-rules", "address-scopes", "rbac-policies",
        )
    ) + ("/quotas/{", "/auto-allocated-topology/"),
    "compute": ("/servers/{", "/os-server-groups/{", "/os-quota-sets/{", "/os-simple-tenant-usage/{"),
    "placement": ("/usages",),
}  # fmt: skip
"""Paths that name a thing of the member's project. All others are judged on the caller's own ids."""


def owner_of(operation: Operation, caller: dict, member: dict, things: dict) -> dict[str, Any]:
    """What rules may ask about the thing of an operation; each of its keys means the same in all services."""
    service, pattern = operation.service.name, operation.pattern
    owned = any(word in pattern for word in OWNED[service]) and "/tenant" not in pattern
    if service == "placement":
        owned = pattern == "/usages"
    owner = member if owned else caller
    target: dict[str, Any] = {
        "project_id": owner["project_id"],
        "tenant_id": owner["project_id"],
        "owner": owner["project_id"],
        "user_id": owner["user_id"],
        "visibility": "public" if "/metadefs/" in pattern else "private",
        "shared": False,
        "router:external": False,
        "device_owner": "",
        "target_tenant": things["reader"],
    }
    parents = caller if operation.route.method == "GET" and not owned else member
    for parent in ("network", "security_group", "ext_parent"):
        target[f"{parent}:project_id"] = target[f"{parent}:tenant_id"] = parents["project_id"]
    if "/members" in pattern:
        target |= {"visibility": "shared", "member_id": things["other"]}
    return target


def operations() -> list[Operation]:
    """Identity is judged by more kinds of callers, in test_identity_policy_matrix.py."""
    return [each for each in every_operation.operations() if each.service.name != "identity"]


def read_callers(world: World) -> dict[str, dict[str, Any]]:
    """What policy knows of each persona, read from what identity says about the token."""
    out = {}
    admin = world.api("identity")
    for persona in PERSONAS[:-1]:
        token = world.token(persona, persona_project(persona))
        said = admin.get("/auth/tokens", headers={"X-Subject-Token": token}).json()["token"]
        roles = frozenset(role["name"].lower() for role in said["roles"])
        out[persona] = {
            "user_id": said["user"]["id"],
            "user_domain_id": said["user"]["domain"]["id"],
            "project_id": said["project"]["id"],
            "tenant_id": said["project"]["id"],
            "project_domain_id": said["project"]["domain"]["id"],
            "domain_id": None,
            "system_scope": None,
            "roles": roles,
            "is_admin": "admin" in roles,
            "token": {"project": {"domain": {"id": said["project"]["domain"]["id"]}}},
        }
    return out


def persona_project(persona: str) -> str:
    return "member" if persona in ("manager", "reader") else {"service": "service"}.get(persona, persona)


def make_personas(world: World) -> None:
    world.persona("member")
    world.persona("stranger")
    identity = world.api("identity")
    projects = {each["name"]: each["id"] for each in identity.get("/projects").json()["projects"]}
    roles = {each["name"]: each["id"] for each in identity.get("/roles").json()["roles"]}
    for name in ("manager", "reader", "service"):
        asked = {"user": {"name": name, "password": testing.PASSWORD}}
        user = identity.post("/users", json=asked).json()["user"]["id"]
        path = f"/projects/{projects[persona_project(name)]}/users/{user}/roles/{roles[name]}"
        assert identity.put(path).status_code == 204


@pytest.fixture(scope="module")
def matrix() -> Iterator[list[Seen]]:
    """Every operation by every persona."""
    with testing.cloud() as cloud:
        world = World(cloud)
        make_personas(world)
        things = every_operation.make_things(world, "member", "stranger")
        callers = read_callers(world)
        tokens = {persona: world.token(persona, persona_project(persona)) for persona in PERSONAS[:-1]}
        rules = {}
        for service in cloud.cloud.services:
            file = SOURCE / service.name / "policies.tsv"
            scopes = dict(line.split("\t")[::2] for line in file.read_text().splitlines()[1:])
            rules[service.name] = {"checks": naive_policy.read_rules(file), "scopes": scopes}
        undo_writes(cloud.cloud)
        seen = []
        with httpx.Client(base_url=cloud.url, timeout=30) as client:
            for operation in operations():
                every_operation.prepare(operation, things)
                for persona in PERSONAS:
                    verdict = expected(operation, persona, callers, rules, things)
                    answer = operation.ask(client, tokens.get(persona))
                    seen.append(Seen(operation, persona, verdict, answer))
        yield seen


def by_operation(wrong: list[Seen]) -> str:
    """One line an operation."""
    lines: dict[str, list[str]] = {}
    for each in wrong:
        words = f"{each.persona}: {each.expected}/{each.answer.status_code}"
        lines.setdefault(each.operation.name, []).append(words)
    return "\n".join(f"{name}: " + ", ".join(words) for name, words in lines.items())


def test_every_route_is_in_the_matrix(matrix):
    asked = {(id(each.operation.route), each.persona) for each in matrix}
    routes = [id(operation.route) for operation in operations()]
    assert asked == {(route, persona) for route in routes for persona in PERSONAS}


def test_every_caller_gets_what_the_rule_says(matrix):
    wrong = [each for each in matrix if not each.right]
    assert not wrong, "operation: persona: expected/seen\n" + by_operation(wrong)


def test_no_operation_fails(matrix):
    wrong = [each for each in matrix if each.answer.status_code >= 500 and each.answer.status_code != 501]
    assert not wrong, by_operation(wrong) + "\n" + wrong[0].answer.text


def test_the_matrix_is_about_requests_that_succeed(matrix):
    """A verdict on a request that would fail anyway says little."""
    done = {each.operation.name for each in matrix if each.answer.is_success}
    failing = {
        each.operation.name: f"{each.answer.status_code} {each.answer.text[:120]}"
        for each in matrix
        if each.persona == "admin" and each.operation.name not in done
    }
    total = len({each.operation.name for each in matrix})
    words = "\n".join(f"{name}: {words}" for name, words in failing.items())
    assert len(done) > 0.9 * total, f"{len(done)} of {total} were done by somebody; not:\n{words}"


def test_every_answer_is_what_the_contract_promises(matrix):
    answers = [(each.operation, each.answer) for each in matrix if each.operation.service.name == "compute"]
    promises.hold(answers)
