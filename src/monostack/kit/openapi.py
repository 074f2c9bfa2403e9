"""OpenAPI from the routes: nobody writes it, so it cannot lie.

One document a service, in its newest version. Actions that share a path become one operation whose body is
any of theirs. What neither routes nor schemas say, because a handler judges it by itself (logging in, a JSON
patch, filters that are no columns), stands in the service's openapi.json by "METHOD /whole/path": a body's
schema and media type, and the query's parameters; the contract tests send their requests by it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from monostack.kit.resource import PUBLIC, Route, Service
from monostack.kit.router import parameter_names


def document(service: Service) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a service."""
    schemas, beside = _schemas(service), told(service)
    paths: dict[str, dict[str, Any]] = {}
    for route in service.routes:
        prefix = "" if route.path.startswith("^") else service.prefixes[0]
        path = (prefix + route.path.lstrip("^")).replace("...}", "}") or "/"
        operation = _operation(route, schemas, beside.get(f"{route.method} {path}", {}))
        known = paths.setdefault(path, {}).get(route.method.lower())
        if known is None:
            paths[path][route.method.lower()] = operation
        else:
            _merge(known, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{service.title} ({service.type})", "version": "1"},
        "paths": dict(sorted(paths.items())),
    }


def text(service: Service) -> str:
    return (
        msgspec.json.format(msgspec.json.encode(document(service), order="deterministic"), indent=1).decode()
        + "\n"
    )


def _operation(route: Route, schemas: dict[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    success = route.success((999, 999))
    operation: dict[str, Any] = {
        "summary": getattr(route.handler, "func", route.handler).__name__,
        "x-policy": [route.rule],
        "responses": {
            str(success): {"description": "success"},
            "default": {"description": "a refusal in words"},
        },
    }
    names = parameter_names(route.path.lstrip("^"))
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
    ]
    asked = _query(route, schemas) | beside.get("query", {})
    parameters += [{"name": name, "in": "query", "schema": asked[name]} for name in sorted(asked)]
    if parameters:
        operation["parameters"] = parameters
    body = schemas.get("request", {}).get(route.body, beside.get("body"))
    if body is not None:
        media = beside.get("media", "application/json")
        operation["requestBody"] = {"required": True, "content": {media: {"schema": body}}}
    elif route.raw:
        operation["requestBody"] = {"content": {"application/octet-stream": {"schema": {"type": "string"}}}}
    if route.rule == PUBLIC:
        operation["security"] = []
    return operation


def _query(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the query, each with the schema of one value. A query's schema is that of a mapping
    of name to all values."""
    out: dict[str, Any] = {
        field.parameter: {"type": "string"} for field in route.fields if field.parameter is not None
    }
    known = schemas.get("query", {}).get(route.query) or {}
    for name, values in known.get("properties", {}).items():
        one = values.get("items") if isinstance(values, dict) else None
        out[name] = one or {"type": "string"}
    return out


def _merge(known: dict[str, Any], more: dict[str, Any]) -> None:
    known["x-policy"] = sorted({*known["x-policy"], *more["x-policy"]})
    known["responses"] |= more["responses"]
    bodies = [
        each["requestBody"]["content"]["application/json"]["schema"]
        for each in (known, more)
        if "application/json" in each.get("requestBody", {}).get("content", {})
    ]
    if len(bodies) == 2:
        options = [*bodies[0].get("oneOf", [bodies[0]]), bodies[1]]
        known["requestBody"]["content"]["application/json"]["schema"] = {"oneOf": options}
    elif bodies:
        known["requestBody"] = {"content": {"application/json": {"schema": bodies[0]}}}


def told(service: Service) -> dict[str, Any]:
    """What routes and schemas do not say: "METHOD /whole/path" -> body, media, query."""
    file = Path(__file__).parents[1] / service.name / "openapi.json"
    return msgspec.json.decode(file.read_bytes()) if file.exists() else {}


def _schemas(service: Service) -> dict[str, dict[str, Any]]:
    """{"request"|"query": {name: the newest schema}}."""
    out: dict[str, dict[str, Any]] = {"request": {}, "query": {}}
    folder = Path(__file__).parents[1] / service.name / "schemas"
    for file in sorted(folder.glob("*.json")):
        for operation, kinds in msgspec.json.decode(file.read_bytes()).items():
            if not isinstance(kinds, dict):
                continue
            for kind, target in out.items():
                for version in kinds.get(kind, ()):
                    if version.get("max") is None:
                        target[f"{file.stem}.{operation}"] = version["schema"]
    return out
