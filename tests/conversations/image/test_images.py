"""Images: made, described, changed, deleted, and who sees them."""

import uuid

import pytest


def names(api, **query):
    answer = api.get("/images", params=query)
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["images"]]


def test_a_new_image_is_queued_and_shows_every_attribute(admin):
    asked = {
        "name": "sample",
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "shared",
        "hw_disk_bus": "virtio",
        "tags": ["t1", "t1"],
        "min_ram": 1,
    }
    answer = admin.post("/images", json=asked)
    assert answer.status_code == 201
    image = answer.json()
    assert answer.headers["Location"].endswith(f"/v2/images/{image['id']}")
    assert answer.headers["OpenStack-image-store-ids"] == "fs"
    for name in ("owner", "id", "created_at", "updated_at"):
        assert image.pop(name)
    path = image.pop("self")
    assert image == {
        "hw_disk_bus": "virtio",
        "name": "sample",
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "shared",
        "size": None,
        "virtual_size": None,
        "status": "queued",
        "checksum": None,
        "protected": False,
        "min_ram": 1,
        "min_disk": 0,
        "os_hidden": False,
        "os_hash_algo": None,
        "os_hash_value": None,
        "tags": ["t1"],
        "file": path + "/file",
        "schema": "/v2/schemas/image",
    }


def test_an_image_without_anything_is_possible(demo):
    image = demo.post("/images", json={}).json()
    assert (image["name"], image["disk_format"], image["visibility"]) == (None, None, "shared")


def test_an_own_id_is_taken_once_even_after_delete(demo):
    mine = str(uuid.uuid4())
    assert demo.post("/images", json={"id": mine}).json()["id"] == mine
    assert demo.post("/images", json={"id": mine}).status_code == 409
    assert demo.delete(f"/images/{mine}").status_code == 204
    assert demo.get(f"/images/{mine}").status_code == 404
    assert demo.post("/images", json={"id": mine}).status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {"disk_format": "nope"},
        {"name": 5},
        {"name": "x" * 256},
        {"min_ram": -1},
        {"min_ram": 2**31},
        {"min_disk": "1"},
        {"tags": "t"},
        {"tags": [""]},
        {"tags": ["x" * 256]},
        {"visibility": "secret"},
        {"protected": "yes"},
        {"a": 1},
        {"a": None},
        {"id": "1"},
        {"x" * 256: "y"},
        {"": "y"},
        [],
        "image",
        None,
    ],
)
def test_a_bad_body_is_400(demo, body):
    assert demo.post("/images", json=body).status_code == 400


