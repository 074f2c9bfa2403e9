"""Every command for identity that the `openstack` client has, typed at the client itself."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.commands.follow import Story

from monostack import testing
from monostack.demo.commands import Loaded

HERE = Path(__file__).parent
STORIES = sorted((HERE / "identity").glob("*.yaml"))
AT_ONCE = 2
"""Stories touch nothing of each other's; two clients use two processors."""


def commands(group: str) -> list[str]:
    """The client's commands for a service."""
    with (HERE / "commands.tsv").open(newline="") as file:
        return [row["command"] for row in csv.DictReader(file, delimiter="\t") if row["group"] == group]


@pytest.fixture(scope="module")
def missed(tmp_path_factory) -> dict[str, list[str]]:
    """What each story missed."""
    hosts = [Loaded() for _ in range(AT_ONCE)]
    try:
        with testing.cloud() as cloud, ThreadPoolExecutor(AT_ONCE) as pool:

            def follow(file: Path) -> list[str]:
                loaded = hosts.pop()
                try:
                    return Story(file, cloud, loaded, tmp_path_factory.mktemp(file.stem)).follow()
                finally:
                    hosts.append(loaded)

            return dict(zip((file.stem for file in STORIES), pool.map(follow, STORIES), strict=True))
    finally:
        for loaded in hosts:
            loaded.close()


@pytest.mark.slow
@pytest.mark.parametrize("story", [file.stem for file in STORIES])
def test_the_client_shows_what_it_must(missed, story):
    assert not missed[story], "\n".join(missed[story])


def test_every_command_of_the_client_is_typed():
    import yaml

    typed = [step["do"] for file in STORIES for step in yaml.safe_load(file.read_text())["steps"]]
    silent = [
        each
        for each in commands("openstack.identity.v3")
        if not any(f"{words} ".startswith(f"{each} ") for words in typed)
    ]
    assert not silent
