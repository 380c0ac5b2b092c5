"""Films on a real Temporal and a real S3 server."""

from decimal import Decimal

from filmforge.domain import Execution
from tests.world import World, film_document


async def test_a_film_is_made_and_every_request_is_charged_once(world: World) -> None:
    film_id = await world.submit(film_document(shots=3))
    progress = await world.finish(film_id)
    charges = world.fake.charges()
    assert progress.done == 3
    assert world.ledger.films.read(film_id).execution == Execution.SUCCEEDED
    assert charges["count"] == 6
    assert world.ledger.budget(film_id).spent == Decimal(charges["total_usd"])
    assert world.ledger.budget(film_id).reserved == 0
