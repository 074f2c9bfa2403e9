"""A server's disk becomes an image."""

import asyncio
import time

import pytest

UNKNOWN = "11111111-2222-3333-4444-555555555555"


def image_until(place, image_id, status, seconds=15.0):
    until = time.monotonic() + seconds
    images = place.world.api("image")
    while True:
        image = images.get(f"/images/{image_id}").json()
        if image["status"] == status:
            return image
        assert time.monotonic() < until, image
        time.sleep(0.02)


def until_no_image(place, image_id, seconds=15.0):
    until = time.monotonic() + seconds
    while place.world.api("image").get(f"/images/{image_id}").status_code != 404:
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def slow(place):
    """A function that makes hosts do something else before they copy a disk."""

    def arrange(behaviour):
        for agent in place.cloud.cloud.agents:
            plain = agent.hypervisor.ask

            async def ask(server_id, question, args=None, plain=plain):
                if question == "snapshot":
                    await behaviour(server_id)
                return await plain(server_id, question, args)

            agent.hypervisor.ask = ask

    return arrange


def snapshot(place, server_id, name="copy", **asked):
    answer = place.nova.act(server_id, "createImage", {"name": name} | asked, schema="servers.create_image")
    assert answer.status_code == 202, answer.text
    return answer.json()["image_id"]


def backup(place, server_id, name, rotation, kind="daily"):
    body = {"name": name, "backup_type": kind, "rotation": rotation}
    answer = place.nova.act(server_id, "createBackup", body)
    assert answer.status_code == 202, answer.text
    place.nova.settled(server_id)
    return answer


def test_a_snapshot_is_an_image_of_which_a_server_is_born(place):
    server = place.server()
    image_id = snapshot(place, server["id"], metadata={"why": "test"})
    image = image_until(place, image_id, "active")
    assert (image["name"], image["disk_format"], image["visibility"]) == ("copy", "qcow2", "private")
    assert image["size"] > 0 and image["checksum"]
    assert {key: image[key] for key in ("image_type", "instance_uuid", "base_image_ref", "why")} == {
        "image_type": "snapshot",
        "instance_uuid": server["id"],
        "base_image_ref": place.image,
        "why": "test",
    }
    after = place.nova.settled(server["id"])
    assert (after["status"], after["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    actions = place.nova.get(f"/servers/{server['id']}/os-instance-actions").json()["instanceActions"]
    assert [each["action"] for each in actions] == ["createImage", "create"]
    assert place.server(imageRef=image_id, name="child")["image"]["id"] == image_id
    assert place.cloud.settle() == []


def test_before_2_45_a_location_tells_the_image(place):
    server_id = place.server()["id"]
    answer = place.nova.act(server_id, "createImage", {"name": "old"}, at="2.44")
    assert (answer.status_code, answer.content) == (202, b"")
    assert image_until(place, answer.headers["Location"].rpartition("/")[2], "active")["name"] == "old"


@pytest.mark.parametrize(("action", "status"), [("os-stop", "SHUTOFF"), ("pause", "PAUSED")])
def test_a_server_that_does_not_run_stays_as_it_is(place, action, status):
    server_id = place.server()["id"]
    place.nova.act(server_id, action)
    assert place.nova.settled(server_id)["status"] == status
    image_until(place, snapshot(place, server_id), "active")
    assert place.nova.settled(server_id)["status"] == status


def test_while_it_is_copied_the_guest_lives_and_nothing_else_is_begun(place, slow):
    server_id = place.server()["id"]
    slow(lambda _: asyncio.sleep(0.6))
    image_id = snapshot(place, server_id)
    shown = place.nova.server(server_id)
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", "image_snapshot")
    refused = place.nova.act(server_id, "createImage", {"name": "second"})
    assert refused.status_code == 409
    assert refused.json()["conflictingRequest"]["message"] == (
        f"Cannot 'createImage' instance {server_id} while it is in task_state image_snapshot"
    )

    async def power_off():
        place.cloud.cloud.agents[0].hypervisor.guest_powers_off(server_id)

    place.cloud.run(power_off())
    image_until(place, image_id, "active")
    assert place.nova.settled(server_id)["status"] == "SHUTOFF"


def test_a_delete_overtakes_the_copy_and_leaves_nothing(place, slow):
    server_id = place.server()["id"]
    slow(lambda _: asyncio.sleep(0.5))
    image_id = snapshot(place, server_id)
    assert place.nova.call("DELETE", f"/servers/{server_id}").status_code == 204
    place.nova.gone(server_id)
    until_no_image(place, image_id)
    assert place.cloud.settle() == []


def test_a_host_that_cannot_copy_is_asked_again_and_then_the_action_says_why(place, slow):
    server_id, asked = place.server()["id"], []

    async def refuse(_):
        asked.append(time.monotonic())
        raise LookupError("The disk is broken.")

    slow(refuse)
    image_id = snapshot(place, server_id)
    after = place.nova.settled(server_id, seconds=20)
    assert (after["status"], len(asked)) == ("ACTIVE", 4)
    until_no_image(place, image_id)
    actions = f"/servers/{server_id}/os-instance-actions"
    newest = place.nova.get(actions).json()["instanceActions"][0]
    assert (newest["action"], newest["message"]) == ("createImage", "Error")
    shown = place.nova.get(f"{actions}/{newest['request_id']}").json()["instanceAction"]
    assert shown["events"][0]["details"] == "The disk is broken."


def test_who_dies_over_a_copy_is_followed_by_another(place, slow):
    """The claim of a copy that is not renewed ends, and the copy begins anew."""
    server_id, asked = place.server()["id"], []

    async def die_once(_):
        asked.append(1)
        if len(asked) == 1:
            await asyncio.sleep(3600)

    slow(die_once)
    image_id = snapshot(place, server_id)
    until = time.monotonic() + 5
    while not asked:
        assert time.monotonic() < until
        time.sleep(0.02)

    async def kill():
        from monostack.compute.servers import snapshots

        for task in snapshots._running:
            task.cancel()

    place.cloud.run(kill())
    place.cloud.clock.advance(minutes=2)
    image_until(place, image_id, "active", seconds=20)
    assert place.nova.settled(server_id)["status"] == "ACTIVE"


def test_only_the_last_backups_of_a_kind_are_kept(place):
    server_id = place.server()["id"]
    weekly = backup(place, server_id, "week", 1, "weekly").json()["image_id"]
    ids = [backup(place, server_id, f"day {number}", 2).json()["image_id"] for number in range(3)]
    images = place.world.api("image")
    kept = [images.get(f"/images/{each}").status_code for each in (weekly, *ids)]
    assert kept == [200, 404, 200, 200]
    assert images.get(f"/images/{ids[2]}").json()["backup_type"] == "daily"
    assert backup(place, server_id, "none", 0).content == b""
    assert [images.get(f"/images/{each}").status_code for each in ids] == [404, 404, 404]


def test_what_a_caller_may_not_or_cannot_is_refused(place, stranger):
    server_id = place.server()["id"]
    assert stranger.act(server_id, "createImage", {"name": "x"}).status_code == 404
    assert place.nova.act(UNKNOWN, "createImage", {"name": "x"}).status_code == 404
    assert place.nova.act(server_id, "createImage", {}).status_code == 400