def test_no_json_is_400(demo):
    answer = demo.post("/images", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "Malformed JSON" in answer.json()["message"]


@pytest.mark.parametrize(
    "name",
    ["status", "checksum", "size", "created_at", "self", "deleted", "location", "stores", "os_glance_x"],
)
def test_what_the_service_decides_cannot_be_set(demo, name):
    value = 1 if name == "size" else "active"
    assert demo.post("/images", json={name: value}).status_code == 403


def test_more_properties_or_tags_than_allowed_are_413(demo):
    assert demo.post("/images", json={f"p{n}": "x" for n in range(129)}).status_code == 413
    assert demo.post("/images", json={"tags": [f"t{n}" for n in range(129)]}).status_code == 413


def test_only_an_administrator_makes_public_images_or_images_of_others(admin, demo):
    assert demo.post("/images", json={"visibility": "public"}).status_code == 403
    assert demo.post("/images", json={"owner": "another"}).status_code == 403
    assert demo.post("/images", json={"visibility": "community"}).status_code == 201
    assert (
        admin.post("/images", json={"visibility": "public", "owner": "another"}).json()["owner"] == "another"
    )


def test_a_reader_may_look_but_not_make(world, admin, make):
    make(admin, None, visibility="public", name="open")
    world.persona("reader", role="reader")
    reader = world.api("image", user="reader")
    assert names(reader) == ["open"]
    assert reader.post("/images", json={}).status_code == 403


def test_other_projects_images_do_not_exist(demo, alice, make, put, patch):
    for visibility in ("private", "shared"):
        image = make(demo, visibility=visibility)["id"]
        assert alice.get(f"/images/{image}").status_code == 404
        assert alice.get(f"/images/{image}/file").status_code == 404
        assert alice.get(f"/images/{image}/members").status_code == 404
        assert alice.delete(f"/images/{image}").status_code == 404
        assert patch(alice, image, ("replace", "/name", "x")).status_code == 404
        assert put(alice, image, b"x").status_code == 404
        assert alice.put(f"/images/{image}/tags/t").status_code == 404
        assert alice.post(f"/images/{image}/actions/deactivate").status_code == 404
        assert names(alice) == []
        assert demo.get(f"/images/{image}").status_code == 200


def test_public_and_community_images_are_seen_and_not_touched(admin, demo, alice, make, patch):
    public = make(admin, visibility="public", name="public")["id"]
    community = make(demo, visibility="community", name="community")["id"]
    for image in (public, community):
        assert alice.get(f"/images/{image}").status_code == 200
        assert alice.get(f"/images/{image}/file").status_code == 200
        assert alice.delete(f"/images/{image}").status_code == 403
        assert patch(alice, image, ("replace", "/name", "x")).status_code == 403
        assert alice.put(f"/images/{image}/tags/t").status_code == 403
    assert names(alice) == ["public"]
    assert names(alice, visibility="community") == ["community"]
    assert names(demo) == ["community", "public"]


def test_an_administrator_sees_all(admin, demo, make):
    make(demo, None, visibility="private", name="private")
    make(demo, None, visibility="community", name="community")
    assert names(admin) == ["private"]
    assert names(admin, visibility="all") == ["community", "private"]


def test_hidden_images_are_listed_only_when_asked_for(demo, make):
    image = make(demo, None, os_hidden=True)
    assert names(demo) == []
    assert names(demo, os_hidden="true") == ["sample"]
    assert demo.get(f"/images/{image['id']}").status_code == 200


def test_a_protected_image_is_not_deleted(demo, make, patch):
    image = make(demo, None, protected=True)["id"]
    assert demo.delete(f"/images/{image}").status_code == 403
    assert patch(demo, image, ("replace", "/protected", False)).status_code == 200
    assert demo.delete(f"/images/{image}").status_code == 204
    assert demo.delete(f"/images/{image}").status_code == 404


@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
def test_patch_adds_replaces_and_removes(demo, make, patch, version):
    image = make(demo, a="1", b="2")["id"]
    answer = patch(
        demo,
        image,
        ("replace", "/name", "new"),
        ("add", "/c~1d", "3"),
        ("replace", "/a", "4"),
        ("remove", "/b"),
        ("replace", "/tags", ["t"]),
        ("add", "/min_disk", 5),
        version=version,
    )
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert (changed["name"], changed["c/d"], changed["a"], changed["tags"], changed["min_disk"]) == (
        "new",
        "3",
        "4",
        ["t"],
        5,
    )
    assert "b" not in changed
    assert demo.get(f"/images/{image}").json() == changed
    assert names(demo, a="4", tag="t") == ["new"]
    assert names(demo, a="1") == names(demo, b="2") == []


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (("replace", "/status", "active"), 403),
        (("replace", "/id", "x"), 403),
        (("add", "/deleted", "x"), 403),
        (("add", "/locations", []), 403),
        (("add", "/locations/-", {}), 403),
        (("remove", "/name"), 403),
        (("remove", "/nothing"), 409),
        (("replace", "/nothing", "x"), 409),
        (("replace", "/name", 5), 400),
        (("add", "/a", 5), 400),
        (("add", "/a"), 400),
        (("move", "/name", "x"), 400),
        (("add", "name", "x"), 400),
        (("add", "/name/first", "x"), 400),
        (("add", "/", "x"), 400),
        (("add", "/a~2", "x"), 400),
        (("replace", "/visibility", "public"), 403),
        (("replace", "/visibility", "odd"), 400),
        (("replace", "/owner", "another"), 403),
        (("replace", "/disk_format", "qcow2"), 403),
        (("replace", "/min_disk", -1), 400),
        (("replace", "/protected", "x"), 400),
        (("add", 5, "x"), 400),
    ],
)
def test_what_a_patch_may_not_do(demo, make, patch, operation, code):
    image = make(demo)
    answer = patch(demo, image["id"], ("add", "/z", "before"), operation)
    assert answer.status_code == code, answer.text
    assert demo.get(f"/images/{image['id']}").json() == image


