"""Filters that a caller cannot add to, entries read as users, options that are checked."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monostack.identity.domains.options import KNOWN, with_secrets
from monostack.identity.ldap import entries, filters, options
from monostack.identity.ldap.entries import Entry


@given(st.text())
def test_a_value_can_only_be_a_value(value):
    text = filters.equal("uid", value)
    inside = text.removeprefix("(uid=").removesuffix(")")
    assert not set(inside) & set("()*\0")
    assert inside.isascii() and inside.isprintable()
    unescaped = re.sub(rb"\\([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), inside.encode())
    assert unescaped.decode() == value


def test_conditions_are_joined():
    assert filters.every(["", "uid=a", "(b=c)"]) == "(&(uid=a)(b=c))"
    assert filters.every([""]) == ""
    assert filters.either([filters.equal("a", "b")]) == "(a=b)"
    assert filters.contains("a", "*") == "(a=*\\2a*)"
    assert filters.starts("a", "") == filters.present("a") == "(a=*)"


def read(**changes):
    return options.read("d", KNOWN["ldap"] | changes, KNOWN["identity"])


def entry(**attributes):
    return Entry("cn=a,ou=b", {"cn": [b"a"], "sn": [b"A"]} | {k: [v.encode()] for k, v in attributes.items()})


@pytest.mark.parametrize(
    ("change", "attributes", "enabled"),
    [
        ({}, {}, True),
        ({}, {"enabled": "TRUE"}, True),
        ({}, {"enabled": "no"}, False),
        ({"user_enabled_default": "False"}, {}, False),
        ({"user_enabled_invert": "true", "user_enabled_attribute": "locked"}, {"locked": "true"}, False),
        ({"user_enabled_invert": True, "user_enabled_attribute": "locked"}, {"locked": "false"}, True),
        ({"user_enabled_mask": 2, "user_enabled_default": 512}, {"enabled": "514"}, False),
        ({"user_enabled_mask": "2", "user_enabled_default": "512"}, {}, True),
        ({"user_attribute_ignore": "enabled,mail"}, {"enabled": "false"}, True),
        ({"user_enabled_emulation": True}, {"enabled": "true"}, False),
    ],
)
def test_who_is_enabled(change, attributes, enabled):
    user = entries.user(read(**change), entry(**attributes), frozenset())
    assert user.enabled is enabled


def test_who_is_in_the_group_of_the_enabled():
    assert entries.user(read(user_enabled_emulation=True), entry(), frozenset(["cn=a,ou=b"])).enabled
    assert read(user_enabled_emulation=True).enabled.group == "cn=enabled_users,ou=Users,cn=example,cn=com"


def test_entries_that_are_nobody():
    assert entries.user(read(user_id_attribute="uid"), entry(), None) is None
    assert entries.user(read(), entry(sn="x" * 256), None) is None
    assert entries.group(read(group_name_attribute="cn"), Entry("cn=x", {"cn": [b"\xff"]})) is None


def test_the_password_is_never_asked_for():
    said = read()
    assert entries.wanted(said, said.users) == ["cn", "description", "enabled", "mail", "sn"]


@pytest.mark.parametrize(
    "change",
    [
        {"url": ""},
        {"url": "file:///etc/passwd"},
        {"url": "ldap://"},
        {"url": "ldap://a,gopher://b"},
        {"query_scope": "base"},
        {"tls_req_cert": "maybe"},
        {"alias_dereferencing": 1},
        {"page_size": "x"},
        {"use_pool": "perhaps"},
        {"user_filter": ["a"]},
        {"user_additional_attribute_mapping": ["a"]},
        {"use_tls": True, "url": "ldaps://a"},
    ],
)
def test_options_that_cannot_be_used(change):
    with pytest.raises(options.Misconfigured, match=f"^({'|'.join(change)}|use_tls)"):
        read(**change)


def test_sensitive_options_are_put_in_where_they_are_named():
    said = {"user": "cn=%(password)s,%(other)s 100%", "page_size": 3}
    assert with_secrets(said, {"password": "p"}) == {
        "user": "cn=p,%(other)s 100%",
        "page_size": 3,
        "password": "p",
    }
