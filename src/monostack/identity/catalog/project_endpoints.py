"""Which endpoints and endpoint groups a project is given, seen from either side.

Source: identity API reference, "OS-EP-FILTER"; what a current identity service answers.
"""

from __future__ import annotations

from monostack.identity.attributes import missing, show_all, taken
from monostack.identity.catalog import endpoint_groups, endpoints, filters
from monostack.identity.catalog.tables import PROJECT_ENDPOINT_GROUPS, PROJECT_ENDPOINTS
from monostack.identity.projects import projects
from monostack.identity.tables import ENDPOINTS, PROJECTS
from monostack.identity.wire import cut
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Response, Route

GROUP_LINK = "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}"
GROUP_GIVEN = (
    Field("endpoint_group_id"),
    Field("project_id"),
    Field("links", lambda row: {"self": GROUP_LINK.format(**row)}),
)


def endpoints_of_project(request: Request, db: Db) -> dict:
    project = _project(request, db)
    return _endpoints(request, filters.endpoints_of(db, project["id"]))


def projects_of_endpoint(request: Request, db: Db) -> dict:
    endpoint = endpoints.find(db, request.path["endpoint_id"])
    return _projects(request, db, db.all(PROJECT_ENDPOINTS, endpoint_id=endpoint["id"]))


def check(request: Request, db: Db) -> Response:
    endpoints.find(db, request.path["endpoint_id"])
    _project(request, db)
    _given(request, db)
    return Response(204)


def give(request: Request, tx: Tx) -> Response:
    endpoint, project = endpoints.find(tx, request.path["endpoint_id"]), _project(request, tx)
    tx.insert(
        PROJECT_ENDPOINTS,
        taken=taken("project_endpoint", "Duplicate entry"),
        project_id=project["id"],
        endpoint_id=endpoint["id"],
    )
    return _changed(request, tx)


def take(request: Request, tx: Tx) -> Response:
    tx.delete(_given(request, tx))
    return _changed(request, tx)


def _given(request: Request, db: Db) -> Row:
    endpoint_id, project_id = request.path["endpoint_id"], request.path["project_id"]
    absent = Error(404, "NotFound", f"Endpoint {endpoint_id} not found in project {project_id}")
    return db.one(PROJECT_ENDPOINTS, endpoint_id=endpoint_id, project_id=project_id, missing=absent)


def groups_of_project(request: Request, db: Db) -> dict:
    found = cut(filters.groups_of(db, _project(request, db)["id"]), request)
    return request.list("endpoint_groups", request.render_all(endpoint_groups.SHOWN, found), found)


def projects_of_group(request: Request, db: Db) -> dict:
    """A group that does not exist has no projects: this list alone does not tell."""
    given = db.all(PROJECT_ENDPOINT_GROUPS, endpoint_group_id=request.path["endpoint_group_id"])
    return _projects(request, db, given)


def endpoints_of_group(request: Request, db: Db) -> dict:
    group = endpoint_groups.find(db, request.path["endpoint_group_id"])
    fitting = [row for row in db.all(ENDPOINTS, order="id") if filters.fits(group["filters"], row)]
    return _endpoints(request, fitting)


def show_group(request: Request, db: Db) -> dict:
    return {"project_endpoint_group": request.render(GROUP_GIVEN, _given_group(request, db))}


def give_group(request: Request, tx: Tx) -> Response:
    project = _project(request, tx)
    group = endpoint_groups.find(tx, request.path["endpoint_group_id"])
    tx.insert(
        PROJECT_ENDPOINT_GROUPS,
        taken=taken("project_endpoint_group", "Duplicate entry"),
        project_id=project["id"],
        endpoint_group_id=group["id"],
    )
    return _changed(request, tx)


def take_group(request: Request, tx: Tx) -> Response:
    tx.delete(_given_group(request, tx))
    return _changed(request, tx)


def _given_group(request: Request, db: Db) -> Row:
    project, group = _project(request, db), endpoint_groups.find(db, request.path["endpoint_group_id"])
    absent = Error(404, "NotFound", "Endpoint Group Project Association not found")
    where = {"project_id": project["id"], "endpoint_group_id": group["id"]}
    return db.one(PROJECT_ENDPOINT_GROUPS, missing=absent, **where)


def _project(request: Request, db: Db) -> Row:
    """The project of the path. A domain counts as one, here as everywhere."""
    project_id = request.path["project_id"]
    return db.one(PROJECTS, id=project_id, missing=missing("project", project_id))


def _changed(request: Request, tx: Tx) -> Response:
    request.subject = request.path["project_id"]
    tx.ends_tokens()
    return Response(204)


def _endpoints(request: Request, rows: list[Row]) -> dict:
    found = cut(rows, request)
    return request.list("endpoints", show_all(request, endpoints.SHOWN, found), found)


def _projects(request: Request, db: Db, given: list[Row]) -> dict:
    rows = db.all(PROJECTS, order="id", id=[row["project_id"] for row in given]) if given else []
    found = cut(rows, request)
    return request.list("projects", show_all(request, projects.SHOWN, found), found)


ROOT = "/OS-EP-FILTER"
GROUP = ROOT + "/endpoint_groups/{endpoint_group_id}"
ENDPOINT = ROOT + "/projects/{project_id}/endpoints/{endpoint_id}"
CHANGED = "identity.project.endpoints_changed"

ROUTES = (
    Route(
        "GET",
        ROOT + "/projects/{project_id}/endpoints",
        endpoints_of_project,
        "identity:list_endpoints_for_project",
    ),
    Route(
        "GET",
        ROOT + "/endpoints/{endpoint_id}/projects",
        projects_of_endpoint,
        "identity:list_projects_for_endpoint",
    ),
    Route("GET", ENDPOINT, check, "identity:check_endpoint_in_project"),
    Route("PUT", ENDPOINT, give, "identity:add_endpoint_to_project", event=CHANGED),
    Route("DELETE", ENDPOINT, take, "identity:remove_endpoint_from_project", event=CHANGED),
    Route(
        "GET",
        ROOT + "/projects/{project_id}/endpoint_groups",
        groups_of_project,
        "identity:list_endpoint_groups_for_project",
    ),
    Route(
        "GET",
        GROUP + "/projects",
        projects_of_group,
        "identity:list_projects_associated_with_endpoint_group",
    ),
    Route(
        "GET",
        GROUP + "/endpoints",
        endpoints_of_group,
        "identity:list_endpoints_associated_with_endpoint_group",
    ),
    Route("GET", GROUP + "/projects/{project_id}", show_group, "identity:get_endpoint_group_in_project"),
    Route(
        "PUT",
        GROUP + "/projects/{project_id}",
        give_group,
        "identity:add_endpoint_group_to_project",
        event=CHANGED,
    ),
    Route(
        "DELETE",
        GROUP + "/projects/{project_id}",
        take_group,
        "identity:remove_endpoint_group_from_project",
        event=CHANGED,
    ),
)
