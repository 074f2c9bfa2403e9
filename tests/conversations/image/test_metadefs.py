"""Metadata definitions over HTTP."""

import pytest

from monostack.image import stock

PATH = "/metadefs/namespaces"
FAST = {"title": "Fast", "type": "boolean", "description": "Whether it is fast"}
STOCK = {each["namespace"]: each for each in stock.files()}


@pytest.fixture
def mine(admin):
    """A private namespace with one definition of each kind; its path."""
    body = {
        "namespace": "OS::Mine",
        "display_name": "Mine",
        "description": "My own",
        "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "hw_"}],
        "objects": [{"name": "Disk", "properties": {"fast": FAST}, "required": ["fast"]}],
        "properties": {"fast": FAST},
        "tags": [{"name": "one"}],
    }
    answer = admin.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"].endswith("/v2/metadefs/namespaces/OS::Mine")
    return PATH + "/OS::Mine"


def names(api, **query):
    """The namespaces of a list, without the stock."""
    answer = api.get(PATH, params={"limit": 100} | query)
    assert answer.status_code == 200, answer.text
    return own(answer)


def own(answer):
    found = [each["namespace"] for each in answer.json()["namespaces"]]
    return [name for name in found if name not in STOCK]


def test_the_stock_is_there_from_the_first_start(admin, demo):
    found = demo.get(PATH, params={"limit": 100}).json()["namespaces"]
    assert {each["namespace"] for each in found} == set(STOCK)
    watchdog = demo.get(PATH + "/OS::Compute::Watchdog", params={"resource_type": "OS::Nova::Flavor"}).json()
    assert watchdog["protected"] is True
    assert watchdog["properties"]["hw:watchdog_action"]["enum"][0] == "disabled"
    quota = demo.get(PATH + "/OS::Compute::Quota/objects/CPU Limits").json()
    assert quota["properties"]["quota:cpu_period"]["minimum"] == 1000
    assert admin.delete(PATH + "/OS::Compute::Watchdog").status_code == 403


def test_namespaces_are_loaded_merged_replaced_and_taken_out(world):
    one = {"namespace": "One", "properties": {"a": FAST}, "tags": [{"name": "t"}]}
    more = {"namespace": "One", "properties": {"a": FAST, "b": FAST}, "objects": [{"name": "o"}]}

    def write(function, *values):
        return world.cloud.run(world.cloud.cloud.engine.write(function, *values))

    assert write(stock.load, [one], "me") == ["One"]
    assert write(stock.load, [more], "me") == [], "what is there is left alone"
    assert write(stock.load, [more], "me", "merge") == ["One"]
    found = next(each for each in write(stock.export) if each["namespace"] == "One")
    assert (set(found["properties"]), found["tags"], found["owner"]) == ({"a", "b"}, [{"name": "t"}], "me")
    write(stock.load, [more], "me", "replace")
    found = next(each for each in write(stock.export) if each["namespace"] == "One")
    assert "tags" not in found
    assert write(stock.unload, ["One", "Other"]) == 1
    assert write(stock.unload) == len(STOCK)


def test_a_namespace_shows_what_it_holds(admin, mine):
    shown = admin.get(mine).json()
    for name in ("owner", "created_at", "updated_at"):
        assert shown.pop(name)
    for stamp in ("created_at", "updated_at"):
        assert shown["resource_type_associations"][0].pop(stamp)
    assert shown == {
        "namespace": "OS::Mine",
        "display_name": "Mine",
        "description": "My own",
        "visibility": "private",
        "protected": False,
        "self": "/v2/metadefs/namespaces/OS::Mine",
        "schema": "/v2/schemas/metadefs/namespace",
        "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "hw_"}],
        "objects": [{"name": "Disk", "properties": {"fast": FAST}, "required": ["fast"]}],
        "properties": {"fast": FAST},
        "tags": [{"name": "one"}],
    }
    prefixed = admin.get(mine, params={"resource_type": "OS::Glance::Image"}).json()
    assert list(prefixed["properties"]) == ["hw_fast"]
    assert admin.get(mine, params={"resource_type": "OS::Nova::Flavor"}).status_code == 404


