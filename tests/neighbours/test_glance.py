"""A service that others wrote, the image service glance, trusting this identity: its tokens are judged here,
its limits kept here, its address found in this catalogue.

`./monostack test` installs glance beside the tests, in an environment of its own, because it wants other
versions of what both use. Without it the tests are skipped.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.conftest import PLAIN, World

from monostack import testing

OCTETS = {"Content-Type": "application/octet-stream"}
PATIENCE = 60.0
CONFIG = """
[DEFAULT]
enabled_backends = fs:file
use_keystone_limits = true
[database]
connection = sqlite:///{folder}/glance.db
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = {folder}/images
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {folder}/tasks
[paste_deploy]
flavor = keystone
config_file = {paste}
[oslo_policy]
policy_file = {folder}/policy.yaml
[keystone_authtoken]
auth_url = {auth_url}
www_authenticate_uri = {auth_url}
auth_type = password
username = glance
password = {password}
project_name = service
user_domain_id = default
project_domain_id = default
service_token_roles_required = true
service_token_roles = service
service_type = image
token_cache_time = -1
[oslo_limit]
auth_url = {auth_url}
auth_type = password
username = glance
password = {password}
user_domain_id = default
system_scope = all
endpoint_id = {endpoint}
"""


PROGRAMS = Path(sys.prefix) / "neighbours" / "bin"
"""Where glance's programs are."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (PROGRAMS / "glance-manage").exists(), reason="glance is not installed: ./monostack test does it"
    ),
]


