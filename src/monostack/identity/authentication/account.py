"""What a caller may ask about himself: his catalogue, and where he could log in to.

Source: identity API reference, "Get service catalog", "Get available project scopes" and its kin.
"""

from __future__ import annotations

from monostack.identity.attributes import show_all
from monostack.identity.domains import domains
from monostack.identity.projects import projects
from monostack.identity.roles import grants
from monostack.identity.tables import PROJECTS
from monostack.identity.wire import cut
from monostack.kit.db import Db
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Route


def catalog(request: Request, db: Db) -> dict:
    caller = request.caller
    if caller.project_id is None:
        raise Error(403, "Forbidden", "You are not authorized to perform the requested action.")
    found = db.cloud.identity.catalogs.of(db, caller.user_id, caller.project_id)
    return {"catalog": found} | request.service.wire.links(request, "catalog", [])


def _groups(request: Request) -> list[str]:
    """The groups that the caller's token names, for whom an identity provider vouched."""
    vouched = request.caller.token["user"].get("OS-FEDERATION", {})
    return [group["id"] for group in vouched.get("groups", ())]


def my_projects(request: Request, db: Db) -> dict:
    found = cut(projects.of_user(db, request.caller.user_id, _groups(request)), request)
    return request.list("projects", show_all(request, projects.SHOWN, found), found)


def my_domains(request: Request, db: Db) -> dict:
    held = {
        row["target_id"]
        for row in grants.of_user(db, request.caller.user_id, _groups(request))
        if row["target_kind"] == "domain" and not row["inherited"]
    }
    found = db.all(PROJECTS, order="id", id=list(held), is_domain=True) if held else []
    found = cut(found, request)
    return request.list("domains", show_all(request, domains.SHOWN, found), found)


def my_system(request: Request, db: Db) -> dict:
    system = [{"all": True}] if grants.on_system(db, request.caller.user_id, _groups(request)) else []
    return {"system": system, "links": {"self": request.base + request.full_path}}


ROUTES = (
    Route("GET", "/auth/catalog", catalog, "identity:get_auth_catalog"),
    Route("GET", "/auth/projects", my_projects, "identity:get_auth_projects", fields=projects.LISTED),
    Route("GET", "/auth/domains", my_domains, "identity:get_auth_domains", fields=domains.SHOWN),
    Route(
        "GET", "/OS-FEDERATION/projects", my_projects, "identity:get_auth_projects", fields=projects.LISTED
    ),
    Route("GET", "/OS-FEDERATION/domains", my_domains, "identity:get_auth_domains", fields=domains.SHOWN),
    Route("GET", "/auth/system", my_system, "identity:get_auth_system"),
)
