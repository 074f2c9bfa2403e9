"""A server gets a new disk from an image."""

import base64

import pytest


def rebuilt(place, server_id, at=None, **asked):
    answer = place.nova.act(
        server_id, "rebuild", {"imageRef": place.image} | asked, schema="servers.rebuild", at=at
    )
    assert answer.status_code == 202, answer.text
    return answer


def other_image(place, **asked):
    images = place.world.api("image")
    body = {"name": "other", "disk_format": "raw", "container_format": "bare"} | asked
    image_id = images.post("/images", json=body).json()["id"]
    headers = {"Content-Type": "application/octet-stream"}
    assert images.put(f"/images/{image_id}/file", content=b"1" * 512, headers=headers).status_code == 204
    return image_id


def test_a_rebuilt_server_has_the_new_image_and_keeps_its_place(place):
    before = place.server()
    image = other_image(place, os_distro="debian")
    answer = rebuilt(place, before["id"], at="2.98", imageRef=image, name="new", metadata={"a": "b"})
    shown = answer.json()["server"]
    assert answer.headers["Location"].endswith(f"/v2.1/servers/{before['id']}")
    assert (shown["status"], shown["name"], shown["image"]["id"]) == ("REBUILD", "new", image)
    assert shown["image"]["properties"] == {"os_distro": "debian"}
    assert len(shown["adminPass"]) == 12
    after = place.nova.settled(before["id"])
    assert (after["status"], after["name"], after["metadata"]) == ("ACTIVE", "new", {"a": "b"})
    assert after["addresses"] == before["addresses"]
    assert after["OS-EXT-SRV-ATTR:host"] == before["OS-EXT-SRV-ATTR:host"]
    there = place.cloud.world()["servers"][before["id"]]
    assert (there["disk"], there["part"]["image"]["id"], there["power"]) == (2, image, "running")
    actions = place.nova.get(f"/servers/{before['id']}/os-instance-actions").json()["instanceActions"]
    assert [each["action"] for each in actions] == ["rebuild", "create"]
    assert place.cloud.settle() == []


def test_a_server_that_was_off_stays_off(place):
    server_id = place.server()["id"]
    place.nova.act(server_id, "os-stop")
    place.nova.settled(server_id)
    assert rebuilt(place, server_id).json()["server"]["status"] == "REBUILD"
    after = place.nova.settled(server_id)
    assert (after["status"], after["OS-EXT-STS:power_state"]) == ("SHUTOFF", 4)
    assert place.cloud.world()["servers"][server_id]["disk"] == 2


@pytest.mark.parametrize("version", ["2.1", "2.19", "2.46", "2.57", "2.71", "2.75", "2.90", "2.100"])
def test_every_version_answers_by_its_schema(place, version):
    server_id = place.server()["id"]
    rebuilt(place, server_id, at=version, adminPass="secret-word")
    assert place.nova.settled(server_id)["status"] == "ACTIVE"


def test_key_user_data_and_host_name_come_with_their_versions(place):
    place.nova.post("/os-keypairs", {"keypair": {"name": "mine"}}, at="2.1")
    server_id = place.server()["id"]
    text = base64.b64encode(b"#cloud-config\n").decode()
    for field, value, last in (
        ("key_name", "mine", "2.53"),
        ("user_data", text, "2.56"),
        ("hostname", "renamed", "2.89"),
    ):
        body = {"imageRef": place.image, field: value}
        assert place.nova.act(server_id, "rebuild", body, at=last).status_code == 400
    shown = rebuilt(place, server_id, key_name="mine", user_data=text, hostname="renamed").json()["server"]
    assert (shown["key_name"], shown["user_data"]) == ("mine", text)
    assert place.nova.settled(server_id)["OS-EXT-SRV-ATTR:hostname"] == "renamed"
    shown = rebuilt(place, server_id, key_name=None, user_data=None).json()["server"]
    assert (shown["key_name"], shown["user_data"]) == (None, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"imageRef": "11111111-2222-3333-4444-555555555555"}, "Cannot find image for rebuild"),
        ({"key_name": "nope"}, "Invalid key_name provided."),
        ({"preserve_ephemeral": True}, "The ephemeral disk is made anew like the others"),
    ],
)
def test_what_cannot_be_is_400_and_changes_nothing(place, change, words):
    server = place.server()
    answer = place.nova.act(server["id"], "rebuild", {"imageRef": place.image, "name": "x"} | change)
    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"].startswith(words)
    assert place.nova.server(server["id"]) == server


def test_an_image_too_large_for_the_flavor_is_400(place):
    image = other_image(place, min_ram=100_000)
    answer = place.nova.act(place.server()["id"], "rebuild", {"imageRef": image})
    assert (answer.status_code, answer.json()["badRequest"]["message"]) == (
        400,
        "Flavor's memory is too small for requested image.",
    )


def test_a_paused_a_locked_and_a_strangers_server_are_refused(place, stranger):
    server_id = place.server()["id"]
    assert stranger.act(server_id, "rebuild", {"imageRef": place.image}).status_code == 404
    place.nova.act(server_id, "pause")
    place.nova.settled(server_id)
    answer = place.nova.act(server_id, "rebuild", {"imageRef": place.image})
    assert answer.status_code == 409
    assert "Cannot 'rebuild' instance" in answer.json()["conflictingRequest"]["message"]


def test_a_host_that_fails_leaves_error_and_a_second_rebuild_mends_it(place):
    server_id = place.server()["id"]
    place.cloud.fail("compute.rebuild", "The disk is full.")
    rebuilt(place, server_id)
    failed = place.nova.settled(server_id)
    assert failed["status"] == "ERROR"
    assert failed["fault"]["message"] == "Cannot rebuild the server: The disk is full."
    rebuilt(place, server_id)
    mended = place.nova.settled(server_id)
    assert (mended["status"], "fault" in mended) == ("ACTIVE", False)
