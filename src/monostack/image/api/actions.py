"""Deactivation: an image under suspicion stays where it is, but only administrators get its data."""

from monostack.image.sight import find, target
from monostack.image.wire import forbidden
from monostack.kit.resource import Route


def deactivate(request, tx):
    _turn(request, tx, "deactivate", "active", "deactivated")


def reactivate(request, tx):
    _turn(request, tx, "reactivate", "deactivated", "active")


def _turn(request, tx, verb: str, before: str, after: str) -> None:
    row = find(request, tx)
    if row["status"] == after:
        return
    if row["status"] != before:
        raise forbidden(f"Not allowed to {verb} image in status '{row['status']}'")
    tx.set(row, status=after)


PATH = "/v2/images/{image_id}/actions/"

ROUTES = (
    Route(
        "POST", PATH + "deactivate", deactivate, "deactivate", ok=204, target=target, event="image.deactivate"
    ),
    Route(
        "POST", PATH + "reactivate", reactivate, "reactivate", ok=204, target=target, event="image.reactivate"
    ),
)
