"""The worker dies by SIGKILL, anywhere; started again, it goes on and nobody pays twice."""

import random
from pathlib import Path

import pytest

from filmforge.embedded import Servers
from tests.crash.studio import open_studio, small_film
from tests.fake_process import FakeServer

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("servers")]

POINTS = {
    "reserved": "after the money was reserved",
    "submitting": "before the POST, after `submitting` was written",
    "posted": "between the POST and its record",
    "accepted": "after the record of the job",
    "polled": "while polling",
    "ended": "between the last poll and the download",
    "downloaded": "between download and upload",
    "uploaded": "between upload and settling",
    "settled": "between settling and the shot's take",
    "linked": "before the paid step returns",
    "conforming": "before a piece is encoded",
    "conformed": "between a piece's upload and its record",
    "assembling": "before the pieces are joined",
    "assembled": "between the film's upload and its delivery",
}


@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_killed_at_a_point_pays_once_and_finishes_the_film(
    point: str, fake: FakeServer, tmp_path: Path
) -> None:
    document = small_film()
    async with open_studio(fake, tmp_path, trap=point) as studio:
        film_id = await studio.submit(document)
        await studio.trapped()
        await studio.restart_worker()
        await studio.finish(film_id)
        await studio.check(film_id, document)
