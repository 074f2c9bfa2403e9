"""`monostack identity mapping_engine|mapping_schema_validate|saml_idp_metadata`: federation, tried and
told."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from monostack.cli import common
from monostack.cli.identity.opened import with_cloud
from monostack.cli.identity.word import Word


def _engine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rules", required=True, metavar="FILE", help="the mapping: JSON, rules or a list of rules"
    )
    parser.add_argument(
        "--input", required=True, metavar="FILE", help="the assertion: lines of `name: value`"
    )
    parser.add_argument("--prefix", default="", help="only attributes whose names begin so")
    parser.add_argument(
        "--engine-debug", action="store_true", help="also tell, on standard error, what was read"
    )
    _version(parser)


def _version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mapping-schema-version", default="1.0", metavar="VERSION", help="1.0, 2.0 or 3.0 (default: 1.0)"
    )


def _try(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from monostack.identity.federation import language

    rules = _rules(options.rules)
    assertion = _assertion(options.input, options.prefix)
    if options.engine_debug:
        print(json.dumps({"rules": rules, "assertion": assertion}, indent=2), file=sys.stderr)
    try:
        wrong = language.wrong_pattern(rules)
        mapped = language.apply(rules, assertion, options.mapping_schema_version)
    except language.NotMapped as reason:
        common.fail(f"nobody follows from this assertion: {reason}")
    except (KeyError, TypeError, AttributeError):
        common.fail(f"{options.rules} holds no mapping: a list of rules, each with `remote` and `local`")
    if wrong:
        common.fail(f"{options.rules}: {wrong}")
    print(json.dumps(asdict(mapped), indent=2))
    return 0


def _assertion(file: str, prefix: str) -> dict[str, list[str]]:
    pairs = (line.partition(":") for line in _text(file).splitlines() if ":" in line)
    said = {name.strip(): value.strip().split(";") for name, _, value in pairs}
    return {name: values for name, values in said.items() if name.startswith(prefix)}


def _schema_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the mapping: JSON, rules or a list of rules")
    _version(parser)


def _validate(options: argparse.Namespace) -> int:
    from monostack.identity.federation import mappings
    from monostack.kit.errors import Error
    from monostack.kit.schemas import Invalid

    version = options.mapping_schema_version
    if version not in mappings.VERSIONS:
        common.fail(f"--mapping-schema-version {version}: it must be one of {', '.join(mappings.VERSIONS)}")
    try:
        mappings.check({"rules": _rules(options.file)}, version)
    except (Error, Invalid) as reason:
        common.fail(f"{options.file}: {reason.message}")
    print(f"{options.file}: a mapping of the schema {version}")
    return 0


def _rules(file: str) -> Any:
    """The rules of a mapping: alone, or in the body of a request."""
    try:
        said = json.loads(_text(file))
    except ValueError as reason:
        common.fail(f"{file} is no JSON: {reason}")
    if isinstance(said, dict):
        inner = said.get("mapping", said)
        said = inner.get("rules") if isinstance(inner, dict) else None
    return said


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as reason:
        common.fail(f"{file} cannot be read: {reason.strerror}")
    except UnicodeDecodeError:
        common.fail(f"{file} is no text in UTF-8")


def _metadata(options: argparse.Namespace) -> int:
    return with_cloud(options, _tell_metadata)


def _tell_metadata(cloud) -> int:
    from monostack.identity.federation import sources
    from monostack.identity.federation.saml import metadata

    try:
        sources.read(cloud)
        document = metadata.ours(cloud)
    except sources.BadSource as reason:
        common.fail(str(reason))
    except sources.NotProved as reason:
        common.fail(f"this cloud does not speak SAML: {reason}")
    print(document.decode())
    return 0


WORDS = (
    Word("mapping_engine", "try a federation mapping on an assertion", _try, _engine_arguments),
    Word(
        "mapping_schema_validate",
        "tell whether a file is a mapping as the API takes it; exit status 1 if it is not",
        _validate,
        _schema_arguments,
    ),
    Word(
        "saml_idp_metadata",
        "print what this cloud says of itself in SAML, as /v3/OS-FEDERATION/saml2/metadata does",
        _metadata,
    ),
)
