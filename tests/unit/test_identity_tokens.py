"""Claims in and out of a token; places in catalogue URLs; roles that imply roles."""

import pytest

from monostack.identity.catalog import catalog
from monostack.identity.roles import grants
from monostack.identity.tokens import tokens
from monostack.identity.tokens.keys import Keys


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "keys")


def claims(**changes):
    audit_id = tokens.new_audit_id()
    values = {
        "user_id": "0" * 31 + "1",
        "methods": ("password",),
        "scope": "project",
        "target_id": "f" * 32,
        "issued": 1_795_000_000_123_456,
        "expires": 1_795_003_600_123_456,
        "audit_id": audit_id,
        "chain_id": audit_id,
    }
    return tokens.Claims(**values | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scope": "unscoped", "target_id": None},
        {"scope": "domain", "target_id": "default"},
        {"scope": "system", "target_id": None},
        {"methods": ("password", "token")},
        {"methods": ("application_credential",), "credential_id": "a" * 32},
        {"user_id": "A" * 32},
        {"user_id": "ü and 31 others"},
        {"chain_id": tokens.new_audit_id()},
    ],
)
def test_what_goes_in_comes_out(keys, changes):
    wanted = claims(**changes)
    assert tokens.unseal(keys, tokens.seal(keys, wanted)) == wanted


def test_a_token_is_short_enough_for_every_client(keys):
    longest = claims(methods=("password", "token"), chain_id=tokens.new_audit_id(), credential_id="a" * 32)
    assert len(tokens.seal(keys, longest)) < 255


def test_what_is_sealed_but_no_token_says_nothing(keys):
    assert tokens.unseal(keys, keys.seal(b"data", 1000)) is None


def test_a_chain_shows_its_first_link():
    assert len(claims().audit_ids) == 1
    wanted = claims(chain_id="first")
    assert wanted.audit_ids == [wanted.audit_id, "first"]


@pytest.mark.parametrize(
    ("url", "filled"),
    [
        ("http://a", "http://a"),
        ("http://a/%(project_id)s", "http://a/p"),
        ("http://a/$(tenant_id)s/x", "http://a/p/x"),
        ("http://a/AUTH_%(tenant_id)s?u=$(user_id)s", "http://a/AUTH_p?u=u"),
        ("http://a/%(color)s", None),
        ("http://a/100%", "http://a/100%"),
    ],
)
def test_places_in_urls(url, filled):
    places = {"project_id": "p", "tenant_id": "p", "user_id": "u"}
    assert catalog.filled(url, places) == filled


def test_a_place_without_a_value_is_no_endpoint():
    assert catalog.filled("http://a/%(project_id)s", {"project_id": None}) is None


def test_implied_roles_are_found_through_chains_and_circles():
    implied = {"a": ["b"], "b": ["c", "d"], "c": ["a"]}
    assert grants.expanded({"a"}, implied) == ["a", "b", "c", "d"]
    assert grants.expanded({"d"}, implied) == ["d"]
    assert grants.expanded(set(), implied) == []
