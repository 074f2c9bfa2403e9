"""Distil the walkthroughs of the old guides: `python tools/walkthroughs.py SEEDS`.

SEEDS is a folder of guides that people followed to build clouds by hand, taken apart into steps (one YAML
file a guide; a step has its id, who must answer for it, its command in today's form). What a test needs of
them is written to tests/walkthroughs/GUIDE.yaml: commands, and what they must show. How each step is covered,
or why it is not, is written to docs/WALKTHROUGHS.md.

The guides build a cloud from nothing; here it exists after the first start. So three rules change a command:
what exists already is asked for all the same and must be refused with 409 and words; a service entry that the
cloud registered by itself is shown instead of made twice; an endpoint at an address of the guide is made, but
disabled, because a second enabled one would send the clients of the following steps there. What these rules
cannot know stands in DECISIONS, step by step.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import yaml
from walkthrough_decisions import ABOUT, DECISIONS

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests" / "walkthroughs"
TABLE = ROOT / "docs" / "WALKTHROUGHS.md"

GUIDES = {
    "000_pike_install": "pike",
    "001_rhel6_folsom_grizzly": "folsom",
    "002_queens_nova": "queens",
    "003_packstack_juno_dashboard": "packstack",
    "004_rocky_notes": "rocky",
}
KINDS = ("API", "TOOL", "GUEST", "UI")
AREAS = ("identity", "image", "network", "compute", "admin", "dashboard", "volume")

HERE = {
    "identity": "keystone",
    "image": "glance",
    "compute": "nova",
    "network": "neutron",
    "placement": "placement",
}
EXISTING = {
    "project": {"admin", "demo", "service"},
    "user": {"admin", "demo"},
    "role": {"admin", "manager", "member", "reader", "service"},
    "domain": {"default"},
}
CONFLICT = {"exit": 1, "says": ["409", "Conflict"]}

FLAGS = {
    "--absolute",
    "--all",
    "--all-projects",
    "--disable",
    "--external",
    "--ingress",
    "--long",
    "--no-dhcp",
    "--password-prompt",
    "--progress",
    "--public",
    "--share",
    "--verbose",
}


class Compact(yaml.SafeDumper):
    """A step is a block, what hangs on it a line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_mapping(self, tag, mapping, flow_style=None):
        block = any(name in mapping for name in ("run", "steps", "who"))
        return super().represent_mapping(tag, mapping.items(), flow_style=not block)

    def represent_sequence(self, tag, sequence, flow_style=None):
        block = any(isinstance(each, dict) and ("run" in each or "who" in each) for each in sequence)
        return super().represent_sequence(tag, sequence, flow_style=not block)


def main() -> None:
    seeds = Path(sys.argv[1])
    tables = []
    for name, guide in GUIDES.items():
        steps, pages, setups = distil(yaml.safe_load((seeds / f"{name}.yaml").read_text()))
        about = ABOUT[guide]
        document = {"guide": guide, "about": about, "openrc": "admin", "steps": steps}
        text = yaml.dump(document, Dumper=Compact, sort_keys=False, width=108, allow_unicode=True)
        (TARGET / f"{guide}.yaml").write_text(text)
        tables.append(table(guide, about, steps, pages, setups))
    TABLE.write_text(HEAD + "\n".join(tables))


def distil(seed: dict[str, Any]) -> tuple[list[dict], int, int]:
    """The steps to keep, how many pages of a dashboard have no command, how many steps set hosts up."""
    steps, pages, setups = [], 0, 0
    for step in seed["steps"]:
        if step["who"] not in KINDS:
            setups += 1
            continue
        decision = DECISIONS.get(step["id"], {})
        literal = [re.sub(r"@[\w.]+", "@example.org", command) for command in step.get("modern", [])]
        if step["category"] not in AREAS and not decision:
            decision = {"out": f"there is no {step['category']} service"}
        if step["who"] == "UI" and not literal and not decision:
            pages += 1
            continue
        steps.append({"id": step["id"], "who": step["who"]} | written(literal, decision))
    return steps, pages, setups


