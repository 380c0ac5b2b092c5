"""Shots: both axes, what is asked of them, and what the film needs to know."""

import pytest

from filmforge.cues import SoundShot
from filmforge.domain import Direction, Execution, Kind, Review
from filmforge.errors import NotFound
from filmforge.ledger import Ledger
from tests.ledger.conftest import add_film, asset, digest, request


@pytest.fixture(autouse=True)
def attic(ledger: Ledger) -> None:
    add_film(ledger, shots=5)


def test_a_shot_that_is_not_known_is_not_found(ledger: Ledger) -> None:
    for film, shot in (("attic", "s9"), ("nowhere", "s0")):
        with pytest.raises(NotFound, match=shot):
            ledger.shots.read(film, shot)


def test_one_axis_moves_without_the_other(ledger: Ledger) -> None:
    ledger.shots.set("attic", "s0", execution=Execution.RUNNING)
    ledger.shots.set("attic", "s0", review=Review.WFA)
    shot = ledger.shots.read("attic", "s0")
    assert (shot.execution, shot.review) == (Execution.RUNNING, Review.WFA)


def test_a_reason_goes_when_the_state_that_had_it_goes(ledger: Ledger) -> None:
    ledger.shots.set("attic", "s0", execution=Execution.FAILED, reason="x", message="It broke.")
    ledger.shots.set("attic", "s0", execution=Execution.RUNNING)
    shot = ledger.shots.read("attic", "s0")
    assert (shot.reason, shot.message) == (None, None)


def test_a_directed_shot_is_to_be_made_again_as_a_new_wish(ledger: Ledger) -> None:
    ledger.shots.conformed("attic", "s0", asset("piece", "video/mp4"), request("piece"))
    direction = Direction(notes=("warmer",), retakes=1, replaced={Kind.AUDIO: digest("voice")})
    ledger.shots.direct("attic", "s0", direction, Review.RETAKE)
    shot = ledger.shots.read("attic", "s0")
    assert (shot.direction, shot.attempt) == (direction, 1)
    assert (shot.execution, shot.review) == (Execution.QUEUED, Review.RETAKE)
    assert shot.conformed_digest is None


def test_the_plan_names_the_shots_asked_for_in_film_order(ledger: Ledger) -> None:
    plans = ledger.shots.plan("attic", [3, 1])
    assert [(plan.shot_id, plan.position) for plan in plans] == [("s1", 1), ("s3", 3)]


def test_the_plan_knows_what_is_finished_left_out_uploaded_and_spoken(ledger: Ledger) -> None:
    ledger.shots.conformed("attic", "s0", asset("piece", "video/mp4"), request("piece"))
    ledger.shots.set("attic", "s1", review=Review.OMITTED)
    ledger.shots.direct("attic", "s2", Direction(replaced={Kind.VIDEO: digest("clip")}))
    ledger.shots.direct("attic", "s3", Direction(changes={"dialogue": "Here."}))
    ledger.shots.direct("attic", "s4", Direction(changes={"dialogue": "  "}))
    plans = ledger.shots.plan("attic", range(5))
    assert [plan.finished for plan in plans] == [True, False, False, False, False]
    assert [plan.omitted for plan in plans] == [False, True, False, False, False]
    assert [plan.own_clip for plan in plans] == [False, False, True, False, False]
    assert [plan.has_dialogue for plan in plans] == [False, False, False, True, False]


def test_the_shots_of_a_film_come_in_pages(ledger: Ledger) -> None:
    page = ledger.shots.of_film("attic", start=2, count=2)
    assert [shot.shot.shot_id for shot in page] == ["s2", "s3"]


def test_the_tally_counts_by_review_state(ledger: Ledger) -> None:
    ledger.shots.set("attic", "s0", review=Review.DONE)
    assert ledger.shots.tally("attic") == {"done": 1, "ready": 4}


def test_a_shot_falls_back_once_a_kind_with_its_trail(ledger: Ledger) -> None:
    add_film(ledger, "harbour", providers={"image": "fal:flux"})
    assert ledger.shots.fall_back("harbour", "s0", Kind.IMAGE, "fake:image-1", "it is down")
    assert not ledger.shots.fall_back("harbour", "s0", Kind.IMAGE, "preview:storyboard", "again")
    direction = ledger.shots.read("harbour", "s0").direction
    assert (direction.providers.image, direction.fell_back) == ("fake:image-1", (Kind.IMAGE,))
    told = {"kind": "image", "from": "fal:flux", "to": "fake:image-1", "why": "it is down"}
    (entry,) = ledger.gates.trail("harbour")
    assert (entry.who, entry.action, entry.shot_id, entry.detail) == (
        "filmforge",
        "fallback",
        "s0",
        told,
    )
    event = ledger.events.since("harbour")[-1]
    assert (event.type, event.shot_id, event.data) == ("shot.fell_back", "s0", told)


def test_kinds_fall_back_apart_and_keep_what_people_asked_for(ledger: Ledger) -> None:
    ledger.shots.direct("attic", "s0", Direction(notes=("warmer",)))
    for kind in (Kind.VIDEO, Kind.IMAGE):
        assert ledger.shots.fall_back("attic", "s0", kind, f"fake:{kind}-1", "it is down")
    direction = ledger.shots.read("attic", "s0").direction
    assert (direction.notes, direction.fell_back) == (("warmer",), (Kind.VIDEO, Kind.IMAGE))
    assert (direction.providers.video, direction.providers.image) == (
        "fake:video-1",
        "fake:image-1",
    )
    assert ledger.gates.trail("attic")[0].detail["from"] is None


def test_a_shot_that_is_not_known_does_not_fall_back(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="s9"):
        ledger.shots.fall_back("attic", "s9", Kind.IMAGE, "fake:image-1", "it is down")


def test_a_sound_that_is_made_is_no_shot_and_is_planned_after_them(ledger: Ledger) -> None:
    wish = {"generate": {"prompt": "strings", "duration": 3, "model": "fake:tunes"}}
    add_film(ledger, "score", sound={"music": [wish]})
    (row,) = ledger.shots.sounds_of_film("score")
    assert row == ledger.shots.read("score", "music-1")
    assert isinstance(row.shot, SoundShot)
    assert (row.shot.cue.lane, row.position, row.shot.providers.audio) == ("music", 2, "fake:tunes")
    assert [each.shot.shot_id for each in ledger.shots.of_film("score")] == ["s0", "s1"]
    assert ledger.shots.tally("score") == {"ready": 2}
    assert ledger.films.read("score").shot_count == 2
    (plan,) = ledger.shots.plan("score", [2])
    assert (plan.sound, plan.has_dialogue, plan.finished) == (True, False, False)


def test_a_sound_has_landed_when_it_was_recorded_as_such_and_not_once_it_is_asked_for_anew(
    ledger: Ledger,
) -> None:
    add_film(ledger, "score", sound={"music": [{"generate": {"prompt": "strings"}}]})

    def finished() -> bool:
        return ledger.shots.plan("score", [2])[0].finished

    ledger.shots.set("score", "music-1", execution=Execution.SUCCEEDED)
    assert not finished()
    ledger.shots.set("score", "music-1", execution=Execution.SUCCEEDED, review=Review.DONE)
    assert finished()
    ledger.shots.direct("score", "music-1", Direction(changes={"duration": 5}))
    assert not finished()
