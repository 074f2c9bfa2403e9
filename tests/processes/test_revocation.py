"""Two processes of one cloud: what one has answered is true in the other with the very next request.

Each test first uses the token in both, so that both keep its caller; then one ends it and the other is asked.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tests.conftest import PLAIN, World

from monostack import testing


@pytest.fixture
def people(pair) -> Iterator[Person]:
    person = Person(*pair)
    yield person
    person.leave()


class Person:
    """A user with a project of his own, known to both processes."""

    number = 0

    def __init__(self, first: World, second: World) -> None:
        Person.number += 1
        self.name = f"person-{Person.number}"
        self.first, self.second = first, second
        self.admin = first.api("identity")
        self.domain = self.make("/domains", "domain", name=self.name)
        self.project = self.make("/projects", "project", name=self.name, domain_id=self.domain)
        self.user = self.make(
            "/users", "user", name=self.name, domain_id=self.domain, password=testing.PASSWORD
        )
        self.role = self.make("/roles", "role", name=self.name)
        self.grant = f"/projects/{self.project}/users/{self.user}/roles/{self.role}"
        assert self.admin.put(self.grant).status_code == 204

    def make(self, path: str, single: str, **values) -> str:
        answer = self.admin.post(path, json={single: values})
        assert answer.status_code == 201, answer.text
        return answer.json()[single]["id"]

    def token(self) -> str:
        """A token of the project, made by the first process and used in both."""
        user = {"id": self.user, "password": testing.PASSWORD}
        auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
        auth["scope"] = {"project": {"id": self.project}}
        answer = PLAIN.post(self.first.cloud.auth_url + "/auth/tokens", json={"auth": auth})
        assert answer.status_code == 201, answer.text
        token = answer.headers["X-Subject-Token"]
        assert self.everywhere(token) == [200, 200]
        assert self.everywhere(token) == [200, 200]
        return token

    def everywhere(self, token: str, path: str = "/auth/projects") -> list[int]:
        """What each process answers to the token: the second first, because the first did the change."""
        return [self.ask(world, token, path).status_code for world in (self.second, self.first)]

    @staticmethod
    def ask(world: World, token: str, path: str) -> httpx.Response:
        return PLAIN.get(world.cloud.auth_url + path, headers={"X-Auth-Token": token})

    def leave(self) -> None:
        self.admin.patch(f"/domains/{self.domain}", json={"domain": {"enabled": False}})
        self.admin.delete(f"/domains/{self.domain}")


def changes() -> dict:
    return {
        "revoked": lambda p, token: p.admin.delete("/auth/tokens", headers={"X-Subject-Token": token}),
        "user disabled": lambda p, _: p.admin.patch(f"/users/{p.user}", json={"user": {"enabled": False}}),
        "user deleted": lambda p, _: p.admin.delete(f"/users/{p.user}"),
        "password changed": lambda p, _: p.admin.post(
            f"/users/{p.user}/password",
            json={"user": {"original_password": testing.PASSWORD, "password": "another one"}},
        ),
        "password set": lambda p, _: p.admin.patch(f"/users/{p.user}", json={"user": {"password": "new"}}),
        "project disabled": lambda p, _: p.admin.patch(
            f"/projects/{p.project}", json={"project": {"enabled": False}}
        ),
        "project deleted": lambda p, _: p.admin.delete(f"/projects/{p.project}"),
        "domain disabled": lambda p, _: p.admin.patch(
            f"/domains/{p.domain}", json={"domain": {"enabled": False}}
        ),
        "grant taken": lambda p, _: p.admin.delete(p.grant),
        "role deleted": lambda p, _: p.admin.delete(f"/roles/{p.role}"),
    }


@pytest.mark.parametrize("change", changes())
def test_a_token_ends_everywhere_at_once(people, change):
    for _ in range(3 if change == "revoked" else 1):
        token = people.token()
        answer = changes()[change](people, token)
        assert answer.status_code in (200, 204), answer.text
        assert people.everywhere(token) == [401, 401]


def test_an_application_credential_ends_everywhere_at_once(people):
    token = people.token()
    made = PLAIN.post(
        f"{people.first.cloud.auth_url}/users/{people.user}/application_credentials",
        json={"application_credential": {"name": "robot", "secret": "s3cret"}},
        headers={"X-Auth-Token": token},
    ).json()["application_credential"]
    auth = {
        "identity": {
            "methods": ["application_credential"],
            "application_credential": {"id": made["id"], "secret": "s3cret"},
        }
    }
    answer = PLAIN.post(people.first.cloud.auth_url + "/auth/tokens", json={"auth": auth})
    robot = answer.headers["X-Subject-Token"]
    assert people.everywhere(robot) == [200, 200]
    answer = PLAIN.delete(
        f"{people.first.cloud.auth_url}/users/{people.user}/application_credentials/{made['id']}",
        headers={"X-Auth-Token": token},
    )
    assert answer.status_code == 204, answer.text
    assert people.everywhere(robot) == [401, 401]
    assert people.everywhere(token) == [200, 200]


def test_a_group_left_ends_what_it_gave(people):
    group = people.make("/groups", "group", name=people.name, domain_id=people.domain)
    member = f"/groups/{group}/users/{people.user}"
    assert people.admin.put(member).status_code == 204
    given = f"/projects/{people.project}/groups/{group}/roles/{people.role}"
    assert people.admin.put(given).status_code == 204
    assert people.admin.delete(people.grant).status_code == 204
    token = people.token()
    assert people.admin.delete(member).status_code == 204
    assert people.everywhere(token) == [401, 401]


def test_refusals_too_are_told_only_to_who_is_let_in(people):
    """A body that is wrong is refused before any row is read; the token counts nevertheless."""
    token = people.token()
    url = people.second.cloud.auth_url + "/users"
    headers = {"X-Auth-Token": token}
    assert PLAIN.post(url, json={"user": {}}, headers=headers).status_code == 400
    answer = people.admin.delete("/auth/tokens", headers={"X-Subject-Token": token})
    assert answer.status_code == 204
    assert PLAIN.post(url, json={"user": {}}, headers=headers).status_code == 401


def test_a_token_is_not_valid_as_a_subject_either(people):
    token = people.token()
    admin = people.second.api("identity")
    subject = {"X-Subject-Token": token}
    assert admin.get("/auth/tokens", headers=subject).status_code == 200
    assert people.admin.delete("/auth/tokens", headers=subject).status_code == 204
    assert admin.get("/auth/tokens", headers=subject).status_code == 404


def test_roles_and_the_catalogue_follow(people):
    token = people.token()
    more = people.make("/roles", "role", name=people.name + "-more")

    def shown() -> dict:
        answer = people.second.api("identity").get("/auth/tokens", headers={"X-Subject-Token": token})
        return answer.json()["token"]

    assert {role["name"] for role in shown()["roles"]} == {people.name}
    path = f"/projects/{people.project}/users/{people.user}/roles/{more}"
    assert people.admin.put(path).status_code == 204
    assert {role["name"] for role in shown()["roles"]} == {people.name, people.name + "-more"}
    service = people.make("/services", "service", name=people.name, type="a-type")
    assert people.name in {each["name"] for each in shown()["catalog"]}
    assert people.admin.delete(f"/services/{service}").status_code == 204
    assert people.name not in {each["name"] for each in shown()["catalog"]}


def test_what_nobody_ended_is_kept(pair, people):
    """The exact way is also the cheap way: a token that is still good costs no validation."""
    token = people.token()
    auth = people.second.cloud.cloud.auth
    kept = auth.kept[token]
    assert people.everywhere(token) == [200, 200]
    assert auth.kept[token] is kept
