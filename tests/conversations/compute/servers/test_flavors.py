"""Flavors, their extra specs, and who may use them."""

import pytest

SAMPLE = {"name": "sample", "ram": 64, "vcpus": 1, "disk": 1, "id": "auto"}


def make(nova, **flavor):
    return nova.post("/flavors", {"flavor": SAMPLE | flavor}, "flavors.create")


def test_the_first_start_has_the_flavors_of_the_guides(nova):
    found = nova.get("/flavors/detail", "flavors.detail").json()["flavors"]
    sizes = {each["name"]: (each["id"], each["ram"], each["disk"], each["vcpus"]) for each in found}
    assert sizes == {
        "m1.tiny": ("1", 512, 1, 1),
        "m1.small": ("2", 2048, 20, 1),
        "m1.medium": ("3", 4096, 40, 2),
        "m1.large": ("4", 8192, 80, 4),
        "m1.xlarge": ("5", 16384, 160, 8),
        "m1.nano": ("42", 96, 1, 1),
    }


def test_a_new_flavor_is_shown_whole(nova):
    answer = make(nova)
    assert answer.status_code == 200
    links = answer.json()["flavor"].pop("links")
    assert [link["rel"] for link in links] == ["self", "bookmark"]
    assert answer.json()["flavor"] | {"links": []} == {
        "id": "auto",
        "name": "sample",
        "ram": 64,
        "disk": 1,
        "swap": 0,
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": False,
        "vcpus": 1,
        "os-flavor-access:is_public": True,
        "rxtx_factor": 1.0,
        "links": [],
        "description": None,
        "extra_specs": {},
    }


@pytest.mark.parametrize("version", ["2.1", "2.55", "2.61", "2.75", "2.100"])
def test_every_version_shows_what_its_schema_promises(nova, version):
    make(nova)
    shown = nova.get("/flavors/auto", "flavors.show", at=version).json()["flavor"]
    minor = int(version.split(".")[1])
    assert ("description" in shown) == (minor >= 55)
    assert ("extra_specs" in shown) == (minor >= 61)
    assert shown["swap"] == (0 if minor >= 75 else "")
    nova.get("/flavors", "flavors.index", at=version)
    nova.get("/flavors/detail", "flavors.detail", at=version)


def test_ids_and_names_are_taken_once(nova):
    make(nova)
    same_id = make(nova, name="other")
    assert same_id.status_code == 409
    assert same_id.json()["conflictingRequest"]["message"] == "Flavor with ID auto already exists."
    same_name = make(nova, id="other")
    assert same_name.json()["conflictingRequest"]["message"] == "Flavor with name sample already exists."


def test_delete_is_202_and_once(nova):
    make(nova)
    assert nova.call("DELETE", "/flavors/auto").status_code == 202
    answer = nova.call("DELETE", "/flavors/auto")
    assert answer.status_code == 404
    assert answer.json()["itemNotFound"]["message"] == "Flavor auto could not be found."


def test_description_changes_from_2_55_on(nova):
    make(nova)
    answer = nova.call("PUT", "/flavors/auto", "flavors.update", json={"flavor": {"description": "small"}})
    assert answer.json()["flavor"]["description"] == "small"


def test_only_administrators_make_flavors(stranger):
    answer = make(stranger)
    assert answer.status_code == 403
    assert answer.json()["forbidden"]["message"] == (
        "Policy doesn't allow os_compute_api:os-flavor-manage:create to be performed."
    )


def test_filters_sorting_and_pages(nova):
    def names(query):
        return [each["name"] for each in nova.get(f"/flavors{query}", "flavors.index").json()["flavors"]]

    assert names("?minRam=4096") == ["m1.medium", "m1.large", "m1.xlarge"]
    assert names("?minDisk=100") == ["m1.xlarge"]
    assert names("?sort_key=memory_mb&sort_dir=desc&limit=2") == ["m1.xlarge", "m1.large"]
    assert names("?limit=2&marker=3") == ["m1.large", "m1.nano"]
    page = nova.get("/flavors?limit=1").json()
    assert page["flavors_links"][0]["href"].endswith("/compute/v2.1/flavors?limit=1&marker=1")
    assert nova.get("/flavors?marker=nope").status_code == 400
    assert nova.get("/flavors?minRam=x").status_code == 400
    assert nova.get("/flavors?limit=0").json() == {"flavors": []}


def test_extra_specs_come_and_go(nova):
    make(nova)
    specs = {"extra_specs": {"hw:cpu_policy": "shared", "count": 2}}
    answer = nova.post("/flavors/auto/os-extra_specs", specs, "flavors_extraspecs.create")
    assert answer.json() == {"extra_specs": {"hw:cpu_policy": "shared", "count": "2"}}
    changed = nova.call("PUT", "/flavors/auto/os-extra_specs/count", json={"count": "3"})
    assert changed.json() == {"count": "3"}
    assert nova.get("/flavors/auto/os-extra_specs/count").json() == {"count": "3"}
    assert nova.call("PUT", "/flavors/auto/os-extra_specs/count", json={"other": "3"}).status_code == 400
    assert nova.call("DELETE", "/flavors/auto/os-extra_specs/count").status_code == 200
    assert nova.get("/flavors/auto/os-extra_specs/count").status_code == 404
    assert nova.get("/flavors/auto/os-extra_specs").json() == {"extra_specs": {"hw:cpu_policy": "shared"}}


def test_a_private_flavor_is_there_for_projects_with_access_only(nova, stranger, world):
    make(nova, **{"os-flavor-access:is_public": False})
    projects = world.api("identity").get("/projects", params={"name": "stranger"}).json()["projects"]
    project = projects[0]["id"]
    assert stranger.get("/flavors/auto").status_code == 404
    add = nova.post("/flavors/auto/action", {"addTenantAccess": {"tenant": project}})
    assert add.json() == {"flavor_access": [{"flavor_id": "auto", "tenant_id": project}]}
    assert nova.post("/flavors/auto/action", {"addTenantAccess": {"tenant": project}}).status_code == 409
    assert stranger.get("/flavors/auto").status_code == 200
    assert "sample" in [each["name"] for each in stranger.get("/flavors").json()["flavors"]]
    nova.post("/flavors/auto/action", {"removeTenantAccess": {"tenant": project}})
    assert stranger.get("/flavors/auto").status_code == 404
    again = nova.post("/flavors/auto/action", {"removeTenantAccess": {"tenant": project}})
    assert again.status_code == 404
    assert nova.get("/flavors/1/os-flavor-access").status_code == 404


def test_access_wants_a_project_that_exists(nova):
    make(nova, **{"os-flavor-access:is_public": False})
    answer = nova.post("/flavors/auto/action", {"addTenantAccess": {"tenant": "nobody"}})
    assert answer.status_code == 400
