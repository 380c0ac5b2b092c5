"""A fake vendor for each file of tests, and the provider on it, both by the file's name.

`test_runway_outcomes.py` gets the fake of Runway and the provider that `runway_case` makes on it.
"""

from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.process import FakeVendor, fake_vendor


def _vendor_of(request: pytest.FixtureRequest) -> str:
    return request.path.stem.split("_")[1]


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FakeVendor]:
    name = _vendor_of(request)
    if name == "modal":  # its functions write to a bucket
        request.getfixturevalue("servers")
    with fake_vendor(f"tests.fakes.{name}", tmp_path_factory.mktemp(name) / "db") as vendor:
        yield vendor


@pytest.fixture
def fake(running: FakeVendor) -> FakeVendor:
    """The vendor, which has forgotten everything and answers at once."""
    running.reset()
    running.settings(latency_s=0)
    return running


@pytest.fixture
async def provider(request: pytest.FixtureRequest, fake: FakeVendor) -> AsyncIterator[Any]:
    made = import_module(f"tests.providers.{_vendor_of(request)}_case").a_provider(fake)
    yield made
    await made.close()


@pytest.fixture
def answer(tmp_path: Path) -> Path:
    """Where an answer that is the asset is to be written."""
    return tmp_path / "answer"
