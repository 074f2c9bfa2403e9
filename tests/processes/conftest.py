"""Two processes of one cloud, as two `monostack serve` are; here two clouds in threads, for speed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.conftest import World

from monostack.testing.disposable import DisposableCloud, settings_for_tests


@pytest.fixture(scope="module")
def more(postgresql, tmp_path_factory, request) -> Iterator[Callable[[], DisposableCloud]]:
    """Starts one more process of the module's cloud."""
    state = tmp_path_factory.mktemp("shared")
    name = request.module.__name__.rpartition(".")[2]
    database = postgresql.database(name)
    clouds = []

    def start() -> DisposableCloud:
        settings = settings_for_tests(state, only=("identity",), database=database)
        clouds.append(DisposableCloud(settings, alone=False))
        return clouds[-1].start()

    yield start
    for cloud in clouds:
        cloud.stop()


@pytest.fixture(scope="module")
def pair(more) -> tuple[World, World]:
    """Two processes, started at the same moment on an empty database."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: more(), range(2))
    return World(first), World(second)
