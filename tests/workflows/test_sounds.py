"""Sounds that a model makes are paid for, waited for and left out exactly as shots are."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import pytest_asyncio
from pydantic import SecretStr

from filmforge.commands import Cancel, Replace, Resolve, Retry, SetBudget, Skip
from filmforge.cut.handover import must_be_made
from filmforge.domain import Execution, Kind, Review, Stage
from filmforge.embedded import Servers
from filmforge.errors import Conflict
from tests.fake_process import FakeServer
from tests.fakes.process import FakeVendor, fake_vendor
from tests.world import World, film_document, open_world

MUSIC_USD = Decimal("0.0075")  # three seconds at $0.0025


@pytest.fixture(scope="module")
def studio() -> Iterator[FakeVendor]:
    """The provider that makes music and effects."""
    with (
        tempfile.TemporaryDirectory() as folder,
        fake_vendor("tests.fakes.elevenlabs", Path(folder) / "elevenlabs.db", latency_s=0.05) as up,
    ):
        yield up


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sound_world(
    servers: Servers,
    shared_fake: FakeServer,
    studio: FakeVendor,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("sounds")
    changes: dict[str, Any] = {
        "elevenlabs_api_key": SecretStr("sk_of_a_fake"),
        "elevenlabs_base_url": studio.url,
        "submit_timeout_s": 4.0,
        "patience_s": 3.0,
    }
    async with open_world(servers, shared_fake, folder, **changes) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def world(sound_world: World, studio: FakeVendor) -> AsyncIterator[World]:
    await asyncio.to_thread(sound_world.fake.reset)
    await asyncio.to_thread(sound_world.fake.settings, latency_scale=0.02)
    await asyncio.to_thread(studio.reset)
    await asyncio.to_thread(studio.settings, latency_s=0.05)
    yield sound_world
    await sound_world.close()
    await asyncio.to_thread(sound_world.forget_pauses)


def scored(prompt: str, shots: int = 1, **changes: Any) -> dict[str, Any]:
    """A film of short shots under three seconds of music of its own."""
    wish = {"model": "elevenlabs:music_v1", "prompt": prompt, "duration": 3}
    return film_document(shots=shots, sound={"music": [{"generate": wish}]}, **changes)


async def loudest(world: World, film_id: str) -> float:
    """The highest sample of the finished film, of 1 at most."""
    outputs = {kind: digest for kind, digest, *_ in world.ledger.films.outputs(film_id)}
    path = Path(world.settings.work_dir) / f"{film_id}.mp4"
    await world.parts.store.fetch(outputs["film"], path)
    with av.open(str(path)) as film:
        blocks = [np.abs(block.to_ndarray()).max() for block in film.decode(audio=0)]
    return float(max(blocks))


async def test_music_is_made_once_and_heard_in_the_film(world: World, studio: FakeVendor) -> None:
    film_id = await world.submit(scored("a slow waltz"))
    progress = await world.finish(film_id)
    assert (progress.shots, progress.done) == (2, 2)
    (row,) = world.ledger.shots.sounds_of_film(film_id)
    assert (row.shot.shot_id, row.position) == ("music-1", 1)
    assert (row.execution, row.review) == (Execution.SUCCEEDED, Review.DONE)
    (take,) = world.ledger.takes.of_shot(film_id, "music-1")
    assert (take.kind, take.model, take.cost) == (Kind.AUDIO, "music_v1", MUSIC_USD)
    (job,) = studio.charges()["jobs"]
    assert (job["model"], job["words"]) == ("music_v1", "a slow waltz")
    assert await loudest(world, film_id) > 0.05
    assert [each.shot.shot_id for each in world.ledger.shots.of_film(film_id)] == ["s000"]
    assert world.ledger.shots.tally(film_id) == {"done": 1}


async def test_a_second_film_uses_the_same_music_again_for_nothing(
    world: World, studio: FakeVendor
) -> None:
    await world.finish(await world.submit(scored("a second waltz")))
    again = await world.submit(scored("a second waltz"))
    await world.finish(again)
    (take,) = world.ledger.takes.of_shot(again, "music-1")
    assert (take.reused, take.cost) == (True, 0)
    assert world.ledger.budget(again).saved == MUSIC_USD
    assert studio.charges()["count"] == 1


async def test_music_that_does_not_fit_the_budget_waits_for_money_and_is_then_made(
    world: World, studio: FakeVendor
) -> None:
    film_id = await world.submit(scored("a costly waltz", budget_usd="0.006"))
    await world.until_waiting(film_id, "music-1", "budget_exceeded")
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    assert studio.charges()["count"] == 0
    assert world.ledger.films.read(film_id).reason == "budget_exceeded"
    await world.command(film_id, SetBudget(limit_usd=Decimal(1), who="producer"))
    await world.finish(film_id)
    assert studio.charges()["count"] == 1
    assert world.ledger.budget(film_id).spent == Decimal("0.013") + MUSIC_USD


async def test_music_whose_answer_was_lost_waits_for_a_person_and_is_never_sent_by_itself(
    world: World, studio: FakeVendor
) -> None:
    fault = {"fault": "accept_then_drop", "match": "a lost waltz", "times": 1}
    await asyncio.to_thread(studio.set_faults, fault)
    film_id = await world.submit(scored("a lost waltz"))
    await world.until_waiting(film_id, "music-1", "create_ambiguous")
    assert studio.charges()["count"] == 1
    wish = Resolve(shot_id="music-1", choice="send_again", who="producer")
    assert (await world.command(film_id, wish)).outcome == "accepted"
    await world.finish(film_id)
    assert studio.charges()["count"] == 2


async def test_refused_music_waits_and_goes_on_with_other_words(
    world: World, studio: FakeVendor
) -> None:
    fault = {"fault": "refuse_content", "match": "a rude waltz", "times": None}
    await asyncio.to_thread(studio.set_faults, fault)
    film_id = await world.submit(scored("a rude waltz"))
    await world.until_waiting(film_id, "music-1", "content_refused")
    words = {"enhanced_prompt": "a polite waltz"}
    await world.command(film_id, Retry(shot_id="music-1", changes=words, who="editor"))
    await world.finish(film_id)
    assert [job["words"] for job in studio.charges()["jobs"]] == ["a polite waltz"]


async def test_skipped_music_is_left_out_of_the_film(world: World, studio: FakeVendor) -> None:
    fault = {"fault": "refuse_content", "match": "a skipped waltz", "times": None}
    await asyncio.to_thread(studio.set_faults, fault)
    film_id = await world.submit(scored("a skipped waltz"))
    await world.until_waiting(film_id, "music-1", "content_refused")
    await world.command(film_id, Skip(shot_id="music-1", who="editor"))
    progress = await world.finish(film_id)
    assert (progress.done, progress.omitted) == (1, 1)
    assert await loudest(world, film_id) < 0.001


async def test_a_film_of_frames_pays_for_no_sound_until_it_goes_on(
    world: World, studio: FakeVendor
) -> None:
    film_id = await world.submit(scored("a late waltz", stop_after="frames"))
    await world.finish(film_id)
    assert studio.charges()["count"] == 0
    await world.start_again(film_id, Stage.FILM)
    await world.finish(film_id)
    assert studio.charges()["count"] == 1
    assert await loudest(world, film_id) > 0.05


async def test_a_sound_that_is_replaced_is_heard_in_its_place_at_no_cost(
    world: World, studio: FakeVendor
) -> None:
    source = await world.submit(scored("a model's waltz"))
    await world.finish(source)
    (take,) = world.ledger.takes.of_shot(source, "music-1")
    fault = {"fault": "refuse_content", "match": "a bad waltz", "times": None}
    await asyncio.to_thread(studio.set_faults, fault)
    film_id = await world.submit(scored("a bad waltz"))
    await world.until_waiting(film_id, "music-1", "content_refused")
    wish = Replace(shot_id="music-1", kind=Kind.AUDIO, digest=take.digest, who="editor")
    await world.command(film_id, wish)
    await world.finish(film_id)
    assert await loudest(world, film_id) > 0.05
    assert studio.charges()["count"] == 1


async def test_a_film_whose_music_was_never_made_is_not_cut_anew_before_it_is(
    world: World, studio: FakeVendor
) -> None:
    """Its shots have landed; another run would order the music."""
    fault = {"fault": "refuse_content", "match": "an unmade waltz", "times": 1}
    await asyncio.to_thread(studio.set_faults, fault)
    film_id = await world.submit(scored("an unmade waltz"))
    await world.until_waiting(film_id, "music-1", "content_refused")
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    await world.command(film_id, Cancel(who="editor"))
    await world.until_film(film_id, Execution.CANCELLED)
    assert all(record.landed for record in world.ledger.shots.of_film(film_id))
    with pytest.raises(Conflict, match=f"music-1 of {film_id} are not finished"):
        must_be_made(world.ledger, film_id)
    await world.start_again(film_id, Stage.FILM)
    await world.finish(film_id)
    must_be_made(world.ledger, film_id)
    assert studio.charges()["count"] == 1


async def test_music_ambience_and_effects_are_made_here_for_nothing(world: World) -> None:
    document = film_document(shots=2)
    for shot in document["shots"]:
        shot["scene_id"] = "hall"
    document["providers"] = {k: v for k, v in document["providers"].items() if k != "audio"}
    document["sound"] = {
        "music": [{"generate": {"prompt": "slow strings"}}],
        "ambience": [{"scene_id": "hall", "generate": {"prompt": "wind in a hall"}}],
        "effects": [{"shot_id": "s001", "generate": {"prompt": "a door", "duration": 1}}],
    }
    film_id = await world.submit(document)
    await world.finish(film_id)
    rows = world.ledger.shots.sounds_of_film(film_id)
    takes = [world.ledger.takes.of_shot(film_id, row.shot.shot_id)[0] for row in rows]
    assert [row.shot.shot_id for row in rows] == ["music-1", "ambience-1", "effect-1"]
    assert [take.model for take in takes] == ["music", "ambience", "ambience"]
    assert {take.cost for take in takes} == {0}
    lengths = [world.ledger.assets.read(take.digest).asset.duration_s for take in takes]
    assert lengths == [2, 20, 1]
    assert await loudest(world, film_id) > 0.05
