"""Quality: what is wrong with a take costs a retake within bounds, or waits for a person."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

from filmforge.commands import Accept, Replace, Retry, SetBudget
from filmforge.domain import Execution, Kind, Stage, Take
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.quality import Check, Checked, Finding, Outcome
from tests.workflows.test_attention import uploaded
from tests.world import World, film_document, own_size

FRAME_USD = Decimal("0.003")
CLIP_USD = Decimal("0.01")


async def turn_black(world: World, times: int | None = 1) -> None:
    """Let the provider answer with so many black clips."""
    fault = {"fault": "black_output", "model": "video-1", "times": times}
    await asyncio.to_thread(world.fake.set_faults, fault)


def clips(world: World, film_id: str) -> list[Take]:
    return [take for take in world.ledger.takes.of_shot(film_id, "s000") if take.kind is Kind.VIDEO]


def one_shot(**changes: Any) -> dict[str, Any]:
    return film_document(shots=1, **{"stop_after": "clips", **changes})


def outcome(take: Take) -> Outcome | None:
    return take.checked.outcome if take.checked else None


def found(world: World, film_id: str) -> dict[str, Checked | None]:
    return {output.kind: output.checked for output in world.ledger.films.given(film_id)}


def of_the_film(world: World, film_id: str) -> Outcome | None:
    checked = found(world, film_id)["film"]
    return checked.outcome if checked else None


def black_of(take: Take) -> Finding:
    assert take.checked is not None
    (found,) = [each for each in take.checked.findings if each.check is Check.BLACK]
    return found


async def test_a_good_clip_passes_and_tells_what_was_measured(world: World) -> None:
    document = one_shot()
    document["shots"][0]["dialogue"] = "Look, an attic."
    film_id = await world.submit(document)
    await world.finish(film_id)
    takes = world.ledger.takes.of_shot(film_id, "s000")
    assert {take.kind: outcome(take) for take in takes} == {
        Kind.IMAGE: Outcome.OK,
        Kind.VIDEO: Outcome.OK,
        Kind.AUDIO: Outcome.OK,
    }
    (clip,) = clips(world, film_id)
    black = black_of(clip)
    assert (black.passed, black.measured, black.threshold, black.unit) == (True, 0, 0.5, "s")


async def test_a_black_clip_is_made_again_within_the_budget_and_is_charged_once_more(
    world: World,
) -> None:
    await turn_black(world)
    film_id = await world.submit(one_shot(quality={"retakes": 2}))
    assert (await world.finish(film_id)).done == 1
    bad, good = clips(world, film_id)
    assert (outcome(bad), outcome(good)) == (Outcome.RETAKE, Outcome.OK)
    assert world.shot(film_id, "s000").video_digest == good.digest
    charges = world.fake.charges()
    assert (charges["count"], len(world.jobs(model="video"))) == (3, 2)
    assert world.ledger.budget(film_id).spent == FRAME_USD + 2 * CLIP_USD
    assert len(world.jobs(model="image")) == 1


async def test_the_finding_stands_on_the_take_with_what_was_measured_and_the_threshold(
    world: World,
) -> None:
    await turn_black(world)
    film_id = await world.submit(one_shot())
    await world.until_waiting(film_id, "s000", "quality")
    (clip,) = clips(world, film_id)
    black = black_of(clip)
    assert (black.passed, black.measured, black.threshold, black.unit) == (False, 1.0, 0.5, "s")
    assert outcome(clip) is Outcome.ATTENTION
    assert clip.checked
    assert black.words in clip.checked.words
    assert world.shot(film_id, "s000").message == "; ".join(clip.checked.words)
    (event,) = world.events(film_id, "take.found_wanting")
    assert (event.shot_id, event.data["digest"]) == ("s000", clip.digest)


async def test_without_retakes_a_black_clip_waits_until_a_person_accepts_it(world: World) -> None:
    await turn_black(world)
    film_id = await world.submit(film_document(shots=2, output=own_size(72)))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    assert world.ledger.films.read(film_id).reason == "quality"
    (black,) = [s for s in world.ledger.shots.of_film(film_id) if s.reason == "quality"]
    shot_id, charged = black.shot.shot_id, world.fake.charges()["count"]
    assert (await world.command(film_id, Accept(shot_id=shot_id, who="editor"))).outcome == (
        "accepted"
    )
    assert (await world.finish(film_id)).done == 2
    assert world.fake.charges()["count"] == charged == 4
    accepted = world.shot(film_id, shot_id)
    assert accepted.direction.accepted == (accepted.video_digest,)
    takes = world.ledger.takes.of_shot(film_id, shot_id)
    assert [outcome(take) for take in takes] == [Outcome.OK, Outcome.WARN]
    assert of_the_film(world, film_id) is Outcome.OK
    assert ("editor", "accept") in {(e.who, e.action) for e in world.ledger.gates.trail(film_id)}


async def test_a_shot_that_waits_for_its_quality_is_retried_with_another_take(
    world: World,
) -> None:
    await turn_black(world)
    film_id = await world.submit(one_shot())
    await world.until_waiting(film_id, "s000", "quality")
    await world.command(film_id, Retry(shot_id="s000", who="editor"))
    assert (await world.finish(film_id)).done == 1
    assert (len(world.jobs(model="image")), len(world.jobs(model="video"))) == (1, 2)


async def test_every_take_that_stays_black_is_paid_once_and_then_a_person_is_asked(
    world: World,
) -> None:
    await turn_black(world, times=None)
    film_id = await world.submit(one_shot(quality={"retakes": 2}))
    await world.until_waiting(film_id, "s000", "quality")
    made = clips(world, film_id)
    assert len(made) == len({take.request_key for take in made}) == 3
    assert world.fake.charges()["count"] == 4
    remade = world.shot(film_id, "s000").direction.remade
    assert remade == {Kind.VIDEO: tuple(take.digest for take in made[:2])}


async def test_a_retake_that_the_budget_is_too_small_for_parks_its_shot(world: World) -> None:
    await turn_black(world)
    film_id = await world.submit(one_shot(quality={"retakes": 1}, budget_usd="0.015"))
    await world.until_waiting(film_id, "s000", "budget_exceeded")
    budget = world.ledger.budget(film_id)
    assert (budget.spent, budget.reserved) == (FRAME_USD + CLIP_USD, Decimal(0))
    await world.command(film_id, SetBudget(limit_usd=Decimal(1), who="producer"))
    assert (await world.finish(film_id)).done == 1
    assert world.ledger.budget(film_id).spent == FRAME_USD + 2 * CLIP_USD


async def test_a_check_that_is_off_finds_nothing_and_lets_a_black_clip_pass(world: World) -> None:
    await turn_black(world)
    rules = {"black": "off", "frozen": "off"}
    film_id = await world.submit(one_shot(quality=rules))
    assert (await world.finish(film_id)).done == 1
    (clip,) = clips(world, film_id)
    assert outcome(clip) is Outcome.OK
    assert clip.checked
    assert not {Check.BLACK, Check.FROZEN} & {each.check for each in clip.checked.findings}


async def test_a_black_clip_that_a_person_gave_is_told_of_and_used(
    world: World, tmp_path: Path
) -> None:
    await turn_black(world)
    other = await world.submit(one_shot(quality={"black": "off", "frozen": "off"}))
    await world.finish(other)
    clip = tmp_path / "black.mp4"
    await world.parts.store.fetch(clips(world, other)[0].digest, clip)
    fault = {"fault": "refuse_content", "model": "video-1"}
    await asyncio.to_thread(world.fake.set_faults, fault)
    film_id = await world.submit(one_shot())
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    digest = await uploaded(world, tmp_path, film_id, Kind.VIDEO, clip.read_bytes())
    wish = Replace(shot_id="s000", kind=Kind.VIDEO, digest=digest, who="editor")
    await world.command(film_id, wish)
    assert (await world.finish(film_id)).done == 1
    (taken,) = clips(world, film_id)
    assert outcome(taken) is Outcome.WARN
    assert not black_of(taken).passed


async def stuttering_film(world: World, tmp_path: Path, width: int) -> str:
    """A film that demands a steady motion, of a clip that shows one frame twice."""
    clip = tmp_path / "stutter.mp4"
    source = "testsrc2=size=64x64:rate=12:duration=2,loop=1:1:12,trim=end_frame=24"
    await run_ffmpeg(["-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", f"file:{clip}"])
    await asyncio.to_thread(world.fake.set_faults, {"fault": "refuse_content", "model": "video-1"})
    steady = {"repeated": "attention", "duration": "off"}
    document = film_document(shots=1, output=own_size(width), quality=steady)
    document["shots"][0]["duration"] = 2
    film_id = await world.submit(document)
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    digest = await uploaded(world, tmp_path, film_id, Kind.VIDEO, clip.read_bytes())
    await world.command(
        film_id, Replace(shot_id="s000", kind=Kind.VIDEO, digest=digest, who="editor")
    )
    return film_id


async def test_a_film_that_is_not_as_its_policy_asks_is_held_until_a_person_accepts_it(
    world: World, tmp_path: Path
) -> None:
    film_id = await stuttering_film(world, tmp_path, 74)
    await world.until(lambda: world.ledger.films.read(film_id).reason == "quality")
    assert world.ledger.films.read(film_id).execution == Execution.NEEDS_ATTENTION
    ((kind, held, _),) = world.ledger.films.outputs(film_id)
    checked = found(world, film_id)[kind]
    assert checked
    assert (kind, checked.outcome) == ("assembled", Outcome.ATTENTION)
    assert any("repeats" in words for words in checked.words)
    assert len(world.events(film_id, "film.found_wanting")) == 1
    answer = await world.command(film_id, Accept(shot_id="s000", who="editor"))
    assert answer.outcome == "not_waiting"
    assert (await world.command(film_id, Accept(who="producer"))).outcome == "accepted"
    assert (await world.finish(film_id)).done == 1
    assert of_the_film(world, film_id) is Outcome.WARN
    assert "assembled" not in found(world, film_id)
    assert world.ledger.films.read(film_id).accepted == (held,)
    ((*_, entry),) = (world.ledger.gates.trail(film_id),)
    assert (entry.who, entry.action, entry.detail) == ("producer", "accept", {"digest": held})


async def test_a_film_that_was_accepted_is_not_asked_about_again(
    world: World, tmp_path: Path
) -> None:
    film_id = await stuttering_film(world, tmp_path, 76)
    await world.until(lambda: world.ledger.films.read(film_id).reason == "quality")
    assert (await world.command(film_id, Accept(who="producer"))).outcome == "accepted"
    await world.finish(film_id)
    await world.start_again(film_id, Stage.FILM)
    assert (await world.finish(film_id)).done == 1


async def test_nothing_is_accepted_that_does_not_wait_for_its_quality(world: World) -> None:
    await asyncio.to_thread(world.fake.set_faults, {"fault": "refuse_content", "model": "video-1"})
    film_id = await world.submit(one_shot())
    await world.until_waiting(film_id, "s000", "content_refused")
    wishes = (Accept(shot_id="s000", who="editor"), Accept(who="editor"))
    answers = [await world.command(film_id, wish) for wish in wishes]
    assert [answer.outcome for answer in answers] == ["not_waiting"] * 2
