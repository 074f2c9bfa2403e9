"""Server CPU per operation, one process, keep-alive: `python bench/operations.py [NAME ...]`.

The cloud has simulated hosts. CPU is what the process used from the first request of a measurement to the
moment its work has ended, divided by the operations. The load on the machine at the time is printed with the
table, and what a fixed piece of Python cost: neighbours on the same cores make processor time dearer too.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from uuid import uuid4

from client import load, request
from measured import Measured

MILLION = 1_000_000
V = {"OpenStack-API-Version": "compute 2.96"}


class Bench:
    def __init__(self, cloud: Measured) -> None:
        self.cloud = cloud
        self.token = cloud.login()
        self.headers = {"X-Auth-Token": self.token}
        self.rows: list[tuple] = []
        self.project = cloud.call("GET", 5000, "/v3/projects?name=admin", token=self.token)["projects"][0][
            "id"
        ]
        wide = {"instances": -1, "cores": -1, "ram": -1}
        cloud.call("PUT", 8774, f"/v2.1/os-quota-sets/{self.project}", {"quota_set": wide}, self.token)
        quota = {"port": -1, "security_group_rule": -1, "network": -1}
        cloud.call("PUT", 9696, f"/v2.0/quotas/{self.project}", {"quota": quota}, self.token)
        network = {"network": {"name": "bench"}}
        self.network = cloud.call("POST", 9696, "/v2.0/networks", network, self.token)["network"]["id"]
        subnet = {"subnet": {"network_id": self.network, "ip_version": 4, "cidr": "10.0.0.0/16"}}
        cloud.call("POST", 9696, "/v2.0/subnets", subnet, self.token)
        image = {"name": "bench", "disk_format": "raw", "container_format": "bare"}
        self.image = cloud.call("POST", 9292, "/v2/images", image, self.token)["id"]
        cloud.call("PUT", 9292, f"/v2/images/{self.image}/file", b"x" * 100_000, self.token)

    def measure(
        self,
        name: str,
        port: int,
        make: Callable[[int], bytes],
        count: int,
        *,
        connections: int = 16,
        expected: int = 200,
        target: str = "",
        settled: Callable[[], bool] | None = None,
    ) -> None:
        before = self.cloud.cpu()
        started = time.perf_counter()
        result = load(self.cloud.port(port), make, count, connections, expected)
        if settled is not None:
            while not settled():
                time.sleep(0.05)
        total = time.perf_counter() - started
        used = self.cloud.cpu() - before
        note = f"{result.wrong} WRONG {result.example[-200:]!r}" if result.wrong else ""
        if settled is not None:
            note += f" all settled after {total:.2f} s"
        self.rows.append(
            (
                name,
                result.count,
                connections,
                used / max(result.count, 1) * 1000,
                result.percentile(0.5),
                result.percentile(0.99),
                result.count / result.seconds,
                target,
                note,
            )
        )

    def get(self, path: str, **headers) -> Callable[[int], bytes]:
        data = request("GET", path, self.headers | V | headers)
        return lambda n: data

    def post(self, path: str, body: Callable[[int], dict]) -> Callable[[int], bytes]:
        headers = self.headers | V
        return lambda n: request("POST", path, headers, json.dumps(body(n)).encode())

    # the measurements

    def validate(self) -> None:
        self.measure(
            "token validate",
            5000,
            self.get("/v3/auth/tokens", **{"X-Subject-Token": self.token}),
            20_000,
            connections=32,
            target="0.08",
        )

    def port_create(self) -> None:
        self.measure(
            "port create",
            9696,
            self.post("/v2.0/ports", lambda n: {"port": {"network_id": self.network, "name": f"p{n}"}}),
            1000,
            expected=201,
            target="1",
        )

    def port_list(self) -> None:
        self.measure(
            "GET ports, 1,000", 9696, self.get("/v2.0/ports?limit=1000"), 50, connections=1, target="15"
        )

    def rule_create(self) -> None:
        group = self.cloud.call(
            "POST", 9696, "/v2.0/security-groups", {"security_group": {"name": "bench"}}, self.token
        )["security_group"]["id"]
        self.measure(
            "security group rule create",
            9696,
            self.post(
                "/v2.0/security-group-rules",
                lambda n: {
                    "security_group_rule": {
                        "security_group_id": group,
                        "direction": "ingress",
                        "protocol": "tcp",
                        "port_range_min": n + 1,
                        "port_range_max": n + 1,
                    }
                },
            ),
            1000,
            expected=201,
            target="0.8",
        )

    def _server(self, name: str) -> dict:
        return {
            "server": {
                "name": name,
                "flavorRef": "42",
                "imageRef": self.image,
                "networks": [{"uuid": self.network}],
            }
        }

    def _settled(self) -> bool:
        path = "/v2.1/servers?status=BUILD&limit=1"
        return not self.cloud.call("GET", 8774, path, token=self.token, headers=V)["servers"]

    def server_alone(self) -> None:
        """POST to ACTIVE, one at a time: p50 by asking until it is there."""
        took = []
        before = self.cloud.cpu()
        for n in range(40):
            started = time.perf_counter()
            made = self.cloud.call(
                "POST", 8774, "/v2.1/servers", self._server(f"alone{n}"), self.token, headers=V
            )
            path = f"/v2.1/servers/{made['server']['id']}"
            while (
                self.cloud.call("GET", 8774, path, token=self.token, headers=V)["server"]["status"] == "BUILD"
            ):
                time.sleep(0.002)
            took.append((time.perf_counter() - started) * 1000)
        used = (self.cloud.cpu() - before) / 40 * 1000
        took.sort()
        self.rows.append(
            (
                "server POST to ACTIVE, alone (asking included)",
                40,
                1,
                used,
                took[20],
                took[-1],
                0.0,
                "p50 30",
                "",
            )
        )

    def server_create(self) -> None:
        self.measure(
            "server POST to ACTIVE, 100 at once",
            8774,
            self.post("/v2.1/servers", lambda n: self._server(f"hundred{n}")),
            100,
            connections=32,
            expected=202,
            target="6; 1 s",
            settled=self._settled,
        )
        self.measure(
            "server POST to ACTIVE, 860",
            8774,
            self.post("/v2.1/servers", lambda n: self._server(f"many{n}")),
            860,
            connections=16,
            expected=202,
            target="6",
            settled=self._settled,
        )

    def server_detail(self) -> None:
        self.measure(
            "servers/detail, 1,000",
            8774,
            self.get("/v2.1/servers/detail?limit=1000"),
            40,
            connections=1,
            target="25",
        )
        self.measure("server show", 8774, self.get(self._one()), 5000, target="")

    def _one(self) -> str:
        found = self.cloud.call("GET", 8774, "/v2.1/servers?limit=1", token=self.token, headers=V)["servers"]
        return f"/v2.1/servers/{found[0]['id']}"

    def image_create(self) -> None:
        self.measure(
            "image create",
            9292,
            self.post(
                "/v2/images", lambda n: {"name": f"i{n}", "disk_format": "raw", "container_format": "bare"}
            ),
            1000,
            expected=201,
            target="1.2",
        )
        self.measure(
            "GET images, 1,000", 9292, self.get("/v2/images?limit=1000"), 40, connections=1, target=""
        )

    def candidates(self) -> None:
        headers = {"OpenStack-API-Version": "placement 1.39"}
        inventory = {"VCPU": {"total": 64}, "MEMORY_MB": {"total": 65536}, "DISK_GB": {"total": 1000}}
        body = {"resource_provider_generation": 0, "inventories": inventory}
        have = 0
        for total, count in ((1000, 100), (10_000, 20)):
            for _ in range(total - have):
                uuid = str(uuid4())
                made = {"name": f"bench-{uuid}", "uuid": uuid}
                path = f"/resource_providers/{uuid}/inventories"
                self.cloud.call("POST", 8778, "/resource_providers", made, self.token, headers)
                self.cloud.call("PUT", 8778, path, body, self.token, headers)
            have = total
            asked = "/allocation_candidates?resources=VCPU:1,MEMORY_MB:512,DISK_GB:1"
            title = f"allocation candidates of {total:,}"
            target = "4" if total == 1000 else "40"
            # all hosts are new to the picture that is kept of them, so the first search reads them all
            self.measure(f"{title}, the first", 8778, self.get(asked, **headers), 1, connections=1)
            self.measure(title, 8778, self.get(asked, **headers), count, connections=1, target=target)
            self.measure(
                f"{title}, limit 10", 8778, self.get(asked + "&limit=10", **headers), count, connections=1
            )


ORDER = (
    "validate",
    "port_create",
    "port_list",
    "rule_create",
    "server_alone",
    "server_create",
    "server_detail",
    "image_create",
    "candidates",
)


def yardstick() -> float:
    """Milliseconds of processor time that a million turns of an empty loop take now."""
    before = time.process_time()
    for _ in range(MILLION):
        pass
    return (time.process_time() - before) * 1000


def main() -> None:
    names = sys.argv[1:] or ORDER
    options = (
        "--set",
        "node.vcpus=100000",
        "--set",
        "node.memory_mb=100000000",
        "--set",
        "node.disk_gb=10000000",
    )
    costs = [yardstick()]
    with Measured(14000, options=options) as cloud:
        print(f"first start to ready: {cloud.ready_seconds:.2f} s")
        bench = Bench(cloud)
        for name in names:
            getattr(bench, name)()
            print(".", end="", flush=True)
            costs.append(yardstick())
        pss = cloud.pss()
    print(f"\na million turns of an empty loop: {min(costs):.1f} to {max(costs):.1f} ms")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; PSS at the end {pss:.0f} MiB\n")
    print(
        f"{'operation':<48}{'n':>6}{'conn':>5}{'CPU ms/op':>11}{'p50 ms':>8}{'p99 ms':>8}{'op/s':>8}  target"
    )
    for name, count, connections, cpu, p50, p99, rate, target, note in bench.rows:
        figures = f"{count:>6}{connections:>5}{cpu:>11.3f}{p50:>8.2f}{p99:>8.2f}{rate:>8.0f}"
        print(f"{name:<48}{figures}  {target} {note}")


if __name__ == "__main__":
    main()
