"""Why a request was refused, in words: which field, what was sent, what is allowed.

Clients know the beginning of the sentence ("Invalid input for field/attribute NAME. Value: VALUE.") and show
it as it is; the rest is for the person in front of them and therefore says what to write instead. The value
is shown as it was sent, cut where it is long, and never if the field, or a field within it, holds a secret:
answers end up in logs.

Of several mistakes the outermost is told, because the inner ones are often its consequences.

Source: real answers of compute and identity services for the beginning of the sentence.
"""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

SECRET = re.compile(r"pass(word|phrase|wd)?$|password|secret|private_key|blob|user_data|token", re.IGNORECASE)
HIDDEN = "***"
LONGEST_VALUE = 200
MOST_ERRORS = 50
MOST_NAMES = 40

KINDS = {
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
FORMATS = {
    "az_name": "printable characters without a colon, with no blank at the beginning or the end",
    "az_name_with_leading_trailing_spaces": "printable characters without a colon, not blanks alone",
    "base64": "a text in Base64",
    "cidr": "a network such as 192.0.2.0/24 or 2001:db8::/32",
    "date-time": "a date and time such as 2030-01-31T23:59:59Z",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "mac-address": "a MAC address such as fa:16:3e:00:00:01",
    "name": "printable characters with no blank at the beginning or the end",
    "name_with_leading_trailing_spaces": "printable characters, not blanks alone",
    "printable": "printable characters",
    "regex": "a regular expression",
    "uri": "a URI",
    "url": "a URL",
    "uuid": "a UUID",
}
PATTERNS = {
    r"[\S]+": "at least one character that is not a blank",
    r"^[0-9]*$": "digits only",
    r"^[0-9]+$": "digits only",
    r"^-?[0-9]+$": "digits, perhaps after a minus sign",
    r"^[^,/]*$": "no comma and no slash",
    r"^[a-zA-Z0-9-]+$": "letters, digits and dashes only",
    r"^[a-zA-Z0-9-]*$": "letters, digits and dashes only",
    r"^[a-zA-Z0-9-._]*$": "letters, digits, dashes, dots and underscores only",
    r"^[a-zA-Z0-9._-]*$": "letters, digits, dots, underscores and dashes only",
    r"^[a-zA-Z0-9._/-]*$": "letters, digits, dots, underscores, slashes and dashes only",
    r"^CUSTOM_[A-Z0-9_]+$": "CUSTOM_ followed by capital letters, digits and underscores",
    r"^[A-Z0-9_]+$": "capital letters, digits and underscores only",
}


class Invalid(Exception):
    """A request does not fit its schema. `path` is the field, `message` the whole sentence for the client."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def refusal(errors: Iterable[Any], schema: Any, of_query: bool) -> Invalid:
    """The exception for a value's errors, as the validator found them."""
    error = min(islice(errors, MOST_ERRORS), key=lambda error: len(error.instance_path))
    path = list(error.instance_path)
    subject = spell(path[:1] if of_query else path) or ("the query" if of_query else "the body")
    sentence = say(error, schema, subject)
    if not path:
        return Invalid("", sentence[0].upper() + sentence[1:])
    shown = HIDDEN if any(_is_secret(step) for step in path) else _shorten(_reveal(error.instance))
    if of_query:
        beginning = f"Invalid input for query parameters {path[0]}. Value: {shown}."
        return Invalid(str(path[0]), f"{beginning} {sentence}")
    return Invalid(spell(path), f"Invalid input for field/attribute {path[-1]}. Value: {shown}. {sentence}")


def spell(path: Iterable[str | int]) -> str:
    """server.networks[0].uuid"""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def say(error: Any, schema: Any, subject: str) -> str:
    """One sentence about one error."""
    keyword, value, instance = error.kind.name, error.kind.value, error.instance
    around = _schema_at(schema, list(error.schema_path)[:-1])
    match keyword:
        case "required":
            return f"'{value}' is a required property of {subject}, and it is missing."
        case "additionalProperties" | "unevaluatedProperties":
            return _say_unexpected(value, around, subject)
        case "type":
            return f"{subject} must be {describe(around) or _kinds(value)}, not {_kind_of(instance)}."
        case "enum":
            return f"{subject} must be {_choices(value)}."
        case "const":
            return f"{subject} must be {_shorten(str(value))}."
        case "pattern":
            return f"{subject} does not match '{_shorten(str(value))}': it must be {_pattern(value)}."
        case "format":
            return f"{subject} must be {_format(value)}."
        case "minLength" | "maxLength":
            wrong = "short" if keyword == "minLength" else "long"
            return f"{subject} is too {wrong}: {_length(around, value)}."
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            return f"{subject} must be {_range(around) or _range({keyword: value})}."
        case "multipleOf":
            return f"{subject} must be a multiple of {value}."
        case "minItems":
            return f"{subject} has too few items: at least {_count(value, 'item')} needed."
        case "maxItems":
            return f"{subject} has too many items: at most {value} allowed."
        case "uniqueItems":
            return f"{subject} has the same item more than once; each may come only once."
        case "minProperties":
            return f"{subject} has too few properties: at least {_count(value, 'property')} needed."
        case "maxProperties":
            return f"{subject} has too many properties: at most {value} allowed."
        case "anyOf" | "oneOf":
            return _say_alternatives(error, around.get(keyword), subject)
        case "not":
            return f"{subject} must not {_negated(value)}."
        case "propertyNames":
            return f"{subject} has a property whose name is not allowed."
        case "falseSchema" if list(error.schema_path)[-1:] == ["additionalProperties"]:
            return f"Additional properties are not allowed in {subject}: it can have none."
        case "falseSchema":
            return f"{subject} is not allowed."
    return f"{subject} does not fit what is allowed for '{keyword}'."


def describe(schema: Any) -> str:
    """What a schema allows, in words; empty if it allows everything or is too manifold for a few words."""
    if not isinstance(schema, dict):
        return ""
    if "enum" in schema:
        return _choices(schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if "oneOf" in schema or "anyOf" in schema:
        return _forms(schema.get("oneOf") or schema.get("anyOf"))
    if "format" in schema and schema.get("type", "string") == "string":
        return _format(schema["format"])
    if "required" in schema and "type" not in schema:
        return "an object with " + _join([f"'{name}'" for name in schema["required"]], "and")
    return _describe_kinds(schema)


def _describe_kinds(schema: dict[str, Any]) -> str:
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else list(kinds or ())
    of_digits = schema.get("pattern", "").startswith(("^[0-9]", "^-?[0-9]"))
    if of_digits and {"integer", "string"} <= set(kinds):
        kinds.remove("string")
    words = []
    for kind in kinds:
        detail = ""
        if kind in ("integer", "number"):
            detail = _range(schema)
        elif kind == "string":
            detail = f"a text of {_limits(schema)}" if _limits(schema) else ""
            detail = "an empty text" if schema.get("maxLength") == 0 else detail
        elif kind == "array":
            items = describe(schema.get("items"))
            detail = f"a list (of {items})" if items else ""
        words.append(detail or KINDS.get(kind, kind))
    return _join(words, "or")


def _say_unexpected(unexpected: Any, around: dict[str, Any], subject: str) -> str:
    names = [unexpected] if isinstance(unexpected, str) else list(unexpected or ())
    told = _join([f"'{_shorten(name)}'" for name in names[:5]], "and")
    known = sorted(around.get("properties", ()))
    allowed = f"allowed are {', '.join(known[:MOST_NAMES])}" if known else "none are allowed"
    if len(known) > MOST_NAMES:
        allowed += " and others"
    if not known and around.get("patternProperties"):
        allowed = "allowed are names that match " + _join(map(_shorten, around["patternProperties"]), "or")
    were = "were" if len(names) > 1 else "was"
    return f"Additional properties are not allowed ({told} {were} unexpected) in {subject}; {allowed}."


def _say_alternatives(error: Any, alternatives: Any, subject: str) -> str:
    """The one alternative that was evidently meant is explained; otherwise all are named."""
    context = [list(branch) for branch in error.kind.context]
    if sum(not branch for branch in context) > 1:
        return f"{subject} may have only one of these forms and fits several: {_forms(alternatives)}."
    deeper = [branch for branch in context if branch and all(_is_deeper(inner, error) for inner in branch)]
    if len(deeper) == 1 and isinstance(alternatives, list):
        inner = min(deeper[0], key=lambda inner: len(inner.instance_path))
        around = alternatives[context.index(deeper[0])]
        step = inner.schema_path[len(list(error.schema_path)) + 1 :]
        return say(_Inner(inner, step), around, spell(inner.instance_path))
    return f"{subject} must be {_forms(alternatives) or 'one of the forms allowed'}."


class _Inner:
    """An error within an alternative, its way through the schema counted from that alternative."""

    def __init__(self, error: Any, schema_path: list[str | int]) -> None:
        self.kind = error.kind
        self.instance = error.instance
        self.instance_path = error.instance_path
        self.schema_path = schema_path


def _is_deeper(inner: Any, outer: Any) -> bool:
    return len(inner.instance_path) > len(outer.instance_path)


def _forms(alternatives: Any) -> str:
    return _join(_distinct(map(describe, alternatives or ())), "or")


def _schema_at(schema: Any, path: list[str | int]) -> dict[str, Any]:
    for step in path:
        try:
            schema = schema[step]
        except (KeyError, IndexError, TypeError):
            return {}
    return schema if isinstance(schema, dict) else {}


def _negated(schema: Any) -> str:
    required = schema.get("required") if isinstance(schema, dict) else None
    if required:
        return "have " + _join([f"'{name}'" for name in required], "and") + " at the same time"
    return f"be {describe(schema) or 'of this form'}"


def _choices(values: Any) -> str:
    values = list(values)
    if {"true", "false"} <= {str(value).lower() for value in values} and len(values) > 6:
        return "true or false, or one of the texts " + ", ".join(
            repr(value) for value in values if isinstance(value, str) and value
        )
    if len(values) == 1:
        return _literal(values[0])
    return "one of " + ", ".join(map(_literal, values))


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return value or "''"
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))


