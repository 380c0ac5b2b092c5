"""A demo vendor for the tests of the base: one process a module, reset for every test."""

from collections.abc import Iterator

import pytest

from tests.fakes.demo import Client
from tests.fakes.process import FakeVendor, fake_vendor


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeVendor]:
    with fake_vendor("tests.fakes.demo", tmp_path_factory.mktemp("demo") / "db") as fake:
        yield fake


@pytest.fixture
def client(demo: FakeVendor) -> Iterator[Client]:
    demo.reset()
    with Client(demo) as client:
        yield client
