"""Who sees which image. What a caller may not see does not exist for him: 404, never 403.

public and community images are seen by all, shared ones by their owner and by members (whether or not they
have accepted yet), private ones by their owner. Administrators see everything, with a token of the kind that
the rules ask for: the system has no images.
"""

from monostack.image.tables import IMAGES, MEMBERS
from monostack.kit.errors import Error

OPEN = ("public", "community")


def get(
    db, caller, image_id: str, missing: Exception | None = None, lock: bool | None = False
) -> dict | None:
    """The image if the caller may see it; otherwise `missing` is raised, or None returned.

    It is not locked: many servers may be born from one image at a time.
    """
    row = db.one(IMAGES, id=image_id, lock=lock)
    if row is not None and (caller.admin or _seen(db, caller, row)):
        return row
    if missing is not None:
        raise missing
    return None


def _seen(db, caller, row: dict) -> bool:
    if row["visibility"] in OPEN:
        return True
    if caller.project_id is None:
        return False
    if row["owner"] == caller.project_id:
        return True
    return row["visibility"] == "shared" and membership(db, row["id"], caller.project_id) is not None


def membership(db, image_id: str, member_id: str | None) -> dict | None:
    """The row that makes a project a member of an image."""
    return db.one(MEMBERS, image_id=image_id, member_id=member_id or "", lock=False)


def no_image(image_id: str) -> Error:
    return Error(404, "NotFound", f"No image found with ID {image_id}")


def find(request, db) -> dict:
    """The image of the path, locked where it is to be changed; raises 404."""
    image_id, caller = request.path["image_id"], request.caller
    row = get(db, caller, image_id, lock=None)
    if row is None or not request.cloud.policy("image").check_scope("get_image", caller.credentials):
        raise no_image(image_id)
    return row


def target(request, db) -> dict:
    """What policy judges: the image of the path with its owner, visibility and the caller's membership."""
    return target_of(request.caller, find(request, db))


def target_of(caller, row: dict) -> dict:
    out = {
        "project_id": row["owner"],
        "owner": row["owner"],
        "visibility": row["visibility"],
        "image_id": row["id"],
    }
    if row["visibility"] == "shared" and row["owner"] != caller.project_id:
        out["member_id"] = caller.project_id
    return out


def demand(db, caller, rule: str, row: dict) -> None:
    """Refuse what the image service's rules do not let the caller do to an image that he sees."""
    if not db.cloud.policy("image").allowed(rule, caller.credentials, target_of(caller, row)):
        raise Error(403, "Forbidden", f"You are not allowed to do this to image {row['id']} ({rule}).")
