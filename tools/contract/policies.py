"""Distil the services' published policy rules into the policies.tsv that monostack loads.

    python tools/contract/policies.py CONTRACT

CONTRACT is a folder of contract facts (see README.md beside this file) with policies/SERVICE.tsv, one line
for every rule and operation. What remains is a line a rule: its name, its check, its scopes. The checks of
deprecated names are left out, because the defaults of today are the ones enforced. The tests' copy also says
which operations ask the rule; it stands apart, so that a slip in the product's is not what is expected.
"""

import csv
import sys
from pathlib import Path

FOLDERS = {
    "keystone": "identity",
    "placement": "placement",
    "glance": "image",
    "neutron": "network",
    "nova": "compute",
}
PRODUCT = Path(__file__).parents[2] / "src" / "monostack"
TESTS = Path(__file__).parents[2] / "tests" / "contract" / "policies"
HELD_APART = ("keystone",)


def distil(source: Path) -> list[tuple[str, str, str, str]]:
    """The rules of one service in the order in which they were published, each once: its name, check, scopes
    and operations."""
    rules: dict[str, tuple[str, str]] = {}
    asking: dict[str, list[str]] = {}
    with source.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            check = " ".join((row["default_check"] or "").split())
            found = (check, row["scope"] or "")
            if rules.setdefault(row["rule"], found) != found:
                raise SystemExit(f"{source}: rule {row['rule']} is given twice and differs.")
            if row["method"]:
                asking.setdefault(row["rule"], []).append(f"{row['method']} {row['path']}")
    return [(rule, check, scope, ";".join(asking.get(rule, ()))) for rule, (check, scope) in rules.items()]


def write(target: Path, columns: tuple[str, ...], rules: list[tuple[str, str, str, str]]) -> None:
    lines = ["\t".join(columns), *("\t".join(rule[: len(columns)]) for rule in rules)]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    contract = Path(sys.argv[1])
    for service, folder in FOLDERS.items():
        rules = distil(contract / "policies" / f"{service}.tsv")
        columns = ("rule", "check", "scopes", "operations")
        write(PRODUCT / folder / "policies.tsv", columns[:3], rules)
        if service in HELD_APART:
            write(TESTS / f"{service}.tsv", columns, rules)
        print(f"{folder}: {len(rules)} rules")


if __name__ == "__main__":
    main()