@dataclass
class Glance:
    """The running service, and the cloud whose tokens it takes."""

    world: World
    url: str

    def api(self, token: str) -> httpx.Client:
        return httpx.Client(base_url=self.url + "/v2", headers={"X-Auth-Token": token}, timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def register(world: World, url: str) -> str:
    """Glance's user, service, endpoint and limits, as its installation guide has them; the endpoint's id."""
    admin = world.api("identity")
    user = {"name": "glance", "password": testing.PASSWORD}
    user_id = admin.post("/users", json={"user": user}).json()["user"]["id"]
    roles = {each["name"]: each["id"] for each in admin.get("/roles").json()["roles"]}
    project = admin.get("/projects", params={"name": "service"}).json()["projects"][0]["id"]
    assert admin.put(f"/projects/{project}/users/{user_id}/roles/{roles['service']}").status_code == 204
    assert admin.put(f"/system/users/{user_id}/roles/{roles['reader']}").status_code == 204
    service = {"type": "image", "name": "glance"}
    service_id = admin.post("/services", json={"service": service}).json()["service"]["id"]
    endpoint = {"service_id": service_id, "interface": "public", "url": url, "region_id": "RegionOne"}
    endpoint_id = admin.post("/endpoints", json={"endpoint": endpoint}).json()["endpoint"]["id"]
    limits = {"image_size_total": 1000, "image_stage_total": 1000, "image_count_total": 3}
    limits["image_count_uploading"] = 10
    asked = [
        {"service_id": service_id, "resource_name": name, "default_limit": limit, "region_id": "RegionOne"}
        for name, limit in limits.items()
    ]
    assert admin.post("/registered_limits", json={"registered_limits": asked}).status_code == 201
    return endpoint_id


@pytest.fixture(scope="module")
def glance(tmp_path_factory) -> Iterator[Glance]:
    folder = tmp_path_factory.mktemp("glance")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"OS_GLANCE_CONFIG_DIR": str(folder)}
    url = f"http://127.0.0.1:{free_port()}"
    with testing.cloud(only=("identity",)) as cloud:
        world = World(cloud)
        for name in ("member", "stranger", "other"):
            world.persona(name)
        endpoint = register(world, url)
        paste = PROGRAMS.parent / "etc" / "glance" / "glance-api-paste.ini"
        config = folder / "glance-api.conf"
        told = {"folder": folder, "paste": paste, "auth_url": cloud.auth_url, "endpoint": endpoint}
        config.write_text(CONFIG.format(password=testing.PASSWORD, **told))
        (folder / "policy.yaml").write_text("{}\n")
        made = [PROGRAMS / "glance-manage", "--config-file", config, "db_sync"]
        subprocess.run(made, check=True, capture_output=True, env=environment, timeout=120)
        address = url.removeprefix("http://")
        words = [PROGRAMS / "waitress-serve", f"--listen={address}", "glance.wsgi.api:application"]
        with open(folder / "log", "wb") as log:
            running = subprocess.Popen(words, env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            wait_for(url, running, folder / "log")
            yield Glance(world, url)
        finally:
            running.terminate()
            running.wait(20)


def wait_for(url: str, running: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if PLAIN.get(url + "/versions").status_code in (200, 300):
                return
        except httpx.HTTPError:
            pass
        ended = running.poll() is not None or time.monotonic() > deadline
        assert not ended, log.read_text(errors="replace")[-3000:]
        time.sleep(0.1)


def test_an_image_is_its_projects_own(glance):
    member = glance.api(glance.world.token("member", "member"))
    new = {"name": "one", "disk_format": "raw", "container_format": "bare"}
    made = member.post("/images", json=new)
    assert made.status_code == 201, made.text
    image = made.json()["id"]
    assert member.put(f"/images/{image}/file", content=b"0" * 100, headers=OCTETS).status_code == 204
    shown = member.get(f"/images/{image}").json()
    assert (shown["status"], shown["size"]) == ("active", 100)
    assert member.get(f"/images/{image}/file").content == b"0" * 100
    assert [each["id"] for each in member.get("/images").json()["images"]] == [image]

    stranger = glance.api(glance.world.token("stranger", "stranger"))
    assert stranger.get("/images").json()["images"] == []
    assert stranger.get(f"/images/{image}").status_code == 404
    assert stranger.delete(f"/images/{image}").status_code in (403, 404)
    admin = glance.api(glance.world.token("admin", "admin"))
    assert admin.get(f"/images/{image}").status_code == 200
    assert member.delete(f"/images/{image}").status_code == 204


def test_a_revoked_token_is_refused_at_the_next_request(glance):
    tokens = glance.world
    token = tokens.token("other", "other")
    api = glance.api(token)
    assert api.get("/images").status_code == 200
    revoked = tokens.api("identity").delete("/auth/tokens", headers={"X-Subject-Token": token})
    assert revoked.status_code == 204
    assert api.get("/images").status_code == 401
    assert glance.api("nonsense").get("/images").status_code == 401
    assert PLAIN.get(glance.url + "/v2/images").status_code == 401


def test_a_disabled_users_tokens_are_refused(glance):
    world = glance.world
    world.persona("leaver")
    api, admin = glance.api(world.token("leaver", "leaver")), world.api("identity")
    assert api.get("/images").status_code == 200
    user_id = admin.get("/users", params={"name": "leaver"}).json()["users"][0]["id"]
    assert admin.patch(f"/users/{user_id}", json={"user": {"enabled": False}}).status_code == 200
    assert api.get("/images").status_code == 401


def test_access_rules_hold_there_too(glance):
    world = glance.world
    identity = world.api("identity", "member")
    user_id = identity.get("/auth/tokens", headers={"X-Subject-Token": world.token("member", "member")})
    user_id = user_id.json()["token"]["user"]["id"]
    rules = [{"service": "image", "method": "GET", "path": "/v2/images"}]
    asked = {"application_credential": {"name": "looker", "access_rules": rules}}
    made = identity.post(f"/users/{user_id}/application_credentials", json=asked).json()
    credential = {key: made["application_credential"][key] for key in ("id", "secret")}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": credential}}
    answer = PLAIN.post(world.cloud.auth_url + "/auth/tokens", json={"auth": auth})
    api = glance.api(answer.headers["X-Subject-Token"])
    assert api.get("/images").status_code == 200
    assert api.post("/images", json={"name": "one"}).status_code == 401


def test_its_limits_are_the_clouds(glance):
    """The registered limit is three images; a project that has a limit of one has that."""
    world = glance.world
    admin = world.api("identity")
    project = admin.get("/projects", params={"name": "stranger"}).json()["projects"][0]["id"]
    service = admin.get("/services", params={"type": "image"}).json()["services"][0]["id"]
    limit = {"service_id": service, "resource_name": "image_count_total", "resource_limit": 1}
    limit |= {"project_id": project, "region_id": "RegionOne"}
    assert admin.post("/limits", json={"limits": [limit]}).status_code == 201
    made = {"member": [], "stranger": []}
    for name, codes in made.items():
        api = glance.api(world.token(name, name))
        codes += [api.post("/images", json={"name": "one"}).status_code for _ in range(4)]
    assert made == {"member": [201, 201, 201, 413], "stranger": [201, 413, 413, 413]}


def test_the_client_finds_it_in_the_catalogue(glance, tmp_path):
    world = glance.world
    world.persona("typist")
    file = tmp_path / "image"
    file.write_bytes(b"1" * 10)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "OS_AUTH_URL": world.cloud.auth_url,
        "OS_USERNAME": "typist",
        "OS_PASSWORD": testing.PASSWORD,
        "OS_PROJECT_NAME": "typist",
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
    }
    client = Path(sys.executable).with_name("openstack")
    words = [client, "image", "create", "--file", file, "--disk-format", "raw", "typed"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    words = [client, "image", "list", "-f", "value", "-c", "Name", "-c", "Status"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "typed active\n"
