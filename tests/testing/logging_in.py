"""A login at a cloud that a command worked on."""

import httpx


def log_in(url, password, user="admin", scope=None):
    person = {"name": user, "domain": {"id": "default"}, "password": password}
    auth = {"identity": {"methods": ["password"], "password": {"user": person}}}
    auth["scope"] = scope or {"project": {"name": "admin", "domain": {"id": "default"}}}
    return httpx.post(url + "/auth/tokens", json={"auth": auth}, timeout=30)
