"""Who may do what in identity: every operation by every kind of caller that identity's rules tell apart.

Nothing expected comes from the product: rules, scopes and which operation asks which are the contract's own
(policies/keystone.tsv), read by the naive reading of policy, over what the path and the body name: the
member's user, project and group, his domain, his trust. Callers are of the member's domain, of another one,
of the system, or of nothing. Each write is undone, so that all find the same world.

A refusal of the rule names the rule; another 403 (what is immutable, what is enabled) is not policy's.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import PLAIN, World
from tests.contract import every_operation, naive_policy, promises
from tests.contract.every_operation import Operation
from tests.contract.test_policies import MIXED_UP
from tests.contract.undone import undo_writes

from monostack import testing
from monostack.kit.resource import PUBLIC

CONTRACT = Path(__file__).parent / "policies" / "keystone.tsv"

OURS, OTHER = "default", "elsewhere"
PERSONAS: dict[str, tuple[str, str]] = {
    **{f"system {role}": ("system", role) for role in ("admin", "member", "reader")},
    **{f"domain {role}": (OURS, role) for role in ("admin", "manager", "member", "reader")},
    **{f"project {role}": ("member", role) for role in ("admin", "manager", "member", "reader")},
    "service": ("service", "service"),
    **{f"other domain's {role}": (OTHER, role) for role in ("admin", "manager", "reader")},
    "other project's member": ("stranger", "member"),
    "trustee": ("stranger", "member"),
    "anonymous": ("", ""),
}
"""What the token is for (the system, a domain, a project) and the role on it. "project member" is the one to
whom the things belong."""

ASKED: dict[str, str] = {
    "GET /v2.0/tokens/{}": "admin_required",
    "GET /v3/auth/domains": "identity:get_auth_domains",
    "GET /v3/OS-TRUST/trusts": "identity:list_trusts",
    "POST /v3/roles": "identity:create_role",
    **{f"{method} /v3/roles/{{}}": f"identity:{verb}_role"
       for method, verb in (("GET", "get"), ("HEAD", "get"), ("PATCH", "update"), ("DELETE", "delete"))},
}  # fmt: skip
"""Which rule is asked, where the contract names several for an operation, or none, as for the second version:
that of the request made here."""


@dataclass
class Case:
    """An operation about certain things, and what is to be known of them."""

    operation: Operation
    things: dict[str, Any]
    note: str = ""
    rule: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.operation.route.method} {self.operation.pattern}" + self.note


@dataclass
class Seen:
    """What one caller met."""

    case: Case
    persona: str
    expected: str
    answer: httpx.Response

    @property
    def got(self) -> str:
        code = self.answer.status_code
        if code == 403:
            named = f"requested action: {self.case.rule}" in self.answer.text
            return "denied" if named or not self.answer.content else "allowed (403)"
        return {401: "401", 404: "denied (404)"}.get(code, f"allowed ({code})" if code < 500 else str(code))

    @property
    def right(self) -> bool:
        return self.got.partition(" ")[0] == self.expected


class Contract:
    """The rules as published."""

    def __init__(self) -> None:
        with CONTRACT.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=3))
        self.checks = {row["rule"]: row["check"] for row in rows}
        self.scopes = {row["rule"]: row["scopes"].split(",") for row in rows if row["scopes"]}
        self.asked: dict[str, set[str]] = {}
        for row in rows:
            for operation in filter(None, row["operations"].split(";")):
                self.asked.setdefault(plain(operation), set()).add(row["rule"])

    def rule(self, operation: Operation) -> str:
        """The rule of an operation, or ""."""
        name = plain(f"{operation.route.method} {operation.pattern}")
        rules = self.asked.get(name, set())
        if name in ASKED:
            return ASKED[name]
        assert len(rules) < 2, f"{name} asks one of {sorted(rules)}: say which in ASKED"
        return next(iter(rules), "")

    def verdict(self, case: Case, caller: dict[str, Any] | None, target: dict[str, Any]) -> str:
        if not case.rule:
            return "allowed" if caller or case.operation.route.rule == PUBLIC else "401"
        if caller is None:
            return "401"
        scopes = self.scopes.get(case.rule)
        if scopes and caller["scope"] not in scopes:
            return "denied"
        allowed = naive_policy.check(f"rule:{case.rule}", caller, target, self.checks)
        return "allowed" if allowed else "denied"


def plain(operation: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", operation)


def target_of(case: Case, caller: dict[str, Any]) -> dict[str, Any]:
    """What rules may know of the things that path and body name; lists are judged on the caller's domain."""
    pattern, things = case.operation.pattern, case.things
    out: dict[str, Any] = {
        "target.domain_id": caller["domain_id"],
        "target.token.user_id": things["user_id"],
        "target.credential.user_id": things["user_id"],
        "target.trust.trustor_user_id": things["user_id"],
        "target.trust.trustee_user_id": things["reader"],
        "target.limit.project_id": things["project"],
        "target.limit.project.domain_id": OURS,
    }
    if "{user_id}" in pattern:
        out |= {"user_id": things["user_id"], "target.user.id": things["user_id"]}
    for kind, plural in (("user", "users"), ("group", "groups"), ("project", "projects")):
        made = pattern == f"/v3/{plural}" and case.operation.route.method == "POST"
        if made or f"{{{kind}_id}}" in pattern:
            out |= {f"target.{kind}.id": things.get(f"identity {plural}"), f"target.{kind}.domain_id": OURS}
    if pattern == "/v3/groups" and case.operation.route.method == "GET":
        out["target.group.domain_id"] = caller["domain_id"]
    if "{domain_id}" in pattern:
        out["target.domain.id"] = OURS
    elif pattern == "/v3/domains":
        out["target.domain.id"] = caller["domain_id"]
    if pattern == "/v3/domains/{domain_id}" and case.operation.route.method != "GET":
        out["target.domain.id"] = things["closed_domain"]
    if pattern == "/v3/credentials" and case.operation.route.method == "GET":
        out["target.credential.user_id"] = caller["user_id"]
    if "role_id}" in pattern:
        out |= {"target.role.name": "reader", "target.role.domain_id": None}
    if pattern == "/v3/roles/{role_id}":
        out["target.role.name"] = "manager-of-nothing"
    return out | case.facts


