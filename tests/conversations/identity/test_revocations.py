"""What is told about ended tokens, and the doors of signed tokens, which are closed."""

import pytest


def events(client, **query):
    answer = client.get("/OS-REVOKE/events", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["links"]["self"].endswith("/v3/OS-REVOKE/events")
    return answer.json()["events"]


def test_what_ended_tokens_is_told(world, admin, found, make, log_in):
    assert events(admin) == []
    issued = log_in({"name": "demo", "domain": {"id": "default"}})
    subject = {"X-Subject-Token": issued.headers["X-Subject-Token"]}
    assert admin.delete("/auth/tokens", headers=subject).status_code == 204
    (audit_id,) = issued.json()["token"]["audit_ids"]
    single, chain = events(admin)
    assert single["audit_id"] == chain["audit_chain_id"] == audit_id
    assert single["issued_before"] == single["revoked_at"]
    assert single["revoked_at"].endswith("Z")
    project, domain, user = make("project", name="p"), make("domain", name="d"), found("users", "demo")
    for kind, thing in (("user", user), ("project", project["id"]), ("domain", domain["id"])):
        admin.patch(f"/{kind}s/{thing}", json={kind: {"enabled": False}}).raise_for_status()
        assert events(admin)[-1][f"{kind}_id"] == thing


def test_a_trust_that_ends_is_told(world, demo, admin, found):
    user = found("users", "demo")
    trust = {
        "trustor_user_id": user,
        "trustee_user_id": found("users", "admin"),
        "project_id": found("projects", "demo"),
        "impersonation": False,
        "roles": [{"name": "member"}],
    }
    made = demo.post("/OS-TRUST/trusts", json={"trust": trust}).json()["trust"]["id"]
    assert demo.delete(f"/OS-TRUST/trusts/{made}").status_code == 204
    assert events(admin)[-1]["OS-TRUST:trust_id"] == made


def test_since(world, admin, found):
    user = found("users", "demo")
    for password in ("one", "two"):
        admin.patch(f"/users/{user}", json={"user": {"password": password}}).raise_for_status()
        world.cloud.clock.advance(seconds=60)
    first, second = events(admin)
    assert events(admin, since=second["revoked_at"]) == [second]
    assert events(admin, since="2000-01-01") == [first, second]
    assert events(admin, since="2100-01-01T00:00:00Z") == []
    answer = admin.get("/OS-REVOKE/events", params={"since": "rubbish"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "invalidate date format rubbish"


def test_only_services_and_administrators_may_read_it(demo, nobody):
    assert demo.get("/OS-REVOKE/events").status_code == 403
    assert nobody.get("/OS-REVOKE/events").status_code == 401


def test_a_user_ends_all_his_tokens(world, admin, demo, found):
    path = f"/users/{found('users', 'demo')}/tokens"
    assert demo.get("/auth/projects").status_code == 200
    assert demo.delete(f"/users/{found('users', 'admin')}/tokens").status_code == 403
    assert demo.delete(path).status_code == 204
    assert demo.get("/auth/projects").status_code == 401
    assert admin.delete(path).status_code == 204
    assert admin.delete("/users/nobody/tokens").status_code == 404


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/OS-SIMPLE-CERT/ca", 410),
        ("/OS-SIMPLE-CERT/certificates", 410),
    ],
)
def test_closed_doors_say_so_with_or_without_a_token(admin, nobody, path, code):
    for client in (admin, nobody):
        assert client.get(path).status_code == code
        assert client.post(path).status_code == 405


def test_the_list_of_revoked_documents_is_refused_to_everybody(admin, demo, nobody):
    assert [each.get("/auth/tokens/OS-PKI/revoked").status_code for each in (admin, demo)] == [403, 403]
    assert nobody.get("/auth/tokens/OS-PKI/revoked").status_code == 401


def test_a_password_cannot_be_read(nobody, found):
    answer = nobody.get(f"/users/{found('users', 'demo')}/password")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
