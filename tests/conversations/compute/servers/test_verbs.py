"""What can be done to a server, and when it is refused."""

import pytest

VERBS = (
    ("os-stop", None, "SHUTOFF", 4),
    ("os-start", None, "ACTIVE", 1),
    ("pause", None, "PAUSED", 3),
    ("unpause", None, "ACTIVE", 1),
    ("suspend", None, "SUSPENDED", 7),
    ("resume", None, "ACTIVE", 1),
    ("reboot", {"type": "SOFT"}, "ACTIVE", 1),
    ("reboot", {"type": "HARD"}, "ACTIVE", 1),
)


def test_every_verb_ends_in_its_state(place):
    server_id = place.server()["id"]
    for action, body, status, power in VERBS:
        answer = place.nova.act(server_id, action, body)
        assert (answer.status_code, answer.content) == (202, b""), answer.text
        server = place.nova.settled(server_id)
        assert (server["status"], server["OS-EXT-STS:power_state"]) == (status, power), action
    names = [each["action"] for each in place.nova.get(f"/servers/{server_id}/os-instance-actions").json()[
        "instanceActions"]]  # fmt: skip
    assert names == ["reboot", "reboot", "resume", "suspend", "unpause", "pause", "start", "stop", "create"]


def test_a_reboot_really_starts_the_guest_anew(place):
    server_id = place.server()["id"]
    for kind in ("SOFT", "HARD"):
        boots = place.cloud.world()["servers"][server_id]["boots"]
        place.nova.act(server_id, "reboot", {"type": kind})
        place.nova.settled(server_id)
        assert place.cloud.world()["servers"][server_id]["boots"] == boots + 1


@pytest.mark.parametrize(
    ("action", "body", "name"),
    [
        ("os-start", None, "start"),
        ("unpause", None, "unpause"),
        ("resume", None, "resume"),
    ],
)
def test_a_verb_in_the_wrong_state_is_409(place, action, body, name):
    server_id = place.server()["id"]
    answer = place.nova.act(server_id, action, body)
    assert answer.status_code == 409
    assert answer.json() == {
        "conflictingRequest": {
            "code": 409,
            "message": f"Cannot '{name}' instance {server_id} while it is in vm_state active",
        }
    }


def test_second_verb_in_flight_is_409(place):
    server_id = place.server()["id"]
    place.cloud.delay("compute.stop", 0.3)
    assert place.nova.act(server_id, "os-stop").status_code == 202
    answer = place.nova.act(server_id, "pause")
    assert answer.status_code == 409
    assert answer.json()["conflictingRequest"]["message"] == (
        f"Cannot 'pause' instance {server_id} while it is in task_state powering-off"
    )
    assert place.nova.settled(server_id)["status"] == "SHUTOFF"


def test_a_hard_reboot_overtakes_a_soft_one(place):
    server_id = place.server()["id"]
    place.cloud.delay("compute.reboot", 0.2)
    assert place.nova.act(server_id, "reboot", {"type": "SOFT"}).status_code == 202
    assert place.nova.server(server_id)["status"] == "REBOOT"
    assert place.nova.act(server_id, "reboot", {"type": "SOFT"}).status_code == 409
    assert place.nova.act(server_id, "reboot", {"type": "HARD"}).status_code == 202
    assert place.nova.server(server_id)["status"] == "HARD_REBOOT"
    assert place.nova.settled(server_id)["status"] == "ACTIVE"


def test_a_guest_that_powers_off_by_itself_is_shutoff_and_starts_again(place):
    server_id = place.server()["id"]

    async def power_off():
        place.cloud.cloud.agents[0].hypervisor.guest_powers_off(server_id)

    place.cloud.run(power_off())
    for _ in range(200):
        server = place.nova.server(server_id)
        if server["status"] == "SHUTOFF":
            break
    assert (server["status"], server["OS-EXT-STS:power_state"]) == ("SHUTOFF", 4)
    assert place.nova.act(server_id, "os-start").status_code == 202
    assert place.nova.settled(server_id)["status"] == "ACTIVE"
    assert place.cloud.world()["servers"][server_id]["power"] == "running"


