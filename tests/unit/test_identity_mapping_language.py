"""The mapping language: each sentence of its docstring, and all of it against a naive reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monostack.identity.federation.language import LONGEST, NotMapped, apply, wrong_pattern

BOB = {"user": ["bob"], "mail": ["b@x"], "groups": ["staff", "admins", "guests"]}


def rule(local, *remote):
    return {"local": local if isinstance(local, list) else [local], "remote": list(remote)}


def names(mapped):
    return [name for name, _ in mapped.group_names]


USER = {"user": {"name": "{0}"}}
D = {"id": "d"}


def test_values_are_numbered_in_the_order_of_the_requirements():
    local = {"user": {"name": "{1} of {0}", "email": "{}{}"}}
    mapped = apply([rule(local, {"type": "mail"}, {"type": "user"})], BOB)
    assert mapped.user == {"name": "bob of b@x", "email": "b@xbob", "type": "ephemeral"}


def test_a_requirement_without_the_attribute_never_holds():
    for extra in ({}, {"not_any_of": ["x"]}, {"blacklist": ["x"]}, {"whitelist": []}, {"any_one_of": []}):
        with pytest.raises(NotMapped):
            apply([rule(USER, {"type": "user"}, {"type": "phone"} | extra)], BOB)


@pytest.mark.parametrize(
    ("requirement", "fits"),
    [
        ({"any_one_of": ["staff"]}, True),
        ({"any_one_of": ["nobody"]}, False),
        ({"not_any_of": ["staff"]}, False),
        ({"not_any_of": ["nobody"]}, True),
        ({"any_one_of": ["^adm"], "regex": True}, True),
        ({"any_one_of": ["^dm"], "regex": True}, False),
        ({"not_any_of": ["dm"], "regex": True}, False),
    ],
)
def test_what_must_be_and_must_not_be_there(requirement, fits):
    rules = [rule(USER, {"type": "user"}, {"type": "groups"} | requirement)]
    if fits:
        assert apply(rules, BOB).user["name"] == "bob"
    else:
        with pytest.raises(NotMapped):
            apply(rules, BOB)


@pytest.mark.parametrize(
    ("requirement", "left"),
    [
        ({}, ["staff", "admins", "guests"]),
        ({"whitelist": ["admins", "x"]}, ["admins"]),
        ({"whitelist": ["x"]}, []),
        ({"blacklist": ["admins"]}, ["staff", "guests"]),
        ({"whitelist": ["s$"], "regex": True}, ["admins", "guests"]),
        ({"blacklist": ["s$"], "regex": True}, ["staff"]),
    ],
)
def test_lists_that_filter(requirement, left):
    local = {"groups": "{1}", "domain": D, "user": {"name": "{0}"}}
    assert names(apply([rule(local, {"type": "user"}, {"type": "groups"} | requirement)], BOB)) == left
    local = {"group_ids": "{1}", "user": {"name": "{0}"}}
    mapped = apply([rule(local, {"type": "user"}, {"type": "groups"} | requirement)], BOB)
    assert list(mapped.group_ids) == left


def test_several_values_in_a_text_are_written_as_a_list():
    mapped = apply([rule({"user": {"name": "{0}"}}, {"type": "groups"})], BOB)
    assert mapped.user["name"] == "['staff', 'admins', 'guests']"


def test_braces_and_nothing_but_numbers():
    assert apply([rule({"user": {"name": "{{{0}}}"}}, {"type": "user"})], BOB).user["name"] == "{bob}"
    name = apply([rule({"user": {"name": "{0.__class__}"}}, {"type": "user"})], BOB).user["name"]
    assert name == "{0.__class__}"


def test_values_are_never_templates_or_lists():
    odd = {"user": ["{0}{1}"], "groups": ["['admins']"]}
    local = {"user": {"name": "{0}"}, "groups": "{1}", "domain": D}
    mapped = apply([rule(local, {"type": "user"}, {"type": "groups", "blacklist": ["admins"]})], odd)
    assert mapped.user["name"] == "{0}{1}"
    assert names(mapped) == ["['admins']"]


def test_groups_written_in_the_rule():
    local = {"user": {"name": "x"}, "groups": "['a', 'b']", "domain": D}
    assert names(apply([rule(local, {"type": "user"})], BOB)) == ["a", "b"]


def test_groups_as_another_cloud_sends_them():
    said = {"g": ['JSON:{"name":"a","domain":{"name":"Default"}}'], "user": ["bob"]}
    local = {"user": {"name": "{0}"}, "groups": "{1}"}
    rules = [rule(local, {"type": "user"}, {"type": "g"})]
    assert apply(rules, said).group_names == (("a", {"name": "Default"}),)
    for bad in ("JSON:", "JSON:[]", 'JSON:{"name":"a"}', 'JSON:{"name":1,"domain":{"id":"d"}}', "plain"):
        with pytest.raises(NotMapped):
            apply(rules, said | {"g": [bad]})


def test_rules_add_up_and_the_first_user_counts():
    mapped = apply(
        [
            rule([{"user": {"name": "{0}"}}, {"group": {"id": "1"}}], {"type": "user"}),
            rule([{"user": {"name": "other"}}, {"group": {"id": "2"}}], {"type": "mail"}),
            rule({"group": {"id": "3"}}, {"type": "phone"}),
        ],
        BOB,
    )
    assert mapped.user["name"] == "bob"
    assert mapped.group_ids == ("1", "2")


def test_domains_by_schema():
    local = {"user": {"name": "{0}"}, "projects": [{"name": "p", "roles": []}], "domain": D}
    rules = [rule(local, {"type": "user"})]
    one, two = apply(rules, BOB, "1.0"), apply(rules, BOB, "2.0")
    assert "domain" not in one.user and "domain" not in one.projects[0]
    assert two.user["domain"] == D and two.projects[0]["domain"] == D
    apart = [rule([{"user": {"name": "{0}"}}, {"domain": D}], {"type": "user"})]
    assert apply(apart, BOB, "2.0").user["domain"] == D


def test_projects_in_json_belong_to_schema_3():
    said = BOB | {"p": ['[{"name":"p","roles":[{"name":"r"}]}]', '{"name":"q","roles":[]}']}
    rules = [rule({"user": {"name": "{0}"}, "projects_json": "{1}"}, {"type": "user"}, {"type": "p"})]
    assert [project["name"] for project in apply(rules, said, "3.0").projects] == ["p", "q"]
    assert apply(rules, said, "2.0").projects == ()
    for bad in ("x", "[1]", '{"name":"q"}', '{"name":"q","roles":[1]}', '{"name":1,"roles":[]}'):
        with pytest.raises(NotMapped):
            apply(rules, said | {"p": [bad]}, "3.0")


def test_what_is_too_large_is_not_judged():
    with pytest.raises(NotMapped):
        apply([rule(USER, {"type": "user"})], {"user": ["x" * (LONGEST + 1)]})


def test_a_number_beyond_the_values_is_nobody():
    for template in ("{1}", "{99999}", "{} {}"):
        with pytest.raises(NotMapped):
            apply([rule({"user": {"name": template}}, {"type": "user"})], BOB)


def test_patterns_are_looked_at_beforehand():
    assert wrong_pattern([rule(USER, {"type": "a", "whitelist": ["["], "regex": True})])
    assert wrong_pattern([rule(USER, {"type": "a", "whitelist": ["["]})]) is None


# against a naive reading

WORDS = st.sampled_from(["a", "b", "ab", "", "{0}", "['a']"])
VALUES = st.lists(WORDS, max_size=3)
ATTRIBUTES = st.sampled_from(["p", "q", "r"])
REQUIREMENTS = st.fixed_dictionaries(
    {"type": ATTRIBUTES, "word": st.sampled_from(["", "any_one_of", "not_any_of", "whitelist", "blacklist"])},
    optional={"listed": VALUES},
)


@st.composite
def rules_and_words(draw):
    rules = []
    for _ in range(draw(st.integers(1, 3))):
        remote = []
        for asked in draw(st.lists(REQUIREMENTS, min_size=1, max_size=3)):
            listed = {asked["word"]: asked.get("listed", [])} if asked["word"] else {}
            remote.append({"type": asked["type"]} | listed)
        number = draw(st.integers(0, 2))
        rules.append(rule({"groups": f"{{{number}}}", "domain": D}, *remote))
    return rules


def naive(rules, said):
    """The groups, by reading the docstring aloud; None for nobody."""
    groups, applied = [], False
    for each in rules:
        usable = []
        for asked in each["remote"]:
            values = said.get(asked["type"], [])
            if values == []:
                break
            if "any_one_of" in asked:
                if set(values).isdisjoint(asked["any_one_of"]):
                    break
            elif "not_any_of" in asked:
                if not set(values).isdisjoint(asked["not_any_of"]):
                    break
            elif "whitelist" in asked:
                usable.append([value for value in values if value in asked["whitelist"]])
            elif "blacklist" in asked:
                usable.append([value for value in values if value not in asked["blacklist"]])
            else:
                usable.append(values)
        else:
            applied = True
            number = int(each["local"][0]["groups"].strip("{}"))
            if number >= len(usable):
                return None
            groups += usable[number]
    return groups if applied else None


@given(rules_and_words(), st.dictionaries(ATTRIBUTES, VALUES))
def test_it_is_what_a_naive_reading_says(rules, said):
    expected = naive(rules, said)
    try:
        assert names(apply(rules, said)) == expected
    except NotMapped:
        assert expected is None


@given(st.text(), st.text())
def test_a_value_stands_in_a_text_as_it_is(template, value):
    """Whatever the value is, and whatever braces stand round its place."""
    plain = template.replace("{", "").replace("}", "")
    if len(value) <= LONGEST:
        mapped = apply([rule({"user": {"name": plain + "{0}" + plain}}, {"type": "v"})], {"v": [value]})
        assert mapped.user["name"] == plain + value + plain
