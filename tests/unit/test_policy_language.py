"""The rule language: what each word means, and that the compiled form says what a plain reading says."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.contract import naive_policy

from monostack.kit.policy_language import AllOf, AnyOf, Not, PolicyError, Reference, never, parse


class Book:
    """A few named rules, as the engine keeps them."""

    def __init__(self, **texts):
        self.texts = texts

    def check(self, name):
        return parse(self.texts[name]) if name in self.texts else None

    def judge(self, name):
        check = self.check(name)
        return check.judge(self) if check else never


BOOK = Book(
    admins="role:admin",
    owners="project_id:%(project_id)s",
    nobody="!",
    chain="rule:admins or rule:owners",
)


def allowed(rule, caller=None, target=None):
    caller = {"roles": frozenset()} | (caller or {})
    return parse(rule).judge(BOOK)(caller, target or {})


@pytest.mark.parametrize("rule", ["", "@", [], [["@"]], "not !", "( @ )", "! or @", "@ and @"])
def test_allows_everybody(rule):
    assert allowed(rule)


@pytest.mark.parametrize(
    "rule", ["!", "not @", "@ and !", "rule:unknown", "rule:nobody", "not (@ or !)", [["@", "!"]]]
)
def test_allows_nobody(rule):
    assert not allowed(rule)


def test_roles_are_compared_without_regard_to_case():
    assert allowed("role:ADMIN", {"roles": frozenset({"admin"})})
    assert not allowed("role:admin", {"roles": frozenset({"administrator"})})
    assert allowed("role:%(wanted)s", {"roles": frozenset({"admin"})}, {"wanted": "Admin"})
    assert not allowed("role:%(wanted)s", {"roles": frozenset({"admin"})}, {})


def test_and_binds_closer_than_or_and_not_closest():
    assert allowed("@ or @ and !")
    assert not allowed("(@ or @) and !")
    assert not allowed("not @ or !")
    assert allowed("not ! and @")
    assert allowed("NOT ! AND @")


@pytest.mark.parametrize(
    ("rule", "caller", "target", "verdict"),
    [
        ("project_id:%(project_id)s", {"project_id": "a"}, {"project_id": "a"}, True),
        ("project_id:%(project_id)s", {"project_id": "a"}, {"project_id": "b"}, False),
        ("project_id:%(project_id)s", {"project_id": "a"}, {}, False),
        ("project_id:%(project_id)s", {"project_id": None}, {"project_id": None}, False),
        ("project_id:%(project_id)s", {"project_id": None}, {"project_id": "None"}, False),
        ("project_id:%(number)s", {"project_id": "7"}, {"number": 7}, True),
        ("tenant_id:%(tenant_id)s", {"project_id": "a"}, {"project_id": "a"}, True),
        ("tenant_id:%(tenant_id)s", {"project_id": "a"}, {"tenant_id": "b", "project_id": "a"}, False),
        ("tenant_id:%(network:tenant_id)s", {"project_id": "a"}, {"network:project_id": "a"}, True),
        ("project_id:%(network:project_id)s", {"project_id": "a"}, {"network:project_id": "a"}, True),
        ("domain_id:None", {"domain_id": None}, {}, True),
        ("domain_id:None", {}, {}, True),
        ("domain_id:None", {"domain_id": "default"}, {}, False),
        ("system_scope:all", {"system_scope": "all"}, {}, True),
        ("is_admin:True", {"is_admin": True}, {}, True),
        ("is_admin:1", {"is_admin": True}, {}, False),
        ("service_roles:service", {"service_roles": ["service", "other"]}, {}, True),
        ("service_roles:service", {"service_roles": frozenset()}, {}, False),
        ("user_id:%(target.user.id)s", {"user_id": "u"}, {"target": {"user": {"id": "u"}}}, True),
        ("user_id:%(target.user.id)s", {"user_id": "u"}, {"target.user.id": "u"}, True),
        ("user_id:%(a.id)s", {"user_id": "u"}, {"a.id": "v", "a": {"id": "u"}}, False),
        ("user_id:%(target.user.id)s", {"user_id": "u"}, {"target": {"user": "u"}}, False),
        ("token.domain.id:%(d)s", {"token": {"domain": {"id": "x"}}}, {"d": "x"}, True),
        ("token.domain.id:%(d)s", {"token": {}}, {"d": "x"}, False),
        ("token.domain.id:%(d)s", {"token": {"domain": None}}, {"d": "x"}, False),
        ("token.roles.name:%(r)s", {"token": {"roles": [{"name": "a"}, {"name": "b"}]}}, {"r": "b"}, True),
        ("user_id:%(a)s-%(b)s", {"user_id": "1-2"}, {"a": 1, "b": 2}, True),
        ("user_id:100%%", {"user_id": "100%"}, {}, True),
        ("'public':%(visibility)s", {}, {"visibility": "public"}, True),
        ("'public':%(visibility)s", {}, {"visibility": "private"}, False),
        ("'public':%(visibility)s", {}, {}, False),
        ("True:%(enabled)s", {}, {"enabled": True}, True),
        ("None:%(target.domain_id)s", {}, {"target": {"domain_id": None}}, True),
        ("None:%(target.domain_id)s", {}, {"target": {}}, False),
        ("not None:%(target.domain_id)s", {}, {"target": {"domain_id": "x"}}, True),
        ("field:networks:shared=True", {}, {"shared": True}, True),
        ("field:networks:shared=True", {}, {"shared": False}, False),
        ("field:networks:shared=True", {}, {}, False),
        ("field:networks:router:external=True", {}, {"router:external": True}, True),
        ("field:rbac_policy:target_tenant=*", {}, {"target_tenant": "*"}, True),
        ("field:port:device_owner=~^network:", {}, {"device_owner": "network:dhcp"}, True),
        ("field:port:device_owner=~^network:", {}, {"device_owner": "compute:nova"}, False),
        ([["role:admin"], ["rule:owners", "@"]], {"project_id": "a"}, {"project_id": "a"}, True),
        ([["role:admin"], ["rule:owners", "!"]], {"project_id": "a"}, {"project_id": "a"}, False),
        (["role:admin", "rule:owners"], {"project_id": "a"}, {"project_id": "a"}, True),
        ('"rule:owners"', {"project_id": "a"}, {"project_id": "a"}, True),
        ("rule:chain", {"roles": frozenset({"admin"})}, {}, True),
    ],
)
def test_comparisons(rule, caller, target, verdict):
    assert allowed(rule, caller, target) is verdict


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ("role:admin and", "ends where a check is expected"),
        ("or role:admin", "'or' where a check is expected"),
        ("role:admin role:member", "joined by 'and' or 'or'"),
        ("(role:admin", "never closed"),
        ("role:admin)", "cannot be read from ')'"),
        ("admin", "is not a check"),
        ("not(role:admin)", "is not a check"),
        (":admin", "is not a check"),
        ("http:example.org", "web server"),
        ("https://example.org/%(project_id)s", "web server"),
        ("project_id:%(project_id)", "written %(key)s"),
        ("field:networks:shared", "one looks like"),
        ("field:port:name=~[", "not a regular expression"),
        (None, "To allow everybody"),
        (True, "To allow everybody"),
        ({"role": "admin"}, "To allow everybody"),
        ([[["role:admin"]]], "holds checks"),
    ],
)
def test_what_cannot_be_understood_is_refused_in_words(rule, word):
    with pytest.raises(PolicyError, match=re.escape(word)):
        parse(rule)


# The compiled form must agree with the plain reading of tests/contract/naive_policy.py.

NAIVE_RULES = {"admins": "role:admin", "chain": "role:admin or project_id:%(project_id)s"}

CHECKS = (
    "@",
    "!",
    "role:admin",
    "role:Member",
    "rule:admins",
    "rule:chain",
    "rule:unknown",
    "project_id:%(project_id)s",
    "user_id:%(target.user.id)s",
    "domain_id:None",
    "token.domain.id:%(target.domain_id)s",
    "None:%(project_id)s",
    "'public':%(visibility)s",
    "field:images:visibility=public",
    "field:images:visibility=~^p",
    "system_scope:all",
)


def naive(tree, caller, target):
    return naive_policy.tree(tree, caller, target, NAIVE_RULES)


def spell(tree):
    """The sentence of a tree, with brackets wherever a node has parts."""
    if isinstance(tree, str):
        return tree
    word, *parts = tree
    if word == "not":
        return f"not {bracket(parts[0])}"
    return f" {word} ".join(map(bracket, parts))


def bracket(tree):
    return spell(tree) if isinstance(tree, str) else f"({spell(tree)})"


trees = st.recursive(
    st.sampled_from(CHECKS),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(("and", "or")), inner, inner),
        st.tuples(st.sampled_from(("and", "or")), inner, inner, inner),
    ),
    max_leaves=8,
)
ids = st.sampled_from((None, "a", "b"))
callers = st.fixed_dictionaries(
    {
        "roles": st.frozensets(st.sampled_from(("admin", "member", "reader"))),
        "project_id": ids,
        "user_id": ids,
        "domain_id": ids,
        "system_scope": st.sampled_from((None, "all")),
        "token": st.sampled_from(({}, {"domain": None}, {"domain": {"id": "a"}})),
    }
)
targets = st.fixed_dictionaries(
    {},
    optional={
        "project_id": ids,
        "visibility": st.sampled_from(("public", "private", "shared", None)),
        "target.user.id": ids,
        "target": st.fixed_dictionaries({}, optional={"domain_id": ids, "user": st.just({"id": "a"})}),
    },
)


@settings(max_examples=400, deadline=None)
@given(trees, callers, targets)
@example(("or", "@", ("and", "!", "!")), {"roles": frozenset()}, {})
def test_the_compiled_rule_says_what_a_plain_reading_says(tree, caller, target):
    assert parse(spell(tree)).judge(BOOK)(caller, target) is naive(tree, caller, target)


@settings(max_examples=400, deadline=None)
@given(trees, callers, targets)
def test_the_plain_reading_of_a_sentence_is_that_of_its_tree(tree, caller, target):
    assert naive_policy.sentence(spell(tree), caller, target, NAIVE_RULES) is naive(tree, caller, target)


@settings(max_examples=200, deadline=None)
@given(trees, callers, targets)
def test_a_printed_rule_reads_back_as_the_same_rule(tree, caller, target):
    check = parse(spell(tree))
    assert parse(str(check)) == check


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.sampled_from(CHECKS), min_size=1, max_size=3), max_size=3), callers, targets)
def test_a_list_of_lists_is_an_or_of_ands(lists, caller, target):
    tree = ("or", *(("and", *words) for words in lists)) if lists else "@"
    assert parse(lists).judge(BOOK)(caller, target) is naive(tree, caller, target)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="@!()abc:%.'\"~= andornt", max_size=40))
def test_any_text_is_either_a_rule_or_refused_in_words(text):
    try:
        check = parse(text)
    except PolicyError as reason:
        assert str(reason)
        return
    assert check.judge(BOOK)({"roles": frozenset()}, {}) in (True, False)


def test_nested_ands_and_ors_are_flattened():
    check = parse("role:a and (role:b and role:c) or (role:d or not rule:e)")
    assert isinstance(check, AnyOf)
    assert [type(part) for part in check.parts][0] is AllOf
    assert len(check.parts[0].parts) == 3
    assert isinstance(check.parts[2], Not)
    assert isinstance(check.parts[2].parts[0], Reference)