def written(literal: list[str], decision: dict[str, Any]) -> dict[str, Any]:
    """One step as it is kept."""
    out = {"title": decision.get("title") or title(literal[0])}
    for reason in ("out", "guest", "check"):
        if reason in decision:
            out[reason] = decision[reason]
    if "out" in decision or "guest" in decision:
        return out
    kept: list[dict[str, Any]] = []
    commands = () if "check" in decision else decision.get("run", literal)
    for command in (*commands, *decision.get("also", ())):
        given = dict(command) if isinstance(command, dict) else {"run": command}
        kept.append(expected(given if "already" in given else given | adapted(given["run"])))
    for number, more in decision.get("with", {}).items():
        kept[number] |= more
    if kept:
        out["commands"] = kept
    return out


def title(command: str) -> str:
    """A command's verbs and its object."""
    words = shlex.split(command)[1:]
    plain, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("--"):
            skip = word not in FLAGS and "=" not in word
        else:
            plain.append(word)
    return " ".join(plain)


def adapted(command: str) -> dict[str, Any]:
    """What of a command the cloud's first start has done already."""
    words = shlex.split(command)
    rest = words[1:]
    if rest[:2] == ["service", "create"] and rest[-1] in HERE:
        return {"run": f"openstack service show {rest[-1]}", "already": True}
    if rest[:2] == ["endpoint", "create"] and len(rest) > 4 and rest[-3] in HERE:
        return {"run": command.replace("endpoint create", "endpoint create --disable")}
    if len(rest) > 2 and rest[1] == "create" and rest[-1] in EXISTING.get(rest[0], ()):
        return {"run": command, "already": True} | CONFLICT
    return {"run": command}


def expected(command: dict[str, Any]) -> dict[str, Any]:
    """The command with what it must show, as far as its own words say it."""
    words = shlex.split(command["run"])
    if "--password-prompt" in words:
        command["typed"] = ["{password}", "{password}"]
    if words[0] != "openstack" or command.get("exit"):
        return command
    given = options(words[1:])
    values = {name: value for name, value in found(given).items() if value is not None}
    if values:
        command["values"] = values | command.get("values", {})
    if given["plain"][:2] == ["role", "add"]:
        command["silent"] = True
    return command


def options(words: list[str]) -> dict[str, Any]:
    """{"plain": positional words, "--option": its value or True}."""
    out: dict[str, Any] = {"plain": []}
    waiting = None
    for word in words:
        if waiting:
            out[waiting], waiting = word, None
        elif word in FLAGS:
            out[word] = True
        elif word.startswith("--") and "=" in word:
            name, _, out[name] = word.partition("=")
        elif word.startswith("--"):
            waiting = word
        else:
            out["plain"].append(word)
    return out


def found(given: dict[str, Any]) -> dict[str, Any]:
    """The values of the answer that the command itself names."""
    for verbs, values in VALUES.items():
        if given["plain"][: len(verbs)] == list(verbs):
            return values(given, given["plain"][-1])
    return {}


def _service(given: dict, last: str) -> dict[str, Any]:
    return {"name": given["--name"], "description": given["--description"], "type": last, "enabled": True}


def _shown_service(given: dict, last: str) -> dict[str, Any]:
    return {"name": HERE[last], "type": last, "enabled": True}


def _endpoint(given: dict, last: str) -> dict[str, Any]:
    kind, interface, url = given["plain"][-3:]
    values = {"service_type": kind, "service_name": HERE.get(kind), "interface": interface, "url": url}
    region = given["--region"]
    return values | {"region": region, "region_id": region, "enabled": "--disable" not in given}


def _named(given: dict, last: str) -> dict[str, Any]:
    return {"name": last, "description": given.get("--description")}


def _project(given: dict, last: str) -> dict[str, Any]:
    default = {"domain_id": "default", "parent_id": "default", "is_domain": False, "enabled": True}
    return _named(given, last) | default


def _user(given: dict, last: str) -> dict[str, Any]:
    values = {"email": given.get("--email"), "domain_id": "default", "enabled": True, "options": {}}
    return {"name": last} | values


def _image(given: dict, last: str) -> dict[str, Any]:
    formats = {"disk_format": given["--disk-format"], "container_format": given["--container-format"]}
    visibility = "public" if "--public" in given else "shared"
    return {"name": given["plain"][2], "status": "active", "visibility": visibility} | formats


