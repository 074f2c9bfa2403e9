"""Settings that are one of a few words, wherever they are said."""

import pytest

from monostack import settings
from monostack.settings import BadSetting


@pytest.mark.parametrize("name", settings.CHOICES)
def test_a_word_that_is_none_of_the_few_is_told(tmp_path, name):
    section, _, word = name.partition(".")
    (tmp_path / "monostack.toml").write_text(f'[{section}]\n{word} = "perhaps"\n')
    ways = (
        ({"state": tmp_path}, {}),
        ({"state": tmp_path / "other", name: "perhaps"}, {}),
        ({"state": tmp_path / "other"}, {f"MONOSTACK_{name.upper().replace('.', '__')}": "perhaps"}),
    )
    for overrides, environment in ways:
        with pytest.raises(BadSetting, match=f"{name} is 'perhaps': it must be {settings.CHOICES[name][0]}"):
            settings.load(overrides, environment)


@pytest.mark.parametrize("name", settings.CHOICES)
def test_the_first_of_the_few_is_the_default(tmp_path, name):
    section, _, word = name.partition(".")
    found = getattr(getattr(settings.load({"state": tmp_path}, {}), section), word)
    assert found == settings.CHOICES[name][0]
