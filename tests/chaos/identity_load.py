"""Operators at work on identity while its processes are killed: what each saw acknowledged, and what must
follow from it at once in every process.

Each operator has people of his own, so that nobody else changes what he expects. A request whose answer never
came may or may not have happened: what it was about is doubtful from then on, and not held against the cloud.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from monostack import testing

GONE = (httpx.TransportError,)
DOUBTFUL = None
"""What is expected of a thing whose change was never answered."""


class Process:
    """One process of the cloud, by the command that an operator types."""

    def __init__(self, word: str, state: Path, database: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        chosen = {
            "shared_port": self.port,
            "identity.password_hash_rounds": 4,
            "identity.admin_password": testing.PASSWORD,
        }
        self.words = [sys.executable, "-m", "monostack", word, "--state", str(state), "--only", "identity"]
        self.words += ["--database", database] if database else []
        for name, value in chosen.items():
            self.words += ["--set", f"{name}={value}"]
        self.url = f"http://127.0.0.1:{self.port}/identity/v3"
        self.log = state.with_suffix(".log")
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.words, stdout=log, stderr=log)

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(*GONE):
                if httpx.get(self.url, verify=False).status_code == 200:
                    return
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.05)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


class House:
    """All processes of one cloud."""

    def __init__(self, count: int, database: str = "") -> None:
        self.state = Path(tempfile.mkdtemp(prefix="monostack-chaos-", dir="/dev/shm"))
        word = "serve" if database else "up"
        self.processes = [Process(word, self.state, database) for _ in range(count)]
        self.deaths = 0

    def __enter__(self) -> House:
        for process in self.processes:
            process.start()
        for process in self.processes:
            process.wait()
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes:
            process.kill()
        if not os.environ.get("CHAOS_KEEP"):
            shutil.rmtree(self.state, ignore_errors=True)
            self.processes[0].log.unlink(missing_ok=True)

    def kill_one(self, dice: random.Random) -> None:
        process = dice.choice(self.processes)
        process.kill()
        self.deaths += 1
        process.start()
        process.wait()


@dataclass
class Person:
    """What is expected of a user: DOUBTFUL where nobody knows."""

    id: str
    password: str | None
    there: bool | None = True
    granted: bool | None = False
    tokens: list[str] = field(default_factory=list)


class Operator(threading.Thread):
    """Makes people, gives and takes roles, changes passwords, revokes tokens, deletes people."""

    def __init__(self, house: House, number: int, ended: threading.Event) -> None:
        super().__init__(name=f"operator {number}", daemon=True)
        self.house, self.number, self.ended = house, number, ended
        self.random = random.Random(number)
        self.client = httpx.Client(timeout=20, verify=False)
        self.people: list[Person] = []
        self.ended_tokens: list[str] = []
        self.done = {"made": 0, "changed": 0, "ended": 0}
        self.wrong: list[str] = []
        self.admin = self.project = self.role = ""

    # asking

    def ask(self, method: str, path: str, token: str | None = None, where: str = "", **options):
        headers = {"X-Auth-Token": token or self.admin} | options.pop("headers", {})
        url = (where or self.random.choice(self.house.processes).url) + path
        answer = self.client.request(method, url, headers=headers, **options)
        if answer.status_code >= 500:
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer

    def log_in(self, user: dict, project: dict, where: str = "") -> httpx.Response:
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": {"project": project}}}
        return self.ask("POST", "/auth/tokens", token="none", where=where, json=body)

    def make(self, path: str, single: str, **values) -> str:
        answer = self.ask("POST", path, json={single: values})
        assert answer.status_code == 201, answer.text
        return answer.json()[single]["id"]

    def prepare(self) -> None:
        default = {"id": "default"}
        user = {"name": "admin", "domain": default, "password": testing.PASSWORD}
        self.admin = self.log_in(user, {"name": "admin", "domain": default}).headers["X-Subject-Token"]
        self.project = self.make("/projects", "project", name=f"project-{self.number}")
        self.role = self.make("/roles", "role", name=f"role-{self.number}")

    # working

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                self.turn()
            except GONE:
                time.sleep(0.05)
            except Exception as reason:
                self.wrong.append(f"{type(reason).__name__}: {reason}")
                return

    def turn(self) -> None:
        certain = [p for p in self.people if p.there and p.password is not None and p.granted is not DOUBTFUL]
        if len(certain) < 4:
            self.create()
            return
        person = self.random.choice(certain)
        steps = (self.grant, self.revoke, self.change_password, self.take, self.delete, self.enter)
        self.random.choices(steps, (4, 4, 2, 3, 1, 2))[0](person)

    def create(self) -> None:
        name = f"person-{self.number}-{time.monotonic_ns()}"
        person = Person(self.make("/users", "user", name=name, password=name), name)
        self.people.append(person)
        self.done["made"] += 1

    def grant(self, person: Person) -> None:
        self._change(person, "granted", True, lambda: self.ask("PUT", self.path(person)))

    def take(self, person: Person) -> None:
        if person.granted:
            token = self.enter(person)
            self._change(person, "granted", False, lambda: self.ask("DELETE", self.path(person)))
            self.must_be_ended(token, "its role was taken", for_good=False)

    def change_password(self, person: Person) -> None:
        token = self.enter(person)
        new = f"secret-{time.monotonic_ns()}"
        body = {"user": {"original_password": person.password, "password": new}}
        path = f"/users/{person.id}/password"
        self._change(person, "password", new, lambda: self.ask("POST", path, token=token, json=body))
        self.must_be_ended(token, "its user's password was changed")

    def delete(self, person: Person) -> None:
        token = self.enter(person)
        self._change(person, "there", False, lambda: self.ask("DELETE", f"/users/{person.id}"))
        self.must_be_ended(token, "its user was deleted")

    def revoke(self, person: Person) -> None:
        token = self.enter(person)
        if token:
            answer = self.ask("DELETE", "/auth/tokens", headers={"X-Subject-Token": token})
            if answer.status_code != 204:
                self.wrong.append(f"revoking: {answer.status_code} {answer.text}")
            self.must_be_ended(token, "it was revoked")

    def enter(self, person: Person) -> str | None:
        """A token of the person for the project, used in every process so that all of them keep it."""
        answer = self.log_in({"id": person.id, "password": person.password}, {"id": self.project})
        if (answer.status_code == 201) != bool(person.granted):
            self.wrong.append(f"a login with granted={person.granted}: {answer.status_code}")
        if answer.status_code != 201:
            return None
        token = answer.headers["X-Subject-Token"]
        for status in self.everywhere(token):
            if status != 200:
                self.wrong.append(f"a new token: {status}")
        return token

    def path(self, person: Person) -> str:
        return f"/projects/{self.project}/users/{person.id}/roles/{self.role}"

    def _change(self, person: Person, what: str, value, change: Callable[[], httpx.Response]) -> None:
        """Make the change and expect it from then on; without an answer the person is doubtful."""
        setattr(person, what, DOUBTFUL)
        answer = change()
        if answer.status_code == 204:
            setattr(person, what, value)
            self.done["changed"] += 1
        elif what != "password" or person.granted:
            self.wrong.append(f"{what} to {value}: {answer.status_code} {answer.text}")

    # judging

    def everywhere(self, token: str) -> Iterator[int]:
        """What each living process answers to the token."""
        for process in self.house.processes:
            with contextlib.suppress(*GONE):
                yield self.ask("GET", "/auth/projects", token=token, where=process.url).status_code

    def must_be_ended(self, token: str | None, why: str, for_good: bool = True) -> None:
        """Now, and for good unless what it lacks may be given back."""
        if token is None:
            return
        if for_good:
            self.ended_tokens.append(token)
        self.done["ended"] += 1
        for status in self.everywhere(token):
            if status != 401:
                self.wrong.append(f"a token is good ({status}) although {why}")

    def judge(self) -> list[str]:
        """Everything that was acknowledged, asked of every process once all live."""
        for process in self.house.processes:
            for person in self.people:
                self._judge(person, process.url)
            for token in self.ended_tokens:
                answer = self.ask("GET", "/auth/projects", token=token, where=process.url)
                if answer.status_code != 401:
                    self.wrong.append(f"an ended token is good again: {answer.status_code}")
        return self.wrong

    def _judge(self, person: Person, where: str) -> None:
        if person.there is not DOUBTFUL:
            status = self.ask("GET", f"/users/{person.id}", where=where).status_code
            if status != (200 if person.there else 404):
                self.wrong.append(f"a user that is there={person.there}: {status}")
        if person.there and person.granted is not DOUBTFUL:
            status = self.ask("HEAD", self.path(person), where=where).status_code
            if status != (204 if person.granted else 404):
                self.wrong.append(f"a role that is granted={person.granted}: {status}")
            if person.password is not None:
                user = {"id": person.id, "password": person.password}
                status = self.log_in(user, {"id": self.project}, where).status_code
                if status != (201 if person.granted else 401):
                    self.wrong.append(f"a login with granted={person.granted}: {status}")


@contextlib.contextmanager
def operators(house: House, count: int) -> Iterator[list[Operator]]:
    """Operators at work while the block runs."""
    ended = threading.Event()
    crowd = [Operator(house, number, ended) for number in range(count)]
    for each in crowd:
        each.prepare()
        each.start()
    try:
        yield crowd
    finally:
        ended.set()
        for each in crowd:
            each.join(30)
