"""What the routes name must exist: a misspelt schema would not fail, it would let everything pass."""

import importlib.util
from pathlib import Path

import pytest

from monostack.cloud import ORDER, load_services
from monostack.kit import schemas as engine
from monostack.kit.schemas import Schemas

SOURCE = Path(engine.__file__).parents[1]


def routes(name):
    if importlib.util.find_spec(f"monostack.{name}.service") is None:
        pytest.skip(f"{name} has no service module")
    service = next(service for service in load_services((name,)) if service.name == name)
    return service.routes


@pytest.mark.parametrize("name", ORDER)
def test_every_schema_that_a_route_names_exists(name):
    schemas = Schemas(SOURCE / name / "schemas")
    for route in routes(name):
        for kind, schema in (("request", route.body), ("query", route.query)):
            if schema is not None:
                where = f"{route.method} {route.path}"
                assert schemas._entries(kind, schema), f"{where}: there is no {kind} schema {schema}"
