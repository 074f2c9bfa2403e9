"""Protected properties: who makes, reads, changes and deletes which."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monostack import testing
from monostack.image.protection import Protection
from monostack.settings import BadSetting, Image

RULES = """
[^open_.*]
create = @
read = @
update = @
delete = @
[^sealed_.*]
create = admin
read = @
update = admin
delete = admin
[^secret_.*]
create = admin
read = admin
update = admin
delete = admin
[^once_.*]
create = member, admin
read = member
update = !
delete = !
[^open_too_late]
create = !
read = !
update = !
delete = !
"""


@pytest.fixture(scope="module")
def shared_world(database: str, tmp_path_factory) -> Iterator:
    from tests.conftest import World

    file = tmp_path_factory.mktemp("rules") / "protected.conf"
    file.write_text(RULES)
    settings = {"image__property_protection_file": str(file)}
    only = ("identity", "image", "placement", "network", "compute")
    with testing.cloud(only=only, database=database, **settings) as cloud:
        yield World(cloud)


def test_properties_are_made_by_whom_they_may(admin, demo):
    new = {"name": "x"}
    assert demo.post("/images", json=new | {"open_a": "1", "once_a": "1"}).status_code == 201
    for name in ("sealed_a", "secret_a", "unknown"):
        assert demo.post("/images", json=new | {name: "1"}).status_code == 403
    assert admin.post("/images", json=new | {"unknown": "1"}).status_code == 403
    answer = admin.post("/images", json=new | {"sealed_a": "1", "secret_a": "2", "open_too_late": "3"})
    assert answer.status_code == 201
    assert answer.json()["secret_a"] == "2"


@pytest.fixture
def image(admin, demo, patch):
    """An image of demo's to which an administrator has added properties."""
    made = demo.post("/images", json={"name": "x", "open_a": "1", "once_a": "1"}).json()["id"]
    answer = patch(admin, made, ("add", "/sealed_a", "1"), ("add", "/secret_a", "1"))
    assert answer.status_code == 200, answer.text
    return made


def test_what_may_not_be_read_is_not_shown(admin, demo, image):
    shown = demo.get(f"/images/{image}").json()
    assert {"open_a", "once_a", "sealed_a"} <= set(shown)
    assert "secret_a" not in shown
    listed = demo.get("/images").json()["images"]
    assert [name for each in listed for name in each if name.startswith("secret")] == []
    assert admin.get(f"/images/{image}").json()["secret_a"] == "1"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("replace", "/open_a", "2"), 200),
        (("remove", "/open_a"), 200),
        (("add", "/once_b", "2"), 200),
        (("replace", "/once_a", "2"), 403),
        (("remove", "/once_a"), 403),
        (("add", "/sealed_a", "2"), 403),
        (("add", "/sealed_b", "2"), 403),
        (("remove", "/sealed_a"), 403),
        (("add", "/secret_a", "2"), 403),
        (("remove", "/secret_a"), 403),
        (("remove", "/nothing"), 409),
    ],
)
def test_properties_are_changed_by_whom_they_may(admin, demo, patch, image, change, code):
    before = admin.get(f"/images/{image}").json()
    assert patch(demo, image, change).status_code == code
    if code != 200:
        assert admin.get(f"/images/{image}").json() == before


def test_compute_shows_and_changes_no_more(world, admin, demo, image):
    compute = world.api("compute", user="demo")
    path = f"/images/{image}/metadata"
    shown = compute.at("2.1", "GET", path).json()["metadata"]
    assert "secret_a" not in shown and shown["sealed_a"] == "1"
    answer = compute.at("2.1", "POST", path, json={"metadata": {"open_b": "5"}})
    assert answer.status_code == 200, answer.text
    assert admin.get(f"/images/{image}").json()["secret_a"] == "1"
    assert compute.at("2.1", "POST", path, json={"metadata": {"sealed_a": "5"}}).status_code == 403
    assert compute.at("2.1", "DELETE", f"{path}/sealed_a").status_code == 403


def test_rules_may_be_those_of_policy(world, demo, monkeypatch, tmp_path):
    from monostack.image import protection

    (tmp_path / "rules").write_text(
        "[^a]\ncreate = rule_that_nobody_knows\nread = @\nupdate = !\ndelete = !\n"
        "[^b]\ncreate = default\nread = context_is_admin\nupdate = !\ndelete = !\n"
    )
    settings = Image(
        property_protection_file=str(tmp_path / "rules"), property_protection_rule_format="policies"
    )
    rules = Protection(settings)
    monkeypatch.setitem(protection._kept, world.cloud.cloud, rules)
    assert demo.post("/images", json={"name": "x", "a": "1"}).status_code == 403
    answer = demo.post("/images", json={"name": "x", "b": "1"})
    assert (answer.status_code, "b" in answer.json()) == (201, False)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "no section",
        "[(]\ncreate=@\nread=@\nupdate=@\ndelete=@",
        "[a]\ncreate=@",
        "[a]\ncreate=@,!\nread=@\nupdate=@\ndelete=@",
        "[a]\ncreate=\nread=@\nupdate=@\ndelete=@",
    ],
)
def test_a_wrong_file_is_told_at_the_start(tmp_path, text):
    if text is not None:
        (tmp_path / "rules").write_text(text)
    with pytest.raises(BadSetting, match="property_protection_file"):
        Protection(Image(property_protection_file=str(tmp_path / "rules")))
