"""Distil the published JSON schemas: the schemas/ folders of the services, and the answers that tests expect.

    python tools/contract/schemas.py CONTRACT

CONTRACT is a folder of contract facts (see README.md beside this file). From schemas/SERVICE/*.json come

- src/monostack/FOLDER/schemas/RESOURCE.json: {"verb": {"request": [...], "query": [...]}}, each a list of
  {"min", "max", "schema"}, newest first; null means unbounded;
- tests/contract/FOLDER/responses.json.gz: {"RESOURCE.verb": [...]} of the same form.

Prose is stripped: what a field is for stands in the API reference, validation does not need it. The names:

- compute: the controller and the function, as published; the underscore before an action's name is dropped
  (`servers._rebuild` is `servers.rebuild`). Operations that are gone (410) have none, and os-volumes_boot is
  servers under another path and not repeated.
- identity: from the path. /v3 and the extension's prefix go, as do the parameters; what remains, joined by
  underscores, is the resource. On a collection GET is `index` and POST `create`; on a member GET is `show`
  and PATCH `update`; PUT is `put` on both. /v3/users/{id}/access_rules/{id} is `users_access_rules`.
- placement: one schema a version there; the table below says which name and version each belongs to.
- image: the published documents describe resources, not requests; a request may hold what its resource may.
  The documents themselves (the service shows them) are in `documents.json`, lists of attribute names in
  `attributes.json`.

A query is published either as an object of single values or as one of lists; here it is always one of lists.
"""

import csv
import gzip
import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROSE = {"description", "title", "x-openstack", "examples"}
NAMED = {"properties", "patternProperties", "definitions", "$defs"}
VERBATIM = {"enum", "const", "required", "default"}

# Names, for each the published schema of every version from which on it holds.
PLACEMENT_BODIES = {
    "aggregates.update": {
        "1.1": "aggregate.PUT_AGGREGATES_SCHEMA_V1_1",
        "1.19": "aggregate.PUT_AGGREGATES_SCHEMA_V1_19",
    },
    "allocations.update": {
        "1.0": "allocation.ALLOCATION_SCHEMA",
        "1.8": "allocation.ALLOCATION_SCHEMA_V1_8",
        "1.12": "allocation.ALLOCATION_SCHEMA_V1_12",
        "1.28": "allocation.ALLOCATION_SCHEMA_V1_28",
        "1.34": "allocation.ALLOCATION_SCHEMA_V1_34",
        "1.38": "allocation.ALLOCATION_SCHEMA_V1_38",
    },
    "allocations.manage": {
        "1.13": "allocation.POST_ALLOCATIONS_V1_13",
        "1.28": "allocation.POST_ALLOCATIONS_V1_28",
        "1.34": "allocation.POST_ALLOCATIONS_V1_34",
        "1.38": "allocation.POST_ALLOCATIONS_V1_38",
    },
    "inventories.create": {"1.0": "inventory.POST_INVENTORY_SCHEMA"},
    "inventories.update": {"1.0": "inventory.PUT_INVENTORY_RECORD_SCHEMA"},
    "inventories.update_all": {"1.0": "inventory.PUT_INVENTORY_SCHEMA"},
    "reshaper.reshape": {
        "1.30": "reshaper.POST_RESHAPER_SCHEMA",
        "1.34": "reshaper.POST_RESHAPER_SCHEMA_V1_34",
        "1.38": "reshaper.POST_RESHAPER_SCHEMA_V1_38",
    },
    "resource_classes.create": {"1.2": "resource_class.POST_RC_SCHEMA_V1_2"},
    "resource_classes.update": {"1.2": "resource_class.PUT_RC_SCHEMA_V1_2", "1.7": None},
    "resource_providers.create": {
        "1.0": "resource_provider.POST_RESOURCE_PROVIDER_SCHEMA",
        "1.14": "resource_provider.POST_RP_SCHEMA_V1_14",
    },
    "resource_providers.update": {
        "1.0": "resource_provider.PUT_RESOURCE_PROVIDER_SCHEMA",
        "1.14": "resource_provider.PUT_RP_SCHEMA_V1_14",
    },
    "resource_providers_traits.update": {"1.6": "trait.SET_TRAITS_FOR_RP_SCHEMA"},
}
PLACEMENT_QUERIES = {
    "allocation_candidates.index": {
        "1.10": "allocation_candidate.GET_SCHEMA_1_10",
        "1.16": "allocation_candidate.GET_SCHEMA_1_16",
        "1.17": "allocation_candidate.GET_SCHEMA_1_17",
        "1.21": "allocation_candidate.GET_SCHEMA_1_21",
        "1.25": "allocation_candidate.GET_SCHEMA_1_25",
        "1.31": "allocation_candidate.GET_SCHEMA_1_31",
        "1.33": "allocation_candidate.GET_SCHEMA_1_33",
        "1.35": "allocation_candidate.GET_SCHEMA_1_35",
        "1.36": "allocation_candidate.GET_SCHEMA_1_36",
    },
    "resource_providers.index": {
        "1.0": "resource_provider.GET_RPS_SCHEMA_1_0",
        "1.3": "resource_provider.GET_RPS_SCHEMA_1_3",
        "1.4": "resource_provider.GET_RPS_SCHEMA_1_4",
        "1.14": "resource_provider.GET_RPS_SCHEMA_1_14",
        "1.18": "resource_provider.GET_RPS_SCHEMA_1_18",
    },
    "traits.index": {"1.6": "trait.LIST_TRAIT_SCHEMA"},
    "usages.index": {"1.9": "usage.GET_USAGES_SCHEMA_1_9", "1.38": "usage.GET_USAGES_SCHEMA_V1_38"},
}
IMAGE_BODIES = {
    "images.create": "image",
    "metadef_namespaces.create": "metadef_namespace",
    "metadef_namespaces.update": "metadef_namespace",
    "metadef_objects.create": "metadef_object",
    "metadef_objects.update": "metadef_object",
    "metadef_properties.create": "metadef_property",
    "metadef_properties.update": "metadef_property",
    "metadef_resource_types.create": "metadef_resource_type_association",
    "metadef_tags.update": "metadef_tag",
    "metadef_tags.create_all": "metadef_tags",
    "tasks.create": "task",
}

