"""The second version of identity, as far as programs of today still knock there.

Most only look for it: `/v2.0` shows the document of the third version, and a client with an old rc file
goes on with that. What always asks the second version (`swift -V 2.0`, old libraries) finds a login and the
list of its projects, and a service of then asks what the tokens that it is shown are worth. A login is turned
into one of the third version, and its answer back; nothing is decided here, but that the second version knows
no domains: users and projects are those of the default one. Nor does it know certificates that a token is
bound to: such a token is not valid in it, because who asked could not hold anybody to that.
A setting closes all of it, and then the paths are unknown, as at a current identity service.

Source: identity API v2.0 reference, "Authenticate", "List tenants", "Validate token"; what today's
clients send to .../v2.0."""

from __future__ import annotations

from typing import Any

from monostack.identity.attributes import bad
from monostack.identity.authentication import login
from monostack.identity.authentication.methods.token import not_valid
from monostack.identity.authentication.verifying import refused
from monostack.identity.projects import projects
from monostack.identity.versions import show
from monostack.kit.context import Context
from monostack.kit.db import Db
from monostack.kit.request import Request
from monostack.kit.resource import ANYONE, PUBLIC, Response, Route

DEFAULT = {"id": "default"}
URLS = ("admin", "internal", "public")


def _closed(request: Request) -> Response | None:
    return None if request.cloud.settings.identity.v2_api else request.service.wire.no_route(request)


def document(request: Request, db: Db) -> dict | Response:
    """The third version's document, which is what such a client needs."""
    return _closed(request) or show(request, db)


async def log_in(request: Request, ctx: Context) -> Response:
    """A token, for the project that is named, if one is."""
    if closed := _closed(request):
        return closed
    request.body = {"auth": _third(request.body)}
    answer = await login.issue(request, ctx)
    if answer.status != 201:
        return answer
    token = next(value for name, value in answer.headers if name == "X-Subject-Token")
    said = answer.body["token"]
    _check_known(said)
    return Response(200, {"access": _access(token, said)})


def token(request: Request, db: Db) -> dict | Response:
    """What a token is worth now, for the services that are shown it; `belongsTo` names the project that it
    must be for."""
    if closed := _closed(request):
        return closed
    text = request.path["token_id"]
    found = login.good(request, db, text)
    if found.bound is not None:
        raise not_valid(db, text)
    said = dict(found.token)
    _check_known(said)
    if request.query.get("belongsTo", found.project_id) != found.project_id:
        raise refused()
    return {"access": _access(text, login.with_catalog(db, said) if found.roles else said)}


def _check_known(said: dict[str, Any]) -> None:
    """Refuse a token of which the second version cannot tell."""
    homes = [said["user"]["domain"]["id"], said.get("project", said["user"])["domain"]["id"]]
    if set(homes) != {"default"} or "domain" in said or "system" in said:
        raise refused()


def tenants(request: Request, db: Db) -> dict | Response:
    """The projects that the caller may log in to."""
    if closed := _closed(request):
        return closed
    found = [row for row in projects.of_user(db, request.caller.user_id) if row["domain_id"] == "default"]
    return {"tenants_links": [], "tenants": [_tenant(row) for row in found]}


def _third(body: Any) -> dict[str, Any]:
    """What the login says, as the third version says it; raises Error 400 with what it lacks."""
    auth = body.get("auth") if isinstance(body, dict) else None
    if not isinstance(auth, dict):
        raise bad("auth is missing in the request body: an object with passwordCredentials or token.")
    out: dict[str, Any] = {"identity": _identity(auth)}
    project_id, name = auth.get("tenantId"), auth.get("tenantName")
    if project_id and name:
        raise bad("Give tenantId or tenantName, not both.")
    if project_id:
        out["scope"] = {"project": {"id": project_id}}
    elif name:
        out["scope"] = {"project": {"name": name, "domain": DEFAULT}}
    return out


def _identity(auth: dict[str, Any]) -> dict[str, Any]:
    given = auth.get("passwordCredentials")
    if isinstance(given, dict):
        user = {"password": given.get("password")}
        if given.get("userId"):
            user["id"] = given["userId"]
        elif given.get("username"):
            user |= {"name": given["username"], "domain": DEFAULT}
        else:
            raise bad("passwordCredentials has neither username nor userId.")
        if not isinstance(user["password"], str):
            raise bad("passwordCredentials has no password.")
        return {"methods": ["password"], "password": {"user": user}}
    given = auth.get("token")
    if isinstance(given, dict) and isinstance(given.get("id"), str):
        return {"methods": ["token"], "token": {"id": given["id"]}}
    raise bad("auth has neither passwordCredentials nor a token with its id.")


def _access(token: str, said: dict[str, Any]) -> dict[str, Any]:
    """A token of the third version as the second one shows it."""
    user, roles = said["user"], said.get("roles", [])
    shown = {
        "issued_at": said["issued_at"],
        "expires": said["expires_at"],
        "id": token,
        "audit_ids": said["audit_ids"],
    }
    if "project" in said:
        shown["tenant"] = _tenant(said["project"])
    return {
        "token": shown,
        "serviceCatalog": [entry for service in said.get("catalog", ()) if (entry := _service(service))],
        "user": {
            "id": user["id"],
            "name": user["name"],
            "username": user["name"],
            "roles": [{"name": role["name"]} for role in roles],
            "roles_links": [],
        },
        "metadata": {"is_admin": 0, "roles": [role["id"] for role in roles]},
    }


def _tenant(project: dict[str, Any]) -> dict[str, Any]:
    description = project.get("description") or ""
    return {"id": project["id"], "name": project["name"], "enabled": True, "description": description}


def _service(service: dict[str, Any]) -> dict[str, Any] | None:
    """A service with an endpoint a region, which has all three URLs in it; None where it has none."""
    by_region: dict[str, dict[str, Any]] = {}
    for endpoint in service["endpoints"]:
        entry = by_region.setdefault(
            endpoint["region_id"], {"region": endpoint["region_id"], "id": endpoint["id"]}
        )
        entry[endpoint["interface"] + "URL"] = endpoint["url"]
    if not by_region:
        return None
    for entry in by_region.values():
        first = next(entry[kind + "URL"] for kind in URLS if kind + "URL" in entry)
        for kind in URLS:
            entry.setdefault(kind + "URL", first)
    return {
        "type": service["type"],
        "name": service["name"],
        "endpoints": list(by_region.values()),
        "endpoints_links": [],
    }


ROUTES = (
    Route("GET", "^/v2.0", document, PUBLIC),
    Route("POST", "^/v2.0/tokens", log_in, PUBLIC),
    Route("GET", "^/v2.0/tokens/{token_id}", token, "admin_required"),
    Route("GET", "^/v2.0/tenants", tenants, ANYONE),
)