def _kinds(kinds: Any) -> str:
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    return _join([KINDS.get(kind, kind) for kind in kinds], "or")


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    for kind, word in ((str, "a text"), (int, "an integer"), (float, "a number"), (list, "a list")):
        if isinstance(value, kind):
            return word
    return "an object"


def _format(name: str) -> str:
    if name.startswith("number "):
        lowest, _, highest = name.removeprefix("number ").partition("..")
        return _range({"minimum": lowest or None, "maximum": highest or None})
    return FORMATS.get(name, f"of the format {name}")


def _pattern(pattern: str) -> str:
    return PATTERNS.get(pattern, "a text of that pattern")


def _range(schema: dict[str, Any]) -> str:
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    if schema.get("exclusiveMinimum") is not None:
        return f"a number above {schema['exclusiveMinimum']}"
    if schema.get("exclusiveMaximum") is not None:
        return f"a number below {schema['exclusiveMaximum']}"
    if lowest is not None and highest is not None:
        return f"a number from {lowest} to {highest}"
    if lowest is not None:
        return f"a number of at least {lowest}"
    return f"a number of at most {highest}" if highest is not None else ""


def _limits(schema: dict[str, Any]) -> str:
    shortest, longest = schema.get("minLength"), schema.get("maxLength")
    if longest == 0:
        return "no characters"
    if longest is not None and shortest:
        return f"{shortest} to {_count(longest, 'character')}"
    if longest is not None:
        return f"at most {_count(longest, 'character')}"
    return f"at least {_count(shortest, 'character')}" if shortest else ""


def _length(schema: dict[str, Any], value: Any) -> str:
    is_are = "is" if not schema.get("maxLength") and value == 1 else "are"
    return f"{_limits(schema) or _count(value, 'character')} {is_are} needed"


def _count(number: int, word: str) -> str:
    if number == 1:
        return f"1 {word}"
    return f"{number} {'properties' if word == 'property' else word + 's'}"


def _distinct(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, words)))


def _join(words: Iterable[str], last: str) -> str:
    *first, final = list(words) or [""]
    return f"{', '.join(first)} {last} {final}" if first else final


def _is_secret(step: Any) -> bool:
    return isinstance(step, str) and SECRET.search(step) is not None


def _reveal(value: Any) -> str:
    """The value as text, secrets hidden at any depth, without building more of it than is shown."""
    return str(_hide(value)) if isinstance(value, (dict, list)) else str(value)


def _hide(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: HIDDEN if _is_secret(key) else _hide(inner) for key, inner in islice(value.items(), 50)}
    if isinstance(value, list):
        return [_hide(inner) for inner in islice(value, 50)]
    return value


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."
