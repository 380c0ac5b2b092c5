"""Transitions are drawn as their shots land, so that the assembly finds them."""

import pytest
from sqlalchemy import func, select

from filmforge.ledger.tables import makings
from tests.theatre import Rushes, Theatre

FADES = {"transition": {"type": "crossfade", "duration": 0.5}, "sound": {"loudness": None}}


@pytest.fixture(scope="module")
def rushes(tmp_path_factory: pytest.TempPathFactory) -> Rushes:
    return Rushes(tmp_path_factory.mktemp("rushes"), "64x64", 12, 2)


def drawn(stage: Theatre) -> int:
    """How many pieces and passages were drawn so far."""
    silent = makings.c.media_type.startswith("video/quicktime")
    with stage.ledger.db.read() as tx:
        return int(tx.execute(select(func.count()).select_from(makings).where(silent)).scalar_one())


async def test_a_passage_is_drawn_as_the_second_of_its_shots_lands(
    stage: Theatre, rushes: Rushes
) -> None:
    film_id = await stage.film(rushes, 3, **FADES)
    counted = []
    for place in (0, 2, 1):
        await stage.conform(film_id, 1, place)
        counted.append(drawn(stage))
    assert counted == [1, 2, 3 + 2]


async def test_the_assembly_draws_nothing_that_the_landing_drew(
    stage: Theatre, rushes: Rushes
) -> None:
    opening = {"type": "fade_from_black", "duration": 0.5}
    film_id = await stage.film(rushes, 4, **FADES, opening=opening)
    await stage.conform(film_id, 4)
    landed = drawn(stage)
    await stage.assemble(film_id)
    assert (landed, drawn(stage)) == (4 + 3 + 1, landed)


async def test_a_changed_shot_has_its_two_passages_drawn_again(
    stage: Theatre, rushes: Rushes
) -> None:
    film_id = await stage.film(rushes, 4, **FADES)
    await stage.conform(film_id, 4)
    before = drawn(stage)
    await stage.show(film_id, "s0002", await rushes.clip(4))
    await stage.conform(film_id, 1, 2)
    assert drawn(stage) - before == 1 + 2
    await stage.assemble(film_id)
    assert drawn(stage) - before == 1 + 2
