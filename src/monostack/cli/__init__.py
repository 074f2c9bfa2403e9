"""The command line: `monostack WORD ...`.

Each word is a module of this package, imported only when it is used, so that `monostack --help` answers at
once. A module offers `HELP` (one line), `arguments(parser)` and `run(options) -> int`.
"""

from __future__ import annotations

import argparse
import sys

WORDS = {
    "up": "run the cloud in the foreground",
    "serve": "run one of several processes of a cloud, on one PostgreSQL",
    "demo": "start a cloud, boot a guest in it, reach it over its floating address, and show it all",
    "status": "what runs, what is due, what fails and why",
    "why": "the story of a resource or a request, in order",
    "image": "metadata definitions of images from and to files",
    "policy": "list the rules, or explain what they decide",
    "identity": "the words of keystone-manage: an administrator made anew, directories, mappings, ...",
    "keys": "make, rotate and look at the keys of tokens, receipts and credentials",
    "test": "run the test suite of this checkout",
    "test-cloud": "a disposable cloud with simulated hosts, for tests in any language",
}

PASSES_ON = "test"
"""The word behind which everything is another program's: argparse would take `-k` for an option of ours."""

EPILOG = """\
Begin with `monostack demo`, or with `monostack up` and, in another shell, `. DIR/admin-openrc`.
Every word explains its own options: monostack up --help
"""


def parser(word: str | None = None) -> argparse.ArgumentParser:
    """The whole parser; only the module of `word` is imported."""
    top = argparse.ArgumentParser(
        prog="monostack",
        description="A whole cloud in one program.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="store_true", help="print the version and end")
    words = top.add_subparsers(dest="word", metavar="WORD", title="words")
    for name, line in WORDS.items():
        each = words.add_parser(
            name,
            help=line,
            description=line[0].upper() + line[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == word:
            module = _module(name)
            module.arguments(each)
            each.set_defaults(run=module.run)
    return top


def _module(word: str):
    from importlib import import_module

    return import_module("monostack.cli." + word.replace("-", "_"))


def main(arguments: list[str] | None = None) -> int:
    """The entry point; returns the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    word = next((each for each in words if not each.startswith("-")), None)
    passed_on: list[str] = []
    if word == PASSES_ON:
        after = words.index(word) + 1
        if words[after:] not in (["-h"], ["--help"]):
            words, passed_on = words[:after], words[after:]
    options = parser(word if word in WORDS else None).parse_args(words)
    options.passed_on = passed_on
    if options.version:
        from monostack import __version__

        print(f"monostack {__version__}")
        return 0
    if options.word is None:
        parser().print_help()
        return 0
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        return 130
