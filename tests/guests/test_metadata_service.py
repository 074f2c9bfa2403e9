"""A real guest asks 169.254.169.254 and is told who it is, by the whole cloud, without a config drive."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monostack.node import guest_image

pytestmark = [pytest.mark.guests, pytest.mark.namespaces, pytest.mark.slow, pytest.mark.timeout(300)]

PROJECT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "monostack"
PROGRAMS = ("qemu-system-x86_64", "unshare", "ip", "nft", "dnsmasq")
INSIDE = (
    "mount --make-rprivate / && mkdir -p /run/netns && mount -t tmpfs none /run/netns && "
    'ip link set lo up && exec "$@"'
)


@pytest.fixture(scope="module")
def image() -> Path:
    if os.geteuid() != 0:
        pytest.skip("Real networks need root.")
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        pytest.skip(f"Not installed: {', '.join(missing)}.")
    tools = guest_image.missing_tools()
    if tools:
        pytest.skip(f"The guest image cannot be built here, {tools[0][0]} is missing.")
    try:
        return guest_image.build(CACHE / "guest.qcow2", CACHE)
    except guest_image.BuildError as reason:
        pytest.skip(f"The guest image cannot be built here: {reason}")


def test_a_guest_reads_name_key_and_script_from_the_metadata_service(image):
    # with a PID namespace what the cloud leaves running (guests, dnsmasq) ends with the test
    apart = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    words = ["unshare", *apart, "bash", "-c", INSIDE, "bash", sys.executable]
    words += ["-m", "tests.guests.metadata_world", str(image)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["config_drive"] == ""
    assert "script-of-beacon-ran" in told["output"], told["output"]
    assert f"source=metadata instance={told['id']} name=beacon keys=1" in told["output"]
