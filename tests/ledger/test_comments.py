"""Comments are bound to the take that was seen, and every one leaves an event and its trail."""

from decimal import Decimal
from typing import Any

import pytest

from filmforge.domain import GenerationRequest, Kind, Tags
from filmforge.errors import BadInput, Conflict, NotFound
from filmforge.ledger import Ledger
from filmforge.ledger import comments as comments_module
from filmforge.ledger.board import Wanted
from filmforge.ledger.comments import Comment
from filmforge.marks import Remark
from tests.ledger.conftest import add_film, asset, claim, digest, job, request

BOX = {"kind": "rectangle", "x": 0.05, "y": 0.05, "width": 0.2, "height": 0.2}
FRAME, CLIP, VOICE = digest("frame"), digest("clip"), digest("voice")
_PRICE = Decimal("0.01")


@pytest.fixture
def film(ledger: Ledger) -> Ledger:
    """A film whose first shot has a frame, a clip and a voice."""
    add_film(ledger)
    made: list[tuple[str, Kind, str]] = [
        ("frame", Kind.IMAGE, "image/png"),
        ("clip", Kind.VIDEO, "video/mp4"),
        ("voice", Kind.AUDIO, "audio/wav"),
    ]
    for name, kind, media_type in made:
        wanted: GenerationRequest = request(f"make {name}", kind=kind)
        ledger.journal.reserve(wanted, _PRICE, claim(wish=name))
        ledger.journal.begin_submitting(wanted.key)
        ledger.journal.accept(wanted.key, job(name), "submit")
        posting = ledger.journal.succeed(wanted.key, asset(name, media_type), Tags(), _PRICE)
        ledger.takes.link("attic", "s0", posting, None)
    return ledger


def say(ledger: Ledger, text: str = "Darker.", shot_id: str = "s0", **more: Any) -> Comment:
    remark = Remark.model_validate({"digest": FRAME, "text": text, **more})
    return ledger.comments.add("attic", shot_id, remark, "Ada", "member x")


def test_a_comment_is_kept_with_its_marks_its_event_and_its_entry_in_the_trail(film: Ledger):
    made = say(film, marks=[BOX])
    (kept,) = film.comments.of_shot("attic", "s0")
    assert kept == made
    assert (kept.digest, kept.text, kept.who, kept.principal) == (
        FRAME,
        "Darker.",
        "Ada",
        "member x",
    )
    assert kept.marks[0].model_dump() == BOX
    event = film.events.since("attic")[-1]
    assert (event.type, event.shot_id, event.data["what"]) == ("shot.comment", "s0", "added")
    entry = film.gates.trail("attic")[-1]
    assert (entry.action, entry.who, entry.shot_id) == ("comment.added", "Ada", "s0")
    assert entry.detail == {"comment_id": made.comment_id, "digest": FRAME, "text": "Darker."}


def test_only_a_take_of_that_very_shot_can_be_spoken_of(film: Ledger):
    for shot_id, seen in (("s0", digest("unknown")), ("s1", FRAME), ("s0", VOICE)):
        with pytest.raises(BadInput) as caught:
            say(film, shot_id=shot_id, digest=seen)
        assert caught.value.field == "digest"
    with pytest.raises(NotFound):
        say(film, shot_id="s9")
    assert film.comments.of_film("attic") == []
    assert film.events.since("attic")[-1].type != "shot.comment"


def test_a_clip_has_times_and_a_frame_has_none(film: Ledger):
    assert say(film, digest=CLIP, at_ms=1_250).at_ms == 1_250
    with pytest.raises(BadInput) as caught:
        say(film, at_ms=1_250)
    assert caught.value.field == "at_ms"


def test_a_reply_belongs_to_a_comment_and_to_the_take_that_that_is_about(film: Ledger):
    first = say(film)
    reply = say(film, "Only the lamp.", digest=CLIP, parent_id=first.comment_id)
    assert (reply.parent_id, reply.digest) == (first.comment_id, FRAME)
    for wrong in (
        {"parent_id": reply.comment_id},
        {"parent_id": first.comment_id, "marks": [BOX]},
        {"parent_id": first.comment_id, "digest": CLIP, "at_ms": 1},
    ):
        with pytest.raises(BadInput) as caught:
            say(film, **wrong)
        assert caught.value.field == "parent_id"
    with pytest.raises(NotFound):
        say(film, parent_id="0" * 32)
    with pytest.raises(NotFound):
        film.comments.resolve("attic", "s0", reply.comment_id, "Ada")


def test_a_thread_is_resolved_and_reopened_once_and_says_by_whom(film: Ledger):
    first = say(film)
    done = film.comments.resolve("attic", "s0", first.comment_id, "Bo")
    assert done.resolved_at
    assert done.resolved_by == "Bo"
    count = len(film.events.since("attic"))
    assert film.comments.resolve("attic", "s0", first.comment_id, "Cy") == done
    assert len(film.events.since("attic")) == count
    again = film.comments.reopen("attic", "s0", first.comment_id, "Cy")
    assert (again.resolved_at, again.resolved_by) == (None, None)
    actions = [entry.action for entry in film.gates.trail("attic")]
    assert actions == ["comment.added", "comment.resolved", "comment.reopened"]
    with pytest.raises(NotFound):
        film.comments.resolve("attic", "s1", first.comment_id, "Bo")


def open_notes(film: Ledger) -> dict[str, int]:
    """How many threads are open, as the cards of the board say it."""
    return {card.shot_id: card.notes for card in film.board.cards("attic", Wanted(), 10).cards}


def test_what_is_open_of_one_take_is_told_thread_by_thread(film: Ledger):
    first, second = say(film, "one"), say(film, "two")
    say(film, "on the clip", digest=CLIP)
    say(film, "one, again", parent_id=first.comment_id)
    done = say(film, "done")
    say(film, "thanks", parent_id=done.comment_id)
    film.comments.resolve("attic", "s0", done.comment_id, "Bo")
    told = [each.text for each in film.comments.open_on("attic", "s0", FRAME)]
    assert told == ["one", "one, again", "two"]
    assert open_notes(film) == {"s0": 3, "s1": 0}
    film.comments.resolve("attic", "s0", second.comment_id, "Bo")
    assert open_notes(film) == {"s0": 2, "s1": 0}


def test_a_shot_takes_so_many_comments_and_no_more(film: Ledger, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(comments_module, "MOST_OF_SHOT", 2)
    say(film)
    say(film)
    with pytest.raises(Conflict):
        say(film)
