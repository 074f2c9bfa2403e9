"""Policies: texts left with identity for others."""

import pytest


def leave(client, code=201, **attributes):
    asked = {"type": "application/json", "blob": "{}"} | attributes
    answer = client.post("/policies", json={"policy": asked})
    assert answer.status_code == code, answer.text
    return answer.json().get("policy") or answer.json()["error"]["message"]


def test_life(admin):
    made = leave(admin, blob='{"a": "role:x"}', project_id="p")
    assert (made["type"], made["blob"], made["project_id"]) == ("application/json", '{"a": "role:x"}', "p")
    path = f"/policies/{made['id']}"
    assert made["links"]["self"].endswith("/v3" + path)
    assert admin.get(path).json()["policy"] == made
    assert admin.get("/policies").json()["policies"] == [made]
    assert admin.get("/policies", params={"type": "text/plain"}).json()["policies"] == []
    changed = admin.patch(path, json={"policy": {"type": "text/plain"}}).json()["policy"]
    assert changed == made | {"type": "text/plain"}
    assert admin.patch(path, json={"policy": {"id": "other"}}).status_code == 400
    assert admin.delete(path).status_code == 204
    answer = admin.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"Could not find policy: {made['id']}."


@pytest.mark.parametrize(
    ("attributes", "words"),
    [({"blob": 5}, "'blob'"), ({"type": "x" * 256}, "255"), ({"type": None}, "'type'")],
)
def test_what_is_not_a_policy_is_refused(admin, attributes, words):
    assert words in leave(admin, 400, **attributes)


def test_type_and_blob_are_needed(admin):
    for sent in ({"type": "x"}, {"blob": "x"}, {}):
        assert admin.post("/policies", json={"policy": sent}).status_code == 400


def test_members_neither_see_nor_make_policies(admin, demo):
    made = leave(admin)
    leave(demo, 403)
    assert demo.get("/policies").status_code == 403
    assert demo.get(f"/policies/{made['id']}").status_code == 403
