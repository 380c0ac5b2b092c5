"""Waiting for people for days, on Temporal's time-skipping server."""

import asyncio
import contextlib
import sysconfig
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from filmforge.commands import Decide
from filmforge.domain import Execution, Review
from filmforge.embedded import Servers
from filmforge.ledger.migrate import migrate
from tests.fake_process import FakeServer
from tests.world import World, film_document, world_settings
from workers.composition import assembled, build_workers

DAY_S = 86_400
TEST_SERVER = Path(sysconfig.get_path("scripts")) / "temporal-test-server"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def clock() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server whose time can be moved; its binary comes with a package."""
    env = await WorkflowEnvironment.start_time_skipping(
        data_converter=pydantic_data_converter, test_server_existing_path=str(TEST_SERVER)
    )
    async with env:
        yield env


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def patient(
    servers: Servers,
    shared_fake: FakeServer,
    clock: WorkflowEnvironment,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """The real activities over a real ledger and store, on the server whose time moves."""
    assert servers.environment
    settings = world_settings(shared_fake, tmp_path_factory.mktemp("patient"))
    await asyncio.to_thread(migrate, settings.database_url.get_secret_value())
    client = clock.client
    async with assembled(settings, client) as parts, contextlib.AsyncExitStack() as running:
        for worker in build_workers(client, parts):
            await running.enter_async_context(worker)
        yield World(settings, client, parts, shared_fake)


async def until_gate(world: World, film_id: str) -> str:
    """Wait until the first shot's frame waits; returns its digest."""
    shot = await world.until_shot(film_id, "s000", review=Review.WFA)
    await world.until_waiting(film_id, "s000")
    assert shot.image_digest is not None
    return shot.image_digest


async def test_a_frame_waits_for_three_days_with_a_reminder_a_day_and_is_then_approved(
    patient: World, clock: WorkflowEnvironment
) -> None:
    await asyncio.to_thread(patient.fake.settings, latency_scale=0)
    began = time.monotonic()
    film_id = await patient.submit(
        film_document(shots=1, stop_after="frames", approval={"frames": "required"})
    )
    digest = await until_gate(patient, film_id)
    await clock.sleep(timedelta(days=3, hours=1))
    await patient.until(lambda: len(patient.events(film_id, "frame.reminder")) == 3)
    assert patient.shot(film_id, "s000").review == Review.WFA
    wish = Decide(shot_id="s000", digest=digest, verdict="approve", who="Ada")
    assert (await patient.command(film_id, wish)).outcome == "accepted"
    assert (await patient.finish(film_id)).done == 1
    assert time.monotonic() - began < 30


async def test_after_three_days_without_a_decision_the_film_goes_on_as_it_was_told(
    patient: World, clock: WorkflowEnvironment
) -> None:
    await asyncio.to_thread(patient.fake.settings, latency_scale=0)
    words = ("approve", "skip")
    films = [
        await patient.submit(
            film_document(
                shots=1,
                stop_after="frames",
                approval={"frames": "required", "timeout": 3 * DAY_S, "on_timeout": word},
            )
        )
        for word in words
    ]
    for film_id in films:
        await until_gate(patient, film_id)
    await clock.sleep(timedelta(days=3, hours=1))
    ends = [await patient.finish(film_id) for film_id in films]
    assert [(end.done, end.omitted) for end in ends] == [(1, 0), (0, 1)]
    for film_id in films:
        assert patient.ledger.films.read(film_id).execution == Execution.SUCCEEDED
        assert len(patient.events(film_id, "frame.reminder")) == 2
