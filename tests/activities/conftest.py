"""The stage for tests of the CPU steps."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from filmforge.embedded import Servers
from tests.theatre import Theatre, theatre


@pytest.fixture
async def stage(servers: Servers, tmp_path: Path) -> AsyncIterator[Theatre]:
    """A theatre on the real servers, with nothing on it yet."""
    async with theatre(tmp_path) as running:
        yield running
