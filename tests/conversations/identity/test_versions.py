"""What a client finds when it knocks."""

import pytest
from tests.conftest import PLAIN


def test_root_is_300_with_a_location(world):
    root = world.cloud.url + "/identity/"
    answer = PLAIN.get(root)
    assert answer.status_code == 300
    assert answer.headers["Location"] == f"{root}v3/"
    (version,) = answer.json()["versions"]["values"]
    assert version["id"] == "v3.14"
    assert version["links"] == [{"rel": "self", "href": f"{root}v3/"}]


def test_v3_document_with_and_without_slash(nobody):
    for path in ("", "/"):
        answer = nobody.get(path)
        assert answer.status_code == 200
        assert answer.json()["version"]["status"] == "stable"
        assert answer.headers["Vary"] == "X-Auth-Token"


def test_unknown_path_is_404_in_html_with_or_without_token(admin, nobody):
    for client in (admin, nobody):
        answer = client.get("/nope")
        assert answer.status_code == 404
        assert answer.headers["Content-Type"].startswith("text/html")


def test_wrong_method_is_405_and_names_the_right_ones(admin):
    answer = admin.put("/users", json={})
    assert answer.status_code == 405
    assert {"GET", "HEAD", "POST"} <= set(answer.headers["Allow"].split(", "))
    assert answer.json() == {"message": "The method is not allowed for the requested URL."}


@pytest.mark.parametrize(
    "kind", ["user", "project", "domain", "role", "group", "service", "endpoint", "region", "credential"]
)
def test_body_without_its_key_is_400(admin, kind):
    for body in ({}, {kind: None}, {kind: 5}, {kind: []}, [], "x", None, {"wrong": {"name": "x"}}):
        answer = admin.post(f"/{kind}s", json=body)
        assert answer.status_code == 400, body
        assert answer.json()["error"]["title"] == "Bad Request"
    assert admin.post(f"/{kind}s").status_code == 400


def test_body_that_is_not_json_is_400(admin):
    for content, kind in ((b"{", "application/json"), (b"{}", "text/plain")):
        answer = admin.post("/users", content=content, headers={"Content-Type": kind})
        assert answer.status_code == 400
        assert answer.json()["error"]["title"] == "Bad Request"
