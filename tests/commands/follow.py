"""What a person types at the `openstack` client and what he must be shown, read from YAML.

A file is one story: `files` that lie in the folder, `people` (names, and what their environment has besides
the administrator's), and `steps`. A step says what is typed (`do`) and what must be seen:

    has    what the shown thing has at least           row    what one line of a list has at least
    none   what no line of the list has                fails  words of the refusal; the command ends otherwise
    keep   {name: column}: facts for later steps       first  the same from the first line of a list
    says   words of the output, as it is printed
    terminal   there is one: else the client takes what comes from its standard input for data
    as     who types; otherwise the administrator, or whom the story names as its `default`

"$name" stands for a fact. A value between slashes is a pattern. A command that shows nothing is held to that
by the next steps, which look.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from string import Template
from typing import Any

import yaml

from monostack import testing
from monostack.demo.commands import Loaded

FORMATTED = ("has", "row", "none", "keep", "first")


class Story:
    """One file's steps, done in order."""

    def __init__(self, file: Path, cloud: testing.DisposableCloud, loaded: Loaded, folder: Path) -> None:
        told = yaml.safe_load(file.read_text())
        self.name, self.steps = file.stem, told["steps"]
        self.loaded, self.folder = loaded, folder
        self.facts = {"password": testing.PASSWORD, "auth_url": cloud.auth_url, "root": cloud.url}
        self.base = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "COLUMNS": "200",
            "OS_AUTH_URL": cloud.auth_url,
            "OS_USERNAME": "admin",
            "OS_PASSWORD": testing.PASSWORD,
            "OS_PROJECT_NAME": "admin",
            "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default",
            "OS_IDENTITY_API_VERSION": "3",
            "OS_REGION_NAME": "RegionOne",
        }
        self.people: dict[str, dict[str, str | None]] = told.get("people", {})
        self.default = told.get("default")
        for name, content in told.get("files", {}).items():
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / name).write_text(text)

    def follow(self) -> list[str]:
        """What was missed, step by step."""
        missed = []
        for number, step in enumerate(self.steps, 1):
            try:
                self._step(step)
            except (AssertionError, KeyError) as reason:
                missed.append(f"{self.name} {number}: openstack {step['do']}\n    {reason}")
        return missed

    def _step(self, step: dict[str, Any]) -> None:
        words = shlex.split(Template(step["do"]).substitute(self.facts))
        formatted = any(key in step for key in FORMATTED)
        environment = self._environment(step.get("as", self.default))
        status, output, errors = self.loaded.run(
            words + (["-f", "json"] if formatted else []),
            environment,
            folder=str(self.folder),
            typed=["nothing"] if step.get("terminal") else [],
        )
        said = (errors or output).strip()
        if "fails" in step:
            wanted = self._known(step["fails"])
            assert status != 0, f"it did not fail: {output[:300]}"
            assert wanted in said, f"{wanted!r} is not in: {said[-600:]}"
            assert "Traceback" not in said, said[-600:]
            return
        assert status == 0, f"it ended with {status}: {said[-600:]}"
        if "says" in step:
            wanted = self._known(step["says"])
            assert wanted in output, f"{wanted!r} is not in: {output[:600]}"
        if formatted:
            self._shown(step, json.loads(output))

    def _environment(self, person: str | None) -> dict[str, str]:
        mine = {} if person is None else self.people[person]
        merged = self.base | {name: self._known(value) for name, value in mine.items()}
        return {name: value for name, value in merged.items() if value is not None}

    def _shown(self, step: dict[str, Any], shown: Any) -> None:
        if "has" in step:
            assert fits(shown, self._known(step["has"])), f"shown: {json.dumps(shown)[:900]}"
        for row in _many(step.get("row")):
            wanted = self._known(row)
            assert any(fits(line, wanted) for line in shown), f"{wanted} is not in: {json.dumps(shown)[:900]}"
        for row in _many(step.get("none")):
            wanted = self._known(row)
            assert not any(fits(line, wanted) for line in shown), f"{wanted} is in: {json.dumps(shown)[:900]}"
        for name, column in step.get("keep", {}).items():
            self.facts[name] = shown[column]
        for name, column in step.get("first", {}).items():
            self.facts[name] = shown[0][column]

    def _known(self, value: Any) -> Any:
        """The value with facts in place of their names."""
        if isinstance(value, str):
            return Template(value).safe_substitute(self.facts)
        if isinstance(value, dict):
            return {self._known(key): self._known(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._known(inner) for inner in value]
        return value


def _many(rows: Any) -> list[Any]:
    return rows if isinstance(rows, list) else [] if rows is None else [rows]


def fits(shown: Any, wanted: Any) -> bool:
    """Whether what is shown has at least what is wanted."""
    if isinstance(wanted, dict):
        return isinstance(shown, dict) and all(
            name in shown and fits(shown[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(shown, list) and all(any(fits(each, one) for each in shown) for one in wanted)
    if isinstance(wanted, str) and len(wanted) > 1 and wanted[0] == wanted[-1] == "/":
        return re.search(wanted[1:-1], str(shown)) is not None
    return type(shown) is type(wanted) and shown == wanted
