"""Temporal dies by SIGKILL in mid-film: paid work goes on, and the film after its return."""

from pathlib import Path

import pytest

from filmforge.commands import Decide
from filmforge.embedded import Servers
from filmforge.ledger import open_ledger
from filmforge.store import AssetStore
from tests.crash.studio import Studio, open_studio, small_film
from tests.fake_process import FakeServer

pytestmark = pytest.mark.crash


async def test_a_film_goes_on_after_temporal_was_killed(
    servers: Servers, fake: FakeServer, tmp_path: Path
) -> None:
    document = small_film()
    fake.settings(latency_scale=0.3)
    assert servers.temporal
    async with open_studio(fake, tmp_path) as studio:
        film_id = await studio.submit(document)
        await studio.until_state("accepted")
        await servers.temporal.kill()
        await studio.until_state("succeeded")
        await servers.temporal.start()
        await studio.finish(film_id)
        await studio.check(film_id, document)


async def test_a_start_after_everything_was_killed_finds_films_assets_and_gates(
    servers: Servers, fake: FakeServer, tmp_path: Path
) -> None:
    document = small_film(approval={"frames": "required"})
    fake.settings(latency_scale=0.3)
    assert servers.temporal
    assert servers.s3
    async with open_studio(fake, tmp_path) as studio:
        film_id = await studio.submit(document)
        await _approve(studio, film_id, "s000")
        await studio.until_laid_aside(film_id, "s001")
        await studio.until_state("accepted")

        await studio.kill_worker()
        await servers.temporal.kill()
        await servers.s3.kill()
        await servers.s3.start()
        await servers.temporal.start()
        await studio.start_worker()

        await _look_again(studio, film_id, tmp_path / "frame")
        await _approve(studio, film_id, "s001")
        await studio.finish(film_id)
        await studio.check(film_id, document)


async def _approve(studio: Studio, film_id: str, shot_id: str) -> None:
    await studio.until_laid_aside(film_id, shot_id)
    (gate,) = [g for g in studio.ledger.gates.waiting(film_id) if g.shot_id == shot_id]
    verdict = Decide(shot_id=shot_id, digest=gate.digest, verdict="approve", who="a person")
    answer = await studio.engine.command(film_id, verdict)
    assert answer.outcome == "accepted"


async def _look_again(studio: Studio, film_id: str, path: Path) -> None:
    """Somebody who was not there before finds the film, the open gate and its frame."""
    settings = studio.settings
    ledger = open_ledger(settings.database_url.get_secret_value())
    (gate,) = ledger.gates.waiting(film_id)
    await AssetStore(settings.s3_bucket, settings.s3_endpoint).fetch(gate.digest, path)
    assert gate.shot_id == "s001"
    assert not ledger.films.read(film_id).ended
    assert ledger.shots.read(film_id, "s000").image_digest
    ledger.close()
