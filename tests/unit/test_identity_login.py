"""Pieces of logging in: one-time codes, rules on factors, the count of guesses, impossible settings."""

import base64

import pytest

from monostack.identity.authentication import attempts, factors, proxies, verifying
from monostack.identity.authentication.methods import known, totp
from monostack.identity.tokens.claims import METHODS
from monostack.identity.users import password_rules
from monostack.kit.errors import Error
from monostack.settings import BadSetting, Federation, Identity, Settings

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_of_rfc_6238(at, code):
    """Its appendix B has eight digits; six are the last of them."""
    assert totp.code(SECRET, at // totp.SECONDS) == code
    assert totp.code(SECRET.lower().rstrip("="), at // totp.SECONDS) == code


@pytest.mark.parametrize("secret", ["", "=", "not base 32!", "A", "ü"])
def test_a_secret_that_is_none_has_no_code(secret):
    assert totp.code(secret, 1) is None


@pytest.mark.parametrize(
    ("options", "offered", "found"),
    [
        (None, {"password"}, []),
        ({}, {"password"}, []),
        ({"multi_factor_auth_rules": [["password", "totp"]]}, {"password", "totp"}, [["password", "totp"]]),
        ({"multi_factor_auth_rules": [["password", "totp"]]}, {"password"}, [["password"]]),
        ({"multi_factor_auth_rules": [["magic"], ["totp"]]}, {"password", "totp"}, [["totp"]]),
        ({"multi_factor_auth_rules": [["magic"]]}, {"password"}, []),
        ({"multi_factor_auth_rules": [["totp"]], "multi_factor_auth_enabled": False}, {"totp"}, []),
    ],
)
def test_rules_as_far_as_they_can_be_fulfilled(options, offered, found):
    assert factors.rules(options, offered) == found


def test_any_rule_that_is_fulfilled_is_enough():
    rules = [["password", "totp"], ["external"]]
    assert not factors.suffice(rules, ["password"])
    assert factors.suffice(rules, ["external", "password"])
    assert factors.suffice([], [])
    assert factors.begun(rules, ["password"]) == [["password", "totp"]]
    assert factors.begun(rules, ["token"]) == []


def test_guesses_are_counted_for_a_minute(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(attempts.time, "monotonic", lambda: now[0])
    counted = attempts.Attempts(2)
    for _ in range(2):
        counted.admit("user", "address")
        counted.failed("user", "address")
    with pytest.raises(Error) as refusal:
        counted.admit("user", "address")
    assert refusal.value.code == 429
    counted.admit("other", "address")
    counted.admit("user", "another address")
    now[0] += attempts.WINDOW + 1
    counted.admit("user", "address")
    counted.failed("user", "address")
    counted.admit("user", "address")


def test_the_count_of_guesses_is_bounded(monkeypatch):
    monkeypatch.setattr(attempts, "KEPT", 10)
    counted = attempts.Attempts(1)
    for number in range(30):
        counted.failed(str(number), "address")
    assert len(counted._failed) <= 10


def test_every_method_has_its_bit_in_tokens():
    assert set(known.METHODS) <= set(METHODS)
    assert set(Identity().methods) <= set(METHODS)


@pytest.mark.parametrize(
    "settings",
    [
        {"methods": ("password", "magic")},
        {"password_regex": "("},
        {"max_password_length": 5000},
        {"password_hash_algorithm": "md5"},
        {"password_hash_rounds": 99},
    ],
)
def test_settings_that_no_cloud_starts_with(settings):
    chosen = Identity(**settings)
    with pytest.raises(BadSetting, match=next(iter(settings))):
        known.check(chosen)
        password_rules.check_settings(chosen)
        verifying.recipe(chosen)


@pytest.mark.parametrize("section", [{"identity": Identity}, {"federation": Federation}])
def test_proxies_that_are_no_addresses_are_told_at_the_start(section):
    ((name, kind),) = section.items()
    proxies.check(Settings(**{name: kind(trusted_proxies=("10.0.0.5", "fd00::/8", "10.1.2.3/16"))}))
    with pytest.raises(BadSetting, match=rf"{name}\.trusted_proxies: 'nowhere'"):
        proxies.check(Settings(**{name: kind(trusted_proxies=("10.0.0.5", "nowhere"))}))
