"""Members: the projects that an image is shared with, and whether they want it in their lists.

The owner adds and removes members, a member alone accepts or rejects. A member sees himself, not the others;
who is neither sees nothing, and 404 tells him no more.
"""

from monostack.image.sight import find, membership, target
from monostack.image.tables import MEMBERS
from monostack.image.wire import bad, conflict, forbidden, too_large
from monostack.kit import clock
from monostack.kit.errors import Error
from monostack.kit.resource import Field, Route

MOST = 128
STATUSES = ("pending", "accepted", "rejected")

FIELDS = (
    Field("member_id"),
    Field("image_id"),
    Field("status"),
    Field("created_at", lambda row: clock.z(row["created_at"])),
    Field("updated_at", lambda row: clock.z(row["updated_at"])),
    Field("schema", lambda row: "/v2/schemas/member"),
)


def index(request, db):
    image = _shared(request, db)
    where = {"image_id": image["id"]}
    if not _owns(request, image):
        where["member_id"] = request.caller.project_id
    members = db.all(MEMBERS, order=("created_at", "member_id"), **where)
    return {"members": request.render_all(FIELDS, members), "schema": "/v2/schemas/members"}


def show(request, db):
    return request.render(FIELDS, _find(request, db))


def create(request, tx):
    image, body = _shared(request, tx), request.body
    if not isinstance(body, dict) or not isinstance(body.get("member"), str):
        raise bad('Member to be added not specified: the body is {"member": project id}.')
    member_id = body["member"]
    if not 0 < len(member_id) <= 255:
        raise bad("Member can't be empty, nor longer than 255 characters.")
    if tx.count(MEMBERS, image_id=image["id"]) >= MOST:
        raise too_large(
            f"The limit has been exceeded on the number of allowed image members for this image. "
            f"Attempted: {MOST + 1}, Maximum: {MOST}"
        )
    taken = conflict(f"Image member {member_id} already exists for image {image['id']}.")
    row = tx.insert(MEMBERS, image_id=image["id"], member_id=member_id, status="pending", taken=taken)
    return request.render(FIELDS, row)


def member_target(request, db):
    """What policy judges when a member speaks for himself."""
    return target(request, db) | {"member_id": request.path["member_id"]}


def update(request, tx):
    row, body = _find(request, tx), request.body
    if not isinstance(body, dict) or body.get("status") not in STATUSES:
        raise bad(f'The body is {{"status": one of {", ".join(STATUSES)}}}.')
    tx.set(row, status=body["status"])
    return request.render(FIELDS, row)


def delete(request, tx):
    tx.delete(_find(request, tx))


def _shared(request, db) -> dict:
    image = find(request, db)
    if image["visibility"] != "shared":
        raise forbidden("Only shared images have members.")
    return image


def _owns(request, image: dict) -> bool:
    return request.caller.admin or image["owner"] == request.caller.project_id


def _find(request, db) -> dict:
    image, member_id = _shared(request, db), request.path["member_id"]
    row = None
    if _owns(request, image) or member_id == request.caller.project_id:
        row = membership(db, image["id"], member_id)
    if row is None:
        raise Error(
            404, "NotFound", f"{member_id[:255]} not found in the member list of the image {image['id']}."
        )
    return row


PATH = "/v2/images/{image_id}/members"

ROUTES = (
    Route("GET", PATH, index, "get_members", target=target),
    Route("POST", PATH, create, "add_member", ok=200, target=target, event="image.member.create"),
    Route("GET", PATH + "/{member_id}", show, "get_member", target=target),
    Route(
        "PUT",
        PATH + "/{member_id}",
        update,
        "modify_member",
        target=member_target,
        event="image.member.update",
    ),
    Route(
        "DELETE", PATH + "/{member_id}", delete, "delete_member", target=target, event="image.member.delete"
    ),
)
