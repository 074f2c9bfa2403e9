"""The files that clients read: clouds.yaml and the openrc files, mode 0600.

Passwords are known only when they are made, at the first start; afterwards the files are kept and only their
addresses follow the cloud.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml


def write(cloud) -> None:
    """Write or refresh DIR/clouds.yaml, DIR/admin-openrc and DIR/demo-openrc."""
    state = cloud.state
    kept = _kept(state / "clouds.yaml")
    auth_url = cloud.identity_url()
    passwords = {name: cloud.first_passwords.get(name) or kept.get(name) for name in ("admin", "demo")}
    clouds = {
        "monostack": _entry(
            cloud, "admin", passwords["admin"], {"project_name": "admin", "project_domain_id": "default"}
        ),
        "monostack-demo": _entry(
            cloud, "demo", passwords["demo"], {"project_name": "demo", "project_domain_id": "default"}
        ),
        "monostack-system": _entry(cloud, "admin", passwords["admin"], {"system_scope": "all"}),
    }
    _private(state / "clouds.yaml", yaml.safe_dump({"clouds": clouds}, sort_keys=False))
    for name in ("admin", "demo"):
        lines = {
            "OS_AUTH_URL": auth_url,
            "OS_IDENTITY_API_VERSION": "3",
            "OS_IMAGE_API_VERSION": "2",
            "OS_USERNAME": name,
            "OS_PASSWORD": passwords[name] or "",
            "OS_PROJECT_NAME": name,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": cloud.settings.region,
        }
        text = "".join(f"export {key}={_quoted(value)}\n" for key, value in lines.items())
        _private(state / f"{name}-openrc", text)


def _entry(cloud, user: str, password: str | None, scope: dict) -> dict:
    auth = {
        "auth_url": cloud.identity_url(),
        "username": user,
        "password": password or "",
        "user_domain_id": "default",
    } | scope
    return {
        "auth": auth,
        "region_name": cloud.settings.region,
        "identity_api_version": "3",
        "interface": "public",
    }


def _kept(path: Path) -> dict[str, str]:
    try:
        clouds = yaml.safe_load(path.read_text())["clouds"]
        return {
            "admin": clouds["monostack"]["auth"]["password"],
            "demo": clouds["monostack-demo"]["auth"]["password"],
        }
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        return {}


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _private(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    part.rename(path)
