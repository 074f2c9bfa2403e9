"""Image's requests: an image in each of the states that operations want, and definitions of metadata."""

from __future__ import annotations

from typing import Any

from tests.contract.every_operation import Operation
from tests.contract.maker import OCTETS, Maker

BODIES: dict[str, Any] = {
    "POST /v2/images": {"name": "new", "disk_format": "raw", "container_format": "bare"},
    "PATCH /v2/images/{image_id}": [{"op": "replace", "path": "/name", "value": "b"}],
    "POST /v2/images/{image_id}/import": {"method": {"name": "glance-direct"}},
    "POST /v2/images/{image_id}/locations": {"url": "http://example.org/"},
    "POST /v2/images/{image_id}/members": {"member": "$reader"},
    "PUT /v2/images/{image_id}/members/{member_id}": {"status": "accepted"},
    "POST /v2/metadefs/namespaces": {"namespace": "b"},
    "PUT /v2/metadefs/namespaces/{namespace}": {"namespace": "a", "description": "new"},
}  # fmt: skip
HEADERS = {"PATCH /v2/images/{image_id}": {"Content-Type": "application/openstack-images-v2.1-json-patch"}}


def meant(operation: Operation, segment: str) -> str:
    """The image in the state that the operation wants."""
    if segment != "{image_id}":
        return ""
    if "/members" in operation.pattern:
        return "shared_image"
    if operation.route.method not in ("PUT", "POST"):
        return ""
    states = {"file": "queued_image", "stage": "queued_image", "import": "staged_image"}
    return states.get(operation.pattern.rpartition("/")[2], "")


def make(maker: Maker, ids: dict[str, Any]) -> None:
    new = {"name": "a", "disk_format": "raw", "container_format": "bare", "tags": ["red"], "a": "1"}
    image_id = maker.post("image", "/images", new)["id"]
    api = maker.api("image", maker.owner)
    put = api.put(f"/images/{image_id}/file", content=b"0" * 512, headers={"Content-Type": OCTETS})
    assert put.status_code == 204, put.text
    staged = maker.post("image", "/images", new)["id"]
    put = api.put(f"/images/{staged}/stage", content=b"0" * 512, headers={"Content-Type": OCTETS})
    assert put.status_code == 204, put.text
    ids["staged_image"] = staged
    ids["queued_image"] = maker.post("image", "/images", new)["id"]
    shared = maker.post("image", "/images", new | {"visibility": "shared"})["id"]
    maker.post("image", f"/images/{shared}/members", {"member": ids["other"]})
    post = maker.post
    post("image", "/metadefs/namespaces", {"namespace": "a", "visibility": "public"}, "admin")
    post("image", "/metadefs/namespaces/a/objects", {"name": "red"}, "admin")
    post(
        "image",
        "/metadefs/namespaces/a/properties",
        {"name": "red", "title": "red", "type": "string"},
        "admin",
    )
    post("image", "/metadefs/namespaces/a/tags/red", None, "admin")
    ids |= {
        "image": image_id,
        "image images": image_id,
        "shared_image": shared,
        "image members": ids["other"],
        "image namespaces": "a",
        "image tags": "red",
        "image objects": "red",
        "image properties": "red",
        "image resource_types": "OS::Nova::Flavor",
    }
