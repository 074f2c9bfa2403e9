"""What a request may contain: JSON schemas by name and version, and a refusal that a person can act on.

The schemas are data, distilled from the published contract into a service's `schemas/` folder: one file a
resource, in it by verb the `request` and `query` schemas with the versions they hold for. They are read and
compiled at the first request that needs them. Validation itself is jsonschema-rs (a server's body in
microseconds); whatever is wrong is then found again slowly and said in words (`schema_words`), because only
the unlucky pay for that.

Three things differ from plain JSON Schema, as they do on the wire:

- `minimum` and `maximum` hold for numbers written as texts too, where a schema allows both ("10" is a limit
of 10); - a query is a mapping of name to list of texts, since every parameter may come more than once; - the
formats below are the contract's own, more lenient than the standard's (a UUID may lack its dashes).

Source: compute API reference and the published request schemas; names may hold printable characters of
Unicode's first plane only, which is what clients see refused.
"""

import base64
import binascii
import gzip
import ipaddress
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator

from monostack.kit.schema_words import Invalid, refusal

__all__ = ["Invalid", "Schemas", "Validator"]

Version = tuple[int, int]

UUID = re.compile(r"(urn:)?(uuid:)?\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?", re.IGNORECASE)
MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}", re.IGNORECASE)


class Validator:
    """One compiled schema."""

    def __init__(self, schema: Any, of_query: bool = False) -> None:
        self.schema = schema
        self._of_query = of_query
        strict, numbers = _with_numbers_in_texts(schema)
        self._fits = Draft202012Validator(strict, formats=FORMATS | numbers, validate_formats=True)

    def check(self, value: Any) -> None:
        """Return if the value fits; otherwise raise Invalid with the field and what it may be."""
        if not self._fits.is_valid(value):
            raise refusal(self._fits.iter_errors(value), self.schema, self._of_query)


class Schemas:
    """The schemas of one service, by name (`keypairs.create`) and version."""

    def __init__(self, folder: Path, responses: Path | None = None) -> None:
        self._folder = folder
        self._responses = responses
        self._files: dict[Path, dict[str, Any]] = {}
        self._found: dict[tuple[str, str, Version | None], Validator | None] = {}
        self._compiled: dict[int, Validator] = {}

    def body(self, name: str, version: Version | None = None) -> Validator | None:
        """What the request's body must be, or None where the contract says nothing."""
        return self._validator("request", name, version)

    def query(self, name: str, version: Version | None = None) -> Validator | None:
        """What the query may be. It is checked as a mapping of parameter to list of values."""
        return self._validator("query", name, version)

    def response(self, name: str, version: Version | None = None) -> Validator | None:
        """What the answer is promised to be; for tests, which know where the responses are kept."""
        return self._validator("response", name, version)

    def names(self) -> list[str]:
        """Every name that has a request or a query schema."""
        resources = sorted(path.stem for path in self._folder.glob("*.json"))
        return [
            f"{resource}.{verb}"
            for resource in resources
            for verb, kinds in self._read(self._folder / f"{resource}.json").items()
            if isinstance(kinds, dict) and ("request" in kinds or "query" in kinds)
        ]

    def _validator(self, kind: str, name: str, version: Version | None) -> Validator | None:
        key = (kind, name, version)
        if key not in self._found:
            self._found[key] = self._choose(kind, name, version)
        return self._found[key]

    def _choose(self, kind: str, name: str, version: Version | None) -> Validator | None:
        for entry in self._entries(kind, name):
            if version is None or _covers(entry, version):
                compiled = self._compiled.get(id(entry))
                if compiled is None:
                    compiled = self._compiled[id(entry)] = Validator(entry["schema"], kind == "query")
                return compiled
        return None

    def _entries(self, kind: str, name: str) -> list[dict[str, Any]]:
        if kind == "response":
            return self._read(self._responses).get(name, []) if self._responses else []
        resource, _, verb = name.rpartition(".")
        path = self._folder / f"{resource}.json"
        return self._read(path).get(verb, {}).get(kind, [])

    def _read(self, path: Path) -> dict[str, Any]:
        if path not in self._files:
            content = path.read_bytes() if path.is_file() else b"{}"
            self._files[path] = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
        return self._files[path]


