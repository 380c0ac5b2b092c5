"""The worker dies by SIGKILL, anywhere; started again, it goes on and nobody pays twice."""

import random
from pathlib import Path

import pytest

from tests.crash.studio import open_studio, small_film
from tests.fake_process import FakeServer

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("servers")]

POINTS = {
    "submitting": "before the POST, after `submitting` was written",
    "posted": "between the POST and its record",
    "polled": "while polling",
    "downloaded": "between download and upload",
    "uploaded": "between upload and settling",
    "settled": "between settling and the shot's take",
    "conforming": "before a piece is encoded",
    "assembling": "before the pieces are joined",
}
# After the money was reserved; before the paid step returns; between a piece's upload and its
# record; between the film's upload and its delivery.
IN_A_ROW = ("reserved", "linked", "conformed", "assembled")


@pytest.mark.parametrize("points", [*((point,) for point in POINTS), IN_A_ROW], ids="-".join)
async def test_a_worker_killed_at_a_point_pays_once_and_finishes_the_film(
    points: tuple[str, ...], fake: FakeServer, tmp_path: Path
) -> None:
    document = small_film()
    async with open_studio(fake, tmp_path, traps=points) as studio:
        film_id = await studio.submit(document)
        for point in points:
            await studio.trapped(point)
            await studio.start_worker()
        await studio.finish(film_id)
        await studio.check(film_id, document)


async def test_a_worker_killed_inside_the_post_finds_the_job_it_paid_for(
    fake: FakeServer, tmp_path: Path
) -> None:
    document = small_film()
    fake.set_faults({"fault": "hang", "match": "shot 0"})
    async with open_studio(fake, tmp_path) as studio:
        film_id = await studio.submit(document)
        lost = await studio.until_charged("s000")
        await studio.kill_worker()
        await studio.start_worker()
        await studio.finish(film_id)
        await studio.check(film_id, document)
        assert studio.sources(lost) == ["reconcile"]


async def test_a_lost_answer_is_found_again_without_a_second_charge(
    fake: FakeServer, tmp_path: Path
) -> None:
    document = small_film()
    fake.set_faults({"fault": "accept_then_drop", "model": "image-1", "times": 2})
    async with open_studio(fake, tmp_path) as studio:
        film_id = await studio.submit(document)
        await studio.finish(film_id)
        await studio.check(film_id, document)
        sources = [source for key in studio.states() for source in studio.sources(key)]
        assert sorted(sources) == ["reconcile"] * 2 + ["submit"] * 3


async def test_a_worker_killed_five_times_at_random_moments_pays_once(
    fake: FakeServer, tmp_path: Path
) -> None:
    chance, document = random.Random(20261121), small_film(shots=4)
    async with open_studio(fake, tmp_path) as studio:
        film_id = await studio.submit(document)
        for _ in range(5):
            await studio.until_entries(len(studio.entries()) + chance.randint(1, 6))
            await studio.kill_worker()
            await studio.start_worker()
        await studio.finish(film_id)
        await studio.check(film_id, document)
