"""Distil the network service's attribute maps and extension list.

    python tools/contract/network.py CONTRACT SAMPLES

CONTRACT is a folder of contract facts (see README.md beside this file): schemas/neutron/ALIAS.json is what
an extension adds to which resource. SAMPLES holds whole answers of a real service, among them
neutron/get_extensions.json: which extensions one announces. From them come

- src/monostack/network/attributes.json: {"resources": {COLLECTION: {ATTRIBUTE: {...}}}, "sub_resources":
  {COLLECTION: {"parent": ..., "parameters": {ATTRIBUTE: {...}}}}}, base and extensions merged;
- src/monostack/network/extensions.json: {ALIAS: {"name", "updated", "required"}}.

Of an attribute:

    allow_post, allow_put   whether a create, an update may name it
    default                 its value if a create does not name it. Without a default a create must name it;
                            "ATTR_NOT_SPECIFIED" means it may stay unnamed and has no value then
    validate                {type: argument} (the "type:" before the type is dropped)
    convert_to              what is done with the value after validation (the "fn:" before is dropped)
    extension               the alias that brings it; absent for what every network service has
    is_visible, is_filter, is_sort_key, primary_key, enforce_policy, required_by_policy: as their names say

Flags that are false are left out.
"""

import json
import sys
from pathlib import Path
from typing import Any

PRODUCT = Path(__file__).parents[2] / "src" / "monostack" / "network"
BASE = ("network", "port", "subnet", "subnetpool")
# Not announced by the sampled service, but asked for by clients of many others.
ADDED = (
    "dns-integration",
    "dns-domain-ports",
    "expose-port-forwarding-in-fip",
    "floating-ip-port-forwarding",
    "floating-ip-port-forwarding-description",
    "floating-ip-port-forwarding-port-ranges",
    "vlan-transparent",
)
FLAGS = (
    "allow_post",
    "allow_put",
    "is_visible",
    "is_filter",
    "is_sort_key",
    "primary_key",
    "enforce_policy",
    "required_by_policy",
    "dict_populate_defaults",
    "default_overrides_none",
)
# Attributes that extensions give to every resource of a kind; the contract names the extensions, real answers
# show the resources. Rules of security groups have no tags.
STANDARD = (
    "networks",
    "ports",
    "subnets",
    "subnetpools",
    "routers",
    "floatingips",
    "security_groups",
    "security_group_rules",
    "policies",
    "trunks",
    "segments",
    "network_segment_ranges",
)
STANDARD_ATTRIBUTES = {
    "standard-attr-description": {
        "description": {
            "allow_post": True,
            "allow_put": True,
            "is_visible": True,
            "is_filter": True,
            "is_sort_key": True,
            "default": "",
            "validate": {"string": 255},
        },
    },
    "standard-attr-timestamp": {
        "created_at": {"is_visible": True, "is_filter": True, "is_sort_key": True},
        "updated_at": {"is_visible": True, "is_filter": True, "is_sort_key": True},
    },
    "standard-attr-revisions": {
        "revision_number": {"is_visible": True, "is_filter": True, "is_sort_key": True},
    },
    "standard-attr-tag": {
        "tags": {"allow_post": True, "default": "ATTR_NOT_SPECIFIED", "is_visible": True, "is_filter": True},
    },
}

# Said in the API reference, not in the extension's map.
SUPPLEMENT = {
    "security-group": {
        "ports": {
            "security_groups": {
                "allow_post": True,
                "allow_put": True,
                "is_visible": True,
                "is_filter": True,
                "default": "ATTR_NOT_SPECIFIED",
                "validate": {"type:uuid_list": None},
                "convert_to": "fn:convert_none_to_empty_list",
            },
        },
    },
}

Attributes = dict[str, dict[str, Any]]


def distil_attribute(published: dict[str, Any], alias: str) -> dict[str, Any]:
    attribute: dict[str, Any] = {flag: True for flag in FLAGS if published.get(flag)}
    if "default" in published:
        attribute["default"] = published["default"]
    if published.get("validate"):
        attribute["validate"] = plain(published["validate"])
    for conversion in ("convert_to", "convert_list_to"):
        if published.get(conversion):
            attribute[conversion] = plain(published[conversion])
    if alias not in BASE:
        attribute["extension"] = alias
    return attribute


