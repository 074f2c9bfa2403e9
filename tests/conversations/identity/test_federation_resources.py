"""Identity providers, their protocols, mappings and service providers."""

import pytest

F = "/OS-FEDERATION"
RULES = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "HTTP_OIDC_SUB"}]}]


@pytest.fixture
def put(admin):
    def store(path: str, kind: str, expect: int = 201, **attributes):
        answer = admin.put(F + path, json={kind: attributes})
        assert answer.status_code == expect, answer.text
        return answer.json().get(kind) or answer.json()["error"]["message"]

    return store


def test_an_identity_provider_and_its_life(admin, put, promised):
    made = promised(
        "identity_providers.put",
        admin.put(F + "/identity_providers/acme", json={"identity_provider": {"remote_ids": ["a", "b"]}}),
    )["identity_provider"]
    assert made["id"] == "acme"
    assert (made["enabled"], made["description"], made["authorization_ttl"]) == (False, None, None)
    assert made["remote_ids"] == ["a", "b"]
    assert made["links"]["protocols"] == made["links"]["self"] + "/protocols"
    domain = admin.get(f"/domains/{made['domain_id']}").json()["domain"]
    assert (domain["name"], domain["enabled"]) == (made["domain_id"], True)
    assert "acme" in domain["description"]
    changes = {"enabled": True, "remote_ids": ["c"], "description": "us", "authorization_ttl": 5}
    answer = admin.patch(F + "/identity_providers/acme", json={"identity_provider": changes})
    changed = promised("identity_providers.update", answer)["identity_provider"]
    assert {name: changed[name] for name in changes} == changes
    assert admin.get(F + "/identity_providers/acme").json()["identity_provider"] == changed
    listed = promised("identity_providers.index", admin.get(F + "/identity_providers"))
    assert listed["identity_providers"] == [changed]
    assert listed["links"]["self"].endswith(F + "/identity_providers")
    assert admin.delete(F + "/identity_providers/acme").status_code == 204
    assert admin.get(F + "/identity_providers/acme").status_code == 404
    assert admin.get(f"/domains/{made['domain_id']}").status_code == 200, "its domain stays"


def test_identity_providers_are_filtered_by_id_and_state(admin, put):
    put("/identity_providers/a", "identity_provider", enabled=True)
    put("/identity_providers/b", "identity_provider")

    def named(**query):
        found = admin.get(F + "/identity_providers", params=query).json()["identity_providers"]
        return [each["id"] for each in found]

    assert named() == ["a", "b"]
    assert named(id="b") == ["b"]
    assert named(enabled="true") == ["a"]
    assert named(enabled="false") == ["b"]


def test_what_an_identity_provider_may_not_be(admin, put):
    put("/identity_providers/a", "identity_provider", remote_ids=["r"])
    provider = "/identity_providers/"
    assert "a" in put(provider + "a", "identity_provider", 409)
    assert "r" in put(provider + "b", "identity_provider", 409, remote_ids=["r"])
    assert admin.get(F + provider + "b").status_code == 404, "nothing half done"
    put(provider + "b", "identity_provider", 404, domain_id="nowhere")
    put(provider + "b", "identity_provider", 400, colour="red")
    put(provider + "b", "identity_provider", 400, authorization_ttl=10**12)
    put(provider + "b" * 65, "identity_provider", 400)
    put(provider + "b", "identity_provider", domain_id="default")

    def change(**attributes):
        return admin.patch(F + provider + "b", json={"identity_provider": attributes}).status_code

    assert change(remote_ids=["r"]) == 409
    assert change(domain_id="default") == 400
    assert change() == 400
    assert change(remote_ids=None) == 200
    assert admin.patch(F + provider + "c", json={"identity_provider": {"enabled": True}}).status_code == 404
    assert admin.delete(F + provider + "c").status_code == 404


def test_a_provider_goes_with_its_domain(admin, put, make):
    domain = make("domain", name="theirs")
    put("/identity_providers/a", "identity_provider", domain_id=domain["id"])
    admin.patch(f"/domains/{domain['id']}", json={"domain": {"enabled": False}})
    assert admin.delete(f"/domains/{domain['id']}").status_code == 204
    assert admin.get(F + "/identity_providers/a").status_code == 404


def test_a_protocol_and_its_life(admin, put, promised):
    put("/identity_providers/acme", "identity_provider")
    put("/mappings/m", "mapping", rules=RULES)
    put("/mappings/n", "mapping", rules=RULES)
    path = F + "/identity_providers/acme/protocols"
    asked = {"mapping_id": "m", "remote_id_attribute": "HTTP_OIDC_ISS"}
    answer = admin.put(path + "/openid", json={"protocol": asked})
    made = promised("identity_providers_protocols.put", answer)["protocol"]
    assert (made["id"], made["mapping_id"]) == ("openid", "m")
    assert made["links"]["self"].endswith("/identity_providers/acme/protocols/openid")
    assert made["links"]["identity_provider"].endswith("/identity_providers/acme")
    listed = promised("identity_providers_protocols.index", admin.get(path))["protocols"]
    assert listed == [made | {"idp_id": "acme", "remote_id_attribute": "HTTP_OIDC_ISS"}]
    answer = admin.patch(path + "/openid", json={"protocol": {"mapping_id": "n"}})
    assert promised("identity_providers_protocols.update", answer)["protocol"]["mapping_id"] == "n"
    shown = promised("identity_providers_protocols.show", admin.get(path + "/openid"))["protocol"]
    assert shown["mapping_id"] == "n"
    assert admin.put(path + "/openid", json={"protocol": asked}).status_code == 409
    assert admin.put(path + "/x", json={"protocol": {"mapping_id": "nothing"}}).status_code == 400
    assert admin.put(path + "/x", json={"protocol": {}}).status_code == 400
    nowhere = F + "/identity_providers/nobody/protocols"
    assert admin.put(nowhere + "/x", json={"protocol": asked}).status_code == 404
    assert admin.get(nowhere).json()["protocols"] == []
    assert admin.patch(path + "/x", json={"protocol": {"mapping_id": "m"}}).status_code == 404
    assert admin.delete(F + "/mappings/n").status_code == 204, "a mapping in use may go"
    assert admin.delete(path + "/openid").status_code == 204
    answer = admin.get(path + "/openid")
    assert answer.status_code == 404
    assert "openid for Identity Provider: acme" in answer.json()["error"]["message"]


