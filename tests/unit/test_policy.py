"""The policy of a service: defaults, the operator's file, scopes, explanations."""

import os
from pathlib import Path

import pytest

from monostack.kit import policy as engine
from monostack.kit.policy import Policy, PolicyError

SERVICES = ("identity", "placement", "image", "network", "compute")
SOURCE = Path(engine.__file__).parents[1]
NOVA = SOURCE / "compute" / "policies.tsv"
RULE = "os_compute_api:servers:create"


def caller(**changes):
    credentials = {
        "user_id": "alice",
        "project_id": "red",
        "domain_id": None,
        "user_domain_id": "default",
        "project_domain_id": "default",
        "system_scope": None,
        "roles": frozenset({"member", "reader"}),
        "is_admin": False,
        "is_admin_project": True,
        "service_roles": [],
        "token": {},
    }
    return credentials | changes


ADMIN = caller(roles=frozenset({"admin", "manager", "member", "reader"}), is_admin=True)


def write(path: Path, text: str) -> None:
    """Replace the file as an editor does, so that a reload sees another file whatever the clock's grain."""
    draft = path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


@pytest.mark.parametrize("service", SERVICES)
def test_every_default_is_understood_and_refers_to_rules_that_exist(service):
    policy = Policy.load(service, SOURCE / service / "policies.tsv")
    rules = policy.list()
    assert len(rules) > 30
    for name, *_ in rules:
        policy._rules.verify(name)
        assert policy.allowed(name, caller(), {}) in (True, False)


@pytest.mark.parametrize("service", SERVICES)
def test_a_rule_without_need_of_a_target_judges_every_target_alike(service):
    policy = Policy.load(service, SOURCE / service / "policies.tsv")
    targets = ({}, {"project_id": "red", "user_id": "alice"}, {"target.user.id": "alice", "shared": True})
    independent = [name for name, *_ in policy.list() if not policy.needs_target(name)]
    assert independent
    for name in independent:
        for who in (caller(), ADMIN, caller(roles=frozenset())):
            assert len({policy.allowed(name, who, target) for target in targets}) == 1


def test_the_owner_may_and_a_stranger_may_not():
    policy = Policy.load("compute", NOVA)
    assert policy.allowed(RULE, caller(), {"project_id": "red"})
    assert not policy.allowed(RULE, caller(), {"project_id": "blue"})
    reader = caller(roles=frozenset({"reader"}))
    assert not policy.allowed(RULE, reader, {"project_id": "red"})
    assert policy.allowed("os_compute_api:servers:show", reader, {"project_id": "red"})


def test_an_unknown_rule_allows_nobody():
    policy = Policy.load("compute", NOVA)
    assert not policy.allowed("os_compute_api:nonsense", ADMIN, {})
    assert not policy.needs_target("os_compute_api:nonsense")
    assert policy.scope("os_compute_api:nonsense") == ()
    assert "no such rule" in policy.explain("os_compute_api:nonsense", ADMIN, {})


def test_a_port_of_a_shared_network_is_judged_on_its_parent():
    policy = Policy.load("network", SOURCE / "network" / "policies.tsv")
    rule = "create_port:mac_address"
    assert policy.needs_target(rule)
    assert policy.allowed(rule, caller(), {"project_id": "red", "network:project_id": "red"})
    assert not policy.allowed(rule, caller(), {"project_id": "red", "network:project_id": "blue"})


def test_nobodys_thing_is_not_everybodys():
    policy = Policy.load("compute", NOVA)
    nobody = caller(project_id=None)
    assert not policy.allowed("admin_or_owner", nobody, {"project_id": None})


@pytest.mark.parametrize(
    ("credentials", "scopes_allowed"),
    [
        ({}, {"project"}),
        ({"project_id": None, "system_scope": "all"}, {"system"}),
        ({"project_id": None, "domain_id": "default"}, {"domain"}),
        ({"project_id": None}, {"project"}),
    ],
)
def test_a_token_fits_a_rule_of_its_own_scope_only(credentials, scopes_allowed, tmp_path):
    defaults = tmp_path / "policies.tsv"
    defaults.write_text(
        "rule\tcheck\tscopes\nsystem\t@\tsystem\ndomain\t@\tdomain\nproject\t@\tproject\nany\t@\t\n"
    )
    policy = Policy.load("test", defaults)
    who = caller(**credentials)
    fitting = {rule for rule in ("system", "domain", "project") if policy.check_scope(rule, who)}
    assert fitting == scopes_allowed
    assert policy.check_scope("any", who)