def test_a_verb_that_the_host_cannot_do_ends_in_error_and_says_why(place):
    server_id = place.server()["id"]
    place.cloud.fail(next="compute.pause", error="the machine does not answer")
    place.nova.act(server_id, "pause")
    server = place.nova.settled(server_id)
    assert server["status"] == "ERROR"
    assert server["fault"]["message"] == "Cannot pause the server: the machine does not answer"
    assert place.nova.act(server_id, "reboot", {"type": "HARD"}).status_code == 202
    server = place.nova.settled(server_id)
    assert (server["status"], "fault" in server) == ("ACTIVE", False)


def test_a_passing_trouble_of_the_host_is_survived(place):
    server_id = place.server()["id"]
    place.cloud.fail(next="compute.stop", error="busy", times=2, retry=True)
    place.nova.act(server_id, "os-stop")
    assert place.nova.settled(server_id)["status"] == "SHUTOFF"


def test_a_locked_server_is_only_for_administrators(place):
    place.world.persona("member")
    member = place.caller(user="member")
    server_id = member.create(**place.body(networks="none"))["id"]
    member.settled(server_id)
    assert member.act(server_id, "lock", {"locked_reason": "do not touch"}).status_code == 202
    server = member.server(server_id)
    assert (server["locked"], server["locked_reason"]) == (True, "do not touch")
    answer = member.act(server_id, "os-stop")
    assert answer.status_code == 409
    assert answer.json()["conflictingRequest"]["message"] == f"Instance {server_id} is locked"
    assert member.call("DELETE", f"/servers/{server_id}").status_code == 409
    assert place.nova.act(server_id, "os-stop").status_code == 202
    place.nova.settled(server_id)
    assert member.act(server_id, "unlock").status_code == 202
    assert member.server(server_id)["locked"] is False
    assert place.nova.act(server_id, "lock").status_code == 202
    assert member.act(server_id, "unlock").status_code == 403


def test_an_operator_resets_the_state(place):
    server_id = place.server()["id"]
    assert place.nova.act(server_id, "os-resetState", {"state": "error"}).status_code == 202
    assert place.nova.server(server_id)["status"] == "ERROR"
    assert place.nova.act(server_id, "os-resetState", {"state": "active"}).status_code == 202
    assert place.nova.server(server_id)["status"] == "ACTIVE"
    assert place.nova.act(server_id, "os-resetState", {"state": "paused"}).status_code == 400


def test_console_output_is_what_the_guest_printed(place):
    server_id = place.server()["id"]
    whole = place.nova.act(server_id, "os-getConsoleOutput", {}).json()["output"]
    assert "one login: " in whole
    last = place.nova.act(server_id, "os-getConsoleOutput", {"length": 1}).json()["output"]
    assert last == whole.splitlines()[-1]
    everything = place.nova.act(server_id, "os-getConsoleOutput", {"length": -1}).json()["output"]
    assert everything == whole


def test_a_crash_dump_interrupts_a_running_guest_only(place):
    server_id = place.server()["id"]
    assert place.nova.act(server_id, "trigger_crash_dump").status_code == 202
    assert place.cloud.world()["servers"][server_id]["interrupts"] == 1
    place.nova.act(server_id, "os-stop")
    place.nova.settled(server_id)
    assert place.nova.act(server_id, "trigger_crash_dump").status_code == 409
    assert place.nova.act(server_id, "trigger_crash_dump", at="2.16").status_code == 404


def test_what_is_not_built_is_no_action(place):
    server_id = place.server(networks="none")["id"]
    for action in ("createImage", "resize", "shelve", "rescue", "rebuild"):
        assert place.nova.act(server_id, action, {}).status_code in (400, 501), action


def test_a_deleted_server_is_not_restored_because_delete_is_delete(place):
    server_id = place.server(networks="none")["id"]
    answer = place.nova.act(server_id, "restore")
    assert answer.status_code == 409
    assert answer.json()["conflictingRequest"]["message"] == (
        f"Cannot 'restore' instance {server_id} while it is in vm_state active"
    )
