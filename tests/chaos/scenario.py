"""A life of a small project, as steps that may be repeated: each looks first, then does what is missing.

The same scenario is cut at every named point. What a step saw acknowledged it notes; at the end all of it
must be true.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.chaos.victim import GONE, Victim

IMAGE = b"a small image that nothing boots " * 300


class Scenario:
    def __init__(self, victim: Victim) -> None:
        self.victim = victim
        self.acknowledged: list[tuple[str, Callable[[], bool]]] = []

    # the steps, in order

    def steps(self) -> list[Callable[[], None]]:
        return [
            self.image,
            self.network,
            self.router,
            self.security_group,
            lambda: self.server("first"),
            lambda: self.turn("first", {"os-stop": None}, "SHUTOFF"),
            lambda: self.turn("first", {"os-start": None}, "ACTIVE"),
            lambda: self.turn("first", {"pause": None}, "PAUSED"),
            lambda: self.turn("first", {"unpause": None}, "ACTIVE"),
            lambda: self.turn("first", {"suspend": None}, "SUSPENDED"),
            lambda: self.turn("first", {"resume": None}, "ACTIVE"),
            lambda: self.reboot("first"),
            lambda: self.server("second"),
            self.floating_ip,
            self.many,
            lambda: self.delete("first"),
            self.unplug_router,
        ]

    def run(self) -> None:
        """All steps; a death of the cloud on the way is answered by starting it and repeating the step."""
        for step in self.steps():
            deadline = time.monotonic() + 60
            while True:
                try:
                    step()
                    break
                except GONE:
                    assert time.monotonic() < deadline, self.victim.last_words()
                    if not self.victim.alive:
                        self.victim.deaths += 1
                        self.victim.start()
        for words, holds in self.acknowledged:
            assert holds(), f"acknowledged and lost: {words}"

    # what steps do

    def get(self, service: str, path: str, key: str) -> list[dict]:
        answer = self.victim.request("GET", service, path)
        assert answer.status_code == 200, answer.text
        return answer.json()[key]

    def named(self, service: str, path: str, key: str, name: str) -> dict | None:
        return next(
            (each for each in self.get(service, f"{path}?name={name}", key) if each["name"] == name), None
        )

    def ensure(self, service: str, path: str, key: str, single: str, body: dict) -> dict:
        """The thing of that name, made if it is not there."""
        found = self.named(service, path, key, body["name"])
        if found is not None:
            return found
        answer = self.victim.request("POST", service, path, json={single: body})
        assert answer.status_code in (200, 201, 202), answer.text
        self.acknowledged.append(
            (f"{single} {body['name']}", lambda: self.named(service, path, key, body["name"]) is not None)
        )
        return answer.json()[single]

    def image(self) -> None:
        found = self.named("image", "/images", "images", "chaos")
        if found is None:
            body = {"name": "chaos", "disk_format": "raw", "container_format": "bare"}
            answer = self.victim.request("POST", "image", "/images", json=body)
            assert answer.status_code == 201, answer.text
            found = answer.json()
        if found["status"] == "queued":
            answer = self.victim.request(
                "PUT",
                "image",
                f"/images/{found['id']}/file",
                content=IMAGE,
                headers={"Content-Type": "application/octet-stream"},
            )
            assert answer.status_code in (204, 409), answer.text
            if answer.status_code == 204:
                self.acknowledged.append(("image data", self.image_is_whole))
        self.wait(lambda: self.named("image", "/images", "images", "chaos")["status"] in ("active", "queued"))
        if self.named("image", "/images", "images", "chaos")["status"] == "queued":
            self.image()

    def image_is_whole(self) -> bool:
        found = self.named("image", "/images", "images", "chaos")
        answer = self.victim.request("GET", "image", f"/images/{found['id']}/file")
        return answer.status_code == 200 and answer.content == IMAGE

    def network(self) -> None:
        network = self.ensure("network", "/networks", "networks", "network", {"name": "chaos"})
        self.ensure(
            "network",
            "/subnets",
            "subnets",
            "subnet",
            {"name": "chaos", "network_id": network["id"], "ip_version": 4, "cidr": "10.9.0.0/24"},
        )

    def router(self) -> None:
        public = self.named("network", "/networks", "networks", "public")
        router = self.ensure(
            "network",
            "/routers",
            "routers",
            "router",
            {"name": "chaos", "external_gateway_info": {"network_id": public["id"]}},
        )
        subnet = self.named("network", "/subnets", "subnets", "chaos")
        ports = self.get("network", f"/ports?device_id={router['id']}", "ports")
        if not any(port["fixed_ips"][0]["subnet_id"] == subnet["id"] for port in ports):
            answer = self.victim.request(
                "PUT",
                "network",
                f"/routers/{router['id']}/add_router_interface",
                json={"subnet_id": subnet["id"]},
            )
            assert answer.status_code == 200, answer.text

    def security_group(self) -> None:
        group = self.ensure(
            "network", "/security-groups", "security_groups", "security_group", {"name": "chaos"}
        )
        rules = self.get(
            "network", f"/security-group-rules?security_group_id={group['id']}", "security_group_rules"
        )
        if not any(rule["protocol"] == "icmp" for rule in rules):
            body = {"security_group_id": group["id"], "direction": "ingress", "protocol": "icmp"}
            answer = self.victim.request(
                "POST", "network", "/security-group-rules", json={"security_group_rule": body}
            )
            assert answer.status_code == 201, answer.text

    def server(self, name: str) -> None:
        network = self.named("network", "/networks", "networks", "chaos")
        image = self.named("image", "/images", "images", "chaos")
        self.ensure(
            "compute",
            "/servers",
            "servers",
            "server",
            {
                "name": name,
                "flavorRef": "1",
                "imageRef": image["id"],
                "networks": [{"uuid": network["id"]}],
                "security_groups": [{"name": "chaos"}],
            },
        )
        self.wait(lambda: self.status(name) in ("ACTIVE", "ERROR"))
        assert self.status(name) == "ACTIVE", self.show(name)

    def many(self) -> None:
        """More servers than one request may place: a loop does it."""
        project = self.get("identity", "/projects?name=admin", "projects")[0]["id"]
        wide = {"quota_set": {"instances": 100, "cores": 100, "ram": 100_000}}
        answer = self.victim.request("PUT", "compute", f"/os-quota-sets/{project}", json=wide)
        assert answer.status_code == 200, answer.text

        def crowd() -> list[dict]:
            return self.get("compute", "/servers/detail?name=^many-", "servers")

        if not crowd():
            network = self.named("network", "/networks", "networks", "chaos")
            image = self.named("image", "/images", "images", "chaos")
            body = {
                "name": "many",
                "flavorRef": "1",
                "imageRef": image["id"],
                "min_count": 22,
                "networks": [{"uuid": network["id"]}],
            }
            answer = self.victim.request("POST", "compute", "/servers", json={"server": body})
            assert answer.status_code == 202, answer.text
        self.wait(lambda: all(server["status"] == "ACTIVE" for server in crowd()))
        assert len(crowd()) == 22

    def show(self, name: str) -> dict | None:
        found = self.named("compute", "/servers", "servers", name)
        if found is None:
            return None
        answer = self.victim.request("GET", "compute", f"/servers/{found['id']}")
        return answer.json()["server"] if answer.status_code == 200 else None

    def status(self, name: str) -> str | None:
        server = self.show(name)
        return server and server["status"]

    def turn(self, name: str, action: dict, wanted: str) -> None:
        server = self.show(name)
        if server["status"] != wanted and server["OS-EXT-STS:task_state"] is None:
            answer = self.victim.request("POST", "compute", f"/servers/{server['id']}/action", json=action)
            assert answer.status_code in (202, 409), answer.text
        self.wait(lambda: self.status(name) == wanted)

    def reboot(self, name: str) -> None:
        server = self.show(name)
        answer = self.victim.request(
            "POST", "compute", f"/servers/{server['id']}/action", json={"reboot": {"type": "HARD"}}
        )
        assert answer.status_code in (202, 409), answer.text
        self.wait(lambda: self.status(name) == "ACTIVE")

    def floating_ip(self) -> None:
        server = self.show("second")
        port = self.get("network", f"/ports?device_id={server['id']}", "ports")[0]
        if self.get("network", f"/floatingips?port_id={port['id']}", "floatingips"):
            return
        public = self.named("network", "/networks", "networks", "public")
        body = {"floating_network_id": public["id"], "port_id": port["id"]}
        answer = self.victim.request("POST", "network", "/floatingips", json={"floatingip": body})
        assert answer.status_code == 201, answer.text

    def delete(self, name: str) -> None:
        # from here on it may be gone, whether the answer comes or not
        self.acknowledged = [each for each in self.acknowledged if each[0] != f"server {name}"]
        server = self.show(name)
        if server is not None:
            answer = self.victim.request("DELETE", "compute", f"/servers/{server['id']}")
            assert answer.status_code in (204, 404), answer.text
            self.acknowledged.append((f"delete of server {name}", lambda: self.show(name) is None))
        self.wait(lambda: self.show(name) is None)

    def unplug_router(self) -> None:
        for address in self.get("network", "/floatingips", "floatingips"):
            self.victim.request("DELETE", "network", f"/floatingips/{address['id']}")
        self.acknowledged = [each for each in self.acknowledged if each[0] != "router chaos"]
        router = self.named("network", "/routers", "routers", "chaos")
        if router is None:
            return
        subnet = self.named("network", "/subnets", "subnets", "chaos")
        self.victim.request(
            "PUT",
            "network",
            f"/routers/{router['id']}/remove_router_interface",
            json={"subnet_id": subnet["id"]},
        )
        answer = self.victim.request("DELETE", "network", f"/routers/{router['id']}")
        assert answer.status_code in (204, 404), answer.text

    def wait(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"waited {seconds} s in vain\n{self.victim.last_words()}"
            time.sleep(0.02)