def _network(given: dict, last: str) -> dict[str, Any]:
    return {
        "name": last,
        "shared": "--share" in given,
        "router:external": "--external" in given,
        "provider:network_type": given.get("--provider-network-type"),
        "provider:physical_network": given.get("--provider-physical-network"),
    }


def _subnet(given: dict, last: str) -> dict[str, Any]:
    pool = given.get("--allocation-pool")
    servers = given.get("--dns-nameserver")
    return {
        "name": given["plain"][2],
        "cidr": given["--subnet-range"],
        "gateway_ip": given.get("--gateway"),
        "allocation_pools": [dict(part.split("=") for part in pool.split(","))] if pool else None,
        "dns_nameservers": [servers] if servers else None,
        "enable_dhcp": "--no-dhcp" not in given,
        "ip_version": 4,
    }


def _rule(given: dict, last: str) -> dict[str, Any]:
    ports = [int(number) for number in given.get("--dst-port", "").split(":") if number]
    return {
        "direction": "ingress",
        "ether_type": "IPv4",
        "protocol": given["--protocol"],
        "remote_ip_prefix": given.get("--remote-ip", "0.0.0.0/0"),
        "port_range_min": ports[0] if ports else None,
        "port_range_max": ports[-1] if ports else None,
    }


def _flavor(given: dict, last: str) -> dict[str, Any]:
    sizes = {
        name: int(given[f"--{name}"]) for name in ("ram", "disk", "vcpus", "swap") if f"--{name}" in given
    }
    return {"name": last, "id": given.get("--id")} | sizes


def _server(given: dict, last: str) -> dict[str, Any]:
    return {"name": last, "key_name": given.get("--key-name")}


VALUES = {
    ("service", "create"): _service,
    ("service", "show"): _shown_service,
    ("endpoint", "create"): _endpoint,
    ("project", "create"): _project,
    ("domain", "create"): _named,
    ("role", "create"): _named,
    ("user", "create"): _user,
    ("image", "create"): _image,
    ("network", "create"): _network,
    ("subnet", "create"): _subnet,
    ("router", "create"): _named,
    ("security", "group", "rule", "create"): _rule,
    ("security", "group", "create"): _named,
    ("flavor", "create"): _flavor,
    ("keypair", "create"): _named,
    ("server", "create"): _server,
}

HEAD = """# The old guides, step by step

Generated by `tools/walkthroughs.py`; commands and what they must show stand in `tests/walkthroughs/*.yaml`.

Guides of many years build a cloud by hand and use it. Here each step that asks the cloud for something is run
with today's client against a cloud of its own (`tests/walkthroughs/test_walkthroughs.py`), or told by the
story with real guests (`tests/guests/test_story.py`), or left out for the reason given. Steps that only set
hosts up (packages, configuration files, daemons) have no place here: one command does it all. Pages of a
dashboard without a command of their own are counted, not listed.
"""


def table(guide: str, about: str, steps: list[dict], pages: int, setups: int) -> str:
    """The steps of a guide and how each is covered."""
    run = sum("commands" in step or "check" in step for step in steps)
    story = sum("guest" in step for step in steps)
    out = sum("out" in step for step in steps)
    lines = [
        f"\n## {guide}: {about}\n",
        f"{run} steps run, {story} told by the story, {out} left out; besides {setups} steps that set hosts "
        f"up or only explain, and {pages} pages of a dashboard.\n",
        "| Step | What | How |",
        "|---|---|---|",
    ]
    for step in steps:
        lines.append(f"| {step['id']} | {cell(step['title'])} | {cell(how(step))} |")
    return "\n".join(lines) + "\n"


def how(step: dict) -> str:
    if "out" in step:
        return f"left out: {step['out']}"
    if "guest" in step:
        return f"the story: {step['guest']}"
    words = []
    if "check" in step:
        words.append("the files of credentials are read")
    for command in step.get("commands", []):
        note = ""
        if command.get("already") and command.get("exit"):
            note = " (exists: refused with 409)"
        elif command.get("already"):
            note = " (exists: shown)"
        elif "endpoint create --disable" in command["run"]:
            note = " (disabled)"
        elif command.get("exit"):
            note = " (refused)"
        words.append(f"`{command['run']}`{note}")
    return "<br>".join(words)


def cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
