"""Images and their metadata as old guides ask compute for them."""

import pytest

OLD = "2.35"


@pytest.fixture
def image(demo):
    return demo.image()


def ids(answer):
    return [each["id"] for each in answer["images"]]


def test_an_image_is_shown_and_listed(demo, admin, image):
    shown = demo.get(f"/images/{image}", version=OLD, promise="images.show")["image"]
    assert (shown["name"], shown["status"], shown["progress"]) == ("small", "ACTIVE", 100)
    assert (shown["OS-EXT-IMG-SIZE:size"], shown["metadata"]) == (1024, {})
    assert [link["rel"] for link in shown["links"]] == ["self", "bookmark", "alternate"]
    listed = demo.get("/images/detail", version=OLD, promise="images.detail")
    assert shown in listed["images"]
    assert image in ids(demo.get("/images", version=OLD, promise="images.index"))
    demo.get("/images", 404, version="2.36")


def test_filters_and_pages(demo, image):
    other = demo.image()
    demo.put(f"/images/{other}/metadata", {"metadata": {"image_type": "snapshot"}}, version=OLD)
    for query, found in (
        ("type=snapshot", [other]),
        ("property-image_type=snapshot", [other]),
        ("status=active&name=small", [other, image]),
        ("status=ERROR", []),
        ("name=other", []),
        ("changes-since=2001-01-01T00:00:00Z&name=small", [other, image]),
        ("changes-since=2100-01-01T00:00:00Z", []),
        ("minDisk=0&name=small", [other, image]),
        ("minRam=512", []),
        ("server=nosuch", []),
        ("name=small&limit=1", [other]),
        (f"name=small&marker={other}", [image]),
    ):
        assert ids(demo.get(f"/images/detail?{query}", version=OLD)) == found, query
    page = demo.get("/images?limit=1", version=OLD, promise="images.index")
    assert f"marker={other}" in page["images_links"][0]["href"]
    demo.get("/images?marker=nosuch", 400, version=OLD)
    demo.get("/images/detail?changes-since=soon", 400, version=OLD)
    demo.get("/images?limit=many", 400, version=OLD)


def test_a_snapshot_names_its_server(demo, image):
    server_id = "6d5c1a4e-6a2b-4d2b-9d3b-4f1f3d7f8a10"
    metadata = {"instance_uuid": server_id, "auto_disk_config": "True"}
    demo.put(f"/images/{image}/metadata", {"metadata": metadata}, version=OLD)
    shown = demo.get(f"/images/{image}", version=OLD, promise="images.show")["image"]
    assert (shown["server"]["id"], shown["OS-DCF:diskConfig"]) == (server_id, "AUTO")
    assert ids(demo.get(f"/images?server=http://x/servers/{server_id}", version=OLD)) == [image]


def test_metadata_are_the_properties_of_the_image(demo, image, world):
    path, old = f"/images/{image}/metadata", {"version": "2.38"}
    body = {"metadata": {"os_version": "1", "os_distro": "x"}}
    made = demo.post(path, body, promise="image_metadata.create", **old)
    assert made == body
    assert demo.get(path, promise="image_metadata.index", **old) == body
    assert demo.get(f"{path}/os_distro", promise="image_metadata.show", **old) == {"meta": {"os_distro": "x"}}
    changed = {"meta": {"os_distro": "y"}}
    assert demo.put(f"{path}/os_distro", changed, promise="image_metadata.update", **old) == changed
    assert "mismatch" in demo.refused("PUT", f"{path}/other", 400, changed, **old)
    assert world.api("image", user="demo").get(f"/images/{image}").json()["os_distro"] == "y"
    demo.delete(f"{path}/os_version", **old)
    assert demo.get(path, **old) == {"metadata": {"os_distro": "y"}}
    demo.get(f"{path}/os_version", 404, **old)
    demo.delete(f"{path}/os_version", 404, **old)
    replaced = {"metadata": {"architecture": "x86_64"}}
    assert demo.put(path, replaced, promise="image_metadata.update_all", **old) == replaced
    demo.get(path, 404, version="2.39")


def test_the_image_services_rules_decide(demo, admin, stranger, image, world):
    images = world.api("image")
    asked = {"name": "of all", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    public = images.post("/images", json=asked).json()["id"]
    assert public in ids(stranger.get("/images", version=OLD))
    assert image not in ids(stranger.get("/images", version=OLD))
    stranger.get(f"/images/{image}", 404, version=OLD)
    stranger.delete(f"/images/{image}", 404, version=OLD)
    stranger.delete(f"/images/{public}", 403, version=OLD)
    stranger.put(f"/images/{public}/metadata", {"metadata": {"a": "b"}}, 403, version=OLD)
    too_many = {"metadata": {f"k{number}": "v" for number in range(200)}}
    demo.post(f"/images/{image}/metadata", too_many, 403, version=OLD)
    demo.post(f"/images/{image}/metadata", {"metadata": {"owner": "me"}}, 403, version=OLD)
    demo.delete(f"/images/{image}", version=OLD)
    demo.get(f"/images/{image}", 404, version=OLD)
    assert "Image not found" in demo.refused("GET", "/images/nosuch", 404, version=OLD)


def test_a_protected_image_stays(demo, image, world):
    patch = [{"op": "replace", "path": "/protected", "value": True}]
    kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    answer = world.api("image", user="demo").patch(f"/images/{image}", json=patch, headers=kind)
    assert answer.status_code == 200, answer.text
    assert "protected" in demo.refused("DELETE", f"/images/{image}", 403, version=OLD)
