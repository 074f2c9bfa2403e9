"""The disposable cloud that others test with: SDK, faults, clock, reset, a look inside; HTTP controls."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from tests.conftest import PLAIN

from monostack import testing
from monostack.testing.plugin import _monostack_cloud, monostack_cloud  # noqa: F401 - fixtures


@pytest.fixture
def cloud(monostack_cloud):  # noqa: F811
    return monostack_cloud


def boot(connection, name: str = "guest"):
    """A server on a network of its own, as the SDK waits for it."""
    network = connection.network.create_network(name=f"{name}-net")
    connection.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.1.0.0/24")
    image = connection.image.create_image(
        name, data=b"data" * 100, disk_format="raw", container_format="bare"
    )
    flavor = connection.compute.find_flavor("m1.nano")
    server = connection.compute.create_server(
        name=name, image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network.id}]
    )
    return connection.compute.wait_for_server(server, interval=0.05, wait=20)


def test_the_sdk_boots_a_server(cloud):
    server = boot(cloud.connection())
    assert server.status == "ACTIVE"
    assert set(cloud.world()["servers"]) == {server.id}
    assert cloud.settle() == []


def test_a_fault_that_was_asked_for_is_told_in_its_words(cloud):
    import openstack.exceptions

    cloud.fail(next="compute.spawn", error="no room on the disk", times=3)
    connection = cloud.connection()
    with pytest.raises(openstack.exceptions.ResourceFailure):
        boot(connection)
    server = next(connection.compute.servers())
    assert "no room on the disk" in connection.compute.get_server(server.id).fault["message"]


def test_reset_is_the_first_start_again(cloud):
    boot(cloud.connection())
    cloud.reset()
    connection = cloud.connection()
    assert list(connection.compute.servers()) == []
    assert [network.name for network in connection.network.networks()] == ["public"]
    assert cloud.world()["servers"] == {}


def test_moving_the_clock_ends_tokens(cloud):
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {"name": "admin", "domain": {"id": "default"}, "password": testing.PASSWORD}
                },
            }
        }
    }
    token = PLAIN.post(cloud.auth_url + "/auth/tokens", json=body).headers["X-Subject-Token"]
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    assert PLAIN.get(cloud.auth_url + "/auth/tokens", headers=headers).status_code == 200
    cloud.clock.advance(hours=2)
    assert PLAIN.get(cloud.auth_url + "/auth/tokens", headers=headers).status_code == 401


def test_any_language_can_have_one():
    words = [sys.executable, "-m", "monostack", "test-cloud", "--port", "0", "--with-parent"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        about = json.loads(process.stdout.readline())
        assert PLAIN.get(about["auth_url"]).status_code == 200
        assert PLAIN.get(about["controls"] + "world").json() == {"servers": {}, "parts": {}}
        moved = PLAIN.post(about["controls"] + "clock", json={"advance": {"hours": 1}})
        assert moved.status_code == 200
        assert PLAIN.post(about["controls"] + "reset").status_code == 204
        assert PLAIN.post(about["controls"] + "fail", json={"next": "nonsense"}).status_code == 400
    finally:
        process.stdin.close()
        started = time.monotonic()
        process.wait(10)
    assert time.monotonic() - started < 5
