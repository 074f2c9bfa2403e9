"""Quotas, quota classes and limits: shown by version, changed by operators, and in force."""

import pytest

NETWORKING = {"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}
FILES = {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}
ALWAYS = {
    "cores", "instances", "key_pairs", "metadata_items", "ram", "server_group_members", "server_groups",
}  # fmt: skip
VERSIONS = ("2.1", "2.35", "2.36", "2.39", "2.56", "2.57", "2.100")


@pytest.fixture
def project(demo):
    return demo.project_id()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("door", ["", "/defaults", "/detail"])
def test_every_version_shows_what_it_promises(demo, project, version, door):
    promise = f"quota_sets.{door.strip('/') or 'show'}"
    shown = demo.get(f"/os-quota-sets/{project}{door}", version=version, promise=promise)["quota_set"]
    assert shown["id"] == project


@pytest.mark.parametrize(
    ("version", "names"),
    [("2.1", ALWAYS | FILES | NETWORKING), ("2.36", ALWAYS | FILES), ("2.57", ALWAYS)],
)
def test_what_is_limited_elsewhere_is_not_shown_any_more(demo, project, version, names):
    shown = demo.get(f"/os-quota-sets/{project}", version=version)["quota_set"]
    assert set(shown) == names | {"id"}
    assert all(shown[name] == -1 for name in NETWORKING & set(shown))


def test_an_operator_changes_the_quota_and_takes_it_back(admin, demo, project):
    path = f"/os-quota-sets/{project}"
    asked = {"quota_set": {"instances": 3, "cores": "-1"}}
    changed = admin.put(path, asked, promise="quota_sets.update")["quota_set"]
    assert (changed["instances"], changed["cores"]) == (3, -1)
    assert "id" not in changed
    assert demo.get(path)["quota_set"]["instances"] == 3
    assert demo.get(path + "/defaults")["quota_set"]["instances"] == 10
    admin.delete(path, 202)
    assert demo.get(path)["quota_set"]["instances"] == 10


def test_a_quota_is_in_force(admin, demo, project):
    admin.put(f"/os-quota-sets/{project}", {"quota_set": {"instances": 1}})
    server = demo.server()
    body = {"server": {"name": "b", "imageRef": demo.image(), "flavorRef": "1", "networks": "none"}}
    words = demo.refused("POST", "/servers", 403, body)
    assert words == "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances"
    detail = demo.get(f"/os-quota-sets/{project}/detail")["quota_set"]
    assert detail["instances"] == {"limit": 1, "in_use": 1, "reserved": 0}
    assert detail["ram"]["in_use"] == 512
    demo.delete(f"/servers/{server['id']}")
    demo.until_gone(server["id"])
    assert demo.get(f"/os-quota-sets/{project}/detail")["quota_set"]["instances"]["in_use"] == 0


def test_a_limit_below_what_is_used_needs_force(admin, demo, project):
    demo.server()
    words = admin.refused("PUT", f"/os-quota-sets/{project}", 400, {"quota_set": {"instances": 0}})
    assert words.startswith("Quota limit 0 for instances must be greater than or equal to already used")
    admin.put(f"/os-quota-sets/{project}", {"quota_set": {"instances": 0, "force": True}})
    assert demo.get(f"/os-quota-sets/{project}")["quota_set"]["instances"] == 0


@pytest.mark.parametrize(
    "asked",
    [{"instances": -2}, {"instances": "many"}, {"nothing": 1}, {"fixed_ips": 1}, {"injected_files": 1}],
)
def test_wrong_quotas_are_refused(admin, project, asked):
    admin.put(f"/os-quota-sets/{project}", {"quota_set": asked}, 400)


def test_old_clients_may_still_name_what_is_limited_elsewhere(admin, project):
    path, asked = f"/os-quota-sets/{project}", {"quota_set": {"floating_ips": 5, "cores": 7}}
    changed = admin.put(path, asked, version="2.35", promise="quota_sets.update")["quota_set"]
    assert (changed["floating_ips"], changed["cores"]) == (-1, 7)


def test_a_quota_is_for_a_project_that_exists(admin, project):
    words = admin.refused("PUT", "/os-quota-sets/nobody", 400, {"quota_set": {"cores": 1}})
    assert words == "Project ID nobody is not a valid project."
    admin.get("/os-quota-sets/nobody", 400)
    admin.get("/os-quota-sets/nobody/detail", 400)


def test_a_user_is_limited_below_the_project(admin, demo, project):
    admin.put(f"/os-quota-sets/{project}", {"quota_set": {"ram": 4096}})
    user_id = demo.server(networks="none")["user_id"]
    path = f"/os-quota-sets/{project}"
    changed = admin.put(
        f"{path}?user_id={user_id}", {"quota_set": {"ram": 1024}}, promise="quota_sets.update"
    )
    assert changed["quota_set"]["ram"] == 1024
    assert admin.get(f"{path}?user_id={user_id}")["quota_set"]["ram"] == 1024
    assert admin.get(f"{path}/detail?user_id={user_id}")["quota_set"]["ram"]["in_use"] == 512
    assert admin.get(path)["quota_set"]["ram"] == 4096
    assert admin.get(f"{path}?user_id=other")["quota_set"]["ram"] == 4096
    body = {"server": {"name": "b", "imageRef": demo.image(), "flavorRef": "2", "networks": "none"}}
    words = demo.refused("POST", "/servers", 403, body)
    assert words == "Quota exceeded for ram: Requested 2048, but already used 512 of 1024 ram"
    admin.delete(f"{path}?user_id={user_id}", 202)
    demo.post("/servers", body, 202)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"ram": 51201}, "must be less than or equal to 51200"),
        ({"cores": -1}, "must be less than or equal to 20"),
        ({"key_pairs": 1}, "cannot be limited for a user"),
    ],
)
def test_wrong_limits_of_users_are_refused(admin, project, asked, words):
    assert words in admin.refused("PUT", f"/os-quota-sets/{project}?user_id=x", 400, {"quota_set": asked})


