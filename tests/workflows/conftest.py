"""One worker and one fake provider for all workflow tests: starting them costs more than a test."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from filmforge.embedded import Servers
from tests.fake_process import FakeServer, fake_server
from tests.world import World, open_world

PATIENCE_S = 3.0
LATENCY_SCALE = 0.02
# Of shots in the making, so that a film that fills it is not made for long.
WINDOW = 32


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests share an event loop, for their worker lives longer than one of them."""
    for item in items:
        if "tests/workflows" in item.path.as_posix():
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def shared_fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    with fake_server(tmp_path_factory.mktemp("fake") / "fake.db") as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_world(
    servers: Servers, shared_fake: FakeServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("world")
    async with open_world(
        servers, shared_fake, folder, patience_s=PATIENCE_S, window=WINDOW
    ) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared_world: World) -> AsyncIterator[World]:
    """The shared world with a provider that has forgotten everything and answers fast."""
    await asyncio.to_thread(shared_world.fake.reset)
    await asyncio.to_thread(shared_world.fake.settings, latency_scale=LATENCY_SCALE)
    yield shared_world
    await shared_world.close()
    await asyncio.to_thread(shared_world.forget_pauses)
