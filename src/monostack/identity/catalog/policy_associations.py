"""Which of the kept policies is meant for an endpoint, a service, or a service in a region.

The nearest association decides: the endpoint's own, then its service's in its region, in the region above and
so on, then its service's anywhere. One of these places has one policy: a new association takes it over.

Source: identity API reference, "OS-ENDPOINT-POLICY"; what a current identity service answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monostack.identity.attributes import show, show_all
from monostack.identity.catalog import endpoints, policies, regions, services
from monostack.identity.catalog.tables import POLICY_ASSOCIATIONS
from monostack.identity.tables import ENDPOINTS, REGIONS
from monostack.identity.wire import cut
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Response, Route

ENDPOINT_SHOWN = tuple(field for field in endpoints.SHOWN if field.name != "region")
FINDERS = {"endpoint_id": endpoints, "service_id": services, "region_id": regions}


@dataclass(frozen=True)
class Door:
    """Associations of one kind, by the names of what they are with."""

    names: tuple[str, ...]

    def check(self, request: Request, db: Db) -> Response:
        absent = Error(404, "NotFound", "Could not find policy association.")
        db.one(POLICY_ASSOCIATIONS, **self._where(request, db), missing=absent)
        return Response(204)

    def make(self, request: Request, tx: Tx) -> Response:
        where = self._where(request, tx)
        policy_id = where.pop("policy_id")
        row = tx.one(POLICY_ASSOCIATIONS, **where)
        if row is None:
            tx.insert(POLICY_ASSOCIATIONS, policy_id=policy_id, **where)
        else:
            tx.set(row, policy_id=policy_id)
        request.subject = policy_id
        return Response(204)

    def end(self, request: Request, tx: Tx) -> Response:
        """Take an association away; that there is none is no error."""
        where = self._where(request, tx)
        tx.delete_all(POLICY_ASSOCIATIONS, **where)
        request.subject = where["policy_id"]
        return Response(204)

    def _where(self, request: Request, db: Db) -> dict[str, Any]:
        """The conditions on the association that the path names; raises Error 404 for what does not exist."""
        policy = policies.find(db, request.path["policy_id"])
        for name in self.names:
            FINDERS[name].find(db, request.path[name])
        return _place(**{name: request.path[name] for name in self.names}) | {"policy_id": policy["id"]}


def _place(endpoint_id: str = "", service_id: str = "", region_id: str = "") -> dict[str, Any]:
    return {"endpoint_id": endpoint_id, "service_id": service_id, "region_id": region_id}


def policy_of_endpoint(request: Request, db: Db) -> dict:
    endpoint = endpoints.find(db, request.path["endpoint_id"])
    association = _nearest(db, endpoint)
    if association is None:
        words = f"No policy is associated with endpoint {endpoint['id']}."
        raise Error(404, "NotFound", words)
    return {"policy": show(request, policies.SHOWN, policies.find(db, association["policy_id"]))}


def _nearest(db: Db, endpoint: Row) -> Row | None:
    service_id = endpoint["service_id"]
    places = [_place(endpoint_id=endpoint["id"])]
    places += [_place(service_id=service_id, region_id=name) for name in _with_parents(db, endpoint)]
    places.append(_place(service_id=service_id))
    found = (db.one(POLICY_ASSOCIATIONS, **place) for place in places)
    return next((association for association in found if association is not None), None)


def _with_parents(db: Db, endpoint: Row) -> list[str]:
    """The endpoint's region and those above it, nearest first."""
    out: list[str] = []
    region_id = endpoint["region_id"]
    while region_id is not None and region_id not in out:
        out.append(region_id)
        region = db.one(REGIONS, id=region_id)
        region_id = region and region["parent_region_id"]
    return out


def endpoints_of_policy(request: Request, db: Db) -> dict:
    """The endpoints that the policy's associations name, whether or not a nearer one decides for them."""
    policy = policies.find(db, request.path["policy_id"])
    associations = db.all(POLICY_ASSOCIATIONS, policy_id=policy["id"])
    meant = [row for row in db.all(ENDPOINTS, order="id") if _any_names(db, associations, row)]
    found = cut(meant, request)
    return request.list("endpoints", show_all(request, ENDPOINT_SHOWN, found), found)


def _any_names(db: Db, associations: list[Row], endpoint: Row) -> bool:
    regions_above = {"", *_with_parents(db, endpoint)}
    return any(
        row["endpoint_id"] == endpoint["id"]
        or (row["service_id"] == endpoint["service_id"] and row["region_id"] in regions_above)
        for row in associations
    )


BASE = "/policies/{policy_id}/OS-ENDPOINT-POLICY"
DOORS = (
    ("endpoint", "/endpoints/{endpoint_id}", Door(("endpoint_id",))),
    ("service", "/services/{service_id}", Door(("service_id",))),
    (
        "region_and_service",
        "/services/{service_id}/regions/{region_id}",
        Door(("service_id", "region_id")),
    ),
)


def _routes() -> tuple[Route, ...]:
    out = [
        Route("GET", BASE + "/endpoints", endpoints_of_policy, "identity:list_endpoints_for_policy"),
        Route(
            "GET",
            "/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy",
            policy_of_endpoint,
            "identity:get_policy_for_endpoint",
        ),
    ]
    for kind, path, door in DOORS:
        rule = "identity:{}_policy_association_for_" + kind
        changed = "identity.policy.associations_changed"
        out += [
            Route("GET", BASE + path, door.check, rule.format("check")),
            Route("PUT", BASE + path, door.make, rule.format("create"), event=changed),
            Route("DELETE", BASE + path, door.end, rule.format("delete"), event=changed),
        ]
    return tuple(out)


ROUTES = _routes()
