"""Makes the things that requests are about, by requests."""

from __future__ import annotations

from typing import Any

from tests.conftest import World

NEWEST = {"compute": (2, 100), "placement": (1, 39)}
"""The version that is asked for where a service has versions."""

OCTETS = "application/octet-stream"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a"


class Maker:
    """Asks services in the name of the owner, unless another user is named."""

    def __init__(self, world: World, owner: str, stranger: str) -> None:
        self.world, self.owner, self.stranger = world, owner, stranger
        self.clients: dict[tuple[str, str], Any] = {}

    def api(self, service: str, user: str) -> Any:
        if (service, user) not in self.clients:  # making one takes a tenth of a second
            self.clients[service, user] = self.world.api(service, user)
        return self.clients[service, user]

    def post(self, service: str, path: str, asked: Any, user: str | None = None, method: str = "POST") -> Any:
        """What the answer holds, without the one word round it."""
        api = self.api(service, user or self.owner)
        version = NEWEST.get(service)
        headers = {"OpenStack-API-Version": f"{service} {version[0]}.{version[1]}"} if version else {}
        answer = api.request(method, path, json=asked, headers=headers)
        assert answer.is_success, f"{service} {method} {path}: {answer.status_code} {answer.text}"
        content = answer.json() if answer.content else {}
        inner = next(iter(content.values())) if len(content) == 1 else content
        return inner
