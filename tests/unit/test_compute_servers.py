"""The parts of servers that need no cloud: states, patterns, verbs."""

import re

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from monostack.compute.servers import bodies, placing, verbs
from monostack.compute.servers.filters import like_words
from monostack.compute.servers.rows import SERVERS
from monostack.compute.servers.status import BY_TASK, STATUS, condition, known, status
from monostack.kit.errors import Error

TASKS = sorted({task for tasks in BY_TASK.values() for task in tasks}) + ["spawning", "deleting", None]
WORDS = sorted({*STATUS.values(), *(word for tasks in BY_TASK.values() for word in tasks.values())})


@pytest.fixture(scope="module")
def pairs():
    """A database with every pair of states in it."""
    engine = sa.create_engine("sqlite://")
    SERVERS.create(engine)
    with engine.begin() as connection:
        for number, (vm_state, task) in enumerate((vm, task) for vm in STATUS for task in TASKS):
            statement = sa.insert(SERVERS).values(id=str(number), vm_state=vm_state, task_state=task)
            connection.execute(statement)
        yield connection


@pytest.mark.parametrize("word", WORDS)
def test_a_status_means_the_same_in_sql_and_in_python(pairs, word):
    assert known(word)
    columns = sa.select(SERVERS.c.vm_state, SERVERS.c.task_state)
    by_sql = {tuple(row) for row in pairs.execute(columns.where(condition(SERVERS, word)))}
    by_python = {tuple(row) for row in pairs.execute(columns) if status(*row) == word}
    assert by_sql == by_python
    assert by_sql


def test_the_condition_of_a_status_carries_no_values():
    for word in WORDS:
        compiled = condition(SERVERS, word).compile(dialect=sqlite.dialect())
        assert not compiled.params


TEXTS = ("web", "web-1", "my web", "w%b", "w_b", "webs", "db", "a.b", "axb", "", "x+y", "Web\\1")
PATTERNS = ("web", "^web$", "^web", "web$", "w.b", "w.*1", "w%b", "w_b", "a\\.b", ".*", "", "^$", "x\\+y")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_simple_expression_matches_the_same_as_like(pattern):
    words = like_words(pattern)
    assert words is not None
    column = sa.literal_column("text")
    with sa.create_engine("sqlite://").connect() as connection:
        connection.execute(sa.text("pragma case_sensitive_like = on"))
        connection.execute(sa.text("create table texts (text text)"))
        for text in TEXTS:
            connection.execute(sa.text("insert into texts values (:text)"), {"text": text})
        statement = sa.select(column).select_from(sa.text("texts")).where(column.like(words, escape="\\"))
        found = {row[0] for row in connection.execute(statement)}
    assert found == {text for text in TEXTS if re.search(pattern, text)}


@pytest.mark.parametrize("pattern", ["(a|b)", "[ab]", "a+", "a?", "a{2}", "\\d", "a*", ".+"])
def test_an_expression_that_like_cannot_say_is_left_to_the_database(pattern):
    assert like_words(pattern) is None


class Somebody:
    admin = False


class Operator:
    admin = True


def server(**values):
    return {
        "id": "s",
        "vm_state": "active",
        "task_state": None,
        "locked": False,
        "launched_at": "then",
    } | values


@pytest.mark.parametrize("verb", verbs.VERBS.values(), ids=lambda verb: verb.name)
def test_a_verb_begins_just_in_its_states(verb):
    for vm_state in STATUS:
        allowed = verb.allowed is None or vm_state in verb.allowed
        if allowed:
            verbs.demand(verb, server(vm_state=vm_state), Somebody)
            continue
        with pytest.raises(Error) as refusal:
            verbs.demand(verb, server(vm_state=vm_state), Somebody)
        assert refusal.value.code == 409
        assert refusal.value.message == f"Cannot '{verb.name}' instance s while it is in vm_state {vm_state}"


def test_every_verb_ends_in_a_state_and_has_its_own_task():
    leaving = {name for name, verb in verbs.VERBS.items() if verb.then not in STATUS}
    assert leaving == {"rebuild", "snapshot", "backup"}, "others know whether the guest is on afterwards"
    tasks = [verb.task for verb in verbs.VERBS.values()]
    assert len(tasks) == len(set(tasks))


def test_only_delete_and_hard_reboot_overtake_a_task():
    overtaking = {name for name, verb in verbs.VERBS.items() if verb.over is None or len(verb.over) > 1}
    assert overtaking == {"delete", "reboot_hard"}


def test_a_lock_holds_for_members_and_not_for_administrators():
    locked = server(locked=True)
    with pytest.raises(Error, match="locked"):
        verbs.demand(verbs.VERBS["delete"], locked, Somebody)
    verbs.demand(verbs.VERBS["delete"], locked, Operator)


def test_a_server_that_never_ran_cannot_be_stopped():
    never = server(vm_state="error", launched_at=None)
    with pytest.raises(Error, match="invalid state for 'stop'"):
        verbs.demand(verbs.VERBS["stop"], never, Somebody)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Web Server 1", "web-server-1"),
        ("a_b", "a-b"),
        ("äöü", "server-id"),
        ("x" * 80, "x" * 63),
        ("--.edge.--", "edge"),
        ("db!@#1", "db1"),
    ],
)
def test_a_name_becomes_a_host_name(name, expected):
    assert bodies.hostname(name, "id") == expected


def test_what_a_flavor_takes_of_a_host():
    flavor = {"vcpus": 2, "ram": 512, "disk": 10, "ephemeral": 5, "swap": 1500, "extra_specs": {}}
    assert placing.amounts(flavor) == {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 17}
    flavor["extra_specs"] = {"resources:VCPU": "0", "resources:CUSTOM_GOLD": "1"}
    assert placing.amounts(flavor) == {"MEMORY_MB": 512, "DISK_GB": 17, "CUSTOM_GOLD": 1}