def _covers(entry: Mapping[str, Any], version: Version) -> bool:
    lowest, highest = entry.get("min"), entry.get("max")
    return (lowest is None or _number(lowest) <= version) and (highest is None or version <= _number(highest))


@cache
def _number(text: str) -> Version:
    major, minor = text.split(".")
    return int(major), int(minor)


def _with_numbers_in_texts(schema: Any) -> tuple[Any, dict[str, Callable[[str], bool]]]:
    """A copy of the schema in which limits of numbers bind numbers written as texts, by formats of their own.

    The words of a refusal come from the original schema, and from the format's name, which is the limits
    themselves.
    """
    formats: dict[str, Callable[[str], bool]] = {}

    def copy(node: Any) -> Any:
        if isinstance(node, list):
            return [copy(item) for item in node]
        if not isinstance(node, dict):
            return node
        copied = {
            key: value if key in ("enum", "const", "required") else copy(value) for key, value in node.items()
        }
        kinds = node.get("type")
        if isinstance(kinds, list) and "string" in kinds and ("minimum" in node or "maximum" in node):
            lowest, highest = node.get("minimum"), node.get("maximum")
            name = f"number {'' if lowest is None else lowest}..{'' if highest is None else highest}"
            formats[name] = _between(lowest, highest)
            copied["allOf"] = [*copied.get("allOf", ()), {"format": name}]
        return copied

    return copy(schema), formats


def _between(lowest: int | None, highest: int | None) -> Callable[[str], bool]:
    def is_between(text: str) -> bool:
        if len(text) > 4000:
            return False
        try:
            number = int(text)
        except ValueError:
            return True
        return (lowest is None or number >= lowest) and (highest is None or number <= highest)

    return is_between


def is_uuid(text: str) -> bool:
    return UUID.fullmatch(text) is not None


def is_printable(text: str) -> bool:
    """Letters, marks, numbers, punctuation, symbols and spaces of the first plane; no control characters."""
    if text.isascii():
        return text.isprintable()
    return all(_is_printable_character(character) for character in text)


def _is_printable_character(character: str) -> bool:
    category = unicodedata.category(character)
    return character < "\U00010000" and category[0] != "C" and category not in ("Zl", "Zp")


def is_name(text: str) -> bool:
    """Printable, and neither begins nor ends with a blank."""
    return is_printable(text) and text == text.strip()


def is_padded_name(text: str) -> bool:
    """Printable, and not blanks alone."""
    return is_printable(text) and bool(text.strip())


def is_availability_zone(text: str) -> bool:
    """A name without a colon, which separates the zone from the host where both are given."""
    return ":" not in text and is_name(text)


def is_padded_availability_zone(text: str) -> bool:
    return ":" not in text and is_padded_name(text)


def is_base64(text: str) -> bool:
    try:
        base64.b64decode(text)
    except (binascii.Error, ValueError):
        return False
    return True


def is_date_time(text: str) -> bool:
    """ISO 8601, with or without a zone. A plus sign that a query turned into a blank still counts."""
    try:
        datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text) if "T" in text else text)
    except ValueError:
        return False
    return True


def is_regular_expression(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def is_mac_address(text: str) -> bool:
    return MAC.fullmatch(text) is not None


def is_ipv4(text: str) -> bool:
    return _is_address(text, ipaddress.IPv4Address)


def is_ipv6(text: str) -> bool:
    return "%" not in text and _is_address(text, ipaddress.IPv6Address)


def _is_address(text: str, kind: type) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


FORMATS: dict[str, Callable[[str], bool]] = {
    "az_name": is_availability_zone,
    "az_name_with_leading_trailing_spaces": is_padded_availability_zone,
    "base64": is_base64,
    "cidr": is_cidr,
    "date-time": is_date_time,
    "ipv4": is_ipv4,
    "ipv6": is_ipv6,
    "mac-address": is_mac_address,
    "name": is_name,
    "name_with_leading_trailing_spaces": is_padded_name,
    "printable": is_printable,
    "regex": is_regular_expression,
    "uuid": is_uuid,
}
