"""Identity with nothing above it, on SQLite and PostgreSQL; its callers; what its answers must look like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from monostack import testing
from monostack.kit.schemas import Schemas

CONTRACT = Path(__file__).parents[2] / "contract/identity/responses.json.gz"
PASSWORD = testing.PASSWORD


@pytest.fixture(scope="module")
def shared_world(database: str) -> Iterator:
    from tests.conftest import World

    with testing.cloud(only=("identity",), database=database) as cloud:
        yield World(cloud)


@pytest.fixture
def admin(world):
    """The administrator, in his project."""
    return world.api("identity")


@pytest.fixture
def demo(world):
    """A member of the project demo."""
    return world.api("identity", "demo")


@pytest.fixture
def nobody(world):
    """A caller without a token."""
    return world.api("identity", None)


@pytest.fixture
def system(world):
    """The administrator, for the whole system."""
    return world.api("identity", "admin", scope={"system": {"all": True}})


@pytest.fixture(scope="session")
def promised() -> Callable:
    """`promised("users.show", answer)`: the body of an answer, held against the contract."""
    schemas = Schemas(CONTRACT.parent, CONTRACT)

    def check(name: str, answer: httpx.Response) -> dict:
        assert answer.is_success, answer.text
        validator = schemas.response(name)
        assert validator is not None, f"the contract has no answer {name}"
        validator.check(answer.json())
        return answer.json()

    return check


@pytest.fixture
def make(admin) -> Callable:
    """`make("user", name="x")`: a new resource, made by the administrator."""

    def create(kind: str, **attributes) -> dict:
        answer = admin.post(f"/{kind}s", json={kind: attributes})
        assert answer.status_code == 201, answer.text
        return answer.json()[kind]

    return create


@pytest.fixture
def found(admin) -> Callable:
    """`found("users", "demo")`: the id of the resource of that name."""

    def find(collection: str, name: str) -> str:
        return admin.get(f"/{collection}", params={"name": name}).json()[collection][0]["id"]

    return find


@pytest.fixture
def give(admin, found) -> Callable:
    """`give("member", user_id, project=project_id)`: a role to a user."""

    def assign(role: str, user_id: str, **target: str) -> str:
        role_id = found("roles", role)
        kind, target_id = next(iter(target.items()))
        where = "/system" if kind == "system" else f"/{kind}s/{target_id}"
        answer = admin.put(f"{where}/users/{user_id}/roles/{role_id}")
        assert answer.status_code == 204, answer.text
        return role_id

    return assign


@pytest.fixture
def log_in(nobody) -> Callable:
    """`log_in({"name": ..., "domain": ...}, scope)`: the answer to a login by password."""

    def attempt(user: dict, scope=None, **query) -> httpx.Response:
        user = {"password": PASSWORD} | user
        auth: dict = {"identity": {"methods": ["password"], "password": {"user": user}}}
        if scope is not None:
            auth["scope"] = scope
        return nobody.post("/auth/tokens", json={"auth": auth}, params=query)

    return attempt


@pytest.fixture
def domain_with(make, give, log_in, world) -> Callable:
    """`domain_with("manager")`: a new domain, and a client of a user of it who has the role on it."""

    def create(role: str, name: str = "other"):
        domain = make("domain", name=name)
        user = make("user", name=f"{role}-of-{name}", domain_id=domain["id"], password=PASSWORD)
        give(role, user["id"], domain=domain["id"])
        answer = log_in({"id": user["id"]}, {"domain": {"id": domain["id"]}})
        assert answer.status_code == 201, answer.text
        client = world.api("identity", None)
        client.client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
        return domain, user, client

    return create


@pytest.fixture
def settings(world, monkeypatch) -> Callable:
    """`settings(lockout_duration=60)`: the identity service's settings, for this test."""

    def set_(**values) -> None:
        for name, value in values.items():
            monkeypatch.setattr(world.cloud.settings.identity, name, value)

    return set_
