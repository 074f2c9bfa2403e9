"""What a caller may ask about himself."""


def test_where_one_may_log_in_to(admin, demo, promised):
    names = [each["name"] for each in promised("projects.index", demo.get("/auth/projects"))["projects"]]
    assert names == ["demo"]
    assert demo.get("/auth/domains").json()["domains"] == []
    assert demo.get("/auth/system").json()["system"] == []
    assert {each["name"] for each in admin.get("/auth/projects").json()["projects"]} == {"admin", "demo"}
    domains = promised("domains.index", admin.get("/auth/domains"))["domains"]
    assert [each["name"] for each in domains] == ["Default"]
    answer = admin.get("/auth/system").json()
    assert answer["system"] == [{"all": True}]
    assert answer["links"]["self"].endswith("/v3/auth/system")


def test_an_unscoped_token_asks_for_scopes_but_has_no_catalogue(world, log_in):
    answer = log_in({"name": "demo", "domain": {"id": "default"}}, "unscoped")
    client = world.api("identity", None)
    client.client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    assert [each["name"] for each in client.get("/auth/projects").json()["projects"]] == ["demo"]
    refused = client.get("/auth/catalog")
    assert refused.status_code == 403
    assert refused.json()["error"]["message"] == "You are not authorized to perform the requested action."
    assert client.get("/users").status_code == 403


def test_disabled_projects_and_projects_of_disabled_domains_are_told_as_such(admin, demo, make, give, found):
    user = found("users", "demo")
    domain = make("domain", name="d")
    for name, where in (("p", {}), ("q", {"domain_id": domain["id"]})):
        give("member", user, project=make("project", name=name, **where)["id"])

    def offered():
        return {each["name"]: each["enabled"] for each in demo.get("/auth/projects").json()["projects"]}

    assert offered() == {"demo": True, "p": True, "q": True}
    admin.patch(
        f"/projects/{found('projects', 'p')}", json={"project": {"enabled": False}}
    ).raise_for_status()
    admin.patch(f"/domains/{domain['id']}", json={"domain": {"enabled": False}}).raise_for_status()
    assert offered() == {"demo": True, "p": False, "q": True}
