"""How compute speaks: versions, headers, faults."""

from tests.conftest import PLAIN

VARY = ["OpenStack-API-Version", "X-OpenStack-Nova-API-Version"]


def test_the_root_names_both_versions_without_a_token(world):
    answer = PLAIN.get(world.cloud.url + "/compute/")
    assert answer.status_code == 200
    old, new = answer.json()["versions"]
    assert (old["id"], old["status"], old["version"]) == ("v2.0", "DEPRECATED", "")
    assert (new["id"], new["status"], new["min_version"], new["version"]) == (
        "v2.1",
        "CURRENT",
        "2.1",
        "2.104",
    )
    assert new["links"][0]["href"] == world.cloud.url + "/compute/v2.1/"
    assert "x-openstack-request-id" not in answer.headers


def test_a_version_document_has_media_types_and_is_public(world):
    answer = PLAIN.get(world.cloud.url + "/compute/v2.1/")
    assert answer.status_code == 200
    version = answer.json()["version"]
    assert version["media-types"] == [
        {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}
    ]
    assert [link["rel"] for link in version["links"]] == ["self", "describedby"]
    assert answer.headers["OpenStack-API-Version"] == "compute 2.1"


def test_both_headers_and_two_vary_lines_on_every_negotiated_answer(nova):
    for path, status in (("/servers", 200), ("/servers/nowhere", 404)):
        answer = nova.get(path, at="2.60")
        assert answer.status_code == status
        assert answer.headers["OpenStack-API-Version"] == "compute 2.60"
        assert answer.headers["X-OpenStack-Nova-API-Version"] == "2.60"
        assert answer.headers.get_list("Vary") == VARY
        assert answer.headers["x-openstack-request-id"] == answer.headers["x-compute-request-id"]


def test_either_header_negotiates_and_latest_is_the_last(nova):
    client = nova.api.client
    assert client.get("/servers").headers["OpenStack-API-Version"] == "compute 2.1"
    old = client.get("/servers", headers={"X-OpenStack-Nova-API-Version": "2.10"})
    assert old.headers["OpenStack-API-Version"] == "compute 2.10"
    both = {"X-OpenStack-Nova-API-Version": "2.10", "OpenStack-API-Version": "volume 3.5, compute 2.20"}
    assert client.get("/servers", headers=both).headers["OpenStack-API-Version"] == "compute 2.20"
    assert nova.get("/servers", at="latest").headers["OpenStack-API-Version"] == "compute 2.104"


def test_a_version_beyond_the_last_is_406_and_echoed(nova):
    answer = nova.get("/servers", at="2.999")
    assert answer.status_code == 406
    assert answer.json() == {
        "computeFault": {
            "code": 406,
            "message": "Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.104.",
        }
    }
    assert answer.headers["OpenStack-API-Version"] == "compute 2.999"
    assert answer.headers.get_list("Vary") == VARY


def test_a_version_that_is_none_is_400(nova):
    answer = nova.get("/servers", at="2.x")
    assert answer.status_code == 400
    assert "invalid format" in answer.json()["badRequest"]["message"]


def test_no_token_is_401_in_the_shape_of_the_token_filter(world):
    answer = PLAIN.get(world.cloud.url + "/compute/v2.1/servers")
    assert answer.status_code == 401
    assert answer.json()["error"]["title"] == "Unauthorized"
    assert answer.headers["WWW-Authenticate"].startswith('Keystone uri="')


def test_an_unknown_path_is_told_as_the_client_accepts_it(nova):
    client = nova.api.client
    html = client.get("/nope")
    assert (html.status_code, html.headers["Content-Type"]) == (404, "text/html; charset=UTF-8")
    plain = client.get("/nope", headers={"Accept": "text/plain"})
    assert (plain.status_code, plain.headers["Content-Type"]) == (404, "text/plain; charset=UTF-8")


def test_what_a_version_does_not_have_is_404_in_json(nova):
    answer = nova.call("PUT", "/flavors/1", at="2.54", json={"flavor": {"description": "x"}})
    assert answer.status_code == 404
    assert answer.json() == {"itemNotFound": {"code": 404, "message": "The resource could not be found."}}


def test_an_unknown_action_is_400(place):
    server = place.server(networks="none")
    answer = place.nova.act(server["id"], "nope", {})
    assert answer.status_code == 400
    assert answer.json() == {"badRequest": {"code": 400, "message": "There is no such action: nope"}}
    assert place.nova.post(f"/servers/{server['id']}/action", {}).status_code == 400


def test_a_missing_property_is_named(nova):
    answer = nova.post("/servers", {"server": {"name": "x"}})
    assert answer.status_code == 400
    message = answer.json()["badRequest"]["message"]
    assert message.startswith("Invalid input for field/attribute server. Value: {'name': 'x'}.")
    assert "'flavorRef'" in message


def test_a_limit_that_is_no_number_is_400(nova):
    answer = nova.get("/servers?limit=x")
    assert answer.status_code == 400
    assert "limit" in answer.json()["badRequest"]["message"]


def test_a_body_that_is_no_json_is_400(nova):
    answer = nova.call("POST", "/servers", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"] == "Malformed request body"


def test_legacy_paths_answer_without_version_headers(world):
    token = world.token()
    answer = PLAIN.get(world.cloud.url + "/compute/v2/servers", headers={"X-Auth-Token": token})
    assert answer.status_code == 200
    assert "OpenStack-API-Version" not in answer.headers


def test_a_project_in_the_path_is_understood(world, nova):
    project = "0123456789abcdef0123456789abcdef"
    assert nova.get(f"/{project}/servers").status_code == 200


def test_extensions_are_listed(nova):
    extensions = nova.get("/extensions").json()["extensions"]
    assert "os-keypairs" in {each["alias"] for each in extensions}
    assert nova.get("/extensions/os-keypairs").json()["extension"]["name"] == "Keypairs"
    assert nova.get("/extensions/nope").status_code == 404
