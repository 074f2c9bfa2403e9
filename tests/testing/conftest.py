"""What the tests of commands share: a command run here, and what it said."""

import pytest

from monostack import cli

FAST = ("--set", "identity.password_hash_rounds=4")


@pytest.fixture
def monostack(tmp_path, capsys):
    """`monostack("bootstrap", ...)`: the exit status and what was said."""

    def run(*words, state=tmp_path):
        try:
            code = cli.main(["identity", "--state", str(state), "--only", "identity", *FAST, *words])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out + said.err

    return run
