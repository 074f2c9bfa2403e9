"""Users of a cloud that keeps dying: each does what users do and writes down what was acknowledged.

A request whose answer never came may or may not have happened; only what was answered is held against the
cloud.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from dataclasses import dataclass, field

import httpx
from tests.chaos.victim import GONE, Victim

ACTIONS = (
    {"os-stop": None},
    {"os-start": None},
    {"pause": None},
    {"unpause": None},
    {"suspend": None},
    {"resume": None},
    {"reboot": {"type": "HARD"}},
    {"reboot": {"type": "SOFT"}},
)
UPLOAD = b"0123456789abcdef" * 4096


@dataclass
class Notes:
    """What was acknowledged: (service, path) of things made, and of things deleted."""

    made: dict[tuple[str, str], str] = field(default_factory=dict)
    deleted: set[tuple[str, str]] = field(default_factory=set)
    doubtful: set[tuple[str, str]] = field(default_factory=set)
    uploaded: set[str] = field(default_factory=set)
    requests: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)


class User(threading.Thread):
    """One user with his own random choices."""

    def __init__(self, victim: Victim, number: int, ended: threading.Event, network: str, image: str) -> None:
        super().__init__(name=f"user {number}", daemon=True)
        self.victim = Victim.__new__(Victim)
        self.victim.__dict__.update(victim.__dict__)
        self.victim.client = httpx.Client(base_url=victim.client.base_url, timeout=10, verify=False)
        self.random = random.Random(number)
        self.number = number
        self.ended = ended
        self.network, self.image = network, image
        self.notes = Notes()
        self.servers: list[str] = []
        self.ports: list[str] = []
        self.turns = 0

    def run(self) -> None:
        while not self.ended.is_set():
            self.turns += 1
            choice = self.random.choices(
                (
                    self.create_server,
                    self.delete_server,
                    self.act,
                    self.create_port,
                    self.delete_port,
                    self.upload,
                ),
                (4, 3, 6, 4, 3, 1),
            )[0]
            try:
                choice()
            except GONE:
                time.sleep(0.05)
            except AssertionError as reason:
                self.notes.wrong.append(str(reason))

    def ask(self, method: str, service: str, path: str, **options) -> httpx.Response:
        self.notes.requests += 1
        answer = self.victim.request(method, service, path, **options)
        if answer.status_code >= 400:
            self.notes.refused += 1
        return answer

    def create(self, service: str, path: str, single: str, body: dict) -> str | None:
        answer = self.ask("POST", service, path, json={single: body})
        if answer.status_code not in (201, 202):
            return None
        id = answer.json()[single]["id"]  # noqa: A001 - the field's word
        self.notes.made[service, f"{path}/{id}"] = body["name"]
        return id

    def remove(self, service: str, path: str) -> bool:
        """Delete; without an answer the thing is doubtful from now on."""
        try:
            answer = self.ask("DELETE", service, path)
        except GONE:
            self.notes.doubtful.add((service, path))
            raise
        if answer.status_code in (202, 204, 404):
            self.notes.deleted.add((service, path))
            return True
        return False

    def create_server(self) -> None:
        if len(self.servers) >= 6:
            return
        made = self.create(
            "compute",
            "/servers",
            "server",
            {
                "name": f"s{self.number}-{self.turns}",
                "flavorRef": "1",
                "imageRef": self.image,
                "networks": [{"uuid": self.network}],
            },
        )
        if made:
            self.servers.append(made)

    def delete_server(self) -> None:
        if self.servers:
            server = self.servers.pop(self.random.randrange(len(self.servers)))
            self.remove("compute", f"/servers/{server}")

    def act(self) -> None:
        if self.servers:
            server = self.random.choice(self.servers)
            answer = self.ask(
                "POST", "compute", f"/servers/{server}/action", json=self.random.choice(ACTIONS)
            )
            assert answer.status_code in (202, 404, 409), answer.text

    def create_port(self) -> None:
        if len(self.ports) >= 10:
            return
        made = self.create(
            "network", "/ports", "port", {"name": f"p{self.number}-{self.turns}", "network_id": self.network}
        )
        if made:
            self.ports.append(made)

    def delete_port(self) -> None:
        if self.ports:
            port = self.ports.pop(self.random.randrange(len(self.ports)))
            self.remove("network", f"/ports/{port}")

    def upload(self) -> None:
        body = {"name": f"i{self.number}-{self.turns}", "disk_format": "raw", "container_format": "bare"}
        answer = self.ask("POST", "image", "/images", json=body)
        if answer.status_code != 201:
            return
        image = answer.json()["id"]
        self.notes.made["image", f"/images/{image}"] = body["name"]
        answer = self.ask(
            "PUT",
            "image",
            f"/images/{image}/file",
            content=UPLOAD,
            headers={"Content-Type": "application/octet-stream"},
        )
        if answer.status_code == 204:
            self.notes.uploaded.add(image)


def judge(victim: Victim, notes: list[Notes]) -> list[str]:
    """Sentences about acknowledged changes that are not there."""
    wrong = [words for each in notes for words in each.wrong]
    for each in notes:
        for (service, path), name in each.made.items():
            key = (service, path)
            answer = victim.request("GET", service, path)
            there = answer.status_code == 200
            if key in each.deleted and there:
                wrong.append(f"{path} ({name}) was deleted and is there")
            if key not in each.deleted and key not in each.doubtful and not there:
                wrong.append(f"{path} ({name}) was made and is not there: {answer.status_code}")
        for image in each.uploaded:
            answer = victim.request("GET", "image", f"/images/{image}/file")
            if answer.status_code != 200 or answer.content != UPLOAD:
                wrong.append(f"image {image} was uploaded and has other bytes ({answer.status_code})")
    return wrong


@contextlib.contextmanager
def users(victim: Victim, count: int, network: str, image: str):
    """Users at work; ended and joined on the way out."""
    ended = threading.Event()
    crowd = [User(victim, number, ended, network, image) for number in range(count)]
    for user in crowd:
        user.start()
    try:
        yield crowd
    finally:
        ended.set()
        for user in crowd:
            user.join(30)
