"""The distilled facts themselves: complete, consistent with each other, and free of prose."""

import csv
import gzip
import json
import re
from pathlib import Path

import pytest

from monostack.kit import schemas as engine
from monostack.kit.policy import Policy
from monostack.kit.schemas import Invalid, Schemas, Validator

HERE = Path(__file__).parent
SOURCE = Path(engine.__file__).parents[1]
OPERATIONS = HERE / "operations"
FOLDERS = {
    "keystone": "identity",
    "placement": "placement",
    "glance": "image",
    "neutron": "network",
    "nova": "compute",
}
# METHOD: any method is handed to a driver; WEBSOCKET: an upgraded GET.
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "COPY", "METHOD", "WEBSOCKET"}
# 201[2.2-] is answered from version 2.2 on.
CODE = re.compile(r"[1-5]\d\d(\[\d+\.\d+-(\d+\.\d+)?\])?|as underlying")


def read(service):
    with (OPERATIONS / f"{service}.tsv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_all_services_are_there():
    assert len(list(OPERATIONS.glob("*.tsv"))) == 18
    assert sum(len(read(path.stem)) for path in OPERATIONS.glob("*.tsv")) > 2400


@pytest.mark.parametrize("service", [path.stem for path in sorted(OPERATIONS.glob("*.tsv"))])
def test_an_operation_is_listed_once_with_sensible_facts(service):
    seen = set()
    for row in read(service):
        operation = (row["method"], row["path"], row["action"], row["mv_min"])
        assert operation not in seen
        seen.add(operation)
        assert row["method"] in METHODS
        assert row["path"].startswith("/")
        for code in filter(None, (row["success"] + "," + row["errors"]).split(",")):
            assert CODE.fullmatch(code), code
        assert row["status"] in {"", "capped", "proxy-capped", "gone-410"}


@pytest.mark.parametrize(("service", "folder"), FOLDERS.items())
def test_every_rule_that_an_operation_asks_is_in_the_services_policies(service, folder):
    policy = Policy.load(folder, SOURCE / folder / "policies.tsv")
    known = {rule for rule, *_ in policy.list()}
    asked = {rule for row in read(service) for rule in row["policies"].split(";") if rule}
    assert len(asked) > 20
    assert asked <= known


@pytest.mark.parametrize("folder", ["compute", "identity"])
def test_every_promised_answer_compiles_and_is_free_of_prose(folder):
    path = HERE / folder / "responses.json.gz"
    responses = json.loads(gzip.decompress(path.read_bytes()))
    assert len(responses) > 80
    for entries in responses.values():
        for entry in entries:
            Validator(entry["schema"])
            for node in schemas_in(entry["schema"]):
                assert not isinstance(node.get("description"), str)
                assert not isinstance(node.get("title"), str)


def schemas_in(schema):
    if isinstance(schema, dict):
        yield schema
        for key, inner in schema.items():
            if key in ("properties", "patternProperties"):
                for each in inner.values():
                    yield from schemas_in(each)
            elif key not in ("enum", "const", "required", "default"):
                yield from schemas_in(inner)
    elif isinstance(schema, list):
        for each in schema:
            yield from schemas_in(each)


def test_a_promised_answer_is_found_by_name_and_version():
    schemas = Schemas(SOURCE / "compute" / "schemas", HERE / "compute" / "responses.json.gz")
    listing = schemas.response("keypairs.index", (2, 1))
    keypair = {"name": "one", "public_key": "ssh-ed25519 AAAA", "fingerprint": "00:00"}
    listing.check({"keypairs": [{"keypair": keypair}]})
    with pytest.raises(Invalid, match="'keypairs' is a required property"):
        listing.check({})
    with pytest.raises(Invalid, match="'type' is a required property"):
        schemas.response("keypairs.index", (2, 2)).check({"keypairs": [{"keypair": keypair}]})


def test_the_networks_attributes_have_their_extensions_listed():
    folder = SOURCE / "network"
    extensions = json.loads((folder / "extensions.json").read_text())["extensions"]
    attributes = json.loads((folder / "attributes.json").read_text())
    assert {"networks", "ports", "subnets", "routers", "floatingips"} <= attributes["resources"].keys()
    for collection in attributes["resources"].values():
        for attribute in collection.values():
            assert attribute.get("extension") is None or attribute["extension"] in extensions
    for extension in extensions.values():
        assert extension["name"]
        assert extension["updated"][:4].isdigit()
