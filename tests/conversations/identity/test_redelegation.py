"""Passing trusts on: a trustee lends further what was lent to him."""

import pytest

BASE = "/OS-TRUST/trusts"


class Chain:
    """People called a, b ... and the trusts from one to the next; demo is the first trustor."""

    def __init__(self, world, log_in, make, found) -> None:
        self.world, self.log_in, self.found = world, log_in, found
        self.people = {name: make("user", name=name, password="secret")["id"] for name in "abcd"}
        self.demo, self.project = found("users", "demo"), found("projects", "demo")

    def client(self, token):
        client = self.world.api("identity", None)
        client.client.headers["X-Auth-Token"] = token
        return client

    def give(self, client, name, code=201, **changes):
        asked = {
            "trustor_user_id": self.demo,
            "trustee_user_id": self.people[name],
            "impersonation": True,
            "project_id": self.project,
            "roles": [{"name": "member"}],
        }
        answer = client.post(BASE, json={"trust": asked | changes})
        assert answer.status_code == code, answer.text
        return answer.json().get("trust") or answer.json()["error"]["message"]

    def use(self, name, trust):
        scope = {"OS-TRUST:trust": {"id": trust["id"]}}
        return self.log_in({"id": self.people[name], "password": "secret"}, scope)

    def user_of(self, name, trust):
        answer = self.use(name, trust)
        assert answer.status_code == 201, answer.text
        return self.client(answer.headers["X-Subject-Token"])


@pytest.fixture
def chain(world, log_in, make, found):
    return Chain(world, log_in, make, found)


def test_a_trust_may_be_passed_on_so_many_times(demo, chain):
    first = chain.give(demo, "a", allow_redelegation=True)
    assert (first["redelegation_count"], first["redelegated_trust_id"]) == (3, None)
    source, client = first, chain.user_of("a", first)
    for name, left in (("b", 2), ("c", 1), ("d", 0)):
        made = chain.give(client, name, allow_redelegation=True)
        assert (made["redelegation_count"], made["redelegated_trust_id"]) == (left, source["id"])
        token = chain.use(name, made).json()["token"]
        assert token["user"]["name"] == "demo"
        assert {role["name"] for role in token["roles"]} == {"member", "reader"}
        source, client = made, chain.user_of(name, made)
    assert "may not be passed on" in chain.give(client, "a", 403, allow_redelegation=True)


def test_a_trust_is_not_passed_on_unless_it_says_so(demo, chain):
    for changes in ({}, {"allow_redelegation": True, "redelegation_count": 0}, {"redelegation_count": 2}):
        made = chain.give(demo, "a", **changes)
        assert made["redelegation_count"] == 0
        assert "may not be passed on" in chain.give(chain.user_of("a", made), "b", 403)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"roles": [{"name": "reader"}]}, "roles"),
        ({"remaining_uses": 1}, "remaining_uses"),
        ({"allow_redelegation": True, "redelegation_count": 2}, "redelegation_count"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "expires"),
        ({"redelegated_trust_id": "other"}, "redelegated_trust_id"),
        ({"project_id": None, "roles": []}, "project"),
    ],
)
def test_what_is_passed_on_is_never_more(world, demo, chain, changes, words):
    soon = world.cloud.clock.after(3000)[:19] + "Z"
    made = chain.give(demo, "a", allow_redelegation=True, redelegation_count=2, expires_at=soon)
    client = chain.user_of("a", made)
    assert words in chain.give(client, "b", 403, **changes)
    passed = chain.give(client, "b", redelegated_trust_id=made["id"])
    assert passed["expires_at"] == made["expires_at"]


def test_it_is_passed_on_for_its_project_alone(admin, demo, chain, make, give):
    other = make("project", name="other")["id"]
    give("member", chain.demo, project=other)
    client = chain.user_of("a", chain.give(demo, "a", allow_redelegation=True))
    assert "own project" in chain.give(client, "b", 403, project_id=other)


def test_without_impersonation_the_trustee_passes_on_as_himself(demo, chain):
    made = chain.give(demo, "a", allow_redelegation=True, impersonation=False)
    client = chain.user_of("a", made)
    mine = {"trustor_user_id": chain.people["a"]}
    assert "impersonation" in chain.give(client, "b", 403, **mine)
    assert "create_trust" in chain.give(client, "b", 403, impersonation=False)
    passed = chain.give(client, "b", impersonation=False, **mine)
    token = chain.use("b", passed).json()["token"]
    assert token["user"]["name"] == "b"
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}


ENDS = ("deleted", "agent disabled", "agent deleted", "role lost", "trustor disabled")


@pytest.mark.parametrize("how", ENDS)
def test_what_was_passed_on_ends_with_what_it_came_from(world, admin, demo, chain, found, how):
    first = chain.give(demo, "a", allow_redelegation=True)
    second = chain.give(chain.user_of("a", first), "b", allow_redelegation=True)
    third = chain.give(chain.user_of("b", second), "c")
    client = chain.user_of("c", third)
    assert client.get("/auth/projects").status_code == 200
    path = f"/users/{chain.people['a']}"
    if how == "deleted":
        assert demo.delete(f"{BASE}/{first['id']}").status_code == 204
        for gone in (first, second, third):
            assert admin.get(f"{BASE}/{gone['id']}").status_code == 404
        assert admin.get(BASE).json()["trusts"] == []
    elif how == "agent disabled":
        admin.patch(path, json={"user": {"enabled": False}}).raise_for_status()
    elif how == "agent deleted":
        admin.delete(path).raise_for_status()
        assert admin.get(BASE).json()["trusts"] == []
    elif how == "role lost":
        role = found("roles", "member")
        admin.delete(f"/projects/{chain.project}/users/{chain.demo}/roles/{role}").raise_for_status()
    else:
        admin.patch(f"/users/{chain.demo}", json={"user": {"enabled": False}}).raise_for_status()
    assert client.get("/auth/projects").status_code == 401
    assert chain.use("c", third).status_code in (401, 403)


def test_a_trustee_may_end_what_he_passed_on(demo, chain):
    first = chain.give(demo, "a", allow_redelegation=True)
    client = chain.user_of("a", first)
    second = chain.give(client, "b")
    assert client.get(f"{BASE}/{second['id']}").status_code == 200
    assert client.delete(f"{BASE}/{second['id']}").status_code == 204
    assert client.get(f"{BASE}/{first['id']}").status_code == 200
