"""Whole films whose ledger is on PostgreSQL, also while it is killed."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from filmforge.domain import Execution
from filmforge.embedded import Servers
from tests.fake_process import FakeServer
from tests.postgres import PostgresServer
from tests.world import World, film_document, open_world, own_size


@pytest.fixture
async def world(
    servers: Servers, fake: FakeServer, postgres: PostgresServer, tmp_path: Path
) -> AsyncIterator[World]:
    """A worker over a ledger on PostgreSQL, with the fake provider."""
    url = SecretStr(postgres.create())
    async with open_world(servers, fake, tmp_path, database_url=url) as opened:
        yield opened


def _check(world: World, film_id: str, requests: int) -> None:
    """The film is made, and each request was charged once and is paid."""
    charges = world.fake.charges()
    budget = world.ledger.budget(film_id)
    assert world.ledger.films.read(film_id).execution == Execution.SUCCEEDED
    assert charges["count"] == requests
    assert (budget.spent, budget.reserved) == (Decimal(charges["total_usd"]), 0)


async def test_a_film_is_made_and_every_request_is_charged_once(world: World) -> None:
    film_id = await world.submit(film_document(shots=3))
    assert (await world.finish(film_id)).done == 3
    _check(world, film_id, requests=6)


async def test_a_film_goes_on_after_its_database_was_killed(
    world: World, postgres: PostgresServer
) -> None:
    world.fake.settings(latency_scale=0.3)
    film_id = await world.submit(film_document(shots=4, output=own_size(66)))
    await world.until(lambda: len(world.jobs()) >= 2)
    await asyncio.to_thread(postgres.kill)
    # Their results come while nobody can write them down.
    await world.until(lambda: all(job["status"] == "COMPLETED" for job in world.jobs()))
    await asyncio.to_thread(postgres.start)
    assert (await world.finish(film_id)).done == 4
    _check(world, film_id, requests=8)
