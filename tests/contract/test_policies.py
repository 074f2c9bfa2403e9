"""The policy of every operation: the right rule is wired, and each kind of caller gets what the rule says.

The rules' own meaning is tested in tests/unit/test_policy*.py; here it is the wiring. Each route is judged as
it would be for a request of each persona about a thing that belongs to `owner`, through the route's own
target function, and the verdict is compared with a table worked out from the contract's default rule by a
second, naive reading.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from monostack.cloud import load_services
from monostack.kit.resource import ANYONE, PUBLIC

OPERATIONS = Path(__file__).parent / "operations"


def plain(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/") or "/"


def contract(title: str) -> dict[tuple[str, str, str], set[str]]:
    """(method, path, action) -> the policy rules of the operation."""
    out: dict[tuple[str, str, str], set[str]] = {}
    with open(OPERATIONS / f"{title}.tsv", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            key = (row["method"], plain(row["path"]), row["action"])
            out.setdefault(key, set()).update(rule for rule in row["policies"].split(";") if rule)
    return out


FOR_ONE_METHOD_ONLY = {"image POST /v2/images/{}/import": {"get_image"}}
"""The contract's rule (copy_image) is for one method of importing, and asked by that alone; the others are
changes of the image."""

HIDES = {
    f"network GET /v2.0/{path}": {ANYONE}
    for path in ("agents", "agents/{}", "network-ip-availabilities", "network-ip-availabilities/{}")
}
"""To whom the rule denies these, the list is empty and the thing not there (404): the handler asks it."""

ASKS_IMAGE = {
    f"compute {path}"
    for path in (
        "DELETE /images/{id}",
        "POST /images/{id}/metadata",
        "PUT /images/{id}/metadata",
        "PUT /images/{id}/metadata/{key}",
        "DELETE /images/{id}/metadata/{key}",
    )
}
"""Compute's old doors to images: the image service's rules are asked."""


def wired() -> list:
    out = []
    for service in load_services():
        known = contract(service.title)
        for route in service.routes:
            prefix = "" if route.path.startswith("^") else service.prefixes[0]
            path = plain(prefix + route.path.lstrip("^"))
            rules = known.get((route.method, path, route.action or ""), set())
            name = f"{service.name} {route.method} {path}" + (f" {route.action}" if route.action else "")
            rules = (FOR_ONE_METHOD_ONLY | HIDES).get(name, rules)
            out.append(pytest.param(route, rules, id=name.replace(" ", "-")))
    return out


ONLY_A_FIELD = {"os_compute_api:os-flavor-extra-specs:index"}
"""Rules that judge one field of an answer, not the operation."""


@pytest.mark.parametrize(("route", "rules"), wired())
def test_the_rule_is_one_of_the_operation(route, rules):
    """A route's rule is among those the contract names for its operation (where it names any)."""
    if not rules - ONLY_A_FIELD:
        pytest.skip("the contract names no rule for this operation")
    assert route.rule in rules, f"{route.rule} is not among {sorted(rules)}"


def test_only_what_must_be_is_open():
    """Routes that need no token: version documents, logging in, schemas of errors. Nothing that shows or
    changes."""
    open_routes = {
        f"{service.name} {route.method} {route.path}"
        for service in load_services()
        for route in service.routes
        if route.rule == PUBLIC and route.handler.__name__ != "only_post"  # which says 405
    }
    changing = {each for each in open_routes if each.split()[1] not in ("GET", "HEAD", "OPTIONS")}
    assert changing <= {
        "identity POST /auth/tokens",
        "identity POST /OS-OAUTH2/token",
        "identity POST ^/v2.0/tokens",
        "identity POST /users/{user_id}/password",
        "identity POST /OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth",
        "identity POST /auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso",
        "identity POST /auth/OS-FEDERATION/websso/{protocol_id}",
        "identity POST /auth/OS-FEDERATION/saml2",
        "identity POST /auth/OS-FEDERATION/saml2/ecp",
        "identity POST /OS-OAUTH1/request_token",
        "identity POST /OS-OAUTH1/access_token",
    }


MIXED_UP = {
    "identity PATCH /policies",
    "identity DELETE /policies",
    "identity POST /policies/{policy_id}",
    "identity PATCH /OS-OAUTH1/consumers",
    "identity DELETE /OS-OAUTH1/consumers",
    "identity POST /OS-OAUTH1/consumers/{consumer_id}",
    "identity PUT /OS-FEDERATION/mappings",
    "identity PATCH /OS-FEDERATION/mappings",
    "identity DELETE /OS-FEDERATION/mappings",
}
"""Requests that take a list for a thing in it: they are told so and change nothing."""


def test_no_change_is_open_to_anyone_with_a_token():
    """ANYONE is for reading and for what judges by itself."""
    changing = {
        f"{service.name} {route.method} {route.path}"
        for service in load_services()
        for route in service.routes
        if route.rule == ANYONE and route.method not in ("GET", "HEAD")
    }
    assert changing <= ASKS_IMAGE | MIXED_UP
