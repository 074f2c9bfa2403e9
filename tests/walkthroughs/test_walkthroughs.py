"""The old guides, command after command, with today's clients against a cloud of their own.

A guide is a YAML file made by tools/walkthroughs.py: in order, what a person typed (in today's form) and what
must be shown. Steps build on each other, so a guide is one test; it goes on after a step that fails and tells
all of them at its end. What a command shows at least is the same in all guides and stands in shown.yaml.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monostack import testing
from monostack.cli import credentials
from monostack.cli.demo import empty_qcow2
from monostack.demo.commands import Loaded

HERE = Path(__file__).parent
SHOWN = yaml.safe_load((HERE / "shown.yaml").read_text())
GUIDES = sorted(path.stem for path in HERE.glob("*.yaml") if path.stem != "shown")
IMAGES = (
    "cirros-0.4.0-x86_64-disk.img",
    "cirros-0.3.0-i386-disk.img",
    "cirros-0.3.0-x86_64-disk.img",
    "cirros.img",
)
USER_DATA = b"#!/bin/sh\necho hello\n"
OPENRC_NAMES = {
    "OS_AUTH_URL",
    "OS_IDENTITY_API_VERSION",
    "OS_IMAGE_API_VERSION",
    "OS_PASSWORD",
    "OS_PROJECT_DOMAIN_NAME",
    "OS_PROJECT_NAME",
    "OS_REGION_NAME",
    "OS_USERNAME",
    "OS_USER_DOMAIN_NAME",
}

pytestmark = [
    pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed"),
    pytest.mark.timeout(300),
    pytest.mark.slow,
]


class Missed(AssertionError):
    """What was expected and what was shown."""


class Follower:
    """A person at a shell: a home with files, the files of credentials, and what earlier answers told."""

    def __init__(self, cloud: testing.DisposableCloud, loaded: Loaded, home: Path) -> None:
        self.cloud = cloud
        self.loaded = loaded
        self.home = home
        self.state = cloud.settings.state
        credentials.write(cloud.cloud)
        self.facts = {
            "auth_url": cloud.auth_url,
            "host": cloud.settings.host,
            "password": testing.PASSWORD,
            "user_data": base64.b64encode(USER_DATA).decode(),
        } | self._make_files()
        self.facts["project"] = self._answer("openstack", ["token", "issue", "-f", "json"], {})["project_id"]

    def _make_files(self) -> dict[str, str]:
        content = empty_qcow2(1 << 30)
        for name in IMAGES:
            (self.home / name).write_bytes(content)
        (self.home / "user-data").write_bytes(USER_DATA)
        key = self.home / ".ssh" / "id_rsa"
        key.parent.mkdir(mode=0o700)
        subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", str(key)], check=True, timeout=60)
        blob = base64.b64decode(key.with_suffix(".pub").read_text().split()[1])
        digest = hashlib.md5(blob).hexdigest()
        fingerprint = ":".join(digest[at : at + 2] for at in range(0, 32, 2))
        md5 = hashlib.md5(content).hexdigest()
        return {"md5": md5, "size": str(len(content)), "fingerprint": fingerprint}

    # running

    def filled(self, thing: Any) -> Any:
        """Names in braces replaced by what is known."""
        if isinstance(thing, str):
            return re.sub(r"\{(\w+)\}", lambda found: self.facts.get(found[1], found[0]), thing)
        if isinstance(thing, dict):
            return {name: self.filled(value) for name, value in thing.items()}
        if isinstance(thing, list):
            return [self.filled(value) for value in thing]
        return thing

    def openrc(self, name: str) -> dict[str, str]:
        """The variables that `. NAME-openrc` sets."""
        if name == "none":
            return {}
        if name == "tenant":
            return {"OS_AUTH_URL": self.facts["auth_url"].replace("/v3", "/v2.0/")}
        lines = (self.state / f"{name}-openrc").read_text().splitlines()
        return dict(shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in lines)

    def follow(self, command: dict[str, Any], openrc: str) -> None:
        """Run a command and look at what it shows, again while it may still come; raises Missed."""
        command = self.filled(command)
        deadline = time.monotonic() + command.get("within", 0)
        while True:
            try:
                return self._once(command, command.get("openrc", openrc))
            except Missed:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.2)

    def _once(self, command: dict[str, Any], openrc: str) -> None:
        program, *words = shlex.split(command["run"])
        asked = program == "openstack" and not command.get("exit") and known(words)
        if asked:
            words += ["-f", "json"]
        environment = self.openrc(openrc) | command.get("environment", {})
        status, output, errors = self._run(program, words, environment, command)
        if status != command.get("exit", 0):
            said = (errors or output).strip()[-600:]
            raise Missed(f"ended with {status}, not {command.get('exit', 0)}: {said}")
        for text in command.get("says", ()):
            if text not in output + errors:
                raise Missed(f"does not say {text!r}: {(output + errors).strip()[-1500:]}")
        if command.get("silent") and output.strip():
            raise Missed(f"should print nothing, but prints {output.strip()[:300]!r}")
        if program == "monostack" or command.get("exit"):
            return
        answer = json.loads(output) if asked else tabulated(output)
        look(command, words, answer)
        for name, field in command.get("keep", {}).items():
            self.facts[name] = str(answer[field])

    def _run(self, program: str, words: list[str], environment: dict, command: dict) -> tuple[int, str, str]:
        if program == "monostack":
            words = [sys.executable, "-m", "monostack", words[0], "--state", str(self.state), *words[1:]]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60)
            return done.returncode, done.stdout, done.stderr
        words = [word.replace("~", str(self.home), 1) if word.startswith("~/") else word for word in words]
        more: dict[str, Any] = {"program": program, "folder": str(self.home)}
        if "input" in command:
            more["input"] = str(self.home / command["input"])
        if "typed" in command:
            more["typed"] = command["typed"]
        base = {"HOME": str(self.home), "PATH": os.environ["PATH"], "COLUMNS": "400", "LC_ALL": "C.UTF-8"}
        return self.loaded.run(words, base | environment, **more)

    def _answer(self, program: str, words: list[str], command: dict) -> Any:
        status, output, errors = self._run(program, words, self.openrc("admin"), command)
        assert status == 0, errors
        return json.loads(output)

    # checks of their own

    def check(self, name: str) -> None:
        """A check that is no command; raises Missed."""
        {"openrc": self._check_openrc}[name]()

    def _check_openrc(self) -> None:
        for name in ("admin-openrc", "demo-openrc", "clouds.yaml"):
            mode = stat.S_IMODE((self.state / name).stat().st_mode)
            if mode != 0o600:
                raise Missed(f"{name} has mode {mode:o}")
        for name in ("admin", "demo"):
            values = self.openrc(name)
            if set(values) != OPENRC_NAMES:
                raise Missed(f"{name}-openrc sets {sorted(values)}")
            token = ["token", "issue", "-f", "json"]
            status, _, errors = self._run("openstack", token, values, {})
            if status:
                raise Missed(f"with {name}-openrc: {errors}")


def verbs_of(words: list[str]) -> str:
    """The words before the first option or name: `image list` of `image list --long`."""
    plain = []
    for word in words:
        if word.startswith("-"):
            break
        plain.append(word)
    joined = " ".join(plain)
    names = (*SHOWN["fields"], *SHOWN["columns"])
    return max((name for name in names if (joined + " ").startswith(name + " ")), key=len, default="")


def known(words: list[str]) -> bool:
    """Whether the command can answer in JSON: it is in shown.yaml, perhaps behind options of the client."""
    return bool(verbs_of(words)) or words[-2:] == ["token", "issue"]


def look(command: dict[str, Any], words: list[str], answer: Any) -> None:
    """Compare an answer with what is expected; raises Missed."""
    verbs = "token issue" if "issue" in words else verbs_of(words)
    if "--long" in words and f"{verbs} --long" in SHOWN["columns"]:
        verbs += " --long"
    if isinstance(answer, dict):
        fields = [*SHOWN["fields"].get(verbs, ()), *command.get("fields", ())]
        lacking = [name for name in fields if name not in answer]
        if lacking:
            raise Missed(f"has no {', '.join(lacking)}; shown: {sorted(answer)}")
        for name, pattern in (SHOWN["matches"].get(verbs, {}) | command.get("matches", {})).items():
            if not re.search(pattern, str(answer.get(name))):
                raise Missed(f"{name} is {answer.get(name)!r}, which is not {pattern}")
        for name, value in command.get("values", {}).items():
            if not same(answer.get(name), value):
                raise Missed(f"{name} is {answer.get(name)!r}, not {value!r}")
        return
    if "rows" in command and len(answer) != command["rows"]:
        raise Missed(f"shows {len(answer)} rows, not {command['rows']}: {answer}")
    columns = [*SHOWN["columns"].get(verbs, ()), *command.get("columns", ())]
    lacking = [name for name in columns if answer and name not in answer[0]]
    if lacking:
        raise Missed(f"has no column {', '.join(lacking)}; shown: {list(answer[0])}")
    for row in command.get("row", ()):
        if not any(all(same(each.get(name), value) for name, value in row.items()) for each in answer):
            raise Missed(f"shows no row {row}: {answer}")
    if "values" in command:
        raise Missed(f"is a list, not an object: {answer}")


def same(shown: Any, wanted: Any) -> bool:
    return shown == wanted or (not isinstance(wanted, (dict, list)) and str(shown) == str(wanted))


def tabulated(output: str) -> list[dict[str, str]] | dict[str, str]:
    """The table that `nova` and `glance` print; one of properties and their values is an object."""
    lines = [line for line in output.splitlines() if line.startswith("|")]
    if not lines:
        return []
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    if cells[0] == ["Property", "Value"]:
        return dict(row[:2] for row in cells[1:])
    return [dict(zip(cells[0], row, strict=False)) for row in cells[1:]]


@pytest.fixture(scope="module")
def loaded() -> Iterator[Loaded]:
    loaded = Loaded()
    yield loaded
    loaded.close()


@pytest.mark.parametrize("guide", GUIDES)
def test_the_guide_can_be_followed(guide: str, loaded: Loaded, tmp_path: Path) -> None:
    document = yaml.safe_load((HERE / f"{guide}.yaml").read_text())
    missed = []
    with testing.cloud() as cloud:
        follower = Follower(cloud, loaded, tmp_path)
        for step in document["steps"]:
            try:
                if "check" in step:
                    follower.check(step["check"])
                for command in step.get("commands", ()):
                    follower.follow(command, document["openrc"])
            except Missed as reason:
                missed.append(f"{step['id']} {step['title']}: {reason}")
        assert not cloud.settle()
    assert not missed, "\n\n" + "\n\n".join(missed)


def test_every_step_is_run_or_says_why_not() -> None:
    for guide in GUIDES:
        document = yaml.safe_load((HERE / f"{guide}.yaml").read_text())
        names = [step["id"] for step in document["steps"]]
        assert len(names) == len(set(names)), f"{guide} has a step twice"
        for step in document["steps"]:
            ways = [way for way in ("out", "guest") if step.get(way)] or [
                way for way in ("commands", "check") if step.get(way)
            ]
            assert ways, f"{guide} {step['id']} is neither run nor left out with a reason"