def test_scopes_come_from_the_contract():
    policy = Policy.load("identity", SOURCE / "identity" / "policies.tsv")
    assert policy.scope("identity:get_user") == ("system", "domain", "project")
    assert Policy.load("compute", NOVA).scope(RULE) == ("project",)


def test_an_override_changes_one_rule_and_only_that(tmp_path):
    file = tmp_path / "policy.yaml"
    write(file, f'"{RULE}": "role:builder"\n')
    policy = Policy.load("compute", NOVA, file)
    assert not policy.allowed(RULE, caller(), {"project_id": "red"})
    assert policy.allowed(RULE, caller(roles=frozenset({"builder"})), {"project_id": "blue"})
    assert policy.allowed("os_compute_api:servers:show", caller(), {"project_id": "red"})
    listed = {name: (check, scopes, source) for name, check, scopes, source in policy.list()}
    assert listed[RULE] == ("role:builder", ("project",), "override")
    assert listed["os_compute_api:servers:show"][2] == "default"


def test_a_changed_file_is_taken_over_without_a_restart(tmp_path):
    file = tmp_path / "policy.yaml"
    policy = Policy.load("compute", NOVA, file)
    assert policy.allowed(RULE, caller(), {"project_id": "red"})
    assert not policy.reload_if_changed()
    write(file, f'"{RULE}": "!"\n')
    assert policy.reload_if_changed()
    assert not policy.allowed(RULE, caller(), {"project_id": "red"})
    file.unlink()
    assert policy.reload_if_changed()
    assert policy.allowed(RULE, caller(), {"project_id": "red"})


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('"a": [unclosed', "cannot be read"),
        ("- one\n- two\n", "not a list of rules"),
        (f'"{RULE}": "role:admin and"', "ends where a check is expected"),
        (f'"{RULE}": "rule:nothing_like_it"', "does not exist"),
        (f'"{RULE}": "http://example.org/may"', "web server"),
        (f'"{RULE}":', "To allow everybody write"),
        ('"a": "rule:b"\n"b": "rule:a"', "circle"),
        ('"project_member_api": "rule:project_member_or_admin"', "circle"),
    ],
)
def test_a_broken_file_keeps_the_last_good_rules_and_says_why(tmp_path, text, word):
    file = tmp_path / "policy.yaml"
    write(file, f'"{RULE}": "role:builder"\n')
    policy = Policy.load("compute", NOVA, file)
    write(file, text)
    assert not policy.reload_if_changed()
    assert word in policy.problem
    assert str(file) in policy.problem
    assert policy.allowed(RULE, caller(roles=frozenset({"builder"})), {})
    write(file, f'"{RULE}": "@"\n')
    assert policy.reload_if_changed()
    assert policy.problem is None
    assert policy.allowed(RULE, caller(roles=frozenset()), {})


def test_a_broken_file_at_start_stops_the_start(tmp_path):
    file = tmp_path / "policy.yaml"
    write(file, f'"{RULE}": "role:admin or"\n')
    with pytest.raises(PolicyError, match="ends where a check is expected"):
        Policy.load("compute", NOVA, file)


def test_overrides_that_change_nothing_are_reported_but_helpers_are_not(tmp_path):
    file = tmp_path / "policy.yaml"
    write(file, f'"builders": "role:builder"\n"{RULE}": "rule:builders"\n"os_compute_api:server:create": "@"')
    policy = Policy.load("compute", NOVA, file)
    assert policy.unknown == ("os_compute_api:server:create",)


def test_an_explanation_names_every_part_with_its_verdict():
    policy = Policy.load("compute", NOVA)
    words = policy.explain(RULE, caller(), {"project_id": "blue"})
    assert words.splitlines()[0] == f"{RULE}: denied"
    assert "role:member: allowed" in words
    assert "the caller's is red; the target's project_id is blue" in words
    assert "role:admin: denied (the caller's roles: member, reader)" in policy.explain(
        "context_is_admin", caller(), {}
    )
