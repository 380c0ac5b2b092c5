"""The same request is made and paid once, whoever asks for it."""

import asyncio
from decimal import Decimal
from typing import Any

from tests.world import World, film_document

FRAME_USD = Decimal("0.003")


def twin_of(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "film_id": f"{document['film_id']}-twin"}


async def test_two_films_that_ask_for_the_same_frames_at_once_pay_for_them_once(
    world: World,
) -> None:
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": 0.5}, latency_scale=1)
    document = film_document(shots=2, stop_after="frames")
    films = await asyncio.gather(world.submit(document), world.submit(twin_of(document)))
    await asyncio.gather(*map(world.finish, films))
    assert world.fake.charges()["count"] == 2
    one, two = (world.ledger.budget(film_id) for film_id in films)
    assert one.spent + two.spent == 2 * FRAME_USD
    assert one.saved + two.saved == 2 * FRAME_USD
    assert one.reserved == two.reserved == 0
    for shot_id in ("s000", "s001"):
        digests = {world.shot(film_id, shot_id).image_digest for film_id in films}
        assert len(digests) == 1
        assert None not in digests
        takes = [world.ledger.takes.of_shot(film_id, shot_id) for film_id in films]
        assert sorted(take.reused for (take,) in takes) == [False, True]


async def test_a_film_that_asks_later_reuses_what_was_paid_for(world: World) -> None:
    document = film_document(shots=2, stop_after="frames")
    first = await world.submit(document)
    await world.finish(first)
    second = await world.submit(twin_of(document))
    await world.finish(second)
    budget = world.ledger.budget(second)
    assert (budget.spent, budget.saved) == (0, 2 * FRAME_USD)
    assert all(
        take.reused and take.cost == 0
        for takes in world.ledger.takes.of_film(second).values()
        for take in takes
    )
    assert world.fake.charges()["count"] == 2


async def test_two_identical_shots_of_one_film_are_paid_once(world: World) -> None:
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": 0.3}, latency_scale=1)
    document = film_document(shots=2, stop_after="frames")
    document["shots"][1]["enhanced_prompt"] = document["shots"][0]["enhanced_prompt"]
    film_id = await world.submit(document)
    await world.finish(film_id)
    assert world.fake.charges()["count"] == 1
    takes = world.ledger.takes.of_film(film_id)
    assert sorted(take.reused for (take,) in takes.values()) == [False, True]
    budget = world.ledger.budget(film_id)
    assert (budget.spent, budget.saved, budget.reserved) == (FRAME_USD, FRAME_USD, 0)


async def test_a_film_that_joined_a_request_makes_it_itself_when_the_other_one_failed(
    world: World,
) -> None:
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": 0.5}, latency_scale=1)
    await asyncio.to_thread(world.fake.set_faults, {"fault": "job_fails", "times": 1})
    document = film_document(shots=1, stop_after="frames")
    films = await asyncio.gather(world.submit(document), world.submit(twin_of(document)))
    standing = {"succeeded", "failed"}
    await world.until(lambda: {world.shot(film, "s000").execution for film in films} <= standing)
    assert "succeeded" in {world.shot(film, "s000").execution for film in films}
    assert world.fake.charges()["count"] == 1
    assert sum(world.ledger.budget(film_id).spent for film_id in films) == FRAME_USD
