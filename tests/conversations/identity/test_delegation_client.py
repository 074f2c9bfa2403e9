"""What is lent and what is filtered, as people do it: with the `openstack` client."""

from __future__ import annotations

import json
import os

import pytest

from monostack import testing
from monostack.demo.commands import Loaded

USERS = {"service": "identity", "method": "GET", "path": "/v3/users/**"}


@pytest.fixture(scope="module")
def database() -> str:
    """SQLite alone: what the database does is looked at elsewhere."""
    return ""


@pytest.fixture(scope="module")
def loaded():
    client = Loaded()
    yield client
    client.close()


class Person:
    """Somebody at a shell, with the variables of his openrc."""

    def __init__(self, loaded: Loaded, auth_url: str, **openrc: str) -> None:
        self.loaded = loaded
        self.openrc = {
            "OS_AUTH_URL": auth_url,
            "OS_IDENTITY_API_VERSION": "3",
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PASSWORD": testing.PASSWORD,
        } | openrc
        self.openrc = {name: value for name, value in self.openrc.items() if value}

    def run(self, *words: str) -> tuple[int, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        status, output, errors = self.loaded.run(list(words), environment | self.openrc)
        return status, output if status == 0 else errors

    def does(self, *words: str) -> str:
        status, said = self.run(*words)
        assert status == 0, f"{' '.join(words)}: {said}"
        return said

    def reads(self, *words: str):
        return json.loads(self.does(*words, "-f", "json"))

    def fails(self, *words: str) -> str:
        status, said = self.run(*words)
        assert status != 0, f"{' '.join(words)}: {said}"
        return said


@pytest.fixture
def person(loaded, world):
    """`person("admin")`: somebody in the project of his own name; further variables of an openrc."""

    def make(name: str | None = None, **openrc: str) -> Person:
        own = {"OS_USERNAME": name, "OS_PROJECT_NAME": name, "OS_PROJECT_DOMAIN_NAME": "Default"}
        return Person(loaded, world.cloud.auth_url, **(own if name else {}) | openrc)

    return make


@pytest.fixture
def boss(person):
    return person("admin")


def catalog(somebody: Person) -> set[tuple[str, str]]:
    return {
        (service["Type"], endpoint["interface"])
        for service in somebody.reads("catalog", "list")
        for endpoint in service["Endpoints"]
    }


def test_endpoint_filters(boss, person, tmp_path):
    endpoint = next(each["ID"] for each in boss.reads("endpoint", "list") if each["Interface"] == "public")
    boss.does("endpoint", "add", "project", endpoint, "demo")
    assert [each["Name"] for each in boss.reads("project", "list", "--user", "demo")] == ["demo"]
    assert [each["ID"] for each in boss.reads("endpoint", "list", "--project", "demo")] == [endpoint]
    demo = person("demo")
    assert catalog(demo) == {("identity", "public")}
    boss.does("endpoint", "remove", "project", endpoint, "demo")
    filters = tmp_path / "filters.json"
    filters.write_text(json.dumps({"interface": "public"}))
    made = boss.reads("endpoint", "group", "create", "outside", str(filters))
    assert made["filters"] == {"interface": "public"}
    boss.does("endpoint", "group", "add", "project", "outside", "demo")
    for words in ((), ("--project", "demo")):
        assert [each["Name"] for each in boss.reads("endpoint", "group", "list", *words)] == ["outside"]
    assert catalog(demo) == {("identity", "public")}
    changes = ("--name", "other", "--description", "x", "--filters", str(filters))
    boss.does("endpoint", "group", "set", "outside", *changes)
    assert boss.reads("endpoint", "group", "show", "other")["description"] == "x"
    boss.does("endpoint", "group", "remove", "project", "other", "demo")
    boss.does("endpoint", "group", "delete", "other")
    assert len(catalog(demo)) == 3


def test_application_credentials_and_access_rules(boss, person):
    demo = person("demo")
    rules = json.dumps([USERS])
    words = ("--secret", "known", "--role", "reader", "--access-rules", rules)
    made = demo.reads("application", "credential", "create", "robot", *words)
    assert [each["Name"] for each in demo.reads("application", "credential", "list")] == ["robot"]
    (rule,) = demo.reads("access", "rule", "list")
    assert (rule["Service"], rule["Method"], rule["Path"]) == ("identity", "GET", USERS["path"])
    assert demo.reads("access", "rule", "show", rule["ID"])["Path"] == USERS["path"]
    robot = person(
        OS_AUTH_TYPE="v3applicationcredential",
        OS_APPLICATION_CREDENTIAL_ID=made["ID"],
        OS_APPLICATION_CREDENTIAL_SECRET="known",
        OS_USER_DOMAIN_NAME="",
        OS_PASSWORD="",
    )
    user = demo.reads("token", "issue")["user_id"]
    assert robot.reads("user", "show", user)["name"] == "demo"
    assert "401" in robot.fails("project", "list")
    assert "403" in demo.fails("access", "rule", "delete", rule["ID"])
    demo.does("application", "credential", "delete", "robot")
    demo.does("access", "rule", "delete", rule["ID"])
    assert demo.reads("access", "rule", "list") == []


def test_trusts(boss, person, world):
    world.persona("worker")
    demo = person("demo")
    member = boss.reads("role", "show", "member")["id"]
    project = boss.reads("project", "show", "demo")["id"]
    names = ("--project", project, "--role", member, "--impersonate")
    ids = {each["Name"]: each["ID"] for each in boss.reads("user", "list")}
    made = demo.reads("trust", "create", *names, ids["demo"], ids["worker"])
    assert [each["ID"] for each in boss.reads("trust", "list")] == [made["id"]]
    assert demo.reads("trust", "show", made["id"])["trustee_user_id"] == ids["worker"]
    trusted = person("worker", OS_PROJECT_NAME="", OS_PROJECT_DOMAIN_NAME="", OS_TRUST_ID=made["id"])
    assert trusted.reads("token", "issue")["user_id"] == ids["demo"]
    demo.does("trust", "delete", made["id"])
    trusted.fails("token", "issue")


def test_oauth1(boss, person):
    consumer = boss.reads("consumer", "create", "--description", "a program")
    key = ("--consumer-key", consumer["id"], "--consumer-secret", consumer["secret"])
    boss.does("consumer", "set", consumer["id"], "--description", "the program")
    assert boss.reads("consumer", "show", consumer["id"])["description"] == "the program"
    assert [each["ID"] for each in boss.reads("consumer", "list")] == [consumer["id"]]
    asked = boss.reads("request", "token", "create", *key, "--project", "admin")
    granted = boss.reads("request", "token", "authorize", "--request-key", asked["id"], "--role", "member")
    traded = ("--request-key", asked["id"], "--request-secret", asked["secret"])
    verifier = ("--verifier", granted["oauth_verifier"])
    access = boss.reads("access", "token", "create", *key, *traded, *verifier)
    program = person(
        OS_AUTH_TYPE="v3oauth1",
        OS_CONSUMER_KEY=consumer["id"],
        OS_CONSUMER_SECRET=consumer["secret"],
        OS_ACCESS_KEY=access["id"],
        OS_ACCESS_SECRET=access["secret"],
        OS_USER_DOMAIN_NAME="",
        OS_PASSWORD="",
    )
    assert program.reads("token", "issue")["user_id"] == boss.reads("token", "issue")["user_id"]
    boss.does("consumer", "delete", consumer["id"])
    program.fails("token", "issue")
