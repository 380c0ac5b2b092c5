"""The sweeper: money and films that everybody else forgot."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import update

from filmforge.contracts import ORCHESTRATION_QUEUE, SWEEP_WORKFLOW
from filmforge.direction import request_for
from filmforge.domain import Direction, Execution, GenerationRequest, Kind
from filmforge.ledger.database import now
from filmforge.ledger.posting import Claim
from filmforge.ledger.tables import journal
from filmforge.providers.base import Job
from filmforge.providers.fake import FakeProvider
from tests.world import World, film_document

FRAME_USD = Decimal("0.003")


def abandoned(world: World) -> tuple[str, GenerationRequest]:
    """A cancelled film without a workflow that holds money for its first frame."""
    film_id = world.keep(film_document(shots=1, stop_after="frames"))
    film = world.ledger.films.read(film_id)
    shot = world.shot(film_id, "s000").shot
    _, model = world.parts.registry.model("fake:image-1", Kind.IMAGE)
    request = request_for(film.brief, shot, Direction(), Kind.IMAGE, model, None)
    claim = Claim(film_id=film_id, shot_id="s000", intent=f"{film_id}/s000/0/0")
    world.ledger.journal.reserve(request, FRAME_USD, claim)
    return film_id, request


def leave(world: World, film_id: str, request: GenerationRequest) -> None:
    """Nobody works on the film any more, and nobody has touched the request for long."""
    world.ledger.films.set(film_id, Execution.CANCELLED)
    long_ago = now() - timedelta(minutes=5)
    with world.ledger.db.write() as tx:
        mine = journal.c.request_key == request.key
        tx.execute(update(journal).where(mine).values(updated_at=long_ago, submitted_at=long_ago))


async def sweep(world: World) -> None:
    await world.client.execute_workflow(
        SWEEP_WORKFLOW, id=f"sweep-{now().timestamp()}", task_queue=ORCHESTRATION_QUEUE
    )


def money(world: World, film_id: str) -> tuple[Decimal, Decimal]:
    budget = world.ledger.budget(film_id)
    return budget.spent, budget.reserved


async def send(world: World, request: GenerationRequest) -> Job:
    provider = world.parts.registry.get("fake")
    return await provider.submit(request, {}, None, Path("no-answer"))


async def test_money_for_what_was_never_sent_is_given_back(world: World) -> None:
    film_id, request = abandoned(world)
    leave(world, film_id, request)
    await sweep(world)
    assert money(world, film_id) == (0, 0)
    assert world.ledger.journal.read(request.key).state == "cancelled"
    assert world.jobs() == []


async def test_a_job_that_was_accepted_is_seen_to_its_end_and_kept(world: World) -> None:
    film_id, request = abandoned(world)
    world.ledger.journal.begin_submitting(request.key)
    job = await send(world, request)
    world.ledger.journal.accept(request.key, job.model_dump(mode="json"), "submit")
    leave(world, film_id, request)
    await sweep(world)
    assert money(world, film_id) == (FRAME_USD, 0)
    posting = world.ledger.journal.read(request.key)
    assert posting.state == "succeeded"
    assert posting.digest
    assert await world.parts.store.size(posting.digest) > 0


@pytest.mark.parametrize("sent", [True, False])
async def test_a_submit_without_an_answer_is_looked_for_and_never_repeated(
    world: World, sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = world.parts.registry.get("fake")
    assert isinstance(provider, FakeProvider)
    film_id, request = abandoned(world)
    world.ledger.journal.begin_submitting(request.key)
    if sent:
        await send(world, request)
    leave(world, film_id, request)
    with world.ledger.db.write() as tx:
        moment = now() - timedelta(seconds=30)
        mine = journal.c.request_key == request.key
        tx.execute(update(journal).where(mine).values(submitted_at=moment))
    await sweep(world)
    assert len(world.jobs()) == sent
    assert money(world, film_id) == (FRAME_USD * sent, 0)


async def test_the_money_of_a_film_that_runs_is_left_alone(world: World) -> None:
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": 60}, latency_scale=1)
    film_id = await world.submit(film_document(shots=1, stop_after="frames"))
    await world.until(lambda: len(world.jobs()) == 1)
    with world.ledger.db.write() as tx:
        tx.execute(
            update(journal)
            .where(journal.c.film_id == film_id)
            .values(updated_at=now() - timedelta(minutes=5))
        )
    await sweep(world)
    assert money(world, film_id) == (0, FRAME_USD)


async def test_a_film_that_was_kept_but_never_started_is_started(world: World) -> None:
    film_id = world.keep(film_document(shots=1, stop_after="frames"))
    await sweep(world)
    assert (await world.finish(film_id)).done == 1


async def test_a_film_that_ended_is_not_started_again(world: World) -> None:
    film_id = world.keep(film_document(shots=1, stop_after="frames"))
    world.ledger.films.set(film_id, Execution.CANCELLED)
    await sweep(world)
    assert not await world.engine.running(film_id)


async def test_a_film_whose_cancelling_was_forgotten_ends_cancelled(world: World) -> None:
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": 60}, latency_scale=1)
    running = await world.submit(film_document(shots=1, stop_after="frames"))
    await world.until(lambda: len(world.jobs()) == 1)
    left = world.keep(film_document(shots=1))
    for film_id in (running, left):
        world.ledger.films.set(film_id, Execution.CANCELLING)
    await sweep(world)
    assert world.ledger.films.read(left).execution == Execution.CANCELLED
    assert (await world.finish(running)).execution == Execution.CANCELLED
    assert money(world, running)[1] == 0
