"""What the image service says of itself."""

import re

from monostack.kit.schemas import Validator


def test_the_root_answers_300_and_versions_200_with_one_list(world):
    client = world.api("image", user=None)
    root = client.client.base_url.copy_with(path="/image/")
    choices = client.get(str(root))
    versions = client.get(str(root.copy_with(path="/image/versions")))
    assert (choices.status_code, versions.status_code) == (300, 200)
    assert choices.json() == versions.json()
    assert [each["id"] for each in versions.json()["versions"]][:2] == ["v2.18", "v2.17"]
    assert versions.json()["versions"][0]["status"] == "CURRENT"


def test_schema_documents_allow_what_images_show(admin, make):
    image, document = make(admin, None), admin.get("/schemas/image").json()
    assert document["name"] == "image"
    assert set(image) <= set(document["properties"])
    assert "null" in document["properties"]["checksum"]["type"]
    for name in ("images", "member", "members"):
        assert admin.get(f"/schemas/{name}").json()["name"] == name
    assert admin.get("/schemas/nothing").status_code == 404


def test_answers_are_what_the_schema_documents_promise(admin, demo, make):
    image = make(admin, visibility="shared", os_distro="debian", tags=["one"])
    make(admin, None)
    admin.post(f"/images/{image['id']}/members", json={"member": "another"})
    asked = {
        "image": f"/images/{image['id']}",
        "images": "/images",
        "members": f"/images/{image['id']}/members",
        "member": f"/images/{image['id']}/members/another",
        "tasks": "/tasks",
    }
    for name, path in asked.items():
        Validator(admin.get(f"/schemas/{name}").json()).check(admin.get(path).json())


def test_the_one_store_and_the_ways_to_import(admin, demo):
    assert demo.get("/info/stores").json() == {"stores": [{"id": "fs", "default": "true"}]}
    methods = demo.get("/info/import").json()["import-methods"]["value"]
    assert methods == ["glance-direct", "web-download", "copy-image"]
    assert demo.get("/info/stores/detail").status_code == 403
    assert admin.get("/info/stores/detail").json()["stores"][0]["type"] == "file"


def test_errors_come_in_the_form_that_is_accepted(admin):
    path = "/images/00000000-0000-0000-0000-000000000000"
    asked = admin.get(path, headers={"Accept": "application/json"})
    assert asked.json() == {
        "message": "No image found with ID 00000000-0000-0000-0000-000000000000<br /><br />\n\n\n",
        "code": "404 Not Found",
        "title": "Not Found",
    }
    page = admin.get(path, headers={"Accept": "*/*"})
    assert page.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert re.search(
        r"<h1>404 Not Found</h1>\n  No image found with ID \S+<br /><br />\n\n\n\n </body>", page.text
    )
    del admin.client.headers["Accept"]
    text = admin.client.build_request("GET", path)
    text.headers.pop("Accept", None)
    plain = admin.client.send(text)
    assert plain.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert plain.text.startswith("404 Not Found\n\nNo image found")


def test_what_a_caller_wrote_is_never_markup(admin):
    answer = admin.get("/images/<script>", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "<script>" not in answer.text


def test_401_404_405(world, admin):
    answer = world.api("image", user=None).get("/images")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Keystone uri=")
    assert admin.get("/nope").status_code == 404
    answer = admin.put("/images")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
