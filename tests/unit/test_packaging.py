"""What is installed is what is declared, locked and imported; the launcher keeps its promises offline."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = (
    "requirements.lock",
    "requirements-demo.lock",
    "requirements-test.lock",
    "requirements-neighbours.lock",
    "tools/uv.lock",
)
# What only some folders import: the demo and images in S3 have an extra of their own, who tests with the SDK
# brings it.
BROUGHT = {
    "boto3": ("image",),
    "botocore": ("image",),
    "cliff": ("demo",),
    "openstackclient": ("demo",),
    "openstack": ("demo", "testing"),
    "pytest": ("testing",),
}
PRODUCT = ROOT / "src" / "monostack"
LONG_AGO = 1_000_000_000
DISTRIBUTION_OF = {
    "jsonschema_rs": "jsonschema-rs",
    "jwt": "pyjwt",
    "yaml": "pyyaml",
}


def plain(requirement: str) -> str:
    """The bare name of a requirement, spelled as the index spells it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]).lower()


def locked(name: str) -> set[str]:
    return {plain(line) for line in (ROOT / name).read_text().splitlines() if re.match(r"[a-z]", line)}


def imported(folder: Path) -> dict[str, set[Path]]:
    """The top-level modules that are imported anywhere, each with the files that do it."""
    found: dict[str, set[Path]] = {}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            else:
                continue
            for name in names:
                found.setdefault(name.split(".")[0], set()).add(path)
    return found


def test_every_import_of_the_product_is_a_declared_dependency():
    declared = {plain(each) for each in PROJECT["dependencies"]}
    for module, paths in imported(PRODUCT).items():
        if module in sys.stdlib_module_names or module == "monostack":
            continue
        paths = {path for path in paths if path.relative_to(PRODUCT).parts[0] not in BROUGHT.get(module, ())}
        distribution = DISTRIBUTION_OF.get(module, plain(module))
        assert not paths or distribution in declared, f"pyproject.toml does not declare {module}: {paths}"


def test_every_declared_dependency_is_used():
    used = {DISTRIBUTION_OF.get(module, plain(module)) for module in imported(PRODUCT)}
    used |= {"httptools", "uvloop", "websockets"}  # named to uvicorn as texts
    assert {plain(each) for each in PROJECT["dependencies"]} <= used


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_registry_and_hashes_everything(lock):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^--?[a-z]", text, re.MULTILINE), "an option stands in the lock"
    for block in re.split(r"\n(?=[a-z])", text.strip()):
        assert "--hash=sha256:" in block, f"without a hash: {block.splitlines()[0]}"


def test_every_declared_dependency_is_locked():
    extras = PROJECT["optional-dependencies"]
    assert {plain(each) for each in PROJECT["dependencies"]} <= locked("requirements.lock")
    for extra in ("demo", "test"):
        assert {plain(each) for each in extras[extra]} <= locked(f"requirements-{extra}.lock")


def test_a_greater_lock_changes_no_version_of_a_smaller_one():
    def versions(name):
        return {line.split(" ")[0] for line in (ROOT / name).read_text().splitlines() if "==" in line}

    small, middle, great = (versions(lock) for lock in LOCKS[:3])
    assert small <= middle <= great


@pytest.fixture
def checkout(tmp_path):
    """A checkout that is installed already: its program prints the arguments it was given."""
    folder = tmp_path / "a folder"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("monostack", "pyproject.toml", "requirements.lock", "requirements-test.lock"):
        shutil.copy(ROOT / name, folder / name)
        os.utime(folder / name, (LONG_AGO, LONG_AGO))
    program = folder / ".venv" / "bin" / "monostack"
    program.write_text('#!/bin/sh\nprintf "[%s]" "$@"\n')
    program.chmod(0o755)
    (folder / ".venv" / ".installed").write_text(f"{folder}\nany sum\n")
    return folder


def launch(path, *arguments, cwd="/", **environment):
    return subprocess.run(
        [path, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=20, check=False
    )


def test_launcher_of_an_installed_checkout_starts_no_other_program(checkout):
    done = launch(checkout / "monostack", "up", "two words", PATH="/nonexistent")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[up][two words]", "")


def test_launcher_works_through_a_link_and_from_within(checkout, tmp_path):
    (tmp_path / "link").symlink_to(checkout / "monostack")
    assert launch(tmp_path / "link", "--help", PATH=os.defpath).stdout == "[--help]"
    assert launch("./monostack", "--help", cwd=checkout, PATH="/nonexistent").stdout == "[--help]"


def test_launcher_keeps_to_the_greatest_installation(checkout):
    """After `./monostack test` no other word may install less: the smaller lock is not even looked at."""
    (checkout / ".venv" / ".installed").rename(checkout / ".venv" / ".installed-test")
    (checkout / "requirements.lock").unlink()
    assert launch(checkout / "monostack", "status", PATH="/nonexistent").stdout == "[status]"


def test_launcher_installs_anew_when_the_lock_is_newer(checkout):
    stamp = (checkout / ".venv" / ".installed").stat().st_mtime
    os.utime(checkout / "requirements.lock", (stamp + 5, stamp + 5))
    done = launch(checkout / "monostack", "up", PATH="/nonexistent")
    assert done.returncode != 0
    assert done.stdout == "", "the old installation was started"


def test_launcher_of_a_moved_checkout_does_not_trust_the_old_installation(checkout, tmp_path):
    moved = checkout.rename(tmp_path / "elsewhere")
    done = launch(moved / "monostack", "up", PATH="/nonexistent")
    assert done.returncode != 0
    assert done.stdout == ""