def judged() -> list[Operation]:
    """Identity's operations but the doors of federation, which ask for an assertion and for no token."""
    return [
        each
        for each in every_operation.operations()
        if each.service.name == "identity"
        and not (each.route.rule == PUBLIC and "OS-FEDERATION" in each.pattern)
    ]


def cases(things: dict[str, Any], contract: Contract) -> Iterator[Case]:
    """Every operation; and again about a role that managers may not give, and about a role of a domain."""
    uncommon = {"target.role.name": "manager-of-nothing"}
    of_domain = {"target.role.name": "of a domain", "target.role.domain_id": OURS}
    for operation in judged():
        yield Case(operation, things, rule=contract.rule(operation))
        if operation.pattern.endswith("/users/{user_id}/roles/{role_id}"):
            other = things | {"identity roles": things["free_role"]}
            yield Case(operation, other, " (an uncommon role)", contract.rule(operation), uncommon)
        if operation.pattern == "/v3/roles/{role_id}":
            rule = contract.rule(operation).replace("_role", "_domain_role")
            other = things | {"free_role": things["role_of_domain"]}
            yield Case(operation, other, " (a domain's role)", rule, of_domain)
            if operation.route.method == "GET":
                common = {"target.role.name": "reader"}
                other = things | {"free_role": things["identity roles"]}
                yield Case(operation, other, " (a common role)", contract.rule(operation), common)


# callers


