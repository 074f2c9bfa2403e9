"""A caller who is kept is not kept longer than time alone leaves his token good."""

from __future__ import annotations

from monostack import testing
from monostack.identity.federation.tables import EXPIRING_MEMBERSHIPS

HOLDS = 600
"""Seconds for which an identity provider is believed that somebody is in a group."""


def made(admin, path: str, single: str, **values) -> str:
    answer = admin.post(path, json={single: values})
    assert answer.status_code == 201, answer.text
    return answer.json()[single]["id"]


def test_a_membership_that_runs_out_takes_its_roles_along(world, admin):
    user = made(admin, "/users", "user", name="guest", password=testing.PASSWORD)
    group = made(admin, "/groups", "group", name="guests")
    project = made(admin, "/projects", "project", name="guests")
    reader = admin.get("/roles", params={"name": "reader"}).json()["roles"][0]["id"]
    assert admin.put(f"/projects/{project}/groups/{group}/roles/{reader}").status_code == 204
    clock = world.cloud.clock

    def join(tx) -> None:
        until = clock.after(HOLDS)
        tx.insert(EXPIRING_MEMBERSHIPS, user_id=user, group_id=group, idp_id="idp", expires_at=until)
        tx.ends_tokens()

    world.cloud.run(world.cloud.cloud.engine.write(join))
    guest = world.api("identity", "guest", "guests")
    assert guest.get("/auth/projects").status_code == 200
    clock.offset += HOLDS - 60  # as time passes: nobody is told
    assert guest.get("/auth/projects").status_code == 200
    clock.offset += 61
    assert guest.get("/auth/projects").status_code == 401
