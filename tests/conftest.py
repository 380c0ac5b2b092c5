"""Fixtures that every kind of test may use; the servers start when the first test asks."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from filmforge.embedded import Servers, serve
from filmforge.settings import Settings
from tests.fake_process import FakeServer, fake_server
from tests.postgres import PostgresServer, postgres_server
from tests.world import World, open_world

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))

# Whole films, whole installations and browsers: begun first, so that no long file is left alone
# at the end.
LONG = {"crash", "workflows", "browser", "keys", "cli"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long before the rest."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A real Temporal and a real S3 server, shared by the tests of one process."""
    state = tmp_path_factory.mktemp("servers") / "state"
    with serve(state, Settings()) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, shared by the tests of one process."""
    with postgres_server() as running:
        yield running


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeServer]:
    """A fake provider's server that answers fast, with its own charges."""
    with fake_server(tmp_path / "fake.db", latency_scale=0.02) as running:
        yield running


@pytest.fixture
async def world(servers: Servers, fake: FakeServer, tmp_path: Path) -> AsyncIterator[World]:
    """A worker over its own ledger, with the fake provider."""
    async with contextlib.AsyncExitStack() as stack:
        yield await stack.enter_async_context(open_world(servers, fake, tmp_path))