Entry = dict[str, Any]
Distilled = dict[str, dict[str, list[Entry]]]


def strip(schema: Any) -> Any:
    """The schema without prose, and with the one enormous pattern (every printable character) as a format."""
    if isinstance(schema, list):
        return [strip(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    stripped = {}
    for key, value in schema.items():
        if key in PROSE:
            continue
        if key in NAMED:
            stripped[key] = {name: strip(inner) for name, inner in value.items()}
        elif key == "pattern" and len(value) > 300:
            stripped["format"] = "printable"
        else:
            stripped[key] = value if key in VERBATIM else strip(value)
    return stripped


def listed(query: Entry) -> Entry:
    """A query schema whose parameters are single values, as one of lists of values."""

    def each(schemas: Entry) -> Entry:
        return {
            name: schema if schema.get("type") == "array" else {"type": "array", "items": schema}
            for name, schema in schemas.items()
        }

    changed = {
        key: each(value) if key in ("properties", "patternProperties") else value
        for key, value in query.items()
    }
    other = changed.get("additionalProperties")
    if isinstance(other, dict):
        changed["additionalProperties"] = {"type": "array", "items": other}
    return changed


def compute(source: Path, operations: Path) -> Distilled:
    with operations.open(newline="", encoding="utf-8") as file:
        gone = {
            (row["method"], row["path"], row["action"])
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            if row["status"] == "gone-410"
        }
    distilled: Distilled = defaultdict(dict)
    for path in sorted(source.glob("*.json")):
        controller, function = path.stem.split(".")
        if controller == "volumes_boot":
            continue
        published = json.loads(path.read_text(encoding="utf-8"))
        if (published["method"], "/v2.1" + published["path"], published["action"]) in gone:
            continue
        name = f"{controller}.{function.removeprefix('_')}"
        for kind in ("request", "query", "response"):
            if published.get(kind):
                entries = [_entry(entry) for entry in published[kind] if entry["schema"] is not None]
                if entries:
                    distilled[name][kind] = entries
    return distilled


def identity(source: Path) -> Distilled:
    distilled: Distilled = defaultdict(dict)
    for path in sorted(source.glob("*.json")):
        published = json.loads(path.read_text(encoding="utf-8"))
        method, name = published["method"], identity_name(published["method"], published["path"])
        for kind in ("request", "query", "response"):
            if kind == "request" and method == "GET":
                continue
            for entry in published.get(kind) or ():
                if entry["schema"] is None:
                    continue
                found = _entry(entry)
                if kind == "query":
                    found["schema"] = listed(found["schema"])
                distilled[name].setdefault(kind, []).append(found)
    return distilled


def identity_name(method: str, path: str) -> str:
    steps = [step for step in path.split("/") if step not in ("", "v3") and not step.startswith("OS-")]
    is_member = steps[-1].startswith("<")
    verbs = {"GET": "show" if is_member else "index", "POST": "create", "PATCH": "update", "PUT": "put"}
    return "_".join(step for step in steps if not step.startswith("<")) + "." + verbs[method]


def placement(source: Path) -> Distilled:
    distilled: Distilled = defaultdict(dict)
    for kind, table in (("request", PLACEMENT_BODIES), ("query", PLACEMENT_QUERIES)):
        for name, versions in table.items():
            entries, newer = [], None
            for version, stem in sorted(versions.items(), key=lambda item: _number(item[0]), reverse=True):
                if stem is not None:
                    schema = strip(json.loads((source / f"{stem}.json").read_text(encoding="utf-8")))
                    schema = listed(schema) if kind == "query" else schema
                    entries.append({"min": version, "max": newer, "schema": schema})
                newer = _before(version)
            distilled[name][kind] = entries
    return distilled


def image(source: Path) -> Distilled:
    distilled: Distilled = defaultdict(dict)
    for name, stem in IMAGE_BODIES.items():
        document = strip(json.loads((source / f"{stem}.json").read_text(encoding="utf-8")))
        schema = {key: value for key, value in document.items() if key not in ("links", "name")}
        distilled[name]["request"] = [{"min": None, "max": None, "schema": {"type": "object", **schema}}]
    return distilled


def write_image_documents(source: Path, folder: Path) -> None:
    documents, attributes = {}, {}
    for path in sorted(source.glob("*.json")):
        published = json.loads(path.read_text(encoding="utf-8"))
        if path.stem.startswith("deser__"):
            attributes |= {name.lstrip("_"): value for name, value in published.items()}
        else:
            documents[path.stem] = strip(published)
    write_lines(folder / "documents.json", documents)
    write_lines(folder / "attributes.json", attributes)


def write(distilled: Distilled, folder: str) -> None:
    """One file a resource, one line an entry, so that a change of the contract is a change of few lines."""
    resources: dict[str, Any] = defaultdict(dict)
    responses = {}
    for name, kinds in sorted(distilled.items()):
        resource, _, verb = name.rpartition(".")
        asked = {kind: kinds[kind] for kind in ("request", "query") if kind in kinds}
        if asked:
            resources[resource][verb] = asked
        if "response" in kinds:
            responses[name] = kinds["response"]
    target = ROOT / "src" / "monostack" / folder / "schemas"
    target.mkdir(parents=True, exist_ok=True)
    for resource, verbs in resources.items():
        (target / f"{resource}.json").write_text(_spell_resource(verbs), encoding="utf-8")
    if responses:
        write_packed(ROOT / "tests" / "contract" / folder / "responses.json.gz", responses)
    print(f"{folder}: {len(resources)} resources, {len(responses)} responses")


def write_lines(path: Path, content: dict[str, Any]) -> None:
    lines = [f"{json.dumps(name)}:{_compact(value)}" for name, value in content.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def write_packed(path: Path, content: Any) -> None:
    """Compressed without a time stamp, so that the same facts are the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(_compact(content).encode(), mtime=0))


def _spell_resource(verbs: dict[str, dict[str, list[Entry]]]) -> str:
    blocks = []
    for verb, kinds in verbs.items():
        lists = [
            f'"{kind}":[\n' + ",\n".join(map(_compact, entries)) + "\n]" for kind, entries in kinds.items()
        ]
        blocks.append(f'"{verb}":{{' + ",".join(lists) + "}")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _entry(published: Entry) -> Entry:
    return {"min": published.get("min"), "max": published.get("max"), "schema": strip(published["schema"])}


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _before(version: str) -> str | None:
    major, minor = version.split(".")
    return f"{major}.{int(minor) - 1}" if minor != "0" else None


def main() -> None:
    contract = Path(sys.argv[1]) / "schemas"
    write(compute(contract / "nova", Path(sys.argv[1]) / "operations" / "nova.tsv"), "compute")
    write(identity(contract / "keystone"), "identity")
    write(placement(contract / "placement"), "placement")
    write(image(contract / "glance"), "image")
    write_image_documents(contract / "glance", ROOT / "src" / "monostack" / "image" / "schemas")


if __name__ == "__main__":
    main()
