"""Distil the list of the `openstack` client's commands that the tests type.

    python tools/contract/commands.py CONTRACT

CONTRACT/cli_commands.tsv has a line a command: group, package, command. What remains are the groups of the
services that are built.
"""

import csv
import sys
from pathlib import Path

GROUPS = ("openstack.identity.v3", "openstack.image.v2", "openstack.placement.v1")
TARGET = Path(__file__).parents[2] / "tests" / "commands" / "commands.tsv"


def main() -> None:
    with (Path(sys.argv[1]) / "cli_commands.tsv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["group"] in GROUPS]
    lines = ["group\tcommand", *sorted(f"{row['group']}\t{row['command']}" for row in rows)]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(rows)} commands")


if __name__ == "__main__":
    main()