def test_a_patch_of_another_type_or_shape_is_refused(demo, make):
    image = make(demo, None)["id"]
    answer = demo.patch(f"/images/{image}", json=[])
    assert answer.status_code == 415
    assert "application/openstack-images-v2.1-json-patch" in answer.headers["Accept-Patch"]
    kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    for body in ({}, ["x"], [[]], [{"op": "add"}], "x", None):
        assert demo.patch(f"/images/{image}", json=body, headers=kind).status_code == 400, body


def test_formats_of_a_queued_image_can_be_changed(demo, make, patch):
    image = make(demo, None)["id"]
    assert patch(demo, image, ("replace", "/disk_format", "qcow2")).json()["disk_format"] == "qcow2"


def test_an_administrator_publishes_and_gives_away(admin, demo, make, patch):
    image = make(demo, None)["id"]
    assert (
        patch(admin, image, ("replace", "/visibility", "public"), ("replace", "/owner", "x")).status_code
        == 200
    )
    assert demo.get(f"/images/{image}").json()["owner"] == "x"


def test_tags_one_at_a_time(demo, make):
    path = f"/images/{make(demo, None)['id']}"
    assert demo.put(path + "/tags/b").status_code == 204
    assert demo.put(path + "/tags/a").status_code == 204
    assert demo.put(path + "/tags/a").status_code == 204
    assert demo.get(path).json()["tags"] == ["a", "b"]
    assert demo.put(path + "/tags/" + "x" * 256).status_code == 400
    assert demo.delete(path + "/tags/a").status_code == 204
    assert demo.delete(path + "/tags/a").status_code == 404


def test_deactivation_bars_all_but_administrators(admin, demo, make):
    path = f"/images/{make(demo)['id']}"
    assert demo.post(path + "/actions/deactivate").status_code == 204
    assert demo.post(path + "/actions/deactivate").status_code == 204
    assert demo.get(path).json()["status"] == "deactivated"
    assert demo.get(path + "/file").status_code == 403
    assert admin.get(path + "/file").status_code == 200
    assert demo.post(path + "/actions/reactivate").status_code == 204
    assert demo.get(path + "/file").status_code == 200


def test_a_queued_image_cannot_be_deactivated(demo, make):
    path = f"/images/{make(demo, None)['id']}"
    assert demo.post(path + "/actions/deactivate").status_code == 403
    assert demo.post(path + "/actions/reactivate").status_code == 403


def test_an_image_without_an_id_is_404_and_not_the_list(demo):
    assert demo.get("/images/").status_code == 404
    assert demo.delete("/images/").status_code == 404


def test_the_system_has_no_images(world, admin, make):
    system = world.api("image", "admin", scope={"system": {"all": True}})
    image = make(admin, b"data", visibility="public")["id"]
    kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    patch = [{"op": "replace", "path": "/name", "value": "x"}]
    for answer in (
        system.get(f"/images/{image}"),
        system.patch(f"/images/{image}", json=patch, headers=kind),
        system.get(f"/images/{image}/file"),
        system.put(f"/images/{image}/tags/t"),
        system.post(f"/images/{image}/actions/deactivate"),
        system.delete(f"/images/{image}"),
    ):
        assert answer.status_code == 404
    assert system.post("/images", json={"name": "x"}).status_code == 403
    assert admin.get(f"/images/{image}").json()["status"] == "active"
