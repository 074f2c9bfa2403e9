#!/bin/sh
# Writes the lock files anew from pyproject.toml: versions and hashes, for every platform and Python we support.
#
# No registry's address may stand in a commit: whoever installs chooses the registry by uv's or pip's own settings,
# and the hashes make sure that it serves the same bytes. Give --upgrade to move to the newest versions.
set -eu
cd "$(dirname "$0")/.."

lock() {
    out=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
        --output-file "$out" "$@" >/dev/null
    ! grep -nE '://|^--(index|extra-index|find-links)' "$out"
}

lock requirements.lock pyproject.toml --extra build "$@"
lock requirements-demo.lock pyproject.toml --extra build --extra demo --constraints requirements.lock "$@"
lock requirements-test.lock pyproject.toml --extra build --extra demo --extra test \
    --constraints requirements-demo.lock "$@"
# In an environment of their own: a service that the tests run beside ours, and an HTTP server for it.
printf 'glance>=33\nsqlalchemy<2.1\nwaitress>=3\n' | lock requirements-neighbours.lock - "$@"
echo 'uv' | lock tools/uv.lock - "$@"
