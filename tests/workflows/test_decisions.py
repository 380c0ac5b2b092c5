"""Decisions that come together, takes that are asked for together, and one chosen among them."""

import asyncio
from collections import Counter
from typing import Any

from filmforge.commands import Answer, Choose, Decide, DecideMany, Retry, SetBudget
from filmforge.contracts import film_workflow_id
from filmforge.direction import earlier, request_for
from filmforge.direction import rejected as rejection
from filmforge.domain import Execution, Kind, Review, Take
from filmforge.ledger.shots import ShotRecord
from tests.workflows.test_gate import ASKED, until_frame, verdict
from tests.world import World, film_document

BULK = 40


async def in_bulk(world: World, film_id: str, *wishes: Decide | Choose) -> list[Answer]:
    """Hand in decisions together."""
    return [*await world.engine.decide_many(film_id, DecideMany(decisions=wishes))]


def outcomes(answers: list[Answer]) -> list[str]:
    return [answer.outcome for answer in answers]


def frames(world: World, film_id: str, shot_id: str = "s000") -> list[Take]:
    takes = world.ledger.takes.of_shot(film_id, shot_id)
    return [take for take in takes if take.kind is Kind.IMAGE]


async def until_takes(world: World, film_id: str, count: int, shot_id: str = "s000") -> list[Take]:
    """The frames of a shot once there are so many and the last one waits."""

    def so() -> bool:
        found = frames(world, film_id, shot_id)
        shot = world.shot(film_id, shot_id)
        return len(found) == count and shot.review == Review.WFA

    await world.until(so)
    await world.until_waiting(film_id, shot_id)
    return frames(world, film_id, shot_id)


async def history(world: World, film_id: str) -> Counter[str]:
    """How often what happened in a film's workflow; the activities by name."""
    told = await world.client.get_workflow_handle(film_workflow_id(film_id)).fetch_history()
    counted: Counter[str] = Counter()
    for event in told.events:
        scheduled = event.activity_task_scheduled_event_attributes
        counted[scheduled.activity_type.name or str(event.event_type)] += 1
        counted["updates"] += event.HasField("workflow_execution_update_accepted_event_attributes")
    return counted


async def rejected(world: World, takes: int, **film: Any) -> str:
    """A film of one shot whose first frame was rejected, with a wish for new takes."""
    film_id = await world.submit(film_document(shots=1, approval=ASKED, **film))
    shot = await until_frame(world, film_id, "s000")
    wish = verdict(shot, "reject").model_copy(update={"takes": takes})
    assert outcomes(await in_bulk(world, film_id, wish)) == ["accepted"]
    return film_id


def choice(take: Take, instead_of: Take, who: str = "Ada") -> Choose:
    return Choose(
        shot_id="s000",
        digest=take.digest,
        instead_of=instead_of.digest,
        who=who,
        principal="member m1",
    )


def key_of_take(world: World, shot: ShotRecord, of: int, before_last: int) -> str:
    """The key of a frame that will be asked for together with others."""
    direction = earlier(rejection(shot.direction, takes=of), before_last)
    brief = world.brief(shot.film_id)
    _, model = world.parts.registry.model(str(brief.providers.image), Kind.IMAGE)
    return request_for(brief, shot.shot, direction, Kind.IMAGE, model, None).key


async def test_forty_frames_are_approved_by_one_update_and_recorded_in_one_step(
    world: World,
) -> None:
    film_id = await world.submit(film_document(shots=BULK, stop_after="frames", approval=ASKED))
    await world.until(lambda: len(world.ledger.gates.waiting(film_id)) == BULK)
    shots = [world.shot(film_id, f"s{n:03d}") for n in range(BULK)]
    answers = await in_bulk(world, film_id, *(verdict(shot, "approve") for shot in shots))
    assert outcomes(answers) == ["accepted"] * BULK
    assert (await world.finish(film_id)).done == BULK
    assert world.fake.charges()["count"] == BULK
    happened = await history(world, film_id)
    assert (happened["updates"], happened["record"]) == (1, 1)
    trail = world.ledger.gates.trail(film_id)
    assert {entry.shot_id for entry in trail} == {shot.shot.shot_id for shot in shots}
    assert len(trail) == BULK


