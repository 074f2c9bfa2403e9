"""The OpenAPI documents: whole, valid, and of the requests that are really sent."""

from __future__ import annotations

import jsonschema_rs
import pytest
from tests.contract import every_operation

from monostack.cloud import load_services
from monostack.kit import openapi

SERVICES = {service.name: service for service in load_services()}


@pytest.fixture(scope="module")
def documents() -> dict[str, dict]:
    return {name: openapi.document(service) for name, service in SERVICES.items()}


@pytest.mark.parametrize("name", SERVICES)
def test_every_route_is_described(documents, name):
    paths = documents[name]["paths"]
    for operation in every_operation.operations():
        if operation.service.name == name:
            described = paths[operation.pattern.replace("...}", "}")][operation.route.method.lower()]
            codes = {str(operation.route.success(version)) for version in ((0, 0), (999, 999))}
            assert described["responses"].keys() & codes


@pytest.mark.parametrize("name", SERVICES)
def test_every_schema_is_one(documents, name):
    for path, operations in documents[name]["paths"].items():
        for method, each in operations.items():
            schemas = [parameter["schema"] for parameter in each.get("parameters", ())]
            body = each.get("requestBody", {}).get("content", {})
            for schema in [*schemas, *(media["schema"] for media in body.values())]:
                assert jsonschema_rs.meta.is_valid(schema), f"{method} {path}: {schema}"


@pytest.mark.parametrize("name", ["identity", "image"])
def test_what_only_handlers_know_is_told_of_routes_that_exist(name):
    known = {
        f"{each.route.method} {each.pattern}": each.route
        for each in every_operation.operations()
        if each.service.name == name
    }
    for operation, told in openapi.told(SERVICES[name]).items():
        assert operation in known
        assert told.keys() <= {"body", "query", "media"}
        assert "body" not in told or known[operation].body is None, f"{operation}: its schema tells the body"


@pytest.mark.parametrize("name", ["identity", "image", "placement"])
def test_the_bodies_that_are_really_sent_fit(documents, name):
    """Ids in them are of no matter: any text will do."""

    class Anything(dict):
        def __missing__(self, key: str) -> str:
            return "a"

    checked = 0
    for operation in every_operation.operations():
        if operation.service.name != name:
            continue
        every_operation.prepare(operation, Anything())
        path = documents[name]["paths"][operation.pattern.replace("...}", "}")]
        described = path[operation.route.method.lower()].get("requestBody", {}).get("content", {})
        if operation.body is None or not described:
            continue
        validator = jsonschema_rs.validator_for(next(iter(described.values()))["schema"])
        if operation.version is None or operation.version == every_operation.NEWEST[name]:
            errors = [error.message for error in validator.iter_errors(operation.body)]
            assert not errors, f"{operation.name}: {errors}"
            checked += 1
    assert checked > 10
