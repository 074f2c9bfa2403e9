"""Lists: filters, columns, order, pages and tags, the same for every collection."""

from __future__ import annotations

import pytest


@pytest.fixture
def three(demo):
    return [demo.network(name=name, description=text) for name, text in (("a", "x"), ("b", "y"), ("c", "x"))]


def names(answer) -> list[str]:
    return [each["name"] for each in answer["networks"]]


def test_a_filter_given_twice_means_any_of(demo, three):
    answer = demo.get("/networks", name=["a", "c"], sort_key="name")
    assert names(answer) == ["a", "c"]


def test_filters_together_mean_all_of(demo, three):
    assert names(demo.get("/networks", name=["a", "b"], description="x")) == ["a"]


def test_an_empty_value_is_a_value(demo, three):
    demo.network(name="")
    assert names(demo.get("/networks", name="")) == [""]


def test_a_filter_that_names_nothing_is_refused(demo):
    assert "nope" in demo.refused("GET", "/networks?nope=1", 400, "HTTPBadRequest")


def test_a_boolean_filter_is_lenient(demo, three):
    assert len(names(demo.get("/networks", admin_state_up="True", name=["a", "b"]))) == 2
    assert names(demo.get("/networks", admin_state_up="false")) == []
    demo.refused("GET", "/networks?admin_state_up=maybe", 400, "InvalidInput")


def test_only_the_columns_asked_for(demo, three):
    found = demo.get("/networks", fields=["id", "name"], name="a")["networks"]
    assert found == [{"id": three[0]["id"], "name": "a"}]
    one = demo.get(f"/networks/{three[0]['id']}", fields="name")
    assert one == {"network": {"name": "a"}}


def test_order(demo, three):
    mine = [each["id"] for each in three]
    assert names(demo.get("/networks", id=mine, sort_key="name", sort_dir="desc")) == ["c", "b", "a"]
    demo.refused("GET", "/networks?sort_key=nope", 400, "HTTPBadRequest")
    demo.refused("GET", "/networks?sort_key=name&sort_dir=up", 400, "HTTPBadRequest")


def test_pages_forwards_and_backwards(demo, three):
    mine = {"id": [each["id"] for each in three], "sort_key": "name", "limit": 2}
    first = demo.get("/networks", **mine)
    assert names(first) == ["a", "b"]
    links = {each["rel"]: each["href"] for each in first["networks_links"]}
    assert f"marker={three[1]['id']}" in links["next"]
    second = demo.api.client.get(links["next"]).json()
    assert names(second) == ["c"]
    assert [each["rel"] for each in second["networks_links"]] == ["previous"]
    back = {each["rel"]: each["href"] for each in second["networks_links"]}["previous"]
    assert "page_reverse=True" in back
    assert names(demo.api.client.get(back).json()) == ["a", "b"]


def test_limits_and_markers_that_cannot_be(demo):
    demo.refused("GET", "/networks?limit=-1", 400, "HTTPBadRequest")
    demo.refused("GET", "/networks?limit=x", 400, "HTTPBadRequest")
    answer = demo.api.get("/networks", params={"limit": 1, "marker": "nope"})
    assert answer.status_code == 404


def test_a_look_up_by_name_as_clients_do_it(demo, three):
    demo.refused("GET", "/networks/a", 404, "NetworkNotFound")
    assert len(demo.get("/networks", name="a")["networks"]) == 1


def test_tags_are_put_found_and_taken(demo, three):
    one, two, _ = (f"/networks/{each['id']}" for each in three)
    assert demo.put(one + "/tags", {"tags": ["red", "blue"]}) == {"tags": ["red", "blue"]}
    demo.ask("PUT", two + "/tags/red", 201)
    demo.ask("GET", two + "/tags/red", 204)
    demo.refused("GET", two + "/tags/blue", 404, "TagNotFound")
    assert sorted(names(demo.get("/networks", tags="red"))) == ["a", "b"]
    assert names(demo.get("/networks", tags="red,blue")) == ["a"]
    assert sorted(names(demo.get("/networks", **{"tags-any": "red,blue"}))) == ["a", "b"]
    assert "a" not in names(demo.get("/networks", **{"not-tags": "red,blue"}))
    assert set(names(demo.get("/networks", **{"not-tags-any": "red"}))) == {"c", "public"}
    demo.ask("DELETE", two + "/tags/red", 204)
    demo.ask("DELETE", one + "/tags", 204)
    assert demo.get(one + "/tags") == {"tags": []}


def test_tags_that_cannot_be(demo, three):
    path = f"/networks/{three[0]['id']}/tags"
    demo.refused("PUT", path, 400, "HTTPBadRequest", {"tags": ["x" * 256]})
    demo.refused("PUT", path, 400, "HTTPBadRequest", {"tags": "red"})
    demo.refused("PUT", path, 400, "HTTPBadRequest", {})


def test_tags_count_in_the_revision(demo, three):
    path = f"/networks/{three[0]['id']}"
    demo.put(path + "/tags", {"tags": ["red"]})
    assert demo.get(path)["network"]["revision_number"] == 2
    demo.put(path + "/tags", {"tags": ["red"]})
    assert demo.get(path)["network"]["revision_number"] == 2


def test_an_empty_page_leads_back(demo, three):
    parameters = {
        "id": [each["id"] for each in three],
        "sort_key": "name",
        "limit": 1,
        "marker": three[2]["id"],
    }
    last = demo.get("/networks", **parameters)
    assert last["networks"] == [] and [each["rel"] for each in last["networks_links"]] == ["previous"]
    back = demo.api.client.get(last["networks_links"][0]["href"]).json()
    assert names(back) == ["c"]
