"""What a login costs besides the hash, and whether logins hold up others: `python bench/logins.py`.

Logins are measured with cheap hashes whose own cost is subtracted, so that what remains is ours. How long
validations wait is measured with real hashes (12 rounds), all of them new, from 32 connections at once, and
compared with the same validations alone.
"""

from __future__ import annotations

import json
import os
import threading
import time

from client import Result, load, request
from measured import Measured

QUICK = ("--only", "identity", "--set", "identity.password_hash_rounds=4")
REAL = ("--only", "identity")
USERS, LOGINS, VALIDATIONS = 400, 4_000, 1_500


def by_password(name: str, password: str, scope: str = "admin") -> dict:
    user = {"name": name, "domain": {"id": "default"}, "password": password}
    return {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": scope, "domain": {"id": "default"}}},
    }


def post(auth: dict) -> bytes:
    return request("POST", "/v3/auth/tokens", {}, json.dumps({"auth": auth}).encode())


def measure(cloud: Measured, name: str, make, count: int, less: float = 0.0) -> None:
    """CPU of the server for each request, less what the hash itself costs."""
    before = cloud.cpu()
    result = load(cloud.port(5000), make, count, 8, 201)
    cost = (cloud.cpu() - before) / max(result.count, 1) - less
    print(f"{name:34} {cost * 1000:7.3f} ms CPU  p50 {result.percentile(0.5):7.2f} ms  wrong {result.wrong}")


def costs() -> None:
    import bcrypt

    stored = bcrypt.hashpw(b"secret", bcrypt.gensalt(4))
    began = time.process_time()
    for _ in range(300):
        bcrypt.checkpw(b"secret", stored)
    hashing = (time.process_time() - began) / 300
    with Measured(16_320, options=QUICK) as cloud:
        token = cloud.login()
        role = cloud.call("GET", 5000, "/v3/roles?name=member", token=token)["roles"][0]["id"]
        project = cloud.call("GET", 5000, "/v3/projects?name=admin", token=token)["projects"][0]["id"]
        for n in range(USERS):
            user = {"user": {"name": f"user{n}", "password": f"secret{n}"}}
            made = cloud.call("POST", 5000, "/v3/users", user, token)["user"]["id"]
            path = f"/v3/projects/{project}/users/{made}/roles/{role}"
            cloud.call("PUT", 5000, path, token=token)
        new = [post(by_password(f"user{n}", f"secret{n}")) for n in range(USERS)]
        print(f"bcrypt of 4 rounds costs {hashing * 1000:.3f} ms, subtracted")
        measure(cloud, "password, never seen", lambda n: new[n], USERS, hashing)
        measure(cloud, "password, verified lately", lambda n: new[0], LOGINS)
        unscoped = {"identity": {"methods": ["token"], "token": {"id": token}}}
        again = post(unscoped | {"scope": {"project": {"id": project}}})
        measure(cloud, "token from token", lambda n: again, LOGINS)


def waits() -> None:
    with Measured(16_320, options=REAL) as cloud:
        token = cloud.login()
        look = request("GET", "/v3/auth/tokens", {"X-Auth-Token": token, "X-Subject-Token": token})

        def validations() -> Result:
            latencies = Result()
            for _ in range(VALIDATIONS // 50):
                part = load(cloud.port(5000), lambda n: look, 50, 1, 200)
                latencies.latencies += part.latencies
                time.sleep(0.05)
            return latencies

        validations()
        alone = validations()
        guesses = [post(by_password("admin", f"wrong{n}")) for n in range(100_000)]
        over = threading.Event()

        def log_in() -> None:
            while not over.is_set():
                load(cloud.port(5000), lambda n: guesses[n], len(guesses), 32, 401, seconds=1.0)

        logins = threading.Thread(target=log_in)
        logins.start()
        time.sleep(0.5)
        beside = validations()
        over.set()
        logins.join()
        for name, result in (("alone", alone), ("beside 32 logins at once", beside)):
            p50, p99, most = (result.percentile(share) for share in (0.5, 0.99, 1.0))
            print(f"validation {name:26} p50 {p50:6.2f}  p99 {p99:6.2f}  max {most:6.2f} ms")


if __name__ == "__main__":
    print("load", *os.getloadavg())
    costs()
    waits()
