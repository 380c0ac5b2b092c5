"""Resume: a film goes on where it ended, and pays nothing for what exists."""

import asyncio
from typing import Any

from filmforge.commands import Cancel
from filmforge.domain import Execution, Kind, Review, Stage
from tests.world import World, film_document

CANCEL = Cancel(who="producer")


async def test_a_cancelled_film_goes_on_and_pays_nothing_for_what_was_settled(
    world: World,
) -> None:
    await asyncio.to_thread(world.fake.settings, latency_s={"video-1": 60}, latency_scale=1)
    film_id = await world.submit(film_document(shots=2, stop_after="clips"))
    await world.until(lambda: len(world.jobs(model="video")) == 2)
    await world.command(film_id, CANCEL)
    await world.finish(film_id)
    spent = world.ledger.budget(film_id).spent
    await asyncio.to_thread(world.fake.settings, latency_s={}, latency_scale=0.02)
    await world.start_again(film_id, Stage.CLIPS)
    assert (await world.finish(film_id)).done == 2
    assert len(world.jobs(model="image")) == 2
    budget = world.ledger.budget(film_id)
    assert (str(budget.spent), budget.reserved) == (world.fake.charges()["total_usd"], 0)
    assert budget.spent > spent
    assert world.ledger.films.read(film_id).execution == Execution.SUCCEEDED


async def test_a_finished_film_that_is_resumed_charges_nothing(world: World) -> None:
    film_id = await world.submit(film_document(shots=2))
    await world.finish(film_id)
    charges, before = world.fake.charges(), world.ledger.budget(film_id)
    await world.start_again(film_id, Stage.FILM)
    assert (await world.finish(film_id)).done == 2
    assert world.fake.charges() == charges
    assert world.ledger.budget(film_id) == before


async def test_a_film_goes_from_frames_to_clips_to_film(world: World) -> None:
    document = film_document(shots=2, stop_after="frames")
    document["shots"][0]["dialogue"] = "Look, an attic."
    film_id = await world.submit(document)
    await world.finish(film_id)
    assert {job["model"] for job in world.jobs()} == {"image-1"}
    await world.start_again(film_id, Stage.CLIPS)
    await world.finish(film_id)
    assert [len(world.jobs(model=model)) for model in ("image", "video", "voice")] == [2, 2, 1]
    assert world.ledger.films.outputs(film_id) == []
    assert {s.review for s in world.ledger.shots.of_film(film_id)} == {Review.DONE}
    await world.start_again(film_id, Stage.FILM)
    await world.finish(film_id)
    assert len(world.jobs()) == 5
    assert world.ledger.films.outputs(film_id)[0][0] == "film"
    assert len(world.events(film_id, "film.done")) == 3


async def test_a_film_cancelled_at_its_gates_waits_at_them_again(world: World) -> None:
    approval = {"frames": "required"}
    film_id = await world.submit(film_document(shots=1, stop_after="frames", approval=approval))
    await world.until_shot(film_id, "s000", review=Review.WFA)
    await world.command(film_id, CANCEL)
    await world.finish(film_id)
    await world.start_again(film_id, Stage.FRAMES)
    await world.until(lambda: world.shot(film_id, "s000").execution == Execution.RUNNING)
    await world.until_shot(film_id, "s000", review=Review.WFA)
    assert [gate.shot_id for gate in world.ledger.gates.waiting(film_id)] == ["s000"]
    assert len(world.jobs()) == 1


async def test_a_shot_that_failed_is_tried_again_by_a_resume(world: World) -> None:
    fault: dict[str, Any] = {"fault": "job_fails", "times": 1}
    await asyncio.to_thread(world.fake.set_faults, fault)
    film_id = await world.submit(film_document(shots=1, stop_after="frames"))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    await world.command(film_id, CANCEL)
    await world.finish(film_id)
    await world.start_again(film_id, Stage.FRAMES)
    assert (await world.finish(film_id)).done == 1
    assert world.shot(film_id, "s000").digest(Kind.IMAGE)
