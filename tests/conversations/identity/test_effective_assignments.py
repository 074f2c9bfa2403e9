"""Roles in effect, held against a model that is too simple to be wrong: for every assignment, everybody it
reaches, everywhere it reaches, with all that its role implies.

Each example is rows in a transaction that is undone."""

from types import SimpleNamespace
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monostack.identity.roles import grants
from monostack.identity.roles.role_assignments import _Asked
from monostack.identity.tables import (
    ASSIGNMENTS,
    GROUPS,
    IMPLIED_ROLES,
    MEMBERSHIPS,
    PROJECTS,
    ROLES,
    USERS,
)

DOMAINS, USER_COUNT, GROUP_COUNT, GLOBAL_ROLES = 2, 3, 2, 4
ROLE_COUNT = GLOBAL_ROLES + DOMAINS
"""The last roles are the domains' own, one each."""


class Effect(NamedTuple):
    """Somebody has a role somewhere."""

    user: str
    role: str
    kind: str
    place: str
    inherited: bool


@st.composite
def stories(draw):
    """What there is, by numbers: a project's parent is an earlier project, or a domain."""
    parents = draw(st.lists(st.integers(0, 7), min_size=1, max_size=6))
    pairs = st.tuples(st.integers(0, ROLE_COUNT - 1), st.integers(0, GLOBAL_ROLES - 1))
    assignment = st.tuples(
        st.sampled_from(["user", "group"]),
        st.integers(0, 2),
        st.sampled_from(["project", "domain", "system"]),
        st.integers(0, 5),
        st.integers(0, ROLE_COUNT - 1),
        st.booleans(),
    )
    return SimpleNamespace(
        parents=parents,
        members=draw(st.sets(st.tuples(st.integers(0, GROUP_COUNT - 1), st.integers(0, USER_COUNT - 1)))),
        implied={(a, b) for a, b in draw(st.sets(pairs, max_size=6)) if a > b},
        assignments=draw(st.sets(assignment, max_size=8)),
    )


class Model:
    """The rows of a story, and what follows from them."""

    def __init__(self, tx, story) -> None:
        self.domains = [self._project(tx, f"d{n}", "", None) for n in range(DOMAINS)]
        self.above: dict[str, list[str]] = {}
        self.projects: list[str] = []
        home = {id: id for id in self.domains}
        for number, parent in enumerate(story.parents):
            choices = [*self.domains, *self.projects]
            parent_id = choices[parent % len(choices)]
            id = self._project(tx, f"p{number}", home[parent_id], parent_id)  # noqa: A001
            home[id] = home[parent_id]
            self.above[id] = [parent_id, *self.above.get(parent_id, [])]
            self.projects.append(id)
        self.users = [self._named(tx, USERS, f"u{n}", enabled=True) for n in range(USER_COUNT)]
        self.groups = [self._named(tx, GROUPS, f"g{n}") for n in range(GROUP_COUNT)]
        of_role = ["" for _ in range(GLOBAL_ROLES)] + self.domains
        self.roles = [self._named(tx, ROLES, f"r{n}", of_role[n]) for n in range(ROLE_COUNT)]
        self.own = set(self.roles[GLOBAL_ROLES:])
        self.members = {(self.groups[group], self.users[user]) for group, user in story.members}
        for group_id, user_id in self.members:
            tx.insert(MEMBERSHIPS, group_id=group_id, user_id=user_id)
        self.implied = {(self.roles[a], self.roles[b]) for a, b in story.implied}
        for prior, role_id in self.implied:
            tx.insert(IMPLIED_ROLES, prior_role_id=prior, implied_role_id=role_id)
        self.assignments = set()
        for kind, actor, target, place, role, inherited in story.assignments:
            actors = self.users if kind == "user" else self.groups
            places = {"project": self.projects, "domain": self.domains, "system": ["system"]}[target]
            self.assignments.add(
                (
                    kind,
                    actors[actor % len(actors)],
                    target,
                    places[place % len(places)],
                    self.roles[role],
                    inherited and target != "system",
                )
            )
        columns = ("actor_kind", "actor_id", "target_kind", "target_id", "role_id", "inherited")
        for values in self.assignments:
            tx.insert(ASSIGNMENTS, **dict(zip(columns, values, strict=True)))

    @staticmethod
    def _project(tx, name, domain_id, parent_id) -> str:
        values = {"name": name, "domain_id": domain_id, "parent_id": parent_id, "is_domain": not domain_id}
        return tx.insert(PROJECTS, enabled=True, **values)["id"]

    def _named(self, tx, table, name, domain_id=None, **values) -> str:
        domain_id = self.domains[0] if domain_id is None else domain_id
        return tx.insert(table, name=name, domain_id=domain_id, extra={}, **values)["id"]

    def effects(self) -> set[Effect]:
        """All that is in effect."""
        out = set()
        for kind, actor, target_kind, target, role, inherited in self.assignments:
            users = {actor} if kind == "user" else {user for group, user in self.members if group == actor}
            places = {(target_kind, target)}
            if inherited:
                places = {("project", each) for each in self.projects if target in self.above[each]}
            for user in users:
                for place in places:
                    for each in self.with_implied(role) - self.own:
                        out.add(Effect(user, each, *place, inherited))
        return out

    def with_implied(self, role) -> set[str]:
        out = {role}
        while more := {follower for prior, follower in self.implied if prior in out} - out:
            out |= more
        return out


class Undone(Exception):
    """Ends a transaction without a trace."""


def check(tx, story):
    model = Model(tx, story)
    everything = model.effects()
    anywhere = {effect for effect in everything if effect.kind != "system"}
    ours = set(model.users)

    def listed(**query):
        asked = {"effective": ""} | {name.replace("__", "."): value for name, value in query.items()}
        entries = _Asked(SimpleNamespace(query=asked)).entries(tx)
        return {
            Effect(each.actor_id, each.role_id, each.target_kind, each.target_id, each.given["inherited"])
            for each in entries
            if each.actor_id in ours
        }

    assert listed() == anywhere
    assert listed(scope__system="all") == everything - anywhere
    inherited = {"scope.OS-INHERIT:inherited_to": "projects"}
    assert listed(**inherited) == {effect for effect in anywhere if effect.inherited}
    for user in model.users:
        assert listed(user__id=user) == {effect for effect in anywhere if effect.user == user}
    for role in model.roles:
        assert listed(role__id=role) == {effect for effect in anywhere if effect.role == role}
    for domain in model.domains:
        assert listed(scope__domain__id=domain) == {effect for effect in anywhere if effect.place == domain}
    for project in model.projects:
        here = {effect for effect in anywhere if effect.place == project}
        assert listed(scope__project__id=project) == here
        tree = {project, *(each for each in model.projects if project in model.above[each])}
        below = listed(scope__project__id=project, include_subtree="")
        assert below == {effect for effect in anywhere if effect.place in tree}
        row = tx.one(PROJECTS, id=project)
        for user in model.users:
            held = {role["id"] for role in grants.shown(tx, grants.on_project(tx, user, row))}
            assert held == {effect.role for effect in here if effect.user == user}, "what a token would say"
    raise Undone


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories())
def test_roles_in_effect_are_those_of_the_model(shared_world, story):
    engine = shared_world.cloud.cloud.engine
    with pytest.raises(Undone):
        shared_world.cloud.run(engine.write(check, story))
