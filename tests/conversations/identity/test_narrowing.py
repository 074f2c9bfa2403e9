"""What is lent is never more than the lender has: roles of tokens against a model of a few lines.

A user has roles that imply roles, and lends some of them: to a program (an application credential) and to
another user (a trust), who passes some of those on. Then roles are taken from him, come to imply others, or
cease to. Whatever happened, each token has the roles that the model says.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROLES = 5
SUBSET = st.frozensets(st.integers(0, ROLES - 1), max_size=ROLES)
EDGE = st.tuples(st.integers(0, ROLES - 2), st.integers(1, ROLES - 1)).filter(lambda edge: edge[0] < edge[1])


@dataclass
class Story:
    """What is done, in numbers of roles. Who is modest asks for nothing that he may not have."""

    modest: bool
    assigned: frozenset[int]
    implied: frozenset[tuple[int, int]]
    robot: frozenset[int]
    trust: frozenset[int]
    passed: frozenset[int]
    taken: frozenset[int]
    later: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    ceased: frozenset[tuple[int, int]] = field(default_factory=frozenset)


STORIES = st.builds(
    Story,
    modest=st.booleans(),
    assigned=SUBSET.filter(bool),
    implied=st.frozensets(EDGE, max_size=4),
    robot=SUBSET.filter(bool),
    trust=SUBSET.filter(bool),
    passed=SUBSET.filter(bool),
    taken=SUBSET,
    later=st.frozensets(EDGE, max_size=2),
    ceased=st.frozensets(EDGE, max_size=3),
)


def closed(roles, edges) -> frozenset[int]:
    """The roles with what they imply."""
    out = set(roles)
    while more := {implied for prior, implied in edges if prior in out} - out:
        out |= more
    return frozenset(out)


class Stage:
    """The story, played with a running cloud."""

    def __init__(self, world, nobody) -> None:
        world.cloud.reset()
        world.tokens.clear()
        self.client = nobody
        self.token = world.token("admin", "admin")
        self.roles = [self.make("role", name=f"role {n}")["id"] for n in range(ROLES)]
        self.project = self.make("project", name="place")["id"]
        self.people = {
            name: self.make("user", name=name, password="secret")["id"] for name in ("lender", "one", "two")
        }

    def ask(self, method, path, token=None, **body):
        headers = {"X-Auth-Token": token or self.token}
        return self.client.request(method, path, headers=headers, **({"json": body} if body else {}))

    def make(self, kind, **attributes):
        answer = self.ask("POST", f"/{kind}s", **{kind: attributes})
        assert answer.status_code == 201, answer.text
        return answer.json()[kind]

    def grant(self, method, role):
        path = f"/projects/{self.project}/users/{self.people['lender']}/roles/{self.roles[role]}"
        assert self.ask(method, path).status_code == 204

    def imply(self, method, edge):
        prior, implied = (self.roles[n] for n in edge)
        assert self.ask(method, f"/roles/{prior}/implies/{implied}").is_success

    def log_in(self, auth):
        """The token and its roles; (None, no roles) where there is none."""
        answer = self.client.post("/auth/tokens", json={"auth": auth})
        if answer.status_code != 201:
            assert answer.status_code in (401, 403), answer.text
            return None, frozenset()
        return answer.headers["X-Subject-Token"], self._numbers(answer.json()["token"]["roles"])

    def now(self, token) -> frozenset[int]:
        """The roles that a token has now."""
        headers = {"X-Auth-Token": self.token, "X-Subject-Token": token}
        answer = self.client.get("/auth/tokens", headers=headers)
        if answer.status_code == 404:
            return frozenset()
        return self._numbers(answer.json()["token"]["roles"])

    def _numbers(self, roles):
        return frozenset(self.roles.index(role["id"]) for role in roles)

    def as_person(self, name, scope):
        user = {"id": self.people[name], "password": "secret"}
        identity = {"methods": ["password"], "password": {"user": user}}
        return self.log_in({"identity": identity, "scope": scope})

    def in_project(self):
        return self.as_person("lender", {"project": {"id": self.project}})

    def lend(self, token, to, roles, **more):
        """A trust to somebody: its id, or None where it is refused."""
        trust = {
            "trustor_user_id": self.people["lender"],
            "trustee_user_id": self.people[to],
            "impersonation": True,
            "project_id": self.project,
            "roles": [{"id": self.roles[n]} for n in roles],
        }
        answer = self.ask("POST", "/OS-TRUST/trusts", token, trust=trust | more)
        assert answer.status_code in (201, 403, 404), answer.text
        return answer.json()["trust"]["id"] if answer.status_code == 201 else None

    def hire(self, token, roles):
        """An application credential: its login, or None where it is refused."""
        asked = {"name": "robot", "secret": "known", "roles": [{"id": self.roles[n]} for n in roles]}
        path = f"/users/{self.people['lender']}/application_credentials"
        answer = self.ask("POST", path, token, application_credential=asked)
        assert answer.status_code in (201, 400), answer.text
        if answer.status_code == 400:
            return None
        secret = {"id": answer.json()["application_credential"]["id"], "secret": "known"}
        return {"identity": {"methods": ["application_credential"], "application_credential": secret}}


@pytest.fixture(scope="module")
def database() -> str:
    """SQLite alone: rows are read alike on both."""
    return ""


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(story=STORIES)
def test_what_is_lent_is_never_more_than_its_lender_has(world, nobody, story):
    stage = Stage(world, nobody)
    for edge in story.implied:
        stage.imply("PUT", edge)
    for role in story.assigned:
        stage.grant("PUT", role)
    edges, assigned = set(story.implied), set(story.assigned)
    held = closed(assigned, edges)
    lender, roles = stage.in_project()
    assert roles == held

    wanted, trust, passed = story.robot, story.trust, story.passed
    if story.modest:
        wanted, trust = wanted & held or held, trust & held or held
        passed = passed & trust or trust
    robot = stage.hire(lender, wanted)
    assert (robot is not None) == (closed(wanted, edges) <= held)
    kept = closed(wanted, edges)
    first = stage.lend(lender, "one", trust, allow_redelegation=True)
    assert (first is not None) == (trust <= held)
    second, trusted = None, None
    if first is not None:
        trusted, roles = stage.as_person("one", {"OS-TRUST:trust": {"id": first}})
        assert roles == closed(trust, edges)
        second = stage.lend(trusted, "two", passed)
        assert (second is not None) == (passed <= trust)

    for role in story.taken & story.assigned:
        stage.grant("DELETE", role)
        assigned.discard(role)
    for edge in story.later - edges:
        stage.imply("PUT", edge)
        edges.add(edge)
    for edge in story.ceased & edges:
        stage.imply("DELETE", edge)
        edges.discard(edge)
    held = closed(assigned, edges)

    def lent(roles):
        whole = closed(roles, edges)
        return whole if whole <= held else frozenset()

    assert stage.now(lender) == held
    if robot is not None:
        assert stage.log_in(robot)[1] == kept & held
    if first is not None:
        assert stage.now(trusted) == lent(trust)
        assert stage.as_person("one", {"OS-TRUST:trust": {"id": first}})[1] == lent(trust)
    if second is not None:
        assert stage.as_person("two", {"OS-TRUST:trust": {"id": second}})[1] == lent(passed)