async def test_of_two_bulks_at_once_each_frame_is_decided_by_exactly_one(world: World) -> None:
    document = film_document(shots=8, stop_after="frames", approval=ASKED)
    film_id = await world.submit(document)
    shots = [await until_frame(world, film_id, f"s{n:03d}") for n in range(8)]
    ada = [verdict(shot, "approve", who="Ada") for shot in shots[:6]]
    bob = [verdict(shot, "reject", who="Bob") for shot in reversed(shots[2:])]
    by_ada, by_bob = await asyncio.gather(
        in_bulk(world, film_id, *ada), in_bulk(world, film_id, *bob)
    )
    said = [*zip(ada, by_ada, strict=True), *zip(bob, by_bob, strict=True)]
    accepted = {(wish.shot_id, wish.who) for wish, told in said if told.outcome == "accepted"}
    assert sorted(shot_id for shot_id, _ in accepted) == [shot.shot.shot_id for shot in shots]
    assert {told.outcome for _, told in said} == {"accepted", "not_waiting"}
    trail = world.ledger.gates.trail(film_id)
    assert {(entry.shot_id, entry.who) for entry in trail} == accepted
    assert len(trail) == 8
    retakes = sum(entry.action == "frame.rejected" for entry in trail)
    await world.until(lambda: world.fake.charges()["count"] == 8 + retakes)
    await world.until(lambda: len(world.ledger.gates.waiting(film_id)) == retakes)


async def test_a_stale_digest_among_others_changes_nothing_and_the_rest_go_on(
    world: World,
) -> None:
    film_id = await world.submit(film_document(shots=4, stop_after="frames", approval=ASKED))
    shots = [await until_frame(world, film_id, f"s{n:03d}") for n in range(4)]
    await in_bulk(world, film_id, verdict(shots[1], "reject"), verdict(shots[3], "approve"))
    newer = await until_frame(world, film_id, "s001", not_digest=shots[1].image_digest)
    again = verdict(shots[0], "reject", who="twice")
    late = [verdict(shot, "approve") for shot in shots]
    answers = await in_bulk(world, film_id, *late, again)
    assert outcomes(answers) == ["accepted", "replaced", "accepted", "not_waiting", "not_waiting"]
    assert world.shot(film_id, "s001").image_digest == newer.image_digest
    assert [gate.digest for gate in world.ledger.gates.waiting(film_id)] == [newer.image_digest]
    await in_bulk(world, film_id, verdict(newer, "approve"))
    assert (await world.finish(film_id)).done == 4
    assert world.fake.charges()["count"] == 5


async def test_an_older_take_is_chosen_and_the_film_goes_on_with_its_frame(world: World) -> None:
    film_id = await rejected(world, 1, stop_after="clips")
    first, second = await until_takes(world, film_id, 2)
    (bobs,) = world.ledger.gates.trail(film_id)
    assert outcomes(await in_bulk(world, film_id, choice(first, second))) == ["accepted"]
    assert (await world.finish(film_id)).done == 1
    assert world.shot(film_id, "s000").image_digest == first.digest
    (clip,) = [t for t in world.ledger.takes.of_shot(film_id, "s000") if t.kind is Kind.VIDEO]
    (made_from,) = world.ledger.journal.read(clip.request_key).request.inputs
    assert made_from.digest == first.digest
    made = [(take.take, take.digest) for take in frames(world, film_id)]
    assert made == [(1, first.digest), (2, second.digest)]
    assert world.fake.charges()["count"] == 3
    states = {
        take.digest: gate.state
        for take in (first, second)
        if (gate := world.ledger.gates.latest(film_id, "s000", take.digest))
    }
    assert states == {first.digest: "approved", second.digest: "replaced"}
    before, entry = world.ledger.gates.trail(film_id)
    assert before == bobs
    assert (entry.who, entry.action, entry.detail) == (
        "Ada",
        "frame.chosen",
        {
            "digest": first.digest,
            "take": 1,
            "note": "",
            "link": None,
            "principal": "member m1",
            "instead_of": second.digest,
        },
    )


