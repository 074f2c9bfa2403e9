"""The house keeps its shape: who may import whom, how big a room may grow, what must be written down."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import monostack
from monostack import settings
from monostack.cloud import ORDER, load_services

ROOT = Path(monostack.__file__).parent
PROJECT = ROOT.parents[1]
BELOW = {
    "kit": set(),
    "node": {"kit"},
    **{name: {"kit", *ORDER[:place]} for place, name in enumerate(ORDER)},
    "demo": set(),
}
"""What a package may import of the others. cloud, server, settings, cli and testing put things together."""
ALLOWED_EVERYWHERE = {"settings", "errors", "__version__"}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The packages of monostack that a module imports while it runs (not only for type checking)."""
    tree = ast.parse(path.read_text())
    checking = {
        id(node)
        for each in ast.walk(tree)
        if isinstance(each, ast.If) and isinstance(each.test, ast.Name) and each.test.id == "TYPE_CHECKING"
        for node in ast.walk(each)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in checking:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("monostack"):
            words = node.module.split(".")[1:]
            found |= {words[0]} if words else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("monostack.")}
    return found


@pytest.mark.parametrize("package", sorted(BELOW))
def test_dependencies_point_one_way(package):
    wrong = []
    for path in sorted((ROOT / package).rglob("*.py")):
        others = imported(path) - {package} - BELOW[package] - ALLOWED_EVERYWHERE
        wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in sorted(others)]
    assert not wrong


def test_services_call_others_only_through_their_face():
    wrong = []
    for package in ORDER:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("monostack."):
                    words = node.module.split(".")
                    if words[1] in ORDER and words[1] != package and len(words) > 2:
                        wrong.append(f"{path.relative_to(ROOT)} imports {node.module}")
    assert not wrong


def test_no_room_is_crowded():
    long = {
        str(path.relative_to(ROOT)): count
        for path in modules()
        if (count := len(path.read_text().splitlines())) > 800
    }
    assert not long


def test_every_module_says_why_it_is():
    silent = [
        str(path.relative_to(ROOT))
        for path in modules()
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent


def test_nobody_uses_a_shell():
    wrong = [
        str(path.relative_to(ROOT))
        for path in modules()
        if "shell=True" in path.read_text() or "os.system(" in path.read_text()
    ]
    assert not wrong


def test_what_ends_tokens_says_so_in_its_transaction():
    """An effect of one process (`tx.after`) does not reach the others: call `tx.ends_tokens()` instead."""
    wrong = [
        str(path.relative_to(ROOT))
        for path in modules()
        if path.relative_to(ROOT).parts[0] in ORDER
        and any(word in path.read_text() for word in ("auth.bump", "auth.forget", "auth.kept"))
    ]
    assert not wrong, "call tx.ends_tokens() (or tokens.end_all), and cloud.auth.caller(db, token)"


def test_every_setting_is_explained():
    text = (PROJECT / "docs" / "operating.md").read_text()
    missing = [name for name in settings.names() if f"`{name}`" not in text]
    assert not missing


def test_no_file_names_a_registry():
    words = ("pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org", "deb.debian" + ".org")
    wrong = []
    for path in [
        *PROJECT.glob("*.lock"),
        *PROJECT.glob("*.toml"),
        *PROJECT.glob("tools/**/*"),
        PROJECT / "monostack",
    ]:
        if path.is_file() and any(word in path.read_text(errors="replace") for word in words):
            wrong.append(path.name)
    assert not wrong


def test_services_need_only_what_is_below():
    names = [service.name for service in load_services()]
    assert names == [name for name in ORDER if name in names]
    for service in load_services():
        assert set(service.needs) <= set(ORDER[: ORDER.index(service.name)])
