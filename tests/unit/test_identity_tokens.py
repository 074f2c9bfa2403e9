"""Claims in and out of a token; places in catalogue URLs; roles that imply roles."""

import pytest

from monostack.identity.catalog import catalog
from monostack.identity.roles import grants
from monostack.identity.tokens import providers
from monostack.identity.tokens.claims import METHODS, Claims, new_audit_id


@pytest.fixture(params=["fernet", "jws"])
def provider(request, tmp_path):
    return providers.provider(request.param, tmp_path)


def claims(**changes):
    audit_id = new_audit_id()
    values = {
        "user_id": "0" * 31 + "1",
        "methods": ("password",),
        "scope": "project",
        "target_id": "f" * 32,
        "issued": 1_795_000_000_000_000,
        "expires": 1_795_003_600_000_000,
        "audit_id": audit_id,
        "chain_id": audit_id,
    }
    return Claims(**values | changes)


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
        {"chain_id": new_audit_id()},
        {"methods": METHODS, "trust_id": "b" * 32, "epoch": 7},
        {"more": {"thumbprint": "x", "group_ids": ["a" * 32, "b"]}},
    ],
)
def test_what_goes_in_comes_out(provider, changes):
    wanted = claims(**changes)
    assert provider.unseal(provider.seal(wanted)) == wanted


def test_a_sealed_token_is_short_enough_for_every_client(tmp_path):
    ours = providers.provider("fernet", tmp_path)
    longest = claims(methods=("password", "token"), chain_id=new_audit_id(), credential_id="a" * 32)
    assert len(ours.seal(longest)) < 255


@pytest.mark.parametrize("token", ["", "strange", "gAAAAAB", "ü", "a.b", "a.b.c", "e30.e30.e30", "." * 5000])
def test_a_strange_text_says_nothing(provider, token):
    assert provider.unseal(token) is None


def test_what_is_sealed_but_no_token_says_nothing(tmp_path):
    ours = providers.provider("fernet", tmp_path)
    assert ours.unseal(ours.keys.seal(b"data", 1000)) is None


def test_an_unknown_provider_is_refused_in_words(tmp_path):
    with pytest.raises(ValueError, match="must be fernet or jws"):
        providers.provider("uuid", tmp_path)


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