def log_in(world: World, user_id: str, scope: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The token and what identity says about it."""
    password = {"user": {"id": user_id, "password": testing.PASSWORD}}
    auth = {"identity": {"methods": ["password"], "password": password}, "scope": scope}
    answer = PLAIN.post(world.cloud.auth_url + "/auth/tokens", json={"auth": auth})
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Subject-Token"], answer.json()["token"]


def known_of(said: dict[str, Any]) -> dict[str, Any]:
    """What policy knows of a caller, from what identity says about the token."""
    project, domain = said.get("project"), said.get("domain")
    system = "all" if "system" in said else None
    return {
        "scope": "system" if system else "domain" if domain else "project",
        "user_id": said["user"]["id"],
        "user_domain_id": said["user"]["domain"]["id"],
        "project_id": project and project["id"],
        "project_domain_id": project and project["domain"]["id"],
        "domain_id": domain and domain["id"],
        "system_scope": system,
        "roles": frozenset(role["name"] for role in said["roles"]),
        "is_admin": False,
        "token": {"project": project} if project else {"domain": domain} if domain else {},
    }


class Callers:
    """Makes the personas, and logs them in."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.admin = world.api("identity")
        self.tokens: dict[str, str | None] = {"anonymous": None}
        self.known: dict[str, dict[str, Any] | None] = {"anonymous": None}
        made = self.admin.post("/domains", json={"domain": {"name": OTHER}}).json()["domain"]
        self.other_domain = made["id"]
        self.projects = self.named("projects")
        self.roles = self.named("roles")
        self.users = self.named("users")

    def named(self, kind: str) -> dict[str, str]:
        return {each["name"]: each["id"] for each in self.admin.get(f"/{kind}").json()[kind]}

    def make_all(self) -> None:
        for persona, (place, role) in PERSONAS.items():
            if persona != "anonymous":
                self.make(persona, place, role)

    def make(self, persona: str, place: str, role: str) -> None:
        user_id = self.users.get({"project member": "member", "trustee": "stranger"}.get(persona, ""))
        path, scope = self.where(place)
        if user_id is None:
            home = self.other_domain if place == OTHER else OURS
            asked = {"user": {"name": persona, "password": testing.PASSWORD, "domain_id": home}}
            user_id = self.admin.post("/users", json=asked).json()["user"]["id"]
            given = self.admin.put(f"{path}/users/{user_id}/roles/{self.roles[role]}")
            assert given.status_code == 204, given.text
        self.tokens[persona], said = log_in(self.world, user_id, scope)
        self.known[persona] = known_of(said)

    def where(self, place: str) -> tuple[str, dict[str, Any]]:
        """The path under which roles are given there, and the scope to ask for."""
        if place == "system":
            return "/system", {"system": {"all": True}}
        domain = {OURS: OURS, OTHER: self.other_domain}.get(place)
        if domain is not None:
            return f"/domains/{domain}", {"domain": {"id": domain}}
        return f"/projects/{self.projects[place]}", {"project": {"id": self.projects[place]}}


@pytest.fixture(scope="module")
def matrix() -> Iterator[list[Seen]]:
    contract = Contract()
    with testing.cloud(only=("identity",)) as cloud:
        world = World(cloud)
        world.persona("member")
        world.persona("stranger")
        callers = Callers(world)
        callers.make_all()
        things = every_operation.make_things(world, "member", "stranger", only=("identity",))
        asked = {"role": {"name": "of a domain", "domain_id": OURS}}
        things["role_of_domain"] = callers.admin.post("/roles", json=asked).json()["role"]["id"]
        for place in (f"/projects/{things['project']}", f"/domains/{OURS}", "/system"):
            path = f"{place}/users/{things['user_id']}/roles/{things['free_role']}"
            assert callers.admin.put(path).status_code == 204
        callers.tokens["project member"] = things["token"]
        undo_writes(cloud.cloud)
        seen = []
        with httpx.Client(base_url=cloud.url, timeout=30) as client:
            for case in cases(things, contract):
                every_operation.prepare(case.operation, case.things)
                for persona in PERSONAS:
                    caller = callers.known[persona]
                    target = target_of(case, caller) if caller else {}
                    verdict = contract.verdict(case, caller, target)
                    answer = case.operation.ask(client, callers.tokens[persona])
                    seen.append(Seen(case, persona, verdict, answer))
        yield seen


def table(wrong: list[Seen], contract: Contract) -> str:
    """A line for each: operation, persona, expected, got, the rule."""
    lines = [("operation", "persona", "expected", "got", "rule")]
    for each in wrong:
        check = contract.checks.get(each.case.rule, "")
        rule = f"{each.case.rule}: {check[:150]}" if each.case.rule else "(a token)"
        lines.append((each.case.name, each.persona, each.expected, each.got, rule))
    widths = [max(len(line[n]) for line in lines) for n in range(4)]
    return "\n".join(
        "  ".join([*(word.ljust(width) for word, width in zip(line, widths, strict=False)), line[4]])
        for line in lines
    )


def test_every_operation_is_asked_by_everybody(matrix):
    asked = {(id(each.case.operation.route), each.persona) for each in matrix if not each.case.note}
    assert asked == {(id(operation.route), persona) for operation in judged() for persona in PERSONAS}


def test_everybody_gets_what_the_contracts_rule_says(matrix):
    wrong = [each for each in matrix if not each.right]
    assert not wrong, "\n" + table(wrong, Contract())


def test_every_rule_tells_callers_apart(matrix):
    """An operation that all, or none, may do is so by the contract's word."""
    verdicts: dict[str, set[str]] = {}
    checks = Contract().checks
    for each in matrix:
        if each.persona != "anonymous" and checks.get(each.case.rule):
            verdicts.setdefault(each.case.name, set()).add(each.expected)
    same = {name for name, found in verdicts.items() if len(found) == 1}
    assert same == {"GET /v3/credentials"}  # of his own, everybody may ask


def test_the_matrix_is_about_requests_that_succeed(matrix):
    """A verdict on a request that would fail anyway says little; 405 and 410 is all that some doors say."""
    closed = {each.case.name for each in matrix if each.answer.status_code in (405, 410)}
    closed |= {each.replace("identity ", "").replace(" ", " /v3") for each in MIXED_UP}
    done = closed | {each.case.name for each in matrix if each.answer.status_code < 400}
    failing = {
        each.case.name: f"{each.answer.status_code} {each.answer.text[:160]}"
        for each in matrix
        if each.persona in ("system admin", "project member") and each.case.name not in done
    }
    total = len({each.case.name for each in matrix})
    words = "\n".join(f"{name}: {words}" for name, words in failing.items())
    assert len(done) > 0.95 * total, f"{len(done)} of {total} were done by somebody; not:\n{words}"


def test_every_answer_is_what_the_contract_promises(matrix):
    promises.hold((each.case.operation, each.answer) for each in matrix)


LISTS = ("users", "groups", "projects", "domains", "credentials", "role_assignments")


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_shows_another_domains_reader_nothing_of_ours(matrix, kind):
    """The rule lets him ask; what he may not look at singly is not in the list either."""
    texts = {
        each.persona: each.answer.text
        for each in matrix
        if each.case.name == f"GET /v3/{kind}" and each.answer.is_success
    }
    things = matrix[0].case.things
    ours = {
        "users": things["user_id"],
        "groups": things["identity groups"],
        "projects": things["project"],
        "domains": '"id":"default"',
        "credentials": things["identity credentials"],
        "role_assignments": things["project"],
    }[kind]
    assert ours in texts["system reader"]
    assert ours not in texts["other domain's reader"]
    assert ours in texts["project member" if kind == "credentials" else "domain reader"]