def test_a_mapping_and_its_life(admin, put):
    made = put("/mappings/m", "mapping", rules=RULES, name="not kept")
    assert made["links"]["self"].endswith("/OS-FEDERATION/mappings/m")
    assert made == {"id": "m", "rules": RULES, "schema_version": "1.0", "links": made["links"]}
    assert put("/mappings/n", "mapping", rules=RULES, schema_version="2.0")["schema_version"] == "2.0"
    assert [each["id"] for each in admin.get(F + "/mappings").json()["mappings"]] == ["m", "n"]
    rules = [{"local": [{"group": {"id": "g"}}], "remote": [{"type": "a", "any_one_of": ["b"]}]}]
    answer = admin.patch(F + "/mappings/m", json={"mapping": {"rules": rules, "schema_version": "2.0"}})
    assert answer.json()["mapping"]["rules"] == rules
    assert admin.get(F + "/mappings/m").json() == answer.json()
    assert admin.delete(F + "/mappings/m").status_code == 204
    assert admin.get(F + "/mappings/m").status_code == 404
    assert admin.delete(F + "/mappings/m").status_code == 404
    assert admin.patch(F + "/mappings/m", json={"mapping": {"rules": RULES}}).status_code == 404


def rule(local=None, **remote):
    return [{"local": [local or {"user": {"name": "x"}}], "remote": [{"type": "t"} | remote]}]


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"rules": []},
        {"rules": RULES, "schema_version": "9"},
        {"rules": RULES, "schema_version": 2},
        {"rules": [{"local": [], "remote": []}]},
        {"rules": rule(any_one_of=["a"], whitelist=["b"])},
        {"rules": rule(regex=True)},
        {"rules": rule(whitelist=["("], regex=True)},
        {"rules": rule(whitelist=[7], regex=True)},
        {"rules": rule({"colour": "red"})},
        {"rules": rule({"user": {"type": "superuser"}})},
        {"rules": rule({"group": {"name": "no domain"}})},
        {"rules": rule({"projects": [{"name": "p", "roles": [], "domain": {"id": "d"}}]})},
        {"rules": rule({"projects_json": "{0}"}), "schema_version": "2.0"},
        {"rules": [RULES[0] | {"other": 1}]},
    ],
)
def test_what_a_mapping_may_not_be(put, mapping):
    assert put("/mappings/m", "mapping", 400, **mapping)


def test_a_mapping_needs_its_name_in_the_path(admin):
    for method in ("PUT", "PATCH", "DELETE"):
        assert admin.request(method, F + "/mappings").status_code == 400
    assert admin.post(F + "/mappings").status_code == 405


def test_a_service_provider_and_its_life(admin, put, promised, log_in):
    urls = {"auth_url": "https://b.example/v3", "sp_url": "https://b.example/sp"}
    answer = admin.put(F + "/service_providers/b", json={"service_provider": urls})
    made = promised("service_providers.put", answer)["service_provider"]
    assert made == urls | {
        "id": "b",
        "enabled": False,
        "description": None,
        "relay_state_prefix": "ss:mem:",
        "links": made["links"],
    }
    user = {"name": "demo", "domain": {"id": "default"}}
    assert "service_providers" not in log_in(user, "unscoped").json()["token"]
    change = {"enabled": True, "relay_state_prefix": None}
    answer = admin.patch(F + "/service_providers/b", json={"service_provider": change})
    assert promised("service_providers.update", answer)["service_provider"]["enabled"] is True
    assert log_in(user, "unscoped").json()["token"]["service_providers"] == [urls | {"id": "b"}]
    listed = promised("service_providers.index", admin.get(F + "/service_providers?enabled=true"))
    assert [each["id"] for each in listed["service_providers"]] == ["b"]
    shown = promised("service_providers.show", admin.get(F + "/service_providers/b"))["service_provider"]
    assert shown == listed["service_providers"][0]
    assert "b" in put("/service_providers/b", "service_provider", 409, **urls)
    put("/service_providers/c", "service_provider", 400, auth_url="https://b.example")
    put("/service_providers/c", "service_provider", 400, auth_url="nowhere", sp_url="nowhere")
    assert admin.delete(F + "/service_providers/b").status_code == 204
    assert admin.get(F + "/service_providers/b").status_code == 404
    assert "service_providers" not in log_in(user, "unscoped").json()["token"]


def test_federation_is_the_administrators(demo, nobody, put):
    put("/mappings/m", "mapping", rules=RULES)
    for path in ("/identity_providers", "/mappings", "/service_providers", "/mappings/m"):
        assert demo.get(F + path).status_code == 403
        assert nobody.get(F + path).status_code == 401
    assert demo.put(F + "/mappings/n", json={"mapping": {"rules": RULES}}).status_code == 403
