"""Attention, not failure: what fails for good waits for a person, the rest goes on."""

import asyncio
import io
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image
from pydantic import JsonValue

from activities import finish
from activities.download import asset_of
from filmforge import engine
from filmforge.commands import Replace, Resolve, Retry, Skip
from filmforge.domain import Execution, GenerationRequest, Kind, Providers, Review, Tags
from filmforge.errors import BadMedia, Conflict, CreateAmbiguous
from filmforge.media.probe import verify
from filmforge.providers.fake import FakeProvider
from tests.world import World, film_document, own_size

FRAME_USD = Decimal("0.003")
CLIP_USD = Decimal("0.01")


async def fail(world: World, fault: str, **how: Any) -> None:
    """Let the provider misbehave on every first shot."""
    strike = {"fault": fault, "match": "shot 0 of", "times": None, **how}
    await asyncio.to_thread(world.fake.set_faults, strike)


async def uploaded(world: World, folder: Path, film_id: str, kind: Kind, body: bytes) -> str:
    """Keep a file as the gateway keeps an upload; returns its digest."""
    path = folder / f"upload-{kind}"
    path.write_bytes(body)
    facts = await asyncio.to_thread(verify, path, kind)
    asset = asset_of(await world.parts.store.put(path, facts.media_type), facts)
    request = GenerationRequest(
        kind=kind, provider="upload", model="upload", parameters={"digest": asset.digest}
    )
    await asyncio.to_thread(world.ledger.takes.upload, film_id, "s000", request, asset, Tags())
    return asset.digest


def picture() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((64, 64), 80).convert("RGB").save(file, "PNG")
    return file.getvalue()


async def test_a_refused_shot_waits_with_its_reason_while_the_others_finish(world: World) -> None:
    await fail(world, "refuse_content")
    film_id = await world.submit(film_document(shots=3, stop_after="frames"))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    assert world.ledger.films.read(film_id).reason == "content_refused"
    shot = world.shot(film_id, "s000")
    assert (shot.execution, shot.reason) == (Execution.FAILED, "content_refused")
    assert "content policy" in (shot.message or "")
    assert len(world.events(film_id, "shot.needs_attention")) == 1
    assert world.shot(film_id, "s002").execution == Execution.SUCCEEDED
    assert world.ledger.budget(film_id).spent == 2 * FRAME_USD
    assert world.ledger.budget(film_id).reserved == 0


async def test_a_refused_shot_goes_on_when_it_is_retried_with_other_words(world: World) -> None:
    await fail(world, "refuse_content")
    film_id = await world.submit(film_document(shots=1, stop_after="frames"))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    words = {"enhanced_prompt": "something kinder"}
    await world.command(film_id, Retry(shot_id="s000", changes=words, who="editor"))
    assert (await world.finish(film_id)).done == 1
    (take,) = world.ledger.takes.of_shot(film_id, "s000")
    assert world.ledger.journal.read(take.request_key).request.parameters["prompt"] == (
        "something kinder"
    )
    (entry,) = world.ledger.gates.trail(film_id)
    assert (entry.who, entry.action, entry.detail["changes"]) == ("editor", "retry", words)


@pytest.mark.parametrize("billed", [False, True])
async def test_a_failed_job_costs_what_the_provider_billed_and_a_retry_sends_it_once_more(
    world: World, billed: bool
) -> None:
    await fail(world, "job_fails", billed=billed, times=1)
    film_id = await world.submit(film_document(shots=1, stop_after="frames"))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    budget = world.ledger.budget(film_id)
    assert (budget.spent, budget.reserved) == (FRAME_USD * billed, 0)
    await world.command(film_id, Retry(shot_id="s000", who="editor"))
    assert (await world.finish(film_id)).done == 1
    assert len(world.jobs()) == 2
    assert world.ledger.budget(film_id).spent == Decimal(world.fake.charges()["total_usd"])


async def test_a_job_that_fails_for_a_while_only_is_sent_again_by_itself(world: World) -> None:
    await fail(world, "job_fails", transient=True, times=1)
    film_id = await world.submit(film_document(shots=1, stop_after="frames"))
    assert (await world.finish(film_id)).done == 1
    assert len(world.jobs()) == 2
    assert world.ledger.budget(film_id).spent == FRAME_USD


