"""A pytest plugin: the fixture `monostack_cloud` is a disposable cloud, reset before each test that uses it.

It comes with the package (entry point `pytest11`); nothing has to be configured.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def _monostack_cloud() -> Iterator:
    from monostack import testing

    with testing.cloud() as cloud:
        yield cloud


@pytest.fixture
def monostack_cloud(_monostack_cloud):
    """A running cloud in the state of its first start; see `monostack.testing`."""
    _monostack_cloud.reset()
    return _monostack_cloud
