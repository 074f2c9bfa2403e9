"""Tags of an image, one at a time."""

from monostack.image import attributes, rows
from monostack.image.sight import find, target
from monostack.kit.errors import Error
from monostack.kit.resource import Route


def add(request, tx):
    row, tag = find(request, tx), request.path["tag"]
    tags = sorted({*(row["tags"] or ()), tag})
    attributes.check_kind("tags", tags)
    attributes.check_value("tags", tags)
    if tags != row["tags"]:
        rows.change(tx, row, {"tags": tags})


def remove(request, tx):
    row, tag = find(request, tx), request.path["tag"]
    tags = row["tags"] or []
    if tag not in tags:
        raise Error(404, "NotFound", f"Image {row['id']} has no tag {tag[:255]}.")
    rows.change(tx, row, {"tags": [each for each in tags if each != tag]})


PATH = "/v2/images/{image_id}/tags/{tag}"

ROUTES = (
    Route("PUT", PATH, add, "modify_image", ok=204, target=target, event="image.update"),
    Route("DELETE", PATH, remove, "modify_image", target=target, event="image.update"),
)
