"""Gates: a frame waits for a person, and exactly one decision is taken."""

import asyncio
from typing import Any, Literal

from filmforge.commands import Answer, Decide, Retry, Skip
from filmforge.domain import Execution, Kind, Review
from filmforge.ledger.shots import ShotRecord
from tests.world import World, film_document

ASKED = {"frames": "required"}


def verdict(
    shot: ShotRecord, word: Literal["approve", "reject"], note: str = "", who: str = "Ada"
) -> Decide:
    """A decision on the frame that the shot shows now."""
    assert shot.image_digest is not None
    return Decide(
        shot_id=shot.shot.shot_id, digest=shot.image_digest, verdict=word, note=note, who=who
    )


async def decide(world: World, film_id: str, wish: Decide) -> Answer:
    """Decide as soon as the film itself knows that the frame waits."""
    await world.until_waiting(film_id, wish.shot_id)
    return await world.command(film_id, wish)


async def until_frame(world: World, film_id: str, shot_id: str, *, not_digest: str = "") -> Any:
    """The shot once a (new) frame of it waits."""

    def so() -> bool:
        shot = world.shot(film_id, shot_id)
        return shot.review == Review.WFA and shot.image_digest != not_digest

    await world.until(so)
    await world.until_waiting(film_id, shot_id)
    return world.shot(film_id, shot_id)


async def test_frames_wait_one_by_one_while_approved_shots_go_on(world: World) -> None:
    film_id = await world.submit(film_document(shots=2, stop_after="clips", approval=ASKED))
    first = await until_frame(world, film_id, "s000")
    second = await until_frame(world, film_id, "s001")
    assert world.jobs(model="video") == []
    assert world.ledger.films.read(film_id).execution == Execution.RUNNING
    assert (await decide(world, film_id, verdict(first, "approve"))).outcome == "accepted"
    await world.until_shot(film_id, "s000", review=Review.DONE, execution=Execution.SUCCEEDED)
    assert world.shot(film_id, "s001").review == Review.WFA
    await decide(world, film_id, verdict(second, "approve"))
    assert (await world.finish(film_id)).done == 2
    assert world.fake.charges()["count"] == 4


async def test_a_rejected_frame_is_made_anew_with_the_note_and_both_takes_are_kept(
    world: World,
) -> None:
    film_id = await world.submit(film_document(shots=1, stop_after="frames", approval=ASKED))
    shot = await until_frame(world, film_id, "s000")
    await decide(world, film_id, verdict(shot, "reject", note="warmer light"))
    retake = await until_frame(world, film_id, "s000", not_digest=shot.image_digest)
    one, two = world.ledger.takes.of_shot(film_id, "s000")
    assert one.request_key != two.request_key
    assert (one.take, two.take) == (1, 2)
    assert (one.note, two.note) == (None, "warmer light")
    before, after = (world.ledger.journal.read(take.request_key).request for take in (one, two))
    assert "warmer light" in str(after.parameters["prompt"])
    assert before.seed != after.seed
    await decide(world, film_id, verdict(retake, "approve"))
    await world.finish(film_id)
    assert world.shot(film_id, "s000").image_digest == two.digest


async def test_a_decision_on_a_frame_that_was_replaced_changes_nothing(world: World) -> None:
    film_id = await world.submit(film_document(shots=1, stop_after="frames", approval=ASKED))
    shot = await until_frame(world, film_id, "s000")
    await decide(world, film_id, verdict(shot, "reject"))
    await until_frame(world, film_id, "s000", not_digest=shot.image_digest)
    assert (await decide(world, film_id, verdict(shot, "approve"))).outcome == "replaced"
    assert world.shot(film_id, "s000").review == Review.WFA
    states = [gate.state for gate in world.ledger.gates.waiting(film_id)]
    assert states == ["open"]


async def test_the_second_of_two_decisions_finds_nothing_waiting(world: World) -> None:
    film_id = await world.submit(film_document(shots=2, stop_after="frames", approval=ASKED))
    shot = await until_frame(world, film_id, "s000")
    assert (await decide(world, film_id, verdict(shot, "approve"))).outcome == "accepted"
    again = await world.command(film_id, verdict(shot, "reject"))
    assert again.outcome == "not_waiting"


