"""Review notes go out as markers and come back once."""

from datetime import UTC, datetime
from fractions import Fraction

from opentimelineio.schema import Timeline

from filmforge.cut.layout import lay_out
from filmforge.cut.notes import detail_of, new_notes, note_of, notes_of, pin, without_marks
from filmforge.cut.timeline import PICTURE, heard_with, timeline_of, track_of
from filmforge.interchange.recut import Mark
from filmforge.interchange.timeline import recut_of
from filmforge.ledger.comments import Comment
from filmforge.ledger.gates import AuditEntry
from filmforge.transition import CUT, Trim
from tests.cut.films import heading, picked, shot

FPS = Fraction(24)
BOX = {"kind": "rectangle", "x": 0.05, "y": 0.05, "width": 0.2, "height": 0.2}
REJECTED = {"digest": "0" * 64, "note": "Too dark"}


def _timeline() -> Timeline:
    shots = [shot("s0", 2), shot("s1", 2)]
    slots = lay_out(shots, FPS, CUT, CUT, {"s0": Trim(start="0.5")})
    rows = picked(shots, slots)
    return timeline_of(heading(FPS), rows, heard_with(rows, FPS, 6))


def _entry(action: str, shot_id: str | None = "s0", **detail: object) -> AuditEntry:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    return AuditEntry(at=at, shot_id=shot_id, who="jo", action=action, detail=detail)


def _comment(**more: object) -> Comment:
    said = {
        "comment_id": "c" * 32,
        "film_id": "film",
        "shot_id": "s0",
        "digest": "0" * 64,
        "at_ms": None,
        "marks": [BOX],
        "text": "Less light\nhere",
        "who": "Kim (link Acme)",
        "principal": "share x",
        "parent_id": None,
        "created_at": datetime(2026, 5, 1, tzinfo=UTC),
        "resolved_at": None,
        "resolved_by": None,
    }
    return Comment.model_validate({**said, **more})


def test_what_a_frame_was_rejected_for_stands_on_the_first_frame_that_its_shot_shows() -> None:
    timeline = _timeline()
    pin(timeline, notes_of([_entry("frame.rejected", **REJECTED), _entry("frame.approved")]))
    (marker,) = track_of(timeline, PICTURE)[0].markers
    assert (marker.comment, marker.marked_range.start_time.value) == ("Too dark", 12)
    assert marker.metadata["filmforge"]["who"] == "jo"


def test_a_note_of_an_editor_is_new_once_and_stays_where_it_was_put() -> None:
    timeline = _timeline()
    mark = Mark(frame=30, frames=4, name="Lips", color="GREEN", text="Out of sync", facts={"x": 1})
    edited = recut_of(_timeline())
    shown = (edited.shown[0].model_copy(update={"marks": (mark,)}), edited.shown[1])
    (note,) = new_notes(edited.model_copy(update={"shown": shown, "marks": (mark,)}), [])[1:]
    assert (note.shot_id, note.mark) == ("s0", mark)
    kept = notes_of([_entry("note", **detail_of(note))])
    pin(timeline, kept)
    exported = recut_of(timeline)
    (back,) = exported.shown[0].marks
    assert back.model_copy(update={"facts": mark.facts}) == mark
    assert back.facts["who"] == "jo"
    assert new_notes(exported, kept) == []


def test_a_rejection_is_not_new_when_its_shot_begins_elsewhere_by_now() -> None:
    kept = notes_of([_entry("frame.rejected", **REJECTED)])
    timeline = _timeline()
    pin(timeline, kept)
    exported = recut_of(timeline)
    moved = exported.shown[0].marks[0].model_copy(update={"frame": 3})
    shown = (exported.shown[0].model_copy(update={"marks": (moved,)}),)
    assert new_notes(exported.model_copy(update={"shown": shown}), kept) == []


def test_a_note_on_a_shot_that_is_not_shown_waits() -> None:
    timeline = _timeline()
    pin(timeline, notes_of([_entry("frame.rejected", "gone", **REJECTED)]))
    assert recut_of(timeline) == recut_of(_timeline())


def test_a_recut_is_kept_without_the_notes_that_the_audit_trail_keeps() -> None:
    timeline = _timeline()
    film = _entry("note", None, frame=5, name="Pace", text="Slow")
    pin(timeline, notes_of([film, _entry("frame.rejected", **REJECTED)]))
    assert recut_of(timeline).marks[0].text == "Slow"
    assert without_marks(recut_of(timeline)) == recut_of(_timeline())


def test_a_comment_is_a_marker_that_says_who_drew_what_and_whether_it_is_resolved() -> None:
    timeline = _timeline()
    done = datetime(2026, 5, 2, tzinfo=UTC)
    at_a_time = _comment(at_ms=1_000, resolved_at=done, resolved_by="jo", marks=())
    pin(timeline, [note_of(_comment(), FPS), note_of(at_a_time, FPS)])
    on_frame, on_clip = track_of(timeline, PICTURE)[0].markers
    assert (on_frame.name, on_frame.comment) == ("Comment", "Less light\nhere")
    assert on_frame.marked_range.start_time.value == 12
    told = on_frame.metadata["filmforge"]
    assert (told["who"], told["shot_id"], told["resolved"]) == ("Kim (link Acme)", "s0", False)
    assert told["place"] == "upper left"
    assert dict(told["marks"][0]) == BOX
    assert on_clip.marked_range.start_time.value == 24
    assert on_clip.metadata["filmforge"]["resolved_by"] == "jo"
    assert on_clip.color != on_frame.color


def test_comments_that_come_back_are_not_new_even_when_they_were_resolved_meanwhile() -> None:
    said = [
        _comment(),
        _comment(at_ms=1_040, text="Blinks"),
        _comment(parent_id="c" * 32, marks=()),
    ]
    timeline = _timeline()
    pin(timeline, [note_of(each, FPS) for each in said])
    exported = recut_of(timeline)
    assert len(exported.shown[0].marks) == 3
    assert not without_marks(exported).shown[0].marks
    done = {"resolved_at": datetime(2026, 5, 2, tzinfo=UTC), "resolved_by": "jo"}
    known = [note_of(each.model_copy(update=done), FPS) for each in said]
    assert new_notes(exported, known) == []
    assert len(new_notes(exported, known[:1])) == 2