def test_lists_filter_and_page(admin, mine):
    for name in ("b", "a"):
        admin.post(PATH, json={"namespace": name, "visibility": "public"})
    assert names(admin) == ["a", "b", "OS::Mine"]
    assert names(admin, visibility="public") == ["a", "b"]
    assert names(admin, resource_types="OS::Glance::Image,OS::Nova::Flavor") == ["OS::Mine"]
    assert names(admin, sort_key="namespace", sort_dir="asc") == ["OS::Mine", "a", "b"]
    first = admin.get(PATH, params={"limit": 2}).json()
    assert first["next"] == "/v2/metadefs/namespaces?marker=b&limit=2"
    assert own(admin.get(first["next"].removeprefix("/v2"))) == ["OS::Mine"]
    assert admin.get(PATH, params={"marker": "nothing"}).status_code == 400
    assert admin.get(PATH, params={"sort_key": "odd"}).status_code == 400


def test_only_administrators_write_and_private_ones_are_not_seen(admin, demo, mine):
    assert demo.post(PATH, json={"namespace": "x"}).status_code == 403
    assert names(demo) == []
    for path in ("", "/objects", "/properties", "/tags", "/resource_types"):
        assert demo.get(mine + path).status_code == 404
    admin.put(mine, json={"namespace": "OS::Mine", "visibility": "public"})
    assert names(demo) == ["OS::Mine"]
    assert demo.get(mine + "/objects/Disk").status_code == 200
    assert demo.delete(mine).status_code == 403
    assert demo.post(mine + "/tags/two").status_code == 403


def test_a_namespace_is_renamed_with_all_it_holds(admin, mine):
    answer = admin.put(mine, json={"namespace": "Other", "description": "New"})
    assert (answer.status_code, answer.json()["description"]) == (200, "New")
    assert "display_name" not in answer.json()
    assert admin.get(mine).status_code == 404
    assert admin.get(PATH + "/Other/objects/Disk").json()["required"] == ["fast"]


def test_names_are_taken_once(admin, mine):
    assert admin.post(PATH, json={"namespace": "OS::Mine"}).status_code == 409
    admin.post(PATH, json={"namespace": "Other"})
    assert admin.put(PATH + "/Other", json={"namespace": "OS::Mine"}).status_code == 409
    assert admin.post(mine + "/objects", json={"name": "Disk"}).status_code == 409
    assert admin.post(mine + "/tags/one").status_code == 409
    assert admin.post(mine + "/properties", json={"name": "fast"} | FAST).status_code == 409
    assert admin.post(mine + "/resource_types", json={"name": "OS::Glance::Image"}).status_code == 409


def test_a_protected_namespace_keeps_everything(admin, mine):
    admin.put(mine, json={"namespace": "OS::Mine", "protected": True})
    for path in (
        "",
        "/objects",
        "/objects/Disk",
        "/properties/fast",
        "/tags",
        "/tags/one",
        "/resource_types/OS::Glance::Image",
    ):
        assert admin.delete(mine + path).status_code == 403, path
    admin.put(mine, json={"namespace": "OS::Mine", "protected": False})
    assert admin.delete(mine).status_code == 204
    assert admin.get(mine).status_code == 404
    assert admin.delete(mine).status_code == 404


def test_objects(admin, mine):
    made = admin.post(mine + "/objects", json={"name": "Net", "description": "d"})
    assert made.status_code == 201
    assert made.json()["self"] == "/v2/metadefs/namespaces/OS::Mine/objects/Net"
    changed = admin.put(mine + "/objects/Net", json={"name": "Nets", "properties": {"fast": FAST}})
    assert (changed.json()["name"], list(changed.json()["properties"])) == ("Nets", ["fast"])
    assert "description" not in changed.json()
    assert [each["name"] for each in admin.get(mine + "/objects").json()["objects"]] == ["Disk", "Nets"]
    assert admin.put(mine + "/objects/Nets", json={"name": "Disk"}).status_code == 409
    assert admin.delete(mine + "/objects/Nets").status_code == 204
    assert admin.get(mine + "/objects/Nets").status_code == 404
    assert admin.delete(mine + "/objects").status_code == 204
    assert admin.get(mine + "/objects").json()["objects"] == []


def test_properties(admin, mine):
    slow = {"name": "slow", "title": "Slow", "type": "string", "enum": ["a", "b"]}
    made = admin.post(mine + "/properties", json=slow)
    assert (made.status_code, made.json()) == (201, slow)
    changed = admin.put(mine + "/properties/slow", json=slow | {"title": "Slower"})
    assert changed.json()["title"] == "Slower"
    assert list(admin.get(mine + "/properties").json()["properties"]) == ["fast", "slow"]
    assert admin.delete(mine + "/properties/slow").status_code == 204
    assert admin.get(mine + "/properties/slow").status_code == 404


