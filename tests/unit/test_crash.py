"""Crash points: silent until armed, listed from the source."""

import pytest

from monostack.kit import crash


@pytest.fixture(autouse=True)
def disarmed():
    yield
    crash.disarm()


def test_a_point_is_silent_until_armed():
    passed = []
    crash.point("a.before")
    crash.arm(passed.append)
    crash.point("a.before")
    crash.disarm()
    crash.point("a.after")
    assert passed == ["a.before"]


def test_what_the_callback_raises_is_raised_at_the_point():
    def end(name):
        raise SystemExit(name)

    crash.arm(end)
    with pytest.raises(SystemExit, match=r"b\.after"):
        crash.point("b.after")


def test_all_names_are_read_from_the_source(tmp_path):
    (tmp_path / "one.py").write_text('point("b.after")\npoint("a.before")\n')
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "two.py").write_text('from monostack.kit import crash\ncrash.point("c.before")\n')
    (tmp_path / "other.py").write_text('canvas.point("no.crash")\n')
    assert crash.names(tmp_path) == ["a.before", "b.after", "c.before"]
    assert crash.names(tmp_path / "one.py") == ["a.before", "b.after"]


def test_a_name_that_is_no_literal_is_refused_with_its_place(tmp_path):
    (tmp_path / "bad.py").write_text('step = "x"\npoint(f"{step}.before")\n')
    with pytest.raises(ValueError, match=r"bad\.py:2: the name of a crash point must be a literal"):
        crash.names(tmp_path)
