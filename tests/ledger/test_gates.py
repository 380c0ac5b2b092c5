"""Gates: one frame, one decision, and every command done once."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import JsonValue

from filmforge.domain import Asset, Execution, Review, Tags
from filmforge.errors import NotFound
from filmforge.ledger import Ledger
from filmforge.ledger.gates import Gate
from tests.ledger.conftest import add_film, at_once, claim, digest, job, request

FRAME, NEWER = digest("frame"), digest("newer")


@pytest.fixture(autouse=True)
def attic(ledger: Ledger) -> None:
    add_film(ledger)


def _open(ledger: Ledger, frame: str = FRAME) -> Gate:
    return ledger.gates.open("attic", "s0", frame)


def _decide(ledger: Ledger, state: str, frame: str = FRAME, who: str = "ada") -> bool:
    return ledger.gates.decide("attic", "s0", frame, state, who, "a note", "link")


def _choose(ledger: Ledger, frame: str, instead_of: str, who: str = "kim") -> bool:
    return ledger.gates.choose("attic", "s0", frame, instead_of, who, "this one", "member 7")


def _take(ledger: Ledger, frame: str) -> None:
    """A frame that was made for the shot."""
    made, key = request(frame), claim()
    ledger.journal.reserve(made, Decimal(0), key)
    ledger.journal.begin_submitting(made.key)
    ledger.journal.accept(made.key, job(frame), "submit")
    asset = Asset(digest=frame, media_type="image/png", size=1)
    ledger.takes.link("attic", "s0", ledger.journal.succeed(made.key, asset, Tags(), None), None)


def _event_types(ledger: Ledger) -> list[str]:
    return [event.type for event in ledger.events.since("attic")][1:]


def test_an_open_gate_lets_its_shot_wait_for_approval(ledger: Ledger) -> None:
    gate = _open(ledger)
    assert (gate.state, gate.digest) == ("open", FRAME)
    shot = ledger.shots.read("attic", "s0")
    assert (shot.execution, shot.review) == (Execution.RUNNING, Review.WFA)
    assert ledger.gates.waiting("attic") == [gate]
    assert ledger.gates.read(gate.gate_id) == gate


def test_a_gate_opened_again_is_the_same_gate_and_no_news(ledger: Ledger) -> None:
    assert _open(ledger) == _open(ledger)
    assert _event_types(ledger) == ["frame.waiting"]


def test_a_decision_closes_the_gate_and_is_written_into_the_trail(ledger: Ledger) -> None:
    gate = _open(ledger)
    assert _decide(ledger, "rejected")
    closed = ledger.gates.read(gate.gate_id)
    assert (closed.state, closed.who, closed.note) == ("rejected", "ada", "a note")
    assert closed.decided_at is not None
    (entry,) = ledger.gates.trail("attic")
    assert (entry.who, entry.action, entry.shot_id) == ("ada", "frame.rejected", "s0")
    assert entry.detail == {
        "digest": FRAME,
        "take": None,
        "note": "a note",
        "link": "link",
        "principal": None,
    }
    assert _event_types(ledger) == ["frame.waiting", "frame.rejected"]


def test_the_trail_says_which_take_was_judged_by_whom_and_what_was_asked_for(
    ledger: Ledger,
) -> None:
    _take(ledger, FRAME)
    _take(ledger, NEWER)
    _open(ledger, NEWER)
    by = ("ada", "warmer", "", "share s1")
    assert ledger.gates.decide("attic", "s0", NEWER, "rejected", *by, asked_for=3)
    (entry,) = ledger.gates.trail("attic")
    assert entry.detail == {
        "digest": NEWER,
        "take": 2,
        "note": "warmer",
        "link": None,
        "principal": "share s1",
        "takes": 3,
    }


def test_the_trail_keeps_a_rejection_when_the_same_frame_is_judged_again(ledger: Ledger) -> None:
    _open(ledger)
    _decide(ledger, "rejected")
    (before,) = ledger.gates.trail("attic")
    _open(ledger)
    _decide(ledger, "approved", who="kim")
    assert ledger.gates.trail("attic")[0] == before
    assert before.detail["link"] == "link"


def test_a_chosen_frame_counts_as_approved_and_the_one_that_waited_as_replaced(
    ledger: Ledger,
) -> None:
    _open(ledger)
    _decide(ledger, "rejected")
    waiting = _open(ledger, NEWER)
    assert _choose(ledger, FRAME, NEWER)
    assert ledger.gates.read(waiting.gate_id).state == "replaced"
    assert ledger.gates.approvers("attic") == {("s0", FRAME): "kim"}
    assert _open(ledger).state == "approved"
    entry = ledger.gates.trail("attic")[-1]
    assert (entry.who, entry.action) == ("kim", "frame.chosen")
    assert (entry.detail["digest"], entry.detail["instead_of"]) == (FRAME, NEWER)
    assert _event_types(ledger)[-1] == "frame.approved"


def test_a_frame_is_chosen_only_while_the_other_one_waits(ledger: Ledger) -> None:
    _open(ledger)
    assert _decide(ledger, "approved")
    assert not _choose(ledger, NEWER, FRAME)
    assert ledger.gates.latest("attic", "s0", NEWER) is None
    assert len(ledger.gates.trail("attic")) == 1


def test_choosing_a_frame_that_was_approved_before_leaves_whose_approval_it_was(
    ledger: Ledger,
) -> None:
    _open(ledger)
    _decide(ledger, "approved")
    _open(ledger, NEWER)
    assert _choose(ledger, FRAME, NEWER)
    assert ledger.gates.approvers("attic") == {("s0", FRAME): "ada"}


def test_of_ten_people_who_choose_and_approve_exactly_one_decides(ledger: Ledger) -> None:
    _open(ledger)
    _decide(ledger, "rejected")
    _open(ledger, NEWER)

    def decide(number: int) -> bool:
        if number % 2:
            return _choose(ledger, FRAME, NEWER, who=f"person {number}")
        return _decide(ledger, "approved", NEWER, who=f"person {number}")

    assert sum(at_once(10, decide)) == 1
    assert len(ledger.gates.approved("attic")) == 1
    assert len(ledger.gates.trail("attic")) == 2


def test_a_second_decision_is_too_late(ledger: Ledger) -> None:
    gate = _open(ledger)
    assert _decide(ledger, "approved")
    assert not _decide(ledger, "rejected", who="eve")
    assert ledger.gates.read(gate.gate_id).who == "ada"
    assert len(ledger.gates.trail("attic")) == 1


def test_exactly_one_of_ten_people_decides(ledger: Ledger) -> None:
    gate = _open(ledger)

    def decide(number: int) -> bool:
        return _decide(ledger, ("approved", "rejected")[number % 2], who=f"person {number}")

    decided = at_once(10, decide)
    assert sum(decided) == 1
    winner = decided.index(True)
    closed = ledger.gates.read(gate.gate_id)
    assert closed.who == f"person {winner}"
    assert closed.state == ("approved", "rejected")[winner % 2]
    assert len(ledger.gates.trail("attic")) == 1


def test_a_decision_about_another_frame_decides_nothing(ledger: Ledger) -> None:
    _open(ledger)
    assert not _decide(ledger, "approved", NEWER)
    assert len(ledger.gates.waiting("attic")) == 1


def test_a_newer_frame_replaces_an_open_gate(ledger: Ledger) -> None:
    old, new = _open(ledger), _open(ledger, NEWER)
    assert ledger.gates.read(old.gate_id).state == "replaced"
    assert ledger.gates.waiting("attic") == [new]
    assert not _decide(ledger, "approved", FRAME)


def test_a_frame_approved_before_does_not_wait_again(ledger: Ledger) -> None:
    _open(ledger)
    _decide(ledger, "approved")
    assert _open(ledger).state == "approved"
    assert ledger.gates.waiting("attic") == []


def test_a_rejected_frame_that_comes_back_is_judged_again_under_a_new_link(
    ledger: Ledger,
) -> None:
    old = _open(ledger)
    _decide(ledger, "rejected")
    again = _open(ledger)
    assert (again.state, again.who, again.note) == ("open", None, None)
    assert again.gate_id != old.gate_id
    with pytest.raises(NotFound):
        ledger.gates.read(old.gate_id)


def test_the_gates_of_two_shots_with_the_same_frame_are_apart(ledger: Ledger) -> None:
    _open(ledger)
    ledger.gates.open("attic", "s1", FRAME)
    assert _decide(ledger, "approved")
    assert [gate.shot_id for gate in ledger.gates.waiting("attic")] == ["s1"]


def test_an_uploaded_frame_needs_no_approval_and_replaces_what_waited(ledger: Ledger) -> None:
    old = _open(ledger)
    for _ in range(2):
        ledger.gates.settle_upload("attic", "s0", NEWER, "ada")
    assert ledger.gates.read(old.gate_id).state == "replaced"
    assert _open(ledger, NEWER).state == "approved"


def test_a_command_repeated_does_nothing_and_comes_to_the_same(ledger: Ledger) -> None:
    done: list[str] = []

    def work() -> JsonValue:
        done.append("done")
        return {"position": 3}

    came_to = [ledger.gates.once("command", work) for _ in range(3)]
    assert came_to == [{"position": 3}] * 3
    assert done == ["done"]


def test_a_command_that_ten_workers_carry_out_at_once_is_done_once(ledger: Ledger) -> None:
    def work() -> JsonValue:
        ledger.gates.note("attic", None, "ada", "cancel")
        return None

    at_once(10, lambda _: ledger.gates.once("command", work))
    assert len(ledger.gates.trail("attic")) == 1


def test_a_command_that_fails_leaves_nothing_and_may_come_again(ledger: Ledger) -> None:
    def work(fails: bool) -> Any:
        ledger.films.set("attic", Execution.CANCELLING)
        ledger.gates.note("attic", None, "ada", "cancel")
        if fails:
            raise NotFound("no such shot")
        return "done"

    with pytest.raises(NotFound):
        ledger.gates.once("command", lambda: work(True))
    assert ledger.films.read("attic").execution == Execution.QUEUED
    assert ledger.gates.trail("attic") == []
    assert ledger.gates.once("command", lambda: work(False)) == "done"
    assert len(ledger.gates.trail("attic")) == 1
