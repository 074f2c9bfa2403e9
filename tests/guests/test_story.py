"""The story of `monostack demo` as a test: without packets, with a real guest as root, and without rights.

The run as root happens in a network namespace of the test's own, so that no network of the machine is
touched; the guest's image is made before, because there is no way out of that namespace. The run without
rights is that of a user who owns nothing but his home.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.guests.linux_network_world import REASON

from monostack.node import guest_image

SOURCE = Path(__file__).resolve().parents[2] / "src"
ROOT = os.geteuid() == 0
CACHE = Path("/var/cache/monostack") if ROOT else Path.home() / ".cache" / "monostack"
STEPS = 17
NOBODY = "nobody"


def tell(*options: str, state: Path, offset: int, before: tuple[str, ...] = (), **more) -> str:
    """Run the demo to its end; what it printed. Fails unless every step held."""
    program = more.pop("program", sys.executable)
    words = [*before, program, "-m", "monostack", "demo", "--exit", "--state", str(state)]
    words += ["--port-offset", str(offset), *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    environment |= {"PYTHONPATH": str(SOURCE), "COLUMNS": "300"} | more.pop("environment", {})
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=290, **more)
    said = done.stdout + done.stderr
    log = state / "up.log"
    assert done.returncode == 0, said + (log.read_text(errors="replace")[-3000:] if log.exists() else "")
    assert "Every step held" in said
    return said


def steps_of(said: str) -> tuple[int, int]:
    """How many steps were done and how many were left out; each must have its line."""
    done, left_out = len(re.findall("^✓ ", said, re.M)), len(re.findall("^– ", said, re.M))
    assert f"Every step held: {done} done, {left_out} left out" in said
    assert done + left_out == STEPS
    return done, left_out


@pytest.mark.timeout(120)
@pytest.mark.slow
def test_the_story_without_packets(tmp_path):
    said = tell("--hypervisor", "simulated", state=tmp_path / "state", offset=12300)
    assert steps_of(said) == (STEPS - 3, 3)


@pytest.fixture(scope="module")
def image() -> Path:
    """The small guest, made where packages can be fetched."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed (Debian: qemu-system-x86)")
    if shutil.which("ssh") is None:
        pytest.skip("ssh is not installed (Debian: openssh-client)")
    try:
        return guest_image.build(CACHE / "guest.qcow2", CACHE, print)
    except guest_image.BuildError as reason:
        pytest.skip(f"the guest's image cannot be made: {reason}")


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace with nothing but its loopback."""
    if REASON is not None:
        pytest.skip(REASON)
    if not ROOT:
        pytest.skip("a network namespace needs root")
    name = f"story-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=30)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True, timeout=30)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False, timeout=30)


@pytest.mark.timeout(300)
@pytest.mark.slow
@pytest.mark.guests
@pytest.mark.namespaces
def test_the_story_with_a_real_guest_on_real_networks(image, namespace, tmp_path):
    inside = ("ip", "netns", "exec", namespace)
    said = tell(
        "--hypervisor", "qemu", "--networks", "linux", state=tmp_path / "state", offset=12400, before=inside
    )
    assert steps_of(said) == (STEPS, 0)


def program_for_nobody() -> tuple[str, str]:
    """A Python of this version that a user without rights may run, and where the packages are; or skip."""
    if not ROOT:
        return sys.executable, str(SOURCE)
    packages = Path(pytest.__file__).resolve().parents[1]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = (str(Path(sys.executable).resolve()), f"/usr/bin/{version}", f"/usr/local/bin/{version}")
    for program in found:
        words = ["runuser", "-u", NOBODY, "--", "env", f"PYTHONPATH={SOURCE}:{packages}", program, "-c"]
        imports = "import monostack, openstackclient, uvloop, rich"
        if not os.path.exists(program):
            continue
        if subprocess.run([*words, imports], capture_output=True, cwd="/", timeout=60).returncode == 0:
            return program, f"{SOURCE}:{packages}"
    pytest.skip(f"no Python that {NOBODY} may run sees this checkout and its packages: {', '.join(found)}")


@pytest.fixture
def home_of_nobody(tmp_path_factory) -> Iterator[Path]:
    """A folder that belongs to a user without rights, in a place he may enter."""
    if not ROOT:
        yield Path(tmp_path_factory.mktemp("home"))
        return
    if shutil.which("runuser") is None:
        pytest.skip("runuser is not installed (Debian: util-linux)")
    home = Path(f"/var/tmp/monostack-story-{os.getpid()}")
    home.mkdir(mode=0o700)
    shutil.chown(home, NOBODY)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.timeout(300)
@pytest.mark.slow
@pytest.mark.guests
def test_the_story_with_a_real_guest_and_no_rights(image, home_of_nobody):
    program, path = program_for_nobody()
    own = home_of_nobody / "guest.qcow2"
    shutil.copyfile(image, own)
    own.chmod(0o644)
    said = tell(
        "--hypervisor",
        "qemu",
        "--networks",
        "user",
        "--image",
        str(own),
        state=home_of_nobody / "state",
        offset=12500,
        before=("runuser", "-u", NOBODY, "--") if ROOT else (),
        program=program,
        cwd=home_of_nobody,
        environment={"PYTHONPATH": path, "HOME": str(home_of_nobody)},
    )
    assert steps_of(said) == (STEPS - 2, 2)
    assert "user networks" in said