def test_members_see_their_own_quota_and_change_none(demo, stranger, project):
    stranger.get(f"/os-quota-sets/{project}", 403)
    stranger.get(f"/os-quota-sets/{project}/detail", 403)
    demo.put(f"/os-quota-sets/{project}", {"quota_set": {"cores": 1}}, 403)
    demo.delete(f"/os-quota-sets/{project}", 403)


def test_key_pairs_are_counted_for_the_user_and_limited_by_the_project(admin, demo, project):
    admin.put(f"/os-quota-sets/{project}", {"quota_set": {"key_pairs": 1}})
    demo.post("/os-keypairs", {"keypair": {"name": "a"}}, 201, version="2.91")
    words = demo.refused("POST", "/os-keypairs", 403, {"keypair": {"name": "b"}}, version="2.91")
    assert words == "Quota exceeded, too many key pairs: 1 are allowed."
    admin.put(f"/os-quota-sets/{project}", {"quota_set": {"key_pairs": -1}})
    demo.post("/os-keypairs", {"keypair": {"name": "b"}}, 201, version="2.91")


# Classes


@pytest.mark.parametrize("version", ["2.1", "2.49", "2.50", "2.56", "2.57", "2.100"])
def test_the_default_class_is_shown_by_version(admin, version):
    promise = "quota_classes.show"
    shown = admin.get("/os-quota-class-sets/default", version=version, promise=promise)["quota_class_set"]
    assert (shown["id"], shown["cores"]) == ("default", 20)
    body = {"quota_class_set": {"cores": 21}}
    admin.put("/os-quota-class-sets/default", body, version=version, promise="quota_classes.update")


def test_the_default_class_is_for_every_project_without_its_own(admin, demo, project):
    admin.put(f"/os-quota-sets/{project}", {"quota_set": {"cores": 5}})
    admin.put("/os-quota-class-sets/default", {"quota_class_set": {"cores": 40, "ram": 1024}})
    shown = demo.get(f"/os-quota-sets/{project}")["quota_set"]
    assert (shown["cores"], shown["ram"]) == (5, 1024)
    assert demo.get(f"/os-quota-sets/{project}/defaults")["quota_set"]["cores"] == 40
    assert admin.get(f"/os-quota-sets/{admin.project_id()}")["quota_set"]["cores"] == 40


def test_another_class_changes_nothing_and_says_so(admin, demo):
    body = {"quota_class_set": {"cores": 40}}
    assert "only 'default'" in admin.refused("PUT", "/os-quota-class-sets/gold", 400, body)
    assert admin.get("/os-quota-class-sets/gold")["quota_class_set"]["id"] == "gold"
    demo.put("/os-quota-class-sets/default", body, 403)
    demo.get("/os-quota-class-sets/default", 403)
    admin.put("/os-quota-class-sets/default", {"quota_class_set": {"nothing": 1}}, 400)


# Limits


@pytest.mark.parametrize("version", ["2.1", "2.35", "2.36", "2.38", "2.39", "2.56", "2.57", "2.100"])
def test_limits_are_shown_by_version(demo, version):
    limits = demo.get("/limits", version=version, promise="limits.index")["limits"]
    assert limits["rate"] == []
    assert limits["absolute"]["maxTotalCores"] == 20


def test_limits_count_what_is_used(demo, admin):
    demo.server(flavorRef="2")
    demo.post("/os-server-groups", {"server_group": {"name": "g", "policy": "affinity"}})
    absolute = demo.get("/limits")["limits"]["absolute"]
    assert (absolute["totalInstancesUsed"], absolute["totalCoresUsed"]) == (1, 1)
    assert (absolute["totalRAMUsed"], absolute["totalServerGroupsUsed"]) == (2048, 1)
    assert admin.get("/limits")["limits"]["absolute"]["totalInstancesUsed"] == 0


def test_only_administrators_see_another_projects_limits(demo, admin, project):
    demo.server()
    other = admin.get(f"/limits?tenant_id={project}")["limits"]["absolute"]
    assert other["totalInstancesUsed"] == 1
    demo.get(f"/limits?tenant_id={project}")
    demo.get(f"/limits?tenant_id={admin.project_id()}", 403)
    demo.get("/limits?nothing=1", 400, version="2.75")
    demo.get("/limits?nothing=1", version="2.74")
