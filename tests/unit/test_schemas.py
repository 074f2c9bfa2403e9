"""Request validation: which version's schema is meant, what it lets pass, what it says when it does not."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monostack.kit import schemas as engine
from monostack.kit.schemas import FORMATS, Invalid, Schemas, Validator

SOURCE = Path(engine.__file__).parents[1]
SERVICES = ("identity", "placement", "image", "compute")
COMPUTE = Schemas(SOURCE / "compute" / "schemas")
IDENTITY = Schemas(SOURCE / "identity" / "schemas")
PLACEMENT = Schemas(SOURCE / "placement" / "schemas")
IMAGE = Schemas(SOURCE / "image" / "schemas")
ID = "6f70656e-7374-4361-836b-20697320666f"
NEWEST = (2, 96)


def server(**changes):
    return {"server": {"name": "one", "imageRef": ID, "flavorRef": "1", "networks": [{"uuid": ID}]} | changes}


def refused(validator: Validator, value) -> Invalid:
    with pytest.raises(Invalid) as caught:
        validator.check(value)
    return caught.value


@pytest.mark.parametrize("service", SERVICES)
def test_every_schema_compiles_and_names_no_unknown_format(service):
    schemas = Schemas(SOURCE / service / "schemas")
    assert len(schemas.names()) > 8
    formats = set()

    def collect(node):
        if isinstance(node, dict):
            if isinstance(node.get("format"), str):
                formats.add(node["format"])
            for inner in node.values():
                collect(inner)
        elif isinstance(node, list):
            for inner in node:
                collect(inner)

    for name in schemas.names():
        for kind in ("request", "query"):
            for entry in schemas._entries(kind, name):
                Validator(entry["schema"])
                collect(entry["schema"])
    assert formats <= FORMATS.keys()


@pytest.mark.parametrize("service", SERVICES)
def test_the_versions_of_a_schema_neither_overlap_nor_run_backwards(service):
    schemas = Schemas(SOURCE / service / "schemas")
    for name in schemas.names():
        for kind in ("request", "query"):
            newer = None
            for entry in schemas._entries(kind, name):
                lowest, highest = (entry[bound] and engine._number(entry[bound]) for bound in ("min", "max"))
                assert lowest is None or highest is None or lowest <= highest, name
                assert newer is None or highest < newer, name
                newer = lowest


def test_the_schema_of_the_asked_version_is_taken():
    body = {"server_group": {"name": "one", "policies": ["affinity"]}}
    COMPUTE.body("server_groups.create", (2, 63)).check(body)
    refused(COMPUTE.body("server_groups.create", (2, 64)), body)
    soft = {"server_group": {"name": "one", "policies": ["soft-affinity"]}}
    refused(COMPUTE.body("server_groups.create", (2, 14)), soft)
    COMPUTE.body("server_groups.create", (2, 15)).check(soft)


def test_without_a_version_the_newest_schema_is_taken():
    assert COMPUTE.body("keypairs.create") is COMPUTE.body("keypairs.create", NEWEST)


def test_what_the_contract_does_not_know_has_no_schema():
    assert COMPUTE.body("nonsense.create", NEWEST) is None
    assert COMPUTE.body("servers.nonsense", NEWEST) is None
    assert COMPUTE.query("servers.create", NEWEST) is None
    assert COMPUTE.body("flavors.update", (2, 54)) is None
    assert PLACEMENT.body("resource_classes.update", (1, 7)) is None


def test_one_schema_is_compiled_once_for_all_its_versions():
    assert COMPUTE.body("servers.create", (2, 94)) is COMPUTE.body("servers.create", (2, 96))


def test_a_plain_server_is_accepted_in_every_version():
    for minor in range(1, 97):
        body = server() if minor >= 37 else {"server": server()["server"] | {"networks": [{"uuid": ID}]}}
        COMPUTE.body("servers.create", (2, minor)).check(body)


@pytest.mark.parametrize(
    ("body", "path", "beginning", "words"),
    [
        (server(name=""), "server.name", "name. Value: .", "too short: 1 to 255 characters are needed"),
        (server(name="x" * 256), "server.name", "name. Value: xxx", "too long"),
        (server(name=5), "server.name", "name. Value: 5.", "not an integer"),
        (server(name=" one"), "server.name", "name. Value:  one.", "no blank at the beginning or the end"),
        (server(imageRef="x"), "server.imageRef", "imageRef. Value: x.", "a UUID or an empty text"),
        (server(min_count=0), "server.min_count", "min_count. Value: 0.", "a number of at least 1"),
        (server(min_count="0"), "server.min_count", "min_count. Value: 0.", "a number of at least 1"),
        (server(min_count="x"), "server.min_count", "min_count. Value: x.", "digits only"),
        (server(networks="some"), "server.networks", "networks. Value: some.", "one of none, auto"),
        (server(networks=[{}, {"uuid": "x"}]), "server.networks", "networks. Value:", "[1].uuid must be"),
        (server(tags=["a,b"]), "server.tags[0]", "0. Value: a,b.", "no comma and no slash"),
        (server(config_drive="no!"), "server.config_drive", "config_drive. Value: no!.", "true or"),
        (server(metadata={"a": 1}), "server.metadata.a", "a. Value: 1.", "not an integer"),
        (server(description="\U0001f600"), "server.description", "description. Value:", "printable"),
        (server(nope=1), "server", "server. Value: {", "('nope' was unexpected) in server; allowed are"),
        ({"server": {}}, "server", "server. Value: {}.", "'name' is a required property of server"),
    ],
)
def test_a_refused_server_is_told_the_field_the_value_and_what_is_allowed(body, path, beginning, words):
    refusal = refused(COMPUTE.body("servers.create", NEWEST), body)
    assert refusal.path == path
    assert refusal.message.startswith(f"Invalid input for field/attribute {beginning}")
    assert words in refusal.message
    assert refusal.message.endswith(".")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "'server' is a required property of the body"),
        ([], "The body must be an object, not a list."),
        (None, "The body must be an object, not null."),
        ("x", "The body must be an object, not a text."),
    ],
)
def test_a_wrong_body_as_a_whole_is_said_without_a_value(body, words):
    refusal = refused(COMPUTE.body("servers.create", NEWEST), body)
    assert refusal.path == ""
    assert words in refusal.message


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"limit": ["x"]}, "Invalid input for query parameters limit. Value: x. limit does not match"),
        ({"limit": ["10", "-1"]}, "Value: -1."),
        ({"changes-since": ["yesterday"]}, "a date and time such as"),
        ({"nope": ["1"]}, "('nope' was unexpected) in the query; allowed are"),
    ],
)
def test_a_refused_query_names_the_parameter(query, words):
    assert words in refused(COMPUTE.query("servers.detail", NEWEST), query).message


def test_a_fitting_query_passes():
    asked = {"limit": ["10"], "status": ["ACTIVE", "ERROR"], "changes-since": ["2030-01-01T00:00:00 00:00"]}
    COMPUTE.query("servers.detail", NEWEST).check(asked)
    IDENTITY.query("projects.index").check({"enabled": ["True"], "anything": ["else"]})
    PLACEMENT.query("allocation_candidates.index", (1, 36)).check({"resources": ["VCPU:1"], "limit": ["5"]})


def test_a_number_written_as_a_text_obeys_the_same_limits():
    flavor = {"name": "one", "ram": "64", "vcpus": "1", "disk": "0"}
    COMPUTE.body("flavors.create", NEWEST).check({"flavor": flavor})
    for field, wrong in (("ram", "0"), ("vcpus", "0"), ("disk", "2147483648"), ("ram", "9" * 5000)):
        refusal = refused(COMPUTE.body("flavors.create", NEWEST), {"flavor": flavor | {field: wrong}})
        assert refusal.path == f"flavor.{field}"
        assert "a number from" in refusal.message


def test_role_assignments_name_a_user_or_a_group_but_not_both():
    query = IDENTITY.query("role_assignments.index")
    query.check({"user.id": ["a"], "scope.project.id": ["b"], "include_names": [""]})
    assert "only one of these forms" in refused(query, {"user.id": ["a"], "group.id": ["b"]}).message
    both = refused(query, {"effective": [""], "group": ["b"]}).message
    assert both == "The query must not have 'effective' and 'group' at the same time."
    assert "'scope.project.id' is a required property" in refused(query, {"include_subtree": [""]}).message


@pytest.mark.parametrize("field", ["password", "adminPass", "user_data", "private_key", "the_secret", "blob"])
def test_a_secret_is_never_shown(field):
    schema = {"properties": {"thing": {"required": ["name"], "properties": {field: {"type": "integer"}}}}}
    itself = refused(Validator(schema), {"thing": {"name": "x", field: "geheim"}})
    assert "Value: ***." in itself.message
    around = refused(Validator(schema), {"thing": {field: "geheim", "list": [{field: ["geheim"]}]}})
    assert "'name' is a required property" in around.message
    assert "geheim" not in itself.message + around.message


def test_a_long_value_is_cut():
    message = refused(COMPUTE.body("servers.create", NEWEST), server(name="x" * 100_000)).message
    assert len(message) < 500


def test_of_several_mistakes_the_outermost_is_told():
    body = server(metadata={"a": 1})
    del body["server"]["name"]
    assert "'name' is a required property" in refused(COMPUTE.body("servers.create", NEWEST), body).message


@pytest.mark.parametrize(
    ("schema", "value", "words"),
    [
        ({"const": 4}, 5, "must be 4"),
        ({"enum": [None, "a"]}, "b", "must be one of null, a"),
        ({"enum": [0, 1]}, 2, "must be one of 0, 1"),
        ({"exclusiveMinimum": 0}, 0, "a number above 0"),
        ({"exclusiveMaximum": 9}, 9, "a number below 9"),
        ({"maximum": 3}, 4, "a number of at most 3"),
        ({"multipleOf": 2}, 3, "a multiple of 2"),
        ({"uniqueItems": True}, [1, 1], "the same item more than once"),
        ({"minItems": 1}, [], "at least 1 item needed"),
        ({"maxItems": 1}, [1, 2], "at most 1 allowed"),
        ({"minProperties": 1}, {}, "at least 1 property needed"),
        ({"maxProperties": 1}, {"a": 1, "b": 2}, "at most 1 allowed"),
        ({"maxLength": 1}, "ab", "too long: at most 1 character"),
        ({"pattern": "^a+$"}, "b", "does not match '^a+$'"),
        ({"not": {"type": "string"}}, "x", "must not be a text"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "x", "must be an integer or null"),
        ({"additionalProperties": False}, {"a": 1}, "it can have none"),
        ({"patternProperties": {"^a": {}}, "additionalProperties": False}, {"b": 1}, "names that match ^a"),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "a property whose name is not allowed"),
        ({"format": "cidr"}, "x", "a network such as"),
        ({"$ref": "#/definitions/a", "definitions": {"a": {"type": "string"}}}, 1, "must be a text"),
        ({"items": {"prefixItems": [{"type": "string"}], "items": False}}, [["a", 1]], "is not allowed"),
    ],
)
def test_every_keyword_has_its_sentence(schema, value, words):
    validator = Validator({"properties": {"field": schema}} | schema_roots(schema))
    assert words in refused(validator, {"field": value}).message


def schema_roots(schema):
    return {"definitions": schema["definitions"]} if "definitions" in schema else {}


@pytest.mark.parametrize(
    ("name", "fitting", "unfit"),
    [
        ("uuid", [ID, ID.upper(), ID.replace("-", "")], ["", "x", ID[:-1], ID + "0"]),
        ("name", ["a", "a b", "é", "a b"], [" a", "a ", "a\n", "\x00", "\U0001f600", "\u200b"]),
        ("name_with_leading_trailing_spaces", [" a ", "a"], [" ", "", "\n"]),
        ("az_name", ["nova"], ["a:b", " nova"]),
        ("az_name_with_leading_trailing_spaces", [" nova"], ["a:b", " "]),
        ("base64", ["", "aGVsbG8=", "aGVs\nbG8="], ["aGVsbG8", "é"]),
        ("date-time", ["2030-01-01", "2030-01-01T00:00:00Z", "2030-01-01T00:00:00+02:00"], ["tomorrow", ""]),
        ("ipv4", ["192.0.2.1"], ["192.0.2", "192.0.2.256", "2001:db8::1"]),
        ("ipv6", ["2001:db8::1"], ["192.0.2.1", "fe80::1%eth0"]),
        ("cidr", ["192.0.2.0/24", "2001:db8::/32"], ["192.0.2.0/33", "x"]),
        ("mac-address", ["fa:16:3e:00:00:01"], ["fa:16:3e:00:00", "fa:16:3e:00:00:0g"]),
        ("regex", ["^a+$", ""], ["[", "(?P<a"]),
        ("printable", ["", " a ", "é"], ["\n", "\x7f", "\u2028"]),
    ],
)
def test_formats(name, fitting, unfit):
    validator = Validator({"format": name})
    for text in fitting:
        validator.check(text)
    for text in unfit:
        refused(validator, text)


def test_answers_are_checked_where_they_are_known(tmp_path):
    assert COMPUTE.response("keypairs.index", NEWEST) is None
    responses = tmp_path / "responses.json"
    entry = {"min": "2.2", "max": None, "schema": {"required": ["keypairs"]}}
    responses.write_text(json.dumps({"keypairs.index": [entry]}))
    schemas = Schemas(SOURCE / "compute" / "schemas", responses)
    schemas.response("keypairs.index", NEWEST).check({"keypairs": []})
    refused(schemas.response("keypairs.index", NEWEST), {})
    assert schemas.response("keypairs.index", (2, 1)) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(server(tags=[], metadata={}, personality=[])["server"])), json_values)
def test_whatever_is_sent_the_refusal_is_a_sentence(field, value):
    body = copy.deepcopy(server())
    body["server"][field] = value
    try:
        COMPUTE.body("servers.create", NEWEST).check(body)
    except Invalid as refusal:
        assert refusal.message.startswith("Invalid input for field/attribute ")
        assert refusal.message.endswith(".")
