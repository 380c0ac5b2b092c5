"""The sound of a film through the activities: spans made once, loudness, stems, early sound."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyloudnorm
import pytest
from sqlalchemy import func, select
from temporalio.testing import ActivityEnvironment

import activities.telling
from activities.telling import telling
from activities.workshop import few_at_once
from filmforge.contracts import ConformOrder
from filmforge.errors import BadMedia
from filmforge.ledger.tables import makings
from filmforge.media.listen import SoundReader
from filmforge.media.meter import measure
from tests.folders import files_below
from tests.theatre import Rushes, Theatre

SHOTS, SECONDS = 6, 5


@pytest.fixture(scope="module")
def rushes(tmp_path_factory: pytest.TempPathFactory) -> Rushes:
    return Rushes(tmp_path_factory.mktemp("rushes"), "64x64", 12, SECONDS)


async def landed(stage: Theatre, rushes: Rushes, count: int = SHOTS, **said: Any) -> str:
    film_id = await stage.film(rushes, count, **said)
    await stage.conform(film_id, count)
    return film_id


def spans_made(stage: Theatre) -> int:
    """How many spans were encoded so far, in all films."""
    counted = select(func.count()).select_from(makings).where(makings.c.media_type == "audio/aac")
    with stage.ledger.db.read() as tx:
        return int(tx.execute(counted).scalar_one())


async def fetched(stage: Theatre, digest: str) -> Path:
    path = stage.folder / f"{digest[:8]}.file"
    await stage.store.fetch(digest, path)
    return path


def sound_of(path: Path) -> Any:
    with SoundReader(path) as reader:
        return np.concatenate(list(reader.blocks()))


async def change(stage: Theatre, film_id: str, place: int, clip: Path) -> None:
    await stage.show(film_id, f"s{place:04d}", clip)
    await stage.conform(film_id, 1, place)


async def test_a_film_is_as_loud_as_asked_and_no_louder_anywhere(
    stage: Theatre, rushes: Rushes
) -> None:
    film_id = await landed(stage, rushes, transition={"type": "crossfade", "duration": 0.5})
    film = await fetched(stage, (await stage.assemble(film_id)).digest or "")
    sound = sound_of(film).astype(np.float64)
    assert pyloudnorm.Meter(48_000).integrated_loudness(sound) == pytest.approx(-16, abs=0.5)
    peak = measure(film).true_peak_dbtp
    assert peak is not None
    assert peak <= -1
    told = stage.ledger.events.last(film_id, "film.sound")
    assert told is not None
    assert told.data["reached"] is True
    assert told.data["loudness_lufs"] == pytest.approx(-16, abs=0.5)


async def test_after_a_change_only_the_spans_it_touches_are_encoded_again(
    stage: Theatre, rushes: Rushes
) -> None:
    film_id = await landed(stage, rushes, transition={"type": "crossfade", "duration": 0.5})
    first = await stage.assemble(film_id)
    made = spans_made(stage)
    assert made == 3
    assert (await stage.assemble(film_id)).digest == first.digest
    assert spans_made(stage) == made
    await change(stage, film_id, 5, await rushes.clip(SHOTS))
    second = await stage.assemble(film_id)
    assert second.digest != first.digest
    assert spans_made(stage) == made + 1


async def test_a_film_of_cuts_has_its_sound_encoded_before_it_is_assembled(
    stage: Theatre, rushes: Rushes
) -> None:
    film_id = await landed(stage, rushes, sound={"loudness": None})
    made = spans_made(stage)
    assert made == 2 * SHOTS - 1
    film = await fetched(stage, (await stage.assemble(film_id)).digest or "")
    assert spans_made(stage) == made
    # This reader does not leave out what fills the last frame of AAC.
    assert 0 <= len(sound_of(film)) - SHOTS * SECONDS * 48_000 < 1_024


async def test_stems_add_up_to_what_is_heard(stage: Theatre, rushes: Rushes) -> None:
    film_id = await landed(stage, rushes, 3, sound={"stems": True})
    made = await stage.assemble(film_id)
    assert set(made.stems) == {"dialogue", "effects", "music"}
    stems = {name: sound_of(await fetched(stage, digest)) for name, digest in made.stems.items()}
    assert not stems["dialogue"].any()
    heard = sound_of(await fetched(stage, made.digest or ""))
    together = sum(stems.values())
    assert len(together) == 3 * SECONDS * 48_000
    heard = heard[: len(together)]
    power = np.square(together).mean()
    assert power > 0.001
    assert np.square(together - heard).mean() < power / 30
    assert not (await stage.assemble(await landed(stage, rushes, 3))).stems


async def test_what_cannot_be_made_loud_enough_is_delivered_and_told(
    stage: Theatre, rushes: Rushes, tmp_path: Path
) -> None:
    class Clicks(Rushes):
        sound = "aevalsrc='0.9*lt(mod(t\\,5)\\,0.0005)':s=48000:c=stereo:d=5"

    film_id = await landed(stage, Clicks(tmp_path, "64x64", 12, SECONDS), 2, sound={"loudness": -8})
    assert (await stage.assemble(film_id)).digest
    told = stage.ledger.events.last(film_id, "film.sound")
    assert told is not None
    assert told.data["reached"] is False
    assert float(str(told.data["loudness_lufs"])) < -9


def _is_in(share: float, told: Callable[[], list[Any]]) -> bool:
    return share in told()


async def until(condition: Callable[[], bool]) -> float:
    """Wait until something is so; returns the seconds that took."""
    clock = asyncio.get_running_loop()
    started = clock.time()
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - processes and files tell nobody
            await asyncio.sleep(0.005)
    return clock.time() - started


async def test_cancelled_a_step_kills_ffmpeg_within_a_second_and_leaves_nothing(
    stage: Theatre, tmp_path: Path
) -> None:
    long = Rushes(tmp_path, "1280x720", 24, 30)
    film_id = await stage.film(long, 1)
    working = tmp_path / "finish"
    env, order = ActivityEnvironment(), ConformOrder(film_id=film_id, shot_id="s0000")
    step = asyncio.ensure_future(env.run(stage.finish.conform, order))
    mine = psutil.Process()

    def pieces() -> list[Path]:
        return [path for path in files_below(working) if path.name == "piece.mov"]

    await until(lambda: any(path.stat().st_size for path in pieces()))
    assert mine.children()
    tools = [child for child in mine.children() if "ffmpeg" in child.name()]
    assert tools
    env.cancel()
    assert await until(lambda: not any(tool.is_running() for tool in tools)) < 1
    with pytest.raises(asyncio.CancelledError):
        await step
    assert not pieces()
    assert stage.ledger.shots.read(film_id, "s0000").conformed_digest is None


async def test_what_fails_among_many_is_raised_as_itself() -> None:
    async def fail() -> None:
        raise BadMedia("broken")

    with pytest.raises(BadMedia, match="broken"):
        await few_at_once([few_at_once([fail(), asyncio.sleep(60)])])


async def test_a_long_step_tells_each_tenth_once(
    stage: Theatre, rushes: Rushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities.telling, "EVERY_S", 0.001)
    film_id = await stage.film(rushes, 1)

    def told() -> list[Any]:
        events = stage.ledger.events.since(film_id)
        return [each.data["share"] for each in events if each.type == "film.progress"]

    async with telling(stage.ledger, film_id, "assemble") as progress:
        for done in range(101):
            progress(done / 100)
            if done % 10 == 0 and done:
                await until(partial(_is_in, done / 100, told))
        progress(0.5)
    assert told() == [tenth / 10 for tenth in range(1, 11)]
    assert {each.data.get("step") for each in stage.ledger.events.since(film_id)} == {
        None,
        "assemble",
    }
