"""What somebody chose who saw things stand otherwise is refused, and all goes on as it was."""

from decimal import Decimal

import pytest

from filmforge.commands import Retry, Seen, SetBudget
from filmforge.domain import Execution
from filmforge.errors import Conflict
from tests.workflows.test_attention import fail
from tests.world import World, film_document


async def test_a_retry_of_a_shot_that_was_seen_otherwise_is_refused_and_it_waits_on(
    world: World,
) -> None:
    await fail(world, "job_fails", billed=False, times=1)
    film_id = await world.submit(film_document(shots=1, stop_after="frames"))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    stale = Seen(attempt=4, reason="provider_failed")
    with pytest.raises(Conflict, match=r"^something else became of s000: look at it again$"):
        await world.command(film_id, Retry(shot_id="s000", who="editor", seen=stale))
    assert world.shot(film_id, "s000").attempt == 0
    assert len(world.jobs()) == 1
    seen = world.ledger.stand(world.shot(film_id, "s000"))
    await world.command(film_id, Retry(shot_id="s000", who="editor", seen=seen))
    assert (await world.finish(film_id)).done == 1
    assert len(world.jobs()) == 2


async def test_a_limit_set_over_another_one_than_was_seen_is_refused_and_the_film_goes_on(
    world: World,
) -> None:
    film_id = await world.submit(film_document(shots=1, stop_after="frames", budget_usd="0"))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    one, two = Decimal(1), Decimal(2)
    with pytest.raises(Conflict, match=r"^the limit is 0\.00 USD by now: look at it again$"):
        await world.command(film_id, SetBudget(limit_usd=two, who="editor", seen_limit_usd=one))
    seen = SetBudget(limit_usd=two, who="editor", seen_limit_usd=Decimal(0))
    await world.command(film_id, seen)
    assert (await world.finish(film_id)).done == 1