def test_tags(admin, mine):
    assert admin.post(mine + "/tags/two").json()["name"] == "two"
    assert admin.put(mine + "/tags/two", json={"name": "2"}).json()["name"] == "2"
    body = {"tags": [{"name": "x"}, {"name": "y"}]}
    assert admin.post(mine + "/tags", json=body, headers={"X-Openstack-Append": "True"}).status_code == 201
    assert len(admin.get(mine + "/tags").json()["tags"]) == 4
    assert admin.post(mine + "/tags", json=body).json() == body
    assert admin.get(mine + "/tags").json()["tags"] == body["tags"]
    assert admin.delete(mine + "/tags/x").status_code == 204
    assert admin.delete(mine + "/tags").status_code == 204
    assert admin.get(mine + "/tags").json()["tags"] == []


def test_resource_types(admin, mine):
    known = [each["name"] for each in admin.get("/metadefs/resource_types").json()["resource_types"]]
    assert "OS::Nova::Flavor" in known
    made = admin.post(mine + "/resource_types", json={"name": "OS::Nova::Flavor", "prefix": "hw:"})
    assert (made.status_code, made.json()["prefix"]) == (201, "hw:")
    found = admin.get(mine + "/resource_types").json()["resource_type_associations"]
    assert [each["name"] for each in found] == ["OS::Glance::Image", "OS::Nova::Flavor"]
    assert admin.delete(mine + "/resource_types/OS::Nova::Flavor").status_code == 204
    assert admin.delete(mine + "/resource_types/OS::Nova::Flavor").status_code == 404


def test_resource_types_that_a_namespace_is_meant_for_are_listed(admin, demo, mine):
    admin.post(mine + "/resource_types", json={"name": "My::Thing"}).raise_for_status()
    listed = [each["name"] for each in demo.get("/metadefs/resource_types").json()["resource_types"]]
    assert listed.count("OS::Glance::Image") == listed.count("My::Thing") == 1


def test_names_may_be_as_long_as_they_are_kept(admin):
    name = "n" * 80
    assert admin.post(PATH, json={"namespace": name}).status_code == 201
    path = f"{PATH}/{name}"
    for kind, body in (("objects", {}), ("properties", FAST), ("resource_types", {})):
        assert admin.post(f"{path}/{kind}", json=body | {"name": name}).status_code == 201, kind
        assert admin.delete(f"{path}/{kind}/{name}").status_code == 204, kind
    assert admin.post(f"{path}/tags/{name}").status_code == 201
    assert admin.delete(f"{path}/tags/{name}").status_code == 204
    assert admin.delete(path).status_code == 204


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {}),
        ("", {"namespace": ""}),
        ("", {"namespace": "x" * 81}),
        ("", {"namespace": "x", "visibility": "odd"}),
        ("", {"namespace": "x", "odd": 1}),
        ("", {"namespace": "x", "tags": [{}]}),
        ("", {"namespace": "x", "objects": [{"name": "x" * 81}]}),
        ("", []),
        ("", None),
        ("/OS::Mine/objects", {}),
        ("/OS::Mine/objects", {"name": ""}),
        ("/OS::Mine/objects", {"name": "x", "odd": 1}),
        ("/OS::Mine/properties", {"name": "x"}),
        ("/OS::Mine/properties", {"name": "x", "title": "x", "type": "odd"}),
        ("/OS::Mine/tags", {"tags": [{}]}),
        ("/OS::Mine/tags", {"tags": [{"name": ""}]}),
        ("/OS::Mine/tags", []),
        ("/OS::Mine/resource_types", {}),
        ("/OS::Mine/tags/" + "x" * 81, None),
    ],
)
def test_bad_bodies_are_400(admin, mine, path, body):
    answer = admin.post(PATH + path, json=body)
    assert answer.status_code == 400, answer.text


def test_schema_documents_of_metadefs(admin):
    for name in (
        "namespace",
        "namespaces",
        "object",
        "objects",
        "property",
        "properties",
        "resource_type",
        "resource_types",
        "tag",
        "tags",
    ):
        assert admin.get(f"/schemas/metadefs/{name}").status_code == 200
    assert admin.get("/schemas/metadefs/odd").status_code == 404
