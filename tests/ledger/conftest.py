"""A ledger in a real database for every test, and short words for what goes into it."""

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from filmforge.brief import read_film
from filmforge.domain import Asset, GenerationRequest, Kind
from filmforge.ledger import Ledger, open_ledger
from filmforge.ledger.migrate import migrate
from filmforge.ledger.posting import Claim
from tests.postgres import PostgresServer


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        migrate(f"sqlite:///{path}")
        return path.read_bytes()


@contextlib.contextmanager
def passing_ledger() -> Iterator[Ledger]:
    """A fresh ledger whose folder goes with it, in memory where the machine offers that."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="ledger-", dir=memory if memory.is_dir() else None))
    path = folder / "ledger.db"
    path.write_bytes(_template())
    opened = open_ledger(f"sqlite:///{path}")
    try:
        yield opened
    finally:
        opened.close()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> str:
    """A PostgreSQL database with every table, to be copied."""
    url = postgres.create()
    migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database with nothing in it, on each of the two kinds of server."""
    if request.param == "sqlite":
        path = tmp_path / "ledger.db"
        path.write_bytes(_template())
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create(like=request.getfixturevalue("migrated"))
    yield url
    server.drop(url)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    """An empty ledger."""
    opened = open_ledger(database_url)
    yield opened
    opened.close()


def digest(text: str) -> str:
    """A well-formed digest that is easy to tell from others."""
    return request(text).key


def add_film(
    ledger: Ledger, film_id: str = "attic", budget: str = "10", shots: int = 2, **film: Any
) -> str:
    """Keep a film whose shots are s0, s1, …; returns its id."""
    document = {
        "film_id": film_id,
        "budget_usd": budget,
        "shots": [
            {"shot_id": f"s{n}", "enhanced_prompt": f"shot {n}", "duration": 2}
            for n in range(shots)
        ],
        **film,
    }
    ledger.films.create(read_film(document), Decimal(1))
    return film_id


def request(prompt: str = "a lamp", **changes: Any) -> GenerationRequest:
    """A request for a picture."""
    values = {
        "kind": Kind.IMAGE,
        "provider": "fake",
        "model": "image-1",
        "parameters": {"prompt": prompt},
        "seed": 7,
    }
    return GenerationRequest.model_validate({**values, **changes})


def claim(film_id: str = "attic", shot_id: str = "s0", wish: str = "first") -> Claim:
    """A claim of a shot; another `wish` is another intent."""
    return Claim(film_id=film_id, shot_id=shot_id, intent=f"{film_id}/{shot_id}/{wish}")


def asset(text: str = "picture", media_type: str = "image/png") -> Asset:
    """A stored asset."""
    return Asset(digest=digest(text), media_type=media_type, size=10, width=64, height=64)


def job(name: str = "job-1") -> dict[str, Any]:
    """A provider's job."""
    return {"id": name, "urls": {}}


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `count` threads come to that all begin at the same moment."""
    start = threading.Barrier(count)

    def run(number: int) -> Any:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
