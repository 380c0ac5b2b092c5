"""Cancel: nothing more is spent, and what was paid for is kept."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from filmforge.commands import Cancel
from filmforge.domain import Execution
from filmforge.ledger.tables import journal
from tests.world import World, film_document, own_size

FRAME_USD = Decimal("0.003")
CANCEL = Cancel(who="producer")


async def slow(world: World, seconds: float) -> None:
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": seconds}, latency_scale=1)


async def test_cancel_stops_spending_cancels_the_jobs_and_leaves_nothing_reserved(
    world: World,
) -> None:
    await slow(world, 60)
    film_id = await world.submit(film_document(shots=3))
    await world.until(lambda: len(world.jobs()) == 3)
    await world.command(film_id, CANCEL)
    progress = await world.finish(film_id)
    assert progress.execution == Execution.CANCELLED
    assert world.ledger.films.read(film_id).execution == Execution.CANCELLED
    jobs = world.jobs()
    assert [job["status"] for job in jobs] == ["CANCELLED"] * 3
    budget = world.ledger.budget(film_id)
    assert budget.reserved == 0
    assert budget.spent == Decimal(world.fake.charges()["total_usd"])
    assert {s.execution for s in world.ledger.shots.of_film(film_id)} == {Execution.CANCELLED}
    assert len(world.events(film_id, "film.cancelled")) == 1
    assert world.events(film_id, "shot.needs_attention") == []
    assert [(e.who, e.action) for e in world.ledger.gates.trail(film_id)] == [
        ("producer", "cancel")
    ]


async def test_a_job_that_had_not_started_at_the_provider_costs_nothing_when_cancelled(
    world: World,
) -> None:
    await asyncio.to_thread(world.fake.settings, queue_s=60)
    film_id = await world.submit(film_document(shots=2))
    await world.until(lambda: len(world.jobs()) == 2)
    await world.command(film_id, CANCEL)
    await world.finish(film_id)
    budget = world.ledger.budget(film_id)
    assert (budget.spent, budget.reserved) == (0, 0)


async def test_what_the_provider_had_finished_is_settled_and_kept(world: World) -> None:
    await asyncio.to_thread(world.fake.settings, latency_s={"video-1": 60}, latency_scale=1)
    film_id = await world.submit(film_document(shots=2))
    await world.until(lambda: len(world.jobs(model="video")) == 2)
    await world.command(film_id, CANCEL)
    await world.finish(film_id)
    assert all(s.image_digest for s in world.ledger.shots.of_film(film_id))
    budget = world.ledger.budget(film_id)
    assert budget.reserved == 0
    assert budget.spent == Decimal(world.fake.charges()["total_usd"])


async def test_cancel_between_two_tries_gives_the_money_back_at_once(world: World) -> None:
    await asyncio.to_thread(
        world.fake.set_faults, {"fault": "rate_limit", "retry_after": 30, "times": None}
    )
    film_id = await world.submit(film_document(shots=1))
    await world.until(lambda: world.ledger.budget(film_id).reserved == FRAME_USD)
    key = await first_key(world, film_id)
    await world.until(lambda: world.ledger.journal.read(key).submits > 0)
    await world.until(lambda: world.ledger.journal.read(key).state == "reserved")
    await world.command(film_id, CANCEL)
    await world.finish(film_id)
    budget = world.ledger.budget(film_id)
    assert (budget.spent, budget.reserved) == (0, 0)


async def test_cancel_of_a_film_whose_frame_another_film_waits_for_leaves_that_one_its_frame(
    world: World,
) -> None:
    await slow(world, 1.5)
    document = film_document(shots=1, stop_after="frames")
    first = await world.submit(document)
    await world.until(lambda: len(world.jobs()) == 1)
    second = await world.submit({**document, "film_id": f"{document['film_id']}-twin"})
    key = await first_key(world, first)
    await world.until(lambda: world.ledger.journal.wanted_elsewhere(key, first))
    await world.command(first, CANCEL)
    assert (await world.finish(first)).execution == Execution.CANCELLED
    assert (await world.finish(second)).done == 1
    assert world.shot(second, "s000").image_digest
    assert [job["status"] for job in world.jobs()] == ["COMPLETED"]
    assert [world.ledger.budget(film_id).spent for film_id in (first, second)] == [FRAME_USD, 0]
    assert [world.ledger.budget(film_id).reserved for film_id in (first, second)] == [0, 0]


async def test_cancel_of_the_film_that_only_joined_leaves_the_other_one_its_frame(
    world: World,
) -> None:
    await slow(world, 1.5)
    document = film_document(shots=1, stop_after="frames")
    first = await world.submit(document)
    await world.until(lambda: len(world.jobs()) == 1)
    second = await world.submit({**document, "film_id": f"{document['film_id']}-twin"})
    key = await first_key(world, first)
    await world.until(lambda: world.ledger.journal.wanted_elsewhere(key, first))
    await world.command(second, CANCEL)
    assert (await world.finish(second)).execution == Execution.CANCELLED
    assert (await world.finish(first)).done == 1
    assert [job["status"] for job in world.jobs()] == ["COMPLETED"]


async def test_a_film_can_be_cancelled_while_it_is_assembled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = asyncio.Event()

    async def endless(*_args: Any) -> None:
        started.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("activities.finish.assemble", endless)
    film_id = await world.submit(film_document(shots=1, output=own_size(66)))
    await asyncio.wait_for(started.wait(), 30)
    await world.command(film_id, CANCEL)
    assert (await world.finish(film_id)).execution == Execution.CANCELLED
    assert world.ledger.films.outputs(film_id) == []
    assert world.shot(film_id, "s000").execution == Execution.SUCCEEDED


async def test_a_film_that_waits_for_people_only_can_be_cancelled(world: World) -> None:
    film_id = await world.submit(film_document(shots=1, approval={"frames": "required"}))
    await world.until(lambda: len(world.ledger.gates.waiting(film_id)) == 1)
    await world.command(film_id, CANCEL)
    assert (await world.finish(film_id)).execution == Execution.CANCELLED


async def test_a_film_that_was_stopped_before_its_workflow_began_makes_nothing(
    world: World,
) -> None:
    document = film_document(shots=1)
    film_id = document["film_id"]
    await asyncio.to_thread(world.keep, document)
    await asyncio.to_thread(world.ledger.films.set, film_id, Execution.CANCELLED)
    await world.engine.start_film(film_id, world.brief(film_id))
    await world.finish(film_id)
    assert world.ledger.films.read(film_id).execution == Execution.CANCELLED
    assert world.jobs() == []


async def first_key(world: World, film_id: str) -> str:
    """The request key of the film's first shot's frame."""

    def read() -> str | None:
        with world.ledger.db.read() as tx:
            mine = select(journal.c.request_key).where(journal.c.film_id == film_id)
            return tx.execute(mine).scalar()

    await world.until(lambda: read() is not None)
    key = read()
    assert key is not None
    return key
