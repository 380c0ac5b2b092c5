"""The worker dies while several takes are made for one wish: each is paid once, none is missing."""

from pathlib import Path

import pytest

from filmforge.commands import Decide, DecideMany
from tests.crash.studio import Studio, open_studio
from tests.fake_process import FakeServer
from tests.world import film_document

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("servers")]


async def hand_in(studio: Studio, film_id: str, **wish: object) -> None:
    """Decide about the frame that waits."""
    await studio.until_waiting(film_id, "s000")
    digest = studio.shot(film_id, "s000").image_digest
    decision = Decide.model_validate({"shot_id": "s000", "digest": digest, "who": "Ada", **wish})
    (answer,) = await studio.engine.decide_many(film_id, DecideMany(decisions=(decision,)))
    assert answer.outcome == "accepted"


@pytest.mark.parametrize("point", ["posted", "settled"])
async def test_three_takes_are_paid_three_times_however_the_worker_dies_between_them(
    point: str, fake: FakeServer, tmp_path: Path
) -> None:
    """It dies at every take anew: the first frame's, then each of the three that are wished for."""
    document = film_document(shots=1, stop_after="frames", approval={"frames": "required"})
    async with open_studio(fake, tmp_path, traps=(point,) * 4) as studio:
        film_id = await studio.submit(document)
        await studio.trapped(point)
        await studio.start_worker()
        await hand_in(studio, film_id, verdict="reject", takes=3)
        for _ in range(3):
            await studio.trapped(point)
            await studio.start_worker()
        await studio.until(lambda: len(studio.ledger.takes.of_shot(film_id, "s000")) == 4)
        await hand_in(studio, film_id, verdict="approve")
        await studio.finish(film_id)
        charges = fake.charges()
        assert charges["by_key"] == dict.fromkeys(studio.states(), 1)
        assert charges["count"] == len(studio.states()) == 4
        assert [take.take for take in studio.ledger.takes.of_shot(film_id, "s000")] == [1, 2, 3, 4]
