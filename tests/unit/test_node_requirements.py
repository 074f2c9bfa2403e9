"""The list of Debian's packages: what is asked for, and how it is refused."""

import io

import pytest

from monostack.node import requirements
from monostack.node.requirements import Missing, Need

ABSENT = Need("no-such-command-anywhere", "no-such-package", "a reason to show")


def test_simulated_guests_need_nothing_of_the_system():
    assert requirements.missing("simulated") == []


def test_unknown_hypervisor_is_refused_in_words():
    with pytest.raises(ValueError, match="there are qemu and simulated"):
        requirements.missing("xen")


def test_every_need_of_qemu_stands_in_the_one_list():
    assert set(requirements.needs("qemu")) <= set(requirements.PACKAGES)


def test_networks_are_asked_for_only_where_root_can_make_them(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not set(requirements.NETWORKS) & set(requirements.needs("qemu"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert set(requirements.NETWORKS) <= set(requirements.needs("qemu"))


def test_commands_of_the_superuser_are_found_with_the_path_of_a_plain_user(monkeypatch, tmp_path):
    command = tmp_path / "only-for-root"
    command.write_text("")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr(requirements, "FOLDERS_OF_ROOT", (str(tmp_path),))
    assert requirements.present(Need("only-for-root", "any", "any"))


def test_a_star_in_a_file_stands_for_any_version(tmp_path):
    (tmp_path / "17").mkdir()
    (tmp_path / "17" / "postgres").touch()
    assert requirements.present(Need(f"{tmp_path}/*/postgres", "any", "any"))
    assert not requirements.present(Need(f"{tmp_path}/*/mysqld", "any", "any"))


@pytest.mark.parametrize(
    ("user", "install", "words"), [(0, False, "told not to install"), (7, True, "only root may")]
)
def test_refusal_names_package_reason_and_the_command_to_type(monkeypatch, user, install, words):
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr(requirements, "_apt", lambda *_: pytest.fail("apt-get was run"))
    with pytest.raises(Missing, match=words) as refusal:
        requirements.ensure([ABSENT], install=install)
    for part in ("no-such-package", "a reason to show", "apt-get install no-such-package"):
        assert part in str(refusal.value)


def test_root_is_told_first_and_then_only_the_absent_is_installed(monkeypatch, tmp_path):
    there, lacking = Need("/", "base", "is there"), Need(str(tmp_path / "new"), "new", "is new")
    told, ran = io.StringIO(), []

    def apt(*arguments):
        assert "is new" in told.getvalue()
        ran.append(arguments)
        (tmp_path / "new").touch()

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/usr/bin/apt-get")
    monkeypatch.setattr(requirements, "_apt", apt)
    requirements.ensure([there, lacking], out=told)
    assert [run[0] for run in ran] == ["update", "install"]
    assert ran[1][-1] == "new" and "base" not in ran[1]


def test_an_installation_that_brought_nothing_is_not_believed(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name, **_: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.setattr(requirements, "_apt", lambda *_: None)
    with pytest.raises(Missing, match="not there: no-such-command-anywhere"):
        requirements.ensure([ABSENT], out=io.StringIO())


@pytest.mark.parametrize("theirs", [None, "#!/bin/sh\nexit 0\n"])
def test_what_is_installed_is_not_started(monkeypatch, tmp_path, theirs):
    policy = tmp_path / "policy-rc.d"
    if theirs:
        policy.write_text(theirs)
    seen = []
    monkeypatch.setattr(requirements, "NOT_STARTED", policy)
    monkeypatch.setattr(requirements, "_apt", lambda *_: seen.append(policy.read_text()))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(Missing, match="yet not there"):
        requirements.ensure([ABSENT], out=io.StringIO())
    assert seen == [theirs or "#!/bin/sh\nexit 101\n"] * 2
    assert policy.exists() is bool(theirs)