async def test_of_two_decisions_at_once_exactly_one_counts_and_the_trail_says_whose(
    world: World,
) -> None:
    film_id = await world.submit(film_document(shots=2, stop_after="frames", approval=ASKED))
    shot = await until_frame(world, film_id, "s000")
    wishes = [verdict(shot, "approve", who="Ada"), verdict(shot, "reject", who="Bob")]
    answers = await asyncio.gather(*(world.command(film_id, wish) for wish in wishes))
    assert sorted(answer.outcome for answer in answers) == ["accepted", "not_waiting"]
    winner = wishes[[answer.outcome for answer in answers].index("accepted")]
    (entry,) = [e for e in world.ledger.gates.trail(film_id) if e.action.startswith("frame.")]
    assert (entry.who, entry.shot_id) == (winner.who, "s000")
    assert entry.at > world.ledger.films.read(film_id).created_at


async def test_a_frame_that_nobody_judges_in_time_is_approved_when_the_film_says_so(
    world: World,
) -> None:
    approval = {**ASKED, "timeout": 1, "on_timeout": "approve"}
    film_id = await world.submit(film_document(shots=1, stop_after="frames", approval=approval))
    assert (await world.finish(film_id)).done == 1
    (entry,) = world.ledger.gates.trail(film_id)
    assert (entry.who, entry.action) == ("timeout", "frame.approved")


async def test_a_frame_that_nobody_judges_in_time_is_skipped_when_the_film_says_so(
    world: World,
) -> None:
    approval = {**ASKED, "timeout": 1, "on_timeout": "skip"}
    film_id = await world.submit(film_document(shots=1, stop_after="frames", approval=approval))
    assert (await world.finish(film_id)).omitted == 1
    assert world.shot(film_id, "s000").review == Review.OMITTED
    assert world.ledger.gates.waiting(film_id) == []


async def test_a_shot_that_is_skipped_at_its_gate_waits_for_nobody(world: World) -> None:
    film_id = await world.submit(film_document(shots=2, stop_after="frames", approval=ASKED))
    await until_frame(world, film_id, "s000")
    await until_frame(world, film_id, "s001")
    await world.command(film_id, Skip(shot_id="s000", who="Ada"))
    assert [gate.shot_id for gate in world.ledger.gates.waiting(film_id)] == ["s001"]


async def test_a_retry_at_the_gate_closes_the_old_gate_and_the_new_frame_waits(
    world: World,
) -> None:
    film_id = await world.submit(film_document(shots=1, stop_after="frames", approval=ASKED))
    shot = await until_frame(world, film_id, "s000")
    wish = Retry(shot_id="s000", changes={"enhanced_prompt": "a quieter attic"}, who="Ada")
    await world.command(film_id, wish)
    again = await until_frame(world, film_id, "s000", not_digest=shot.image_digest)
    (gate,) = world.ledger.gates.waiting(film_id)
    assert gate.digest == again.image_digest
    assert len(world.ledger.takes.of_shot(film_id, "s000")) == 2


async def test_a_retry_that_comes_to_the_same_frame_lets_it_wait_again(world: World) -> None:
    film_id = await world.submit(film_document(shots=1, stop_after="frames", approval=ASKED))
    shot = await until_frame(world, film_id, "s000")
    await world.command(film_id, Retry(shot_id="s000", who="Ada"))
    await world.until(lambda: len(world.events(film_id, "frame.waiting")) == 2)
    again = await until_frame(world, film_id, "s000")
    assert again.image_digest == shot.image_digest
    assert (await decide(world, film_id, verdict(again, "approve"))).outcome == "accepted"
    await world.finish(film_id)
    assert world.fake.charges()["count"] == 1
    kinds = [take.kind for take in world.ledger.takes.of_shot(film_id, "s000")]
    assert kinds == [Kind.IMAGE]
