"""What a film is made with dies by SIGKILL in mid-film: the object store, and the provider."""

from pathlib import Path

import pytest

from filmforge.embedded import Servers
from tests.crash.studio import Studio, open_studio, small_film
from tests.fake_process import FakeServer

pytestmark = pytest.mark.crash


async def test_a_film_goes_on_after_the_object_store_was_killed(
    servers: Servers, fake: FakeServer, tmp_path: Path
) -> None:
    document = small_film()
    fake.settings(latency_scale=0.3)
    assert servers.s3
    async with open_studio(fake, tmp_path) as studio:
        film_id = await studio.submit(document)
        await studio.until_state("accepted", 2)
        await servers.s3.kill()
        await studio.until(lambda: _completed(studio) == 2)
        await servers.s3.start()
        await studio.finish(film_id)
        await studio.check(film_id, document)


@pytest.mark.usefixtures("servers")
async def test_a_film_goes_on_after_its_provider_was_killed(
    fake: FakeServer, tmp_path: Path
) -> None:
    document = small_film()
    fake.settings(latency_scale=0.3)
    async with open_studio(fake, tmp_path) as studio:
        film_id = await studio.submit(document)
        await studio.until_state("accepted", 2)
        fake.kill()
        await studio.until_tried_again(film_id, "s000")
        fake.start()
        await studio.finish(film_id)
        await studio.check(film_id, document)


def _completed(studio: Studio) -> int:
    return [job["status"] for job in studio.fake.charges()["jobs"]].count("COMPLETED")
