"""Sharing an image with another project."""

import pytest


@pytest.fixture
def shared(world, demo, alice, make):
    """An image of demo's, shared with alice: its path, and alice's project."""
    project = world.api("identity", user="alice").get("/auth/projects").json()["projects"][0]["id"]
    path = f"/images/{make(demo, visibility='shared')['id']}"
    answer = demo.post(path + "/members", json={"member": project})
    assert answer.status_code == 200
    assert answer.json() == {
        "member_id": project,
        "image_id": path.removeprefix("/images/"),
        "status": "pending",
        "created_at": answer.json()["created_at"],
        "updated_at": answer.json()["updated_at"],
        "schema": "/v2/schemas/member",
    }
    return path, project


def count(api, **query):
    return len(api.get("/images", params=query).json()["images"])


def test_a_member_sees_it_and_lists_it_once_accepted(demo, alice, shared):
    path, project = shared
    assert alice.get(path).status_code == 200
    assert alice.get(path + "/file").status_code == 200
    assert count(alice) == 0
    assert count(alice, member_status="pending", visibility="shared") == 1
    accepted = alice.put(f"{path}/members/{project}", json={"status": "accepted"})
    assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted")
    assert count(alice) == 1
    alice.put(f"{path}/members/{project}", json={"status": "rejected"})
    assert count(alice) == 0
    assert count(alice, member_status="all") == 1


def test_a_member_may_not_change_the_image_nor_its_members(alice, shared):
    path, project = shared
    assert alice.delete(path).status_code == 403
    assert alice.post(path + "/members", json={"member": "x"}).status_code == 403
    assert alice.delete(f"{path}/members/{project}").status_code == 403


def test_the_owner_does_not_accept_for_the_member(demo, shared):
    path, project = shared
    assert demo.put(f"{path}/members/{project}", json={"status": "accepted"}).status_code == 403


def test_members_are_listed_shown_and_removed(demo, alice, shared):
    path, project = shared
    demo.post(path + "/members", json={"member": "another"})
    everybody = demo.get(path + "/members").json()
    assert [each["member_id"] for each in everybody["members"]] == [project, "another"]
    assert everybody["schema"] == "/v2/schemas/members"
    himself = alice.get(path + "/members").json()["members"]
    assert [each["member_id"] for each in himself] == [project]
    assert alice.get(f"{path}/members/another").status_code == 404
    assert demo.get(f"{path}/members/{project}").json()["status"] == "pending"
    assert demo.post(path + "/members", json={"member": project}).status_code == 409
    assert demo.delete(f"{path}/members/{project}").status_code == 204
    assert demo.delete(f"{path}/members/{project}").status_code == 404
    assert alice.get(path).status_code == 404


def test_only_shared_images_have_members(demo, alice, make, shared, patch):
    path, _ = shared
    patch(demo, path.removeprefix("/images/"), ("replace", "/visibility", "private"))
    assert demo.get(path + "/members").status_code == 403
    assert demo.post(path + "/members", json={"member": "x"}).status_code == 403
    assert alice.get(path).status_code == 404


@pytest.mark.parametrize("body", [{}, {"member": ""}, {"member": 5}, {"member": "x" * 256}, [], "x"])
def test_bad_members_are_400(demo, shared, body):
    assert demo.post(shared[0] + "/members", json=body).status_code == 400


@pytest.mark.parametrize("body", [{}, {"status": "odd"}, {"status": None}, [], {"status": []}])
def test_bad_answers_are_400(alice, shared, body):
    path, project = shared
    assert alice.put(f"{path}/members/{project}", json=body).status_code == 400