async def test_a_lost_answer_is_found_at_the_provider_and_charged_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = world.parts.registry.get("fake")
    assert isinstance(provider, FakeProvider)
    monkeypatch.setattr(provider, "submit_timeout_s", 1.0)
    monkeypatch.setattr(provider, "listing_lag_s", 0.1)
    await fail(world, "accept_then_drop", times=1)
    film_id = await world.submit(film_document(shots=1, stop_after="frames"))
    assert (await world.finish(film_id)).done == 1
    assert world.fake.charges()["count"] == len(world.jobs()) == 1
    assert world.ledger.budget(film_id).spent == FRAME_USD


@pytest.mark.parametrize(
    ("choice", "sent", "lost_usd"), [("send_again", 2, 0), ("write_off", 2, FRAME_USD)]
)
async def test_a_request_nobody_can_tell_the_fate_of_waits_for_a_persons_choice(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    choice: Literal["send_again", "write_off"],
    sent: int,
    lost_usd: Decimal,
) -> None:
    async def cannot_tell(*_args: Any) -> None:
        raise CreateAmbiguous("the listing is broken")

    provider = world.parts.registry.get("fake")
    for name, value in {"submit_timeout_s": 0.5, "listing_lag_s": 0.1, "find": cannot_tell}.items():
        monkeypatch.setattr(provider, name, value)
    await fail(world, "accept_then_500", times=1)
    film_id = await world.submit(film_document(shots=1, stop_after="frames"))
    await world.until_waiting(film_id, "s000", "create_ambiguous")
    assert world.ledger.budget(film_id).reserved == FRAME_USD
    monkeypatch.undo()
    wish = Resolve(shot_id="s000", choice=choice, who="producer")
    assert (await world.command(film_id, wish)).outcome == "accepted"
    if choice == "write_off":
        await world.until_waiting(film_id, "s000", "written_off")
        assert (await world.command(film_id, wish)).outcome == "not_waiting"
        await world.command(film_id, Retry(shot_id="s000", who="producer"))
    assert (await world.finish(film_id)).done == 1
    assert len(world.jobs()) == sent
    budget = world.ledger.budget(film_id)
    assert (budget.spent, budget.reserved) == (FRAME_USD + lost_usd, 0)


async def test_a_shot_can_be_retried_with_another_provider(world: World) -> None:
    await fail(world, "refuse_400")
    film_id = await world.submit(film_document(shots=1, stop_after="frames"))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    other = Providers(image="preview:storyboard")
    await world.command(film_id, Retry(shot_id="s000", providers=other, who="editor"))
    assert (await world.finish(film_id)).done == 1
    (take,) = world.ledger.takes.of_shot(film_id, "s000")
    assert (take.provider, take.cost) == ("preview", 0)
    assert world.fake.charges()["count"] == 0


async def test_an_uploaded_frame_takes_the_place_of_a_refused_one_and_needs_no_approval(
    world: World, tmp_path: Path
) -> None:
    await fail(world, "refuse_content", model="image-1")
    document = film_document(shots=1, stop_after="clips", approval={"frames": "required"})
    film_id = await world.submit(document)
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    digest = await uploaded(world, tmp_path, film_id, Kind.IMAGE, picture())
    wish = Replace(shot_id="s000", kind=Kind.IMAGE, digest=digest, who="editor")
    await world.command(film_id, wish)
    assert (await world.finish(film_id)).done == 1
    frame, clip = world.ledger.takes.of_shot(film_id, "s000")
    assert (frame.digest, frame.provider, frame.cost) == (digest, "upload", 0)
    (made_from,) = world.ledger.journal.read(clip.request_key).request.inputs
    assert made_from.digest == digest


async def test_an_uploaded_frame_survives_a_retry_of_what_failed_after_it(
    world: World, tmp_path: Path
) -> None:
    await fail(world, "job_fails", model="video-1", times=1)
    film_id = await world.submit(film_document(shots=1, stop_after="clips"))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    digest = await uploaded(world, tmp_path, film_id, Kind.IMAGE, picture())
    await fail(world, "job_fails", model="video-1", times=1)
    wish = Replace(shot_id="s000", kind=Kind.IMAGE, digest=digest, who="editor")
    await world.command(film_id, wish)
    await world.until(lambda: len(world.events(film_id, "shot.needs_attention")) == 2)
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    await world.command(film_id, Retry(shot_id="s000", who="editor"))
    assert (await world.finish(film_id)).done == 1
    assert world.shot(film_id, "s000").image_digest == digest
    assert len(world.jobs(model="image")) == 1


async def clip_of_another_film(world: World, tmp_path: Path) -> bytes:
    other = await world.submit(film_document(shots=1, stop_after="clips"))
    await world.finish(other)
    clip = tmp_path / "clip.mp4"
    made = world.shot(other, "s000").video_digest
    assert made is not None
    await world.parts.store.fetch(made, clip)
    return clip.read_bytes()


