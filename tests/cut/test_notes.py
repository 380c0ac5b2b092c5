"""Review notes go out as markers and come back once."""

from datetime import UTC, datetime
from fractions import Fraction

from opentimelineio.schema import Timeline

from filmforge.cut.layout import lay_out
from filmforge.cut.notes import detail_of, new_notes, notes_of, pin, without_marks
from filmforge.cut.timeline import PICTURE, heard_with, timeline_of, track_of
from filmforge.interchange.recut import Mark
from filmforge.interchange.timeline import recut_of
from filmforge.ledger.gates import AuditEntry
from filmforge.transition import CUT, Trim
from tests.cut.films import heading, picked, shot

FPS = Fraction(24)
REJECTED = {"digest": "0" * 64, "note": "Too dark"}


def _timeline() -> Timeline:
    shots = [shot("s0", 2), shot("s1", 2)]
    slots = lay_out(shots, FPS, CUT, CUT, {"s0": Trim(start="0.5")})
    rows = picked(shots, slots)
    return timeline_of(heading(FPS), rows, heard_with(rows, FPS, 6))


def _entry(action: str, shot_id: str | None = "s0", **detail: object) -> AuditEntry:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    return AuditEntry(at=at, shot_id=shot_id, who="jo", action=action, detail=detail)


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
