"""How many hours of what a project has used, to the minute."""

import pytest


@pytest.fixture
def project(demo):
    return demo.project_id()


def hours_later(world, hours):
    world.cloud.clock.advance(hours=hours)
    world.tokens.clear()


def of(caller, project, version="2.100", **parameters):
    path = f"/os-simple-tenant-usage/{project}"
    return caller.get(path, version=version, params=parameters, promise="simple_tenant_usage.show")[
        "tenant_usage"
    ]


def test_nothing_used_is_an_empty_answer(admin, demo, project):
    assert of(demo, project) == {}
    found = admin.get("/os-simple-tenant-usage", promise="simple_tenant_usage.index")
    assert found == {"tenant_usages": []}


@pytest.mark.parametrize("version", ["2.1", "2.40"])
def test_a_running_server_counts_and_a_deleted_one_stops(world, demo, project, version):
    server = demo.server(name="web", flavorRef="2")
    world.cloud.clock.advance(minutes=30)
    usage = of(demo, project, version)
    assert usage["total_hours"] == pytest.approx(0.5, abs=0.02)
    assert usage["total_memory_mb_usage"] == pytest.approx(0.5 * 2048, rel=0.02)
    assert usage["total_local_gb_usage"] == pytest.approx(0.5 * 20, rel=0.02)
    (one,) = usage["server_usages"]
    assert (one["instance_id"], one["name"], one["flavor"]) == (server["id"], "web", "m1.small")
    assert (one["state"], one["ended_at"], one["vcpus"]) == ("active", None, 1)
    assert 1790 < one["uptime"] < 1830
    demo.delete(f"/servers/{server['id']}")
    demo.until_gone(server["id"])
    world.cloud.clock.advance(minutes=20)
    usage = of(demo, project, version)
    assert usage["total_hours"] == pytest.approx(0.5, abs=0.02)
    assert usage["server_usages"][0]["state"] == "terminated"
    assert usage["server_usages"][0]["ended_at"] is not None


def test_only_the_hours_of_the_period_count(world, demo, project):
    server = demo.server()
    launched = server["OS-SRV-USG:launched_at"]
    day = launched[:10]
    world.cloud.clock.advance(minutes=40)
    late = launched[:19]
    usage = of(demo, project, start=f"{day}T00:00:00", end=late)
    assert usage == {} or usage["total_hours"] < 0.01
    assert of(demo, project, start="2000-01-01T00:00:00", end="2001-01-01 00:00:00.000000") == {}


def test_an_administrator_sees_all_projects_and_may_ask_for_details(world, admin, demo, stranger):
    demo.server(networks="none")
    stranger.server(networks="none")
    world.cloud.clock.advance(minutes=10)
    found = admin.get("/os-simple-tenant-usage", promise="simple_tenant_usage.index")["tenant_usages"]
    assert {each["tenant_id"] for each in found} == {demo.project_id(), stranger.project_id()}
    assert "server_usages" not in found[0]
    found = admin.get("/os-simple-tenant-usage?detailed=1", promise="simple_tenant_usage.index")[
        "tenant_usages"
    ]
    assert len(found[0]["server_usages"]) == 1


def test_pages_are_of_servers(demo, project):
    ids = [demo.server(networks="none")["id"] for _ in range(3)]
    path = f"/os-simple-tenant-usage/{project}"
    first = demo.get(f"{path}?limit=2", promise="simple_tenant_usage.show")
    assert [each["instance_id"] for each in first["tenant_usage"]["server_usages"]] == ids[:2]
    assert f"marker={ids[1]}" in first["tenant_usage_links"][0]["href"]
    rest = demo.get(f"{path}?limit=2&marker={ids[1]}")
    assert [each["instance_id"] for each in rest["tenant_usage"]["server_usages"]] == ids[2:]
    assert "tenant_usage_links" not in rest
    demo.get(f"{path}?marker=nothing", 400)


def test_wrong_periods_are_refused(demo, project):
    path = f"/os-simple-tenant-usage/{project}"
    words = demo.refused("GET", f"{path}?start=2026-02-01T00:00:00&end=2026-01-01T00:00:00", 400)
    assert words.startswith("Invalid start time")
    assert demo.refused("GET", f"{path}?start=yesterday", 400) == "Datetime is in invalid format"


def test_usage_is_a_projects_own(demo, stranger, project):
    stranger.get(f"/os-simple-tenant-usage/{project}", 403)
    demo.get("/os-simple-tenant-usage", 403)