async def test_an_uploaded_clip_takes_the_place_of_a_failed_one(
    world: World, tmp_path: Path
) -> None:
    clip = await clip_of_another_film(world, tmp_path)
    await fail(world, "job_fails", model="video-1")
    film_id = await world.submit(film_document(shots=1))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    digest = await uploaded(world, tmp_path, film_id, Kind.VIDEO, clip)
    wish = Replace(shot_id="s000", kind=Kind.VIDEO, digest=digest, who="editor")
    await world.command(film_id, wish)
    assert (await world.finish(film_id)).done == 1
    assert world.shot(film_id, "s000").video_digest == digest
    assert world.ledger.films.outputs(film_id)[0][0] == "film"
    assert world.ledger.budget(film_id).spent == FRAME_USD


async def test_an_own_clip_closes_the_gate_that_its_shot_waits_at(
    world: World, tmp_path: Path
) -> None:
    clip = await clip_of_another_film(world, tmp_path)
    approval = {"frames": "required"}
    film_id = await world.submit(film_document(shots=1, stop_after="clips", approval=approval))
    await world.until_waiting(film_id, "s000")
    digest = await uploaded(world, tmp_path, film_id, Kind.VIDEO, clip)
    wish = Replace(shot_id="s000", kind=Kind.VIDEO, digest=digest, who="editor")
    await world.command(film_id, wish)
    assert world.ledger.gates.waiting(film_id) == []
    assert (await world.finish(film_id)).done == 1


async def test_a_skipped_shot_is_left_out_and_the_film_finishes(world: World) -> None:
    await fail(world, "refuse_content")
    film_id = await world.submit(film_document(shots=2))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    await world.command(film_id, Skip(shot_id="s000", who="editor"))
    progress = await world.finish(film_id)
    assert (progress.done, progress.omitted) == (1, 1)
    assert world.shot(film_id, "s000").review == Review.OMITTED
    assert await duration_s(world, film_id) == pytest.approx(1, abs=0.1)


async def test_a_done_shot_can_be_skipped_and_made_again_while_another_waits(
    world: World,
) -> None:
    await fail(world, "refuse_content")
    film_id = await world.submit(film_document(shots=3, stop_after="clips"))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    charges = world.fake.charges()["count"]
    await world.command(film_id, Skip(shot_id="s001", who="editor"))
    assert (await world.engine.progress(film_id)).omitted == 1
    words = {"enhanced_prompt": "the second shot, anew"}
    await world.command(film_id, Retry(shot_id="s002", changes=words, who="editor"))
    await world.until(lambda: world.fake.charges()["count"] == charges + 2)
    await world.until_shot(film_id, "s002", execution=Execution.SUCCEEDED)
    await world.command(film_id, Retry(shot_id="s001", who="editor"))
    await world.until_shot(film_id, "s001", review=Review.DONE)
    await world.command(film_id, Skip(shot_id="s000", who="editor"))
    progress = await world.finish(film_id)
    assert (progress.done, progress.omitted) == (2, 1)
    assert world.fake.charges()["count"] == charges + 2
    assert len(world.ledger.takes.of_shot(film_id, "s001")) == 2
    assert len(world.ledger.takes.of_shot(film_id, "s002")) == 4