def plain(value: Any) -> Any:
    """Without the prefixes "type:" and "fn:" at any depth."""
    if isinstance(value, dict):
        return {name.removeprefix("type:"): plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.removeprefix("fn:") if isinstance(value, str) else value


def merge(definitions: dict[str, dict[str, Any]], aliases: list[str]) -> dict[str, Any]:
    resources: dict[str, Attributes] = {}
    sub_resources: dict[str, Any] = {}
    for alias in aliases:
        for source in (definitions[alias].get("resources", {}), SUPPLEMENT.get(alias, {})):
            for collection, attributes in source.items():
                _take_over(resources.setdefault(collection, {}), attributes, alias)
        for collection, nested in definitions[alias].get("sub_resources", {}).items():
            found = sub_resources.setdefault(collection, {"parent": {}, "parameters": {}})
            found["parent"] |= nested.get("parent", {})
            _take_over(found["parameters"], nested.get("parameters", {}), alias)
    add_standard(resources, aliases)
    return {"resources": _sorted(resources), "sub_resources": _sorted(sub_resources)}


def _take_over(found: Attributes, published: Attributes, alias: str) -> None:
    """A later extension has the last word on an attribute; it stays known as the one that brought it."""
    for name, attribute in published.items():
        distilled = distil_attribute(attribute, alias)
        before = found.get(name)
        if before is not None:
            distilled.pop("extension", None)
            distilled |= {key: value for key, value in before.items() if key == "extension"}
        found[name] = distilled


def add_standard(resources: dict[str, Attributes], aliases: list[str]) -> None:
    for collection in STANDARD:
        if collection not in resources:
            continue
        for alias, attributes in STANDARD_ATTRIBUTES.items():
            untagged = alias == "standard-attr-tag" and collection == "security_group_rules"
            if untagged or alias not in aliases:
                continue
            for name, attribute in attributes.items():
                resources[collection].setdefault(name, attribute | {"extension": alias})


def in_order(aliases: list[str], definitions: dict[str, dict[str, Any]]) -> list[str]:
    """Base first, then every extension after those that it requires: the last word must be the right one."""
    ordered = list(BASE)

    def place(alias: str) -> None:
        if alias in ordered:
            return
        for required in definitions[alias].get("required") or ():
            if required in aliases:
                place(required)
        ordered.append(alias)

    for alias in sorted(aliases):
        place(alias)
    return ordered


def write(path: Path, blocks: dict[str, dict[str, Any]]) -> None:
    """One line an entry of each block."""
    texts = []
    for block, entries in blocks.items():
        lines = []
        for name, value in entries.items():
            if all(isinstance(entry, dict) for entry in value.values()):
                inner = [f"  {json.dumps(key)}: {json.dumps(entry)}" for key, entry in value.items()]
                lines.append(f" {json.dumps(name)}: {{\n" + ",\n".join(inner) + "\n }")
            else:
                lines.append(f" {json.dumps(name)}: {json.dumps(value)}")
        texts.append(f"{json.dumps(block)}: {{\n" + ",\n".join(lines) + "\n}")
    path.write_text("{\n" + ",\n".join(texts) + "\n}\n", encoding="utf-8")


def _sorted(mapping: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(mapping.items()))


def main() -> None:
    contract, samples = Path(sys.argv[1]), Path(sys.argv[2])
    definitions = {}
    for path in sorted((contract / "schemas" / "neutron").glob("*.json")):
        definition = json.loads(path.read_text(encoding="utf-8"))
        definitions[definition["alias"]] = definition
    answer = json.loads((samples / "neutron" / "get_extensions.json").read_text(encoding="utf-8"))
    announced = {extension["alias"]: extension for extension in answer["body"]["extensions"]}
    extensions = {}
    for alias in sorted({*announced, *ADDED}):
        source = announced.get(alias) or definitions[alias]
        required = definitions[alias].get("required") or []
        extensions[alias] = {"name": source["name"], "updated": source["updated"], "required": required}
    merged = merge(definitions, in_order(list(extensions), definitions))
    write(PRODUCT / "attributes.json", merged)
    write(PRODUCT / "extensions.json", {"extensions": extensions})
    print(f"{len(merged['resources'])} resources, {len(extensions)} extensions")


if __name__ == "__main__":
    main()
