"""Every command for identity, images and placement that the `openstack` client has, typed at the client.

commands.tsv lists them (tools/contract/commands.py); the stories beside it, a folder for each service, are
what is typed.
"""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from tests.commands.follow import Story

from monostack import testing
from monostack.cloud import load_services
from monostack.demo.commands import Loaded

HERE = Path(__file__).parent
STORIES = {f"{file.parent.name}/{file.stem}": file for file in sorted(HERE.glob("*/*.yaml"))}
GROUPS = {
    "identity": "openstack.identity.v3",
    "image": "openstack.image.v2",
    "placement": "openstack.placement.v1",
}
NOT_OFFERED = {"/v2/cache": "cached image "}
"""Commands whose operations are not built: while no path begins so, words that commands begin with."""
AT_ONCE = 2
"""Stories touch nothing of each other's; two clients use two processors."""


@pytest.fixture(scope="module")
def missed(tmp_path_factory) -> dict[str, list[str]]:
    """What each story missed."""
    hosts = [Loaded() for _ in range(AT_ONCE)]
    stores = tmp_path_factory.mktemp("stores")
    options = {name: {"path": str(stores / name)} for name in ("one", "two")}
    try:
        with (
            testing.cloud(image__stores=("one:file", "two:file"), image__store=options) as cloud,
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):

            def follow(file: Path) -> list[str]:
                loaded = hosts.pop()
                try:
                    return Story(file, cloud, loaded, tmp_path_factory.mktemp(file.stem)).follow()
                finally:
                    hosts.append(loaded)

            return dict(zip(STORIES, pool.map(follow, STORIES.values()), strict=True))
    finally:
        for loaded in hosts:
            loaded.close()


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES)
def test_the_client_shows_what_it_must(missed, story):
    assert not missed[story], "\n".join(missed[story])


@pytest.mark.parametrize("service", GROUPS)
def test_every_command_of_the_client_is_typed(service):
    stories = [yaml.safe_load(file.read_text()) for name, file in STORIES.items() if name.startswith(service)]
    typed = [f"{step['do']} " for story in stories for step in story["steps"]]
    silent = [
        each for each in commands(service) if not any(words.startswith(f"{each} ") for words in typed)
    ]
    assert not silent


def commands(service: str) -> list[str]:
    """The client's commands for a service, as far as their operations are built."""
    paths = {
        (service.prefixes[0] if not route.path.startswith("^") else "") + route.path.lstrip("^")
        for service in load_services()
        for route in service.routes
    }
    away = [
        words for path, words in NOT_OFFERED.items() if not any(each.startswith(path) for each in paths)
    ]
    with (HERE / "commands.tsv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["group"] == GROUPS[service]]
    return [row["command"] for row in rows if not any(row["command"].startswith(words) for words in away)]
