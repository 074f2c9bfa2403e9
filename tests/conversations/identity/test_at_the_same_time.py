"""Several callers at the same moment: one wins, the others are told; nobody gets a failure."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

CALLERS = 8


@pytest.fixture
def together(world):
    """`together([("POST", path, body), ...])`: the requests, all at once; how often each status came."""
    token = world.token("admin")

    def send(request):
        method, path, body = request
        url = world.cloud.auth_url + path
        with httpx.Client(verify=False, timeout=30, headers={"X-Auth-Token": token}) as client:
            return client.request(method, url, json=body).status_code

    def at_once(requests):
        with ThreadPoolExecutor(CALLERS) as pool:
            return Counter(pool.map(send, requests))

    return at_once


@pytest.mark.parametrize("kind", ["user", "project", "group", "role", "domain", "region"])
def test_one_name_is_taken_once(together, kind):
    body = {"region": {"id": "x"}} if kind == "region" else {kind: {"name": "x"}}
    assert together([("POST", f"/{kind}s", body)] * CALLERS) == {201: 1, 409: CALLERS - 1}


def test_the_same_role_to_the_same_user_is_one_assignment(together, admin, found, make):
    user, project, role = make("user", name="u")["id"], found("projects", "demo"), found("roles", "reader")
    path = f"/projects/{project}/users/{user}/roles/{role}"
    assert together([("PUT", path, None)] * CALLERS) == {204: CALLERS}
    assert len(admin.get("/role_assignments", params={"user.id": user}).json()["role_assignments"]) == 1
    assert together([("DELETE", path, None)] * CALLERS) == {204: 1, 404: CALLERS - 1}


def test_the_same_member_is_in_a_group_once(together, admin, make):
    user, group = make("user", name="u")["id"], make("group", name="g")["id"]
    path = f"/groups/{group}/users/{user}"
    assert together([("PUT", path, None)] * CALLERS) == {204: CALLERS}
    assert len(admin.get(f"/groups/{group}/users").json()["users"]) == 1
    assert together([("DELETE", path, None)] * CALLERS) == {204: 1, 404: CALLERS - 1}


def test_roles_given_on_a_project_that_is_being_deleted_leave_nothing(together, admin, make, found):
    project, role = make("project", name="p")["id"], found("roles", "reader")
    users = [make("user", name=f"u{number}")["id"] for number in range(CALLERS - 1)]
    gifts = [("PUT", f"/projects/{project}/users/{user}/roles/{role}", None) for user in users]
    counts = together([*gifts[:4], ("DELETE", f"/projects/{project}", None), *gifts[4:]])
    assert set(counts) <= {204, 404}
    left = admin.get("/role_assignments", params={"scope.project.id": project}).json()["role_assignments"]
    assert left == []


def test_attributes_changed_by_several_are_all_kept(together, admin, make):
    user = make("user", name="u")["id"]
    changes = [("PATCH", f"/users/{user}", {"user": {f"color{n}": n}}) for n in range(CALLERS)]
    assert together(changes) == {200: CALLERS}
    shown = admin.get(f"/users/{user}").json()["user"]
    assert {name for name in shown if name.startswith("color")} == {f"color{n}" for n in range(CALLERS)}


def test_children_of_a_project_that_is_being_deleted_are_not_lost(together, admin, make):
    parent = make("project", name="parent")["id"]
    births = [("POST", "/projects", {"project": {"name": f"c{n}", "parent_id": parent}}) for n in range(4)]
    counts = together([*births[:2], ("DELETE", f"/projects/{parent}", None), *births[2:]])
    assert set(counts) <= {201, 204, 400, 403}
    children = admin.get("/projects", params={"parent_id": parent}).json()["projects"]
    survived = admin.get(f"/projects/{parent}").status_code == 200
    assert survived or children == []
