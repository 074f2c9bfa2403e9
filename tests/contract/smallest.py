"""The smallest values that fit a schema."""

from __future__ import annotations

import re
from typing import Any

from tests.contract.maker import KEY

from monostack.kit.schemas import Invalid, Validator

TEXTS = (
    "a", "1", "aaaaaaaa", "enable", "10.0.0.0/24", "10.0.0.9", KEY, "CUSTOM_A", "2030-01-01T00:00:00Z",
    "http://example.org/", "11111111-1111-4111-8111-111111111111", "aa:bb:cc:dd:ee:ff", "YQ==",
)  # fmt: skip


def smallest(validator: Validator) -> Any:
    """A value that fits a schema, as small as it goes."""
    return minimal(validator.schema)


def minimal(schema: Any) -> Any:
    if not isinstance(schema, dict) or not schema:
        return "a"
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for word in ("oneOf", "anyOf", "allOf"):
        if word in schema and "type" not in schema:
            return minimal(schema[word][0])
    untyped = "object" if "properties" in schema or "patternProperties" in schema else "string"
    kinds = schema.get("type", untyped)
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if isinstance(kinds, list) and kind == "null" and len(kinds) > 1:
        kind = kinds[1]
    if kind == "object":
        return minimal_object(schema)
    if kind == "array":
        count = schema.get("minItems", 0)
        return [minimal(schema.get("items", {})) for _ in range(count)]
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 1), 0 if schema.get("maximum", 1) < 1 else 1)
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    return minimal_text(schema)


def minimal_object(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    names = list(schema.get("required", ()))
    for word in ("oneOf", "anyOf"):
        names += schema.get(word, [{}])[0].get("required", ())
    for name in properties:
        if len(names) >= schema.get("minProperties", 0):
            break
        if name not in names:
            names.append(name)
    out = {name: minimal(properties.get(name, {})) for name in names}
    for pattern, inner in schema.get("patternProperties", {}).items():
        if len(out) < schema.get("minProperties", 0):
            out[next(text for text in (*TEXTS, "*") if re.search(pattern, text))] = minimal(inner)
    return out


def minimal_text(schema: dict[str, Any]) -> str:
    validator = Validator({**schema, "type": "string"})
    for text in (*TEXTS, "a" * schema.get("minLength", 1)):
        try:
            validator.check(text)
        except Invalid:
            continue
        return text
    raise LookupError(f"no text fits {schema}")