async def test_shots_that_wait_for_their_turn_can_be_skipped_and_changed(world: World) -> None:
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": 12}, latency_scale=1)
    window = world.settings.window
    film_id = await world.submit(film_document(shots=window + 2, stop_after="frames"))
    await world.until(lambda: len(world.jobs()) >= window // 2)
    changed, skipped = f"s{window:03d}", f"s{window + 1:03d}"
    words = {"enhanced_prompt": "changed before its turn"}
    wishes = (
        Retry(shot_id=changed, changes=words, who="editor"),
        Skip(shot_id=skipped, who="editor"),
    )
    answers = await asyncio.gather(*(world.command(film_id, wish) for wish in wishes))
    assert [answer.outcome for answer in answers] == ["accepted"] * 2
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": 0.1})
    progress = await world.finish(film_id)
    assert (progress.done, progress.omitted) == (window + 1, 1)
    assert len(world.jobs()) == window + 1
    assert len(world.jobs(words="changed before its turn")) == 1
    assert world.shot(film_id, skipped).review == Review.OMITTED


async def test_a_shot_whose_turn_comes_while_its_skip_is_recorded_is_not_begun(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = world.settings.window
    document = film_document(shots=window + 1, stop_after="frames")
    film_id, gates = document["film_id"], world.ledger.gates
    record = gates.once

    def late(command_id: str, work: Callable[[], JsonValue]) -> JsonValue:
        shots = world.ledger.shots.of_film
        while sum(shot.execution == "succeeded" for shot in shots(film_id)) < window:
            time.sleep(0.03)
        return record(command_id, work)

    monkeypatch.setattr(gates, "once", late)
    monkeypatch.setattr(engine, "CALL_TIMEOUT", timedelta(seconds=60))  # it is a busy window
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": 1}, latency_scale=1)
    await world.submit(document)
    await world.until(lambda: len(world.jobs()) > 0)
    wish = Skip(shot_id=f"s{window:03d}", who="editor")
    assert (await world.command(film_id, wish)).outcome == "accepted"
    progress = await world.finish(film_id)
    assert (progress.done, progress.omitted) == (window, 1)
    assert len(world.jobs()) == window


async def test_a_shot_that_is_being_made_takes_no_command(world: World) -> None:
    await asyncio.to_thread(world.fake.settings, latency_s={"image-1": 1}, latency_scale=1)
    film_id = await world.submit(film_document(shots=1, stop_after="frames"))
    await world.until(lambda: len(world.jobs()) == 1)
    wishes = (Retry(shot_id="s000", who="editor"), Skip(shot_id="s000", who="editor"))
    answers = [await world.command(film_id, wish) for wish in wishes]
    assert [answer.outcome for answer in answers] == ["not_waiting"] * 2
    assert (await world.finish(film_id)).done == 1


async def test_a_command_for_a_shot_that_is_not_there_is_refused(world: World) -> None:
    await fail(world, "refuse_content")
    film_id = await world.submit(film_document(shots=1, stop_after="frames"))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    with pytest.raises(Conflict, match="no shot nowhere"):
        await world.command(film_id, Skip(shot_id="nowhere", who="editor"))
    await world.command(film_id, Skip(shot_id="s000", who="editor"))
    assert (await world.finish(film_id)).omitted == 1


async def test_an_assembly_that_fails_waits_for_a_person_and_then_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.finish.assemble", broken_assembly)
    film_id = await world.submit(film_document(shots=2, output=own_size(68)))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    film = world.ledger.films.read(film_id)
    assert film.reason == "bad_media"
    assert world.ledger.films.message(film) == "a piece is not what it should be"
    assert (await world.engine.progress(film_id)).execution == Execution.NEEDS_ATTENTION
    monkeypatch.undo()
    await world.command(film_id, Skip(shot_id="s001", who="editor"))
    assert (await world.finish(film_id)).omitted == 1
    assert world.ledger.films.read(film_id).execution == Execution.SUCCEEDED
    assert await duration_s(world, film_id) == pytest.approx(1, abs=0.1)


async def test_a_shot_skipped_during_the_assembly_is_not_in_the_film(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, started, go_on = finish.assemble, asyncio.Event(), asyncio.Event()

    async def slow(*args: Any) -> None:
        started.set()
        await go_on.wait()
        await real(*args)

    monkeypatch.setattr("activities.finish.assemble", slow)
    film_id = await world.submit(film_document(shots=2, output=own_size(70)))
    await asyncio.wait_for(started.wait(), 30)
    await world.command(film_id, Skip(shot_id="s001", who="editor"))
    go_on.set()
    assert (await world.finish(film_id)).omitted == 1
    assert await duration_s(world, film_id) == pytest.approx(1, abs=0.1)


async def test_a_provider_that_is_down_for_too_long_lets_its_shot_wait_and_frees_its_money(
    world: World,
) -> None:
    await fail(world, "unavailable_503_not_accepted")
    film_id = await world.submit(film_document(shots=3, stop_after="frames"))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    assert world.shot(film_id, "s000").reason == "provider_unavailable"
    budget = world.ledger.budget(film_id)
    assert (budget.spent, budget.reserved) == (2 * FRAME_USD, 0)
    await asyncio.to_thread(world.fake.set_faults)
    await world.command(film_id, Retry(shot_id="s000", who="editor"))
    assert (await world.finish(film_id)).done == 3


async def duration_s(world: World, film_id: str) -> float | None:
    digest = world.ledger.films.outputs(film_id)[0][1]
    return world.ledger.assets.read(digest).asset.duration_s


async def broken_assembly(*_args: Any) -> None:
    raise BadMedia("a piece is not what it should be")