async def test_a_take_is_chosen_only_while_the_frame_it_replaces_waits(world: World) -> None:
    film_id = await rejected(world, 1, stop_after="frames")
    first, second = await until_takes(world, film_id, 2)
    unknown = choice(first, second).model_copy(update={"digest": "f" * 64})
    assert outcomes(await in_bulk(world, film_id, unknown)) == ["unknown_take"]
    await world.until_waiting(film_id, "s000")
    assert outcomes(await in_bulk(world, film_id, choice(second, first))) == ["replaced"]
    bobs = verdict(world.shot(film_id, "s000"), "approve", who="Bob")
    wishes: list[Decide | Choose] = [choice(first, second), bobs]
    told = await asyncio.gather(*(in_bulk(world, film_id, wish) for wish in wishes))
    assert sorted(answer.outcome for (answer,) in told) == ["accepted", "not_waiting"]
    await world.finish(film_id)
    chose = told[0][0].outcome == "accepted"
    assert world.shot(film_id, "s000").image_digest == (first if chose else second).digest
    assert len(world.ledger.gates.approved(film_id)) == 1
    assert world.fake.charges()["count"] == 2


async def test_three_takes_for_one_wish_are_paid_once_each_and_the_last_one_waits(
    world: World,
) -> None:
    film_id = await rejected(world, 3, stop_after="clips")
    takes = await until_takes(world, film_id, 4)
    assert [take.take for take in takes] == [1, 2, 3, 4]
    assert len({take.digest for take in takes}) == 4
    requests = [world.ledger.journal.read(take.request_key).request for take in takes]
    base = requests[0].seed
    assert base is not None
    assert [request.seed for request in requests] == [base, base + 1, base + 2, base + 3]
    (gate,) = world.ledger.gates.waiting(film_id)
    assert gate.digest == takes[-1].digest == world.shot(film_id, "s000").image_digest
    assert world.fake.charges()["count"] == 4
    assert world.ledger.gates.trail(film_id)[0].detail["takes"] == 3
    assert outcomes(await in_bulk(world, film_id, choice(takes[2], takes[3]))) == ["accepted"]
    await world.finish(film_id)
    assert world.shot(film_id, "s000").image_digest == takes[2].digest
    assert world.fake.charges()["count"] == 5


async def test_after_several_takes_the_next_retake_is_one_with_a_seed_of_its_own(
    world: World,
) -> None:
    film_id = await rejected(world, 2, stop_after="frames")
    takes = await until_takes(world, film_id, 3)
    await in_bulk(world, film_id, verdict(world.shot(film_id, "s000"), "reject"))
    takes = await until_takes(world, film_id, 4)
    assert len({take.digest for take in takes}) == 4
    kinder = {"enhanced_prompt": "something kinder"}
    await world.command(film_id, Retry(shot_id="s000", changes=kinder, who="Ada"))
    takes = await until_takes(world, film_id, 5)
    await in_bulk(world, film_id, verdict(world.shot(film_id, "s000"), "approve"))
    await world.finish(film_id)
    assert world.fake.charges()["count"] == 5


async def test_takes_that_the_budget_does_not_allow_are_made_when_it_does(world: World) -> None:
    film_id = await rejected(world, 3, stop_after="frames", budget_usd="0.006")
    await world.until_shot(film_id, "s000", reason="budget_exceeded")
    await world.until_waiting(film_id, "s000", "budget_exceeded")
    assert world.fake.charges()["count"] == 2
    assert len(frames(world, film_id)) == 2
    await world.command(film_id, SetBudget(limit_usd="1", who="Ada"))
    await until_takes(world, film_id, 4)
    await in_bulk(world, film_id, verdict(world.shot(film_id, "s000"), "approve"))
    await world.finish(film_id)
    assert world.fake.charges()["count"] == 4


async def test_takes_made_before_the_model_was_replaced_are_not_made_again(world: World) -> None:
    """The second of three is refused by the model, and the film names a fallback for that."""
    film_id = await world.submit(
        film_document(
            shots=1,
            stop_after="frames",
            approval=ASKED,
            fallbacks={"image": "preview:storyboard"},
        )
    )
    shot = await until_frame(world, film_id, "s000")
    fault = {"fault": "job_fails", "match": key_of_take(world, shot, of=3, before_last=1)}
    await asyncio.to_thread(world.fake.set_faults, {**fault, "times": None})
    wish = verdict(shot, "reject").model_copy(update={"takes": 3})
    await in_bulk(world, film_id, wish)
    takes = await until_takes(world, film_id, 4)
    assert [take.provider for take in takes] == ["fake", "fake", "preview", "preview"]
    await in_bulk(world, film_id, verdict(world.shot(film_id, "s000"), "approve"))
    await world.finish(film_id)
    assert frames(world, film_id) == takes
    assert world.shot(film_id, "s000").execution == Execution.SUCCEEDED
