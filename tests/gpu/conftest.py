"""A desk in the real bucket, and makers that count anew in each test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from filmforge.embedded import Servers
from gpu_functions.desk import Desk
from tests.gpu.makers import MAKERS


@pytest.fixture
def desk(servers: Servers) -> Desk:
    return Desk.opened(servers.s3_bucket, servers.s3_endpoint)


@pytest.fixture
def key() -> str:
    """A request key that no other test has used."""
    return os.urandom(32).hex()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder of weights for every maker."""
    for name in MAKERS:
        (tmp_path / "weights" / name).mkdir(parents=True)
    return tmp_path / "weights"


@pytest.fixture(autouse=True)
def counted() -> Iterator[None]:
    for maker in MAKERS.values():
        maker.reset()
    yield
    for maker in MAKERS.values():
        maker.reset()
