"""Distil the published operations into the tables that the tests compare monostack's routes with.

    python tools/contract/operations.py CONTRACT

CONTRACT is a folder of contract facts (see README.md beside this file) with operations/SERVICE.tsv. Of each
operation remain method, path, action (the key of the body that chooses it), the first and last version that
has it, the codes of success and of refusal (201[2.2-] is one from version 2.2 on), the policy rules it asks
(separated by semicolons), the default of the first, the scopes, and its status: `gone-410` always answers
410, `capped` and `proxy-capped` end with the version in mv_max.
"""

import csv
import sys
from pathlib import Path

COLUMNS = (
    "method",
    "path",
    "action",
    "mv_min",
    "mv_max",
    "success",
    "errors",
    "policies",
    "default_rule",
    "scope",
    "status",
)
TARGET = Path(__file__).parents[2] / "tests" / "contract" / "operations"


def distil(source: Path, target: Path) -> int:
    """Write one service's table; the number of its operations."""
    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    lines = ["\t".join(COLUMNS)]
    lines += ["\t".join((row[column] or "").strip() for column in COLUMNS) for row in rows]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(rows)


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    total = 0
    for source in sorted((Path(sys.argv[1]) / "operations").glob("*.tsv")):
        number = distil(source, TARGET / source.name)
        total += number
        print(f"{source.stem}: {number}")
    print(f"all: {total}")


if __name__ == "__main__":
    main()
