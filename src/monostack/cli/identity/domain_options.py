"""`monostack identity domain_config_upload`: options of domains, from keystone's files into the database.

A file is called keystone.DOMAIN.conf and written as oslo.config reads it: [group], option = value, quotes
around a whole value dropped. What is in it is held to what the API allows. A domain that has options is left
as it is: which of both is right only the operator knows.

Source: identity administration guide, "Domain-specific configuration"; oslo.config, "File Format"."""

from __future__ import annotations

import argparse
import configparser
from pathlib import Path

from monostack.cli import common
from monostack.cli.identity.opened import with_secrets
from monostack.cli.identity.word import Word

HEAD, TAIL = "keystone.", ".conf"


class Refused(Exception):
    """A file that is not taken; the words say why."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="the files of all domains in the folder")
    parser.add_argument("--domain-name", metavar="NAME", help="the file of this domain")
    parser.add_argument(
        "--domain-config-dir",
        metavar="DIR",
        help="the folder of the files (default: domains in the state directory)",
    )


def _upload(options: argparse.Namespace) -> int:
    if not options.all and options.domain_name is None:
        common.fail("say which: --all, or --domain-name NAME")
    if options.all and options.domain_name is not None:
        common.fail("--all and --domain-name do not go together: leave one of them out")
    return with_secrets(options, _upload_from, options)


def _upload_from(cloud, options: argparse.Namespace) -> int:
    given = options.domain_config_dir
    folder = cloud.state / "domains" if given is None else Path(given)
    if not folder.is_dir():
        common.fail(f"--domain-config-dir {folder}: there is no such folder")
    files = _files(folder) if options.all else [folder / f"{HEAD}{options.domain_name}{TAIL}"]
    for name, function in cloud.service("identity").hooks:
        cloud.hooks.on(name, function)
    refused = 0
    for file in files:
        try:
            domain_name = _domain_name(file)
            cloud.engine.write_now(_store, domain_name, _read(file))
            print(f"{file}: the domain {domain_name} has these options now")
        except Refused as reason:
            refused += 1
            print(f"{file}: refused: {reason}")
    return 1 if refused else 0


def _files(folder: Path) -> list[Path]:
    """Those that are called as they must be; the others are told of, and passed over."""
    there = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in there:
        if not _domain_name(path):
            print(f"{path}: passed over: it is not called {HEAD}DOMAIN{TAIL}")
    files = [path for path in there if _domain_name(path)]
    if not files:
        common.fail(f"--all: there is no {HEAD}DOMAIN{TAIL} in {folder}")
    return files


def _domain_name(file: Path) -> str:
    """The domain that a file's name says; empty for another file."""
    if not file.name.startswith(HEAD) or not file.name.endswith(TAIL):
        return ""
    return file.name[len(HEAD) : -len(TAIL)]


class _File(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        """Names are kept as they are written: an option in capitals is another one."""
        return optionstr


def _read(file: Path) -> dict[str, dict[str, str]]:
    """The options by group; raises Refused."""
    parser = _File(default_section="", delimiters=("=", ":"))
    try:
        parser.read_string(file.read_text(encoding="utf-8"), str(file))
    except OSError as reason:
        raise Refused(f"it cannot be read: {reason.strerror}") from None
    except UnicodeDecodeError:
        raise Refused("it is no text in UTF-8") from None
    except configparser.Error as reason:
        raise Refused(f"it is no file of options: {' '.join(str(reason).split())}") from None
    return {
        group: {name: _bare(value) for name, value in parser[group].items()} for group in parser.sections()
    }


def _bare(value: str) -> str:
    """Without the quotes around all of it."""
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _store(tx, domain_name: str, said: dict[str, dict[str, str]]) -> None:
    from monostack.identity.domains import configuration, domains
    from monostack.kit.errors import Error

    row = domains.named(tx, domain_name)
    if row is None:
        raise Refused(f"there is no domain called {domain_name}")
    if configuration.is_said(tx, row["id"]):
        raise Refused(
            f"the domain {domain_name} has options already (`DELETE /v3/domains/{row['id']}/config`)"
        )
    try:
        configuration.say(tx, row, configuration.checked(said))
    except Error as reason:
        raise Refused(reason.message) from None


WORDS = (
    Word(
        "domain_config_upload",
        f"read {HEAD}DOMAIN{TAIL} files into the options of domains that have none yet",
        _upload,
        _arguments,
    ),
)
