"""A hard budget: what does not fit waits for money, everything else goes on."""

import asyncio
from decimal import Decimal

from filmforge.commands import Retry, SetBudget
from filmforge.contracts import film_workflow_id
from filmforge.domain import Execution
from tests.world import World, film_document

FRAME_USD = Decimal("0.003")
BROKE = (Execution.NEEDS_ATTENTION, "budget_exceeded")


def frames(shots: int, afford: float, **changes: object) -> dict[str, object]:
    """A film of frames only, with money for so many of them."""
    limit = FRAME_USD * Decimal(str(afford))
    return film_document(shots=shots, stop_after="frames", budget_usd=str(limit), **changes)


def standing(world: World, film_id: str) -> tuple[Execution, str | None]:
    film = world.ledger.films.read(film_id)
    return film.execution, film.reason


def parked(world: World, film_id: str) -> int:
    shots = world.ledger.shots.of_film(film_id)
    return sum(shot.reason == "budget_exceeded" for shot in shots)


async def until_broke(world: World, film_id: str) -> None:
    await world.until(lambda: standing(world, film_id) == BROKE)


async def test_only_the_shots_that_do_not_fit_wait_for_money_and_the_cap_is_told_once(
    world: World,
) -> None:
    film_id = await world.submit(frames(5, afford=2.5))
    await until_broke(world, film_id)
    done = [s for s in world.ledger.shots.of_film(film_id) if s.execution == Execution.SUCCEEDED]
    assert (len(done), parked(world, film_id)) == (2, 3)
    budget = world.ledger.budget(film_id)
    assert (budget.spent, budget.reserved) == (2 * FRAME_USD, 0)
    assert len(world.events(film_id, "budget.reached")) == 1
    assert (await world.engine.progress(film_id)).execution == Execution.NEEDS_ATTENTION


async def test_the_cap_counts_what_is_only_reserved(world: World) -> None:
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": 1.5}, latency_scale=1)
    film_id = await world.submit(frames(4, afford=2))
    await world.until(lambda: parked(world, film_id) == 2)
    budget = world.ledger.budget(film_id)
    assert (budget.spent, budget.reserved) == (0, 2 * FRAME_USD)
    told = (Execution.RUNNING, "budget_exceeded")
    await world.until(lambda: standing(world, film_id) == told)


async def test_a_raised_limit_lets_the_film_finish(world: World) -> None:
    film_id = await world.submit(frames(4, afford=1))
    await until_broke(world, film_id)
    raised = SetBudget(limit_usd=Decimal(1), who="producer")
    assert (await world.command(film_id, raised)).outcome == "accepted"
    assert (await world.finish(film_id)).done == 4
    assert standing(world, film_id) == (Execution.SUCCEEDED, None)
    assert world.ledger.budget(film_id).spent == 4 * FRAME_USD
    entry = next(e for e in world.ledger.gates.trail(film_id) if e.action == "budget")
    assert (entry.who, entry.detail["limit_usd"]) == ("producer", "1.00")


async def test_a_limit_raised_by_signal_does_the_same_and_a_second_cap_is_told_again(
    world: World,
) -> None:
    film_id = await world.submit(frames(4, afford=1))
    await until_broke(world, film_id)
    handle = world.client.get_workflow_handle(film_workflow_id(film_id))
    await handle.signal("budget", SetBudget(limit_usd=2 * FRAME_USD, who="producer"))
    await world.until(lambda: len(world.events(film_id, "budget.reached")) == 2)
    await until_broke(world, film_id)
    await handle.signal("budget", SetBudget(limit_usd=Decimal(1), who="producer"))
    assert (await world.finish(film_id)).done == 4
    assert len(world.events(film_id, "budget.reached")) == 2


async def test_a_lowered_limit_stops_new_spending_and_keeps_what_is_being_made(
    world: World,
) -> None:
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": 1.0}, latency_scale=1)
    film_id = await world.submit(film_document(shots=3, stop_after="clips"))
    await world.until(lambda: len(world.jobs(model="image")) == 3)
    await world.command(film_id, SetBudget(limit_usd=3 * FRAME_USD, who="producer"))
    await until_broke(world, film_id)
    assert world.jobs(model="video") == []
    budget = world.ledger.budget(film_id)
    assert (budget.spent, budget.reserved) == (3 * FRAME_USD, 0)


async def test_thirty_shots_at_once_never_spend_more_than_the_limit(world: World) -> None:
    film_id = await world.submit(frames(30, afford=11.9))
    await until_broke(world, film_id)
    assert world.fake.charges()["count"] == 11
    budget = world.ledger.budget(film_id)
    assert budget.spent == 11 * FRAME_USD <= budget.limit
    assert parked(world, film_id) == 19
    assert len(world.events(film_id, "budget.reached")) == 1


async def test_money_that_a_failed_job_gives_back_lets_a_parked_shot_go_on(world: World) -> None:
    await asyncio.to_thread(world.fake.set_faults, {"fault": "job_fails", "times": 1})
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": 1}, latency_scale=1)
    film_id = await world.submit(frames(3, afford=2))
    await world.until(lambda: parked(world, film_id) == 1)
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    stands = sorted(shot.execution for shot in world.ledger.shots.of_film(film_id))
    assert stands == [Execution.FAILED, Execution.SUCCEEDED, Execution.SUCCEEDED]
    assert world.ledger.budget(film_id).spent == 2 * FRAME_USD
    assert len(world.events(film_id, "budget.reached")) == 1


async def test_a_shot_that_waits_for_money_goes_on_when_it_is_retried_for_less(
    world: World,
) -> None:
    document = film_document(shots=1, stop_after="clips", budget_usd="0.015")
    document["shots"][0]["duration"] = 5
    film_id = await world.submit(document)
    await until_broke(world, film_id)
    await world.command(film_id, Retry(shot_id="s000", changes={"duration": 1}, who="editor"))
    assert (await world.finish(film_id)).done == 1
    assert world.ledger.budget(film_id).spent == FRAME_USD + Decimal("0.01")
